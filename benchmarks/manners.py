"""What we do to the rest of a process: the user's own matrix product, before us and after us.

Each figure comes from a fresh interpreter (`python -m benchmarks.manners BEFORE COUNT`), which multiplies two float32
matrices of 1500 x 1500 by NumPy a few times, then does what stands before the measurement, then times COUNT products.
Interpreters with and without us take turns.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contender import Contender, Goal, Row
from benchmarks.fresh import output_of_python

SIZE = 1500


def training_step() -> Any:
    """One step of mini-AlexNet, the model that uses everything we have; it stays alive, as a user's model does."""
    model = importlib.import_module("benchmarks.practicals.ours").AlexNetOurs(seed=1)
    model.step()
    return model


# Imports stand here, and not above: a process that should know nothing of us must not import us.
BEFORE: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "import": lambda: importlib.import_module("tinygrad_edu"),
    "step": training_step,
}


def time_products(before: str, count: int) -> list[float]:
    """Seconds of each of `count` products after what is named; the arrays of the results are the user's, too."""
    rng = np.random.default_rng(0)
    A, B = (rng.random((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    for _ in range(3):
        A @ B
    kept = BEFORE[before]()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        A @ B
        seconds.append(time.perf_counter() - start)
    del kept
    return seconds


class Product(Contender):
    before: str

    def time_steps(self, steps: int) -> list[float]:
        return json.loads(output_of_python("-m", "benchmarks.manners", self.before, str(steps)))

    def peak_memory(self) -> int | None:
        """Nobody's question here, and this process only starts others."""
        return None


class AfterStep(Product):
    before = "step"


class AfterImport(Product):
    before = "import"


class Alone(Product):
    before = "nothing"


ROW = Row(
    name="manners",
    title="the user's own product of two float32 matrices 1500 x 1500 by NumPy: after a training step of mini-AlexNet "
    "in the same process (ours), after `import tinygrad_edu`, and in a process that knows nothing of us (numpy)",
    contenders={"ours": AfterStep, "import": AfterImport, "numpy": Alone},
    ratios=(("ours", "numpy"), ("import", "numpy")),
    steps=15,
    goals=(Goal("ours / numpy", at_most=1.1),),
    most_rounds=20,
)


if __name__ == "__main__":
    print(json.dumps(time_products(sys.argv[1], int(sys.argv[2]))))

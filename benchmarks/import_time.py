"""What `import tinygrad_edu` costs above `import numpy`, which it needs: each in fresh interpreters.

Only the import statement is timed, by the new interpreter itself: the start of Python is not ours to improve. Nor is
the compilation to bytecode counted, which happens once in a package's life: the warm-up leaves the bytecode in a folder
that all interpreters of a contender share.
"""

import os
import tempfile

from benchmarks.contender import Contender, Goal, Row
from benchmarks.fresh import output_of_python

TIME_IMPORT = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
WEIGH_IMPORT = "import {module}; from benchmarks.contender import peak_memory; print(peak_memory() or '')"


class Import(Contender):
    module: str

    def __init__(self, seed: int) -> None:
        self._bytecode = tempfile.TemporaryDirectory()  # removed when this process ends
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": self._bytecode.name}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def time_steps(self, steps: int) -> list[float]:
        """Seconds that the import took, in each of `steps` fresh interpreters."""
        return [float(self._in_fresh_interpreter(TIME_IMPORT.format(module=self.module))) for _ in range(steps)]

    def peak_memory(self) -> int | None:
        """Of a fresh interpreter after the import; this process only starts others."""
        answer = self._in_fresh_interpreter(WEIGH_IMPORT.format(module=self.module))
        return int(answer) if answer else None

    def _in_fresh_interpreter(self, code: str) -> str:
        """What a new Python prints when it runs `code`; its stderr is ours."""
        return output_of_python("-c", code, environment=self._environment)


class Ours(Import):
    module = "tinygrad_edu"


class NumPy(Import):
    module = "numpy"


ROW = Row(
    name="import-time",
    title="the import statement alone, in a fresh interpreter",
    contenders={"ours": Ours, "numpy": NumPy},
    ratios=(("ours", "numpy"),),
    steps=5,
    goals=(Goal("ours / numpy", at_most=1.3),),
)

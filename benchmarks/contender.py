"""What a row of the table is made of: contenders that do the same work, and how to compare them."""

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class Contender:
    """One side of a comparison; the file of a row defines a subclass for each side.

    The object lives in a process of its own: made once from the seed, then asked for its gradients, then for rounds of
    steps. Contenders of one row draw the same data and the same initial weights from the same seed.
    """

    requires: str | None = None
    """A package that may be missing: import it in `__init__`, not above."""

    extra: str | None = None
    """Our pip extra that brings it; None where that has the package's name."""

    def __init__(self, seed: int) -> None:
        pass

    def step(self) -> None:
        """Do the work that is timed, once. Work on a GPU must be finished on return."""
        raise NotImplementedError

    def gradients(self) -> Mapping[str, np.ndarray | None]:
        """The gradients at the initial weights by name, in the same layout for all contenders; empty if none exist.

        A None, which is a parameter that no gradient reached, fails the row.
        """
        return {}

    def time_steps(self, steps: int) -> list[float]:
        """Seconds that each of `steps` steps took. A row that measures something else overrides this."""
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return seconds

    def peak_memory(self) -> int | None:
        """The most resident memory in bytes that the work ever took, as far as the system tells."""
        return peak_memory()

    def remark(self) -> str:
        """What a reader of the figures must know that only the contender does, such as which data it found."""
        return ""


@dataclass(frozen=True)
class Goal:
    """What the project wants to see, as a number: `Goal("torch / ours", at_least=3.0)`.

    Attributes
    ----------
    what : str
        A ratio, whose median counts; or a contender, whose median time in seconds counts, or "peak memory of" one, in
        bytes.
    at_least, at_most : float
        One of the two, or both.
    """

    what: str
    at_least: float = -math.inf
    at_most: float = math.inf

    def met_by(self, value: float) -> bool:
        return self.at_least <= value <= self.at_most


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    name : str
        What `--only` takes.
    title : str
        What one step is, with sizes and dtype.
    contenders : mapping of str to a subclass of Contender
        By name, ours first: the gradients of the others are compared with those of the first.
    ratios : tuple of pairs of names
        `("torch", "ours")` asks for torch's time divided by ours: above 1, ours is faster.
    steps : int
        Steps in a round. A round should take some 50 milliseconds or more, so that its median means something.
    tolerance : float
        How far gradients may differ, relative to the largest entry. The default is 80 float32 roundings.
    goals : tuple of Goal
        What the project wants to see.
    threads : int
        Threads of each contender, where the row does not leave that to the command line.
    most_rounds : int
        More are not needed to see what the row shows; each may take long.
    seed : int
        Of data and initial weights.
    series : str
        Rows with the same word here are compared with each other, so their rounds take turns.
    """

    name: str
    title: str
    contenders: Mapping[str, type[Contender]]
    ratios: tuple[tuple[str, str], ...]
    steps: int
    tolerance: float = 1e-5
    goals: tuple[Goal, ...] = ()
    threads: int | None = None
    most_rounds: int | None = None
    seed: int = 0
    series: str = ""


def peak_memory() -> int | None:
    """The most resident memory in bytes that this process ever had; None where the system does not tell.

    Linux is asked through /proc: `getrusage` would also count what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):  # high water mark: "VmHWM:     30124 kB"
                return int(line.split()[1]) * 1024
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, the others kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

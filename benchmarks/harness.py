"""How a row is measured.

- Each contender has a process of its own, so that neither sees the other's libraries, threads or memory.
- Before anything is timed, their gradients are compared: a contender that computes something else has no time.
- The first round of each is thrown away: it fills caches and starts threads.
- Then the rounds interleave, A B A B ..., so that a machine that slows down slows both. The figure of a round is the
  median time of its steps, and ratios are taken within a round, between neighbours in time.
"""

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contender import Contender, Row

# Idle threads of OpenBLAS and OpenMP spin for some tens of milliseconds before they sleep. Whoever comes next would
# share the cores with them.
SETTLE_SECONDS = 0.1


class BenchmarkError(Exception):
    """A row has no figures; the message says why."""


@dataclass
class Result:
    """What was measured for a row. `failure` says why there is nothing."""

    row: Row
    seconds: dict[str, list[float]] = field(default_factory=dict)  # contender -> median step time of each round
    ratios: dict[str, list[float]] = field(default_factory=dict)  # "torch / ours" -> ratio of each round
    peak_memory: dict[str, int | None] = field(default_factory=dict)  # contender -> bytes
    gradient_difference: float | None = None  # relative; None when nothing was compared
    remarks: dict[str, str] = field(default_factory=dict)  # contender -> what a reader must know
    missing: dict[str, str] = field(default_factory=dict)  # contender -> how to install what it needs
    failure: str = ""

    def measured(self, what: str) -> float | None:
        """The figure that a `Goal` names so; None where it is missing."""
        contender = what.removeprefix("peak memory of ")
        if contender != what:
            return self.peak_memory.get(contender)
        values = self.ratios.get(what) or self.seconds.get(what)
        return statistics.median(values) if values else None


def measure(row: Row, rounds: int, threads: int, progress: Callable[[str], None] = lambda text: None) -> Result:
    """Measure one row; what goes wrong is in the result's `failure`.

    Parameters
    ----------
    row : what to measure.
    rounds : rounds of each contender, without the one that is thrown away; fewer where the row needs no more.
    threads : threads that each contender may use, unless the row says so.
    progress : called with a line of text before each round.
    """
    return measure_together([row], rounds, threads, progress)[0]


def measure_together(
    rows: Sequence[Row], rounds: int, threads: int, progress: Callable[[str], None] = lambda text: None
) -> list[Result]:
    """Measure rows whose rounds take turns too, since their figures will be compared with each other."""
    results = [Result(row) for row in rows]
    processes: list[dict[str, ContenderProcess]] = [{} for _ in rows]
    with contextlib.ExitStack() as stack:
        for result, mine in zip(results, processes):
            with _noting_failure(result):
                progress(f"{result.row.name}: gradients")
                mine |= _start(result, threads, stack)
                gradients = {name: process.gradients() for name, process in mine.items()}
                result.gradient_difference = compare_gradients(gradients, result.row.tolerance)
        for r in range(-1, rounds):  # round -1 is the warm-up
            for result, mine in zip(results, processes):
                if result.failure or r >= (result.row.most_rounds or rounds):
                    continue
                with _noting_failure(result):
                    progress(
                        f"{result.row.name}: round {r + 1} of {rounds}" if r >= 0 else f"{result.row.name}: warm-up"
                    )
                    _round(result, mine, keep=r >= 0)
        for result, mine in zip(results, processes):
            if not result.failure:
                with _noting_failure(result):
                    result.peak_memory = {name: process.ask("memory")["bytes"] for name, process in mine.items()}
                    remarks = {name: process.ask("remark")["text"] for name, process in mine.items()}
                    result.remarks = {name: text for name, text in remarks.items() if text}
                    result.ratios = pairwise_ratios(result.seconds, result.row.ratios)
    return results


@contextlib.contextmanager
def _noting_failure(result: Result) -> Iterator[None]:
    """A row that went wrong has a reason and no times."""
    try:
        yield
    except BenchmarkError as error:
        result.failure, result.seconds = str(error), {}


def _start(result: Result, threads: int, stack: contextlib.ExitStack) -> dict[str, "ContenderProcess"]:
    """The processes of all contenders whose packages are there; `stack` will end them."""
    row, processes = result.row, {}
    for name, contender in row.contenders.items():
        if contender.requires and importlib.util.find_spec(contender.requires) is None:
            result.missing[name] = (
                f"{contender.requires} is not installed; to compare with it: "
                f"pip install -e '.[{contender.extra or contender.requires}]'"
            )
        else:
            process = ContenderProcess(name, contender, row.threads or threads, row.seed)
            processes[name] = stack.enter_context(process)
    return processes


def _round(result: Result, processes: Mapping[str, "ContenderProcess"], keep: bool) -> None:
    """One round of each contender; its median step is kept, unless it was the warm-up."""
    for name, process in processes.items():
        time.sleep(SETTLE_SECONDS)
        median = process.ask("round", steps=result.row.steps)["seconds"]
        if keep:
            result.seconds.setdefault(name, []).append(median)


def pairwise_ratios(seconds: Mapping[str, list[float]], pairs: tuple[tuple[str, str], ...]) -> dict[str, list[float]]:
    """Time of the first of each pair over time of the second, round by round; pairs that did not both run are left out.

    A median of such ratios is steadier than the ratio of two medians: what slows a whole round cancels.
    """
    return {
        f"{slow} / {fast}": [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
        for slow, fast in pairs
        if slow in seconds and fast in seconds
    }


def compare_gradients(gradients: Mapping[str, Mapping[str, np.ndarray]], tolerance: float) -> float | None:
    """Compare the gradients of all contenders with those of the first.

    The difference of two arrays is max |a - b| / max(|a|, |b|): relative to the largest entry, since rounding errors of
    a sum are as large as its largest terms, however small the sum.

    Returns
    -------
    float or None
        The worst difference; None when there was nothing to compare.

    Raises
    ------
    BenchmarkError
        Other names, shapes or dtypes, a value that is not finite, or a difference above `tolerance`.
    """
    (first, expected), *others = gradients.items()
    worst = None
    for other, got in others:
        if got.keys() != expected.keys():
            raise BenchmarkError(f"gradients of {first} are {sorted(expected)}, those of {other} {sorted(got)}")
        for name, a in expected.items():
            b = got[name]
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                raise BenchmarkError(
                    f"gradient of {name}: {a.dtype} {a.shape} in {first}, {b.dtype} {b.shape} in {other}"
                )
            if not (np.isfinite(a).all() and np.isfinite(b).all()):
                raise BenchmarkError(f"gradient of {name} in {first} or {other} contains NaN or infinity")
            scale = max(np.abs(a).max(), np.abs(b).max()) or 1.0  # both zero: the difference is zero too
            difference = float(np.abs(a - b).max() / scale)
            if difference > tolerance:
                raise BenchmarkError(
                    f"gradients disagree, so times mean nothing: that of {name} differs between {first} and {other} "
                    f"by {difference:.1e} of its largest entry, more than rounding ({tolerance:.0e})"
                )
            worst = max(difference, worst or 0.0)
    return worst


class ContenderProcess:
    """A contender in its own process, which waits for requests; `worker.py` is the other end of the pipes."""

    def __init__(self, name: str, contender: type[Contender], threads: int, seed: int) -> None:
        self.name = name
        # Not a pipe: one that nobody reads fills up and blocks. Closed in __exit__.
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender.__module__, contender.__name__, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=Path(__file__).parent.parent,  # where `benchmarks` is found
            env={**os.environ, **thread_limits(threads)},
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its reply; BenchmarkError with the process's stderr if it dies instead."""
        assert self._process.stdin is not None  # both are pipes; the type checker cannot know
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # dead already: the missing reply tells
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise BenchmarkError(self._last_words(do))
        return json.loads(line)

    def gradients(self) -> dict[str, np.ndarray]:
        """The contender's gradients by name. Large arrays travel through a file, not through the pipe."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "gradients.npz"
            self.ask("gradients", file=str(file))
            with np.load(file) as arrays:
                return dict(arrays)

    def _last_words(self, do: str) -> str:
        status = self._process.wait()
        self._stderr.seek(0)
        said = self._stderr.read().strip() or "(nothing on stderr)"
        return f"the process of {self.name} died while asked for: {do} (exit status {status})\n{said[-4000:]}"

    def __enter__(self) -> "ContenderProcess":
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # a request that the dead process never read
            self._process.stdin.close()  # asks it to end, and to clean up behind itself
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._stderr.close()


def thread_limits(threads: int) -> dict[str, str]:
    """Environment variables that give every library the same number of threads.

    The first line is for NumPy's BLAS, whichever it is, and PyTorch; the second for TensorFlow, within an operation and
    for operations side by side; XLA, which is JAX' compiler, takes NPROC for the number of cores.
    """
    names = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS")] + ["VECLIB_MAXIMUM_THREADS"]
    names += ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]
    names += ["NPROC"]
    return dict.fromkeys(names, str(threads))

"""What was measured, for people (a table) and for programs (JSON)."""

import contextlib
import datetime
import importlib.metadata
import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contender import Goal
from benchmarks.harness import Result


def environment(threads: int) -> dict[str, str]:
    """All that a figure depends on besides the code."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "date": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
        "CPU": f"{_cpu_model()}, {available_cores()} cores",
        "system": platform.platform(),
        "threads": f"{threads} for each contender",
        "Python": platform.python_version(),
        "NumPy": f"{np.__version__}, BLAS {blas['name']} {blas['version']}",
        "PyTorch": _version("torch"),
        "Keras": f"{_version('keras')}, on TensorFlow {_version('tensorflow', 'tensorflow-cpu')}",
        "JAX": _version("jax"),
    }


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may have fewer than the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(*packages: str) -> str:
    """That of the first of these packages that is installed, without importing it."""
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return "not installed"


def table(results: Sequence[Result]) -> str:
    """One line per contender with a ratio at its numerator, then what there is to say about each row."""
    lines = [("row", "contender", "median", "min", "max", "peak memory", "ratio by round: median (min to max)")]
    for result in results:
        label = result.row.name
        for name in result.row.contenders:
            lines.append((label, name, *_figures(result, name)))
            label = ""
    return "\n".join([*_aligned(lines), "", *(line for result in results for line in _notes(result))])


def _figures(result: Result, contender: str) -> tuple[str, str, str, str, str]:
    if contender not in result.seconds:
        return "failed" if result.failure else "-", "", "", "", ""
    seconds = result.seconds[contender]
    return (
        duration(statistics.median(seconds)),
        duration(min(seconds)),
        duration(max(seconds)),
        memory(result.peak_memory[contender]),
        ", ".join(ratios_of(result, contender)),
    )


def ratios_of(result: Result, contender: str) -> list[str]:
    """The ratios in which it comes first: "torch / ours = 2.50 (2.41 to 2.62)"."""
    return [
        f"{pair} = {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
        for pair, values in result.ratios.items()
        if pair.startswith(f"{contender} /")
    ]


def _notes(result: Result) -> Iterable[str]:
    yield f"{result.row.name}: {result.row.title}"
    for goal in result.row.goals:
        yield f"  goal: {goal_in_words(goal, result)}, {verdict(goal, result)}"
    if result.gradient_difference is not None:
        yield f"  gradients agree: largest difference {result.gradient_difference:.1e} of the largest entry"
    for contender, text in (result.remarks | result.missing).items():
        yield f"  {contender}: {text}"
    if result.failure:
        yield "  FAILED: " + result.failure.replace("\n", "\n    ")


def goal_in_words(goal: Goal, result: Result) -> str:
    """ "torch / ours at least 3.00"."""
    bounds = {"at least": goal.at_least, "at most": goal.at_most}
    limits = [f"{words} {amount(goal.what, x, result)}" for words, x in bounds.items() if math.isfinite(x)]
    return f"{goal.what} {' and '.join(limits)}"


def verdict(goal: Goal, result: Result) -> str:
    """ "met: 3.12", or what came instead."""
    value = result.measured(goal.what)
    if value is None:
        return "not measured"
    return f"{'met' if goal.met_by(value) else 'NOT met'}: {amount(goal.what, value, result)}"


def amount(what: str, value: float, result: Result) -> str:
    """A figure with the unit of what a goal speaks of: a contender's time, its peak memory, or a ratio."""
    if what in result.row.contenders:
        return duration(value)
    return memory(value) if what.startswith("peak memory of ") else f"{value:.2f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """The cells of each column padded to one width: numbers (the middle columns) to the right, words to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = []
    for line in lines:
        cells = [
            cell.rjust(width) if 2 <= i <= 5 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        padded.append("   ".join(cells).rstrip())
    padded.insert(1, "-" * max(map(len, padded)))
    return padded


def duration(seconds: float) -> str:
    """Three digits and a unit that suits them: `duration(0.00012)` is "120 µs"."""
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
    # The largest unit of which there is at least one; 0.9996 ms counts, since it would be printed as 1000 µs.
    size, unit = next((u for u in units if abs(seconds) >= 0.9995 * u[0]), units[-1])
    value = seconds / size
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def memory(size: float | None) -> str:
    """Bytes in MiB: `memory(2**21)` is "2 MiB"."""
    return "unknown" if size is None else f"{size / 2**20:.0f} MiB"


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every figure of every round, in seconds and bytes."""
    return [
        {
            "row": result.row.name,
            "title": result.row.title,
            "goals": [
                {
                    "goal": goal_in_words(goal, result),
                    "measured": (value := result.measured(goal.what)),
                    "met": None if value is None else goal.met_by(value),
                }
                for goal in result.row.goals
            ],
            "gradient_difference": result.gradient_difference,
            "remarks": result.remarks,
            "missing": result.missing,
            "failure": result.failure,
            "contenders": {
                name: {"seconds": _summary(seconds), "peak_memory_bytes": result.peak_memory[name]}
                for name, seconds in result.seconds.items()
            },
            "ratios": {pair: _summary(values) for pair, values in result.ratios.items()},
        }
        for result in results
    ]


def _summary(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}

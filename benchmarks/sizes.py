"""How time grows with size: operations whose work is proportional to one of their sizes, over a factor of sixteen.

Each size is a row of its own, so that its gradients are compared as well; the rounds of all sizes take turns. On axes
with logarithmic scales, proportional work lies on a line of slope 1: seconds = c size^s means
log(seconds) = s log(size) + log(c).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from benchmarks.contender import Goal, Row
from benchmarks.harness import Result
from benchmarks.operation import Operation, registered
from benchmarks.operation_in_pytorch import PyTorchOperation
from benchmarks.report import duration

SLOPE = Goal("slope of ours", at_least=0.9, at_most=1.1)
FEWEST_STEPS = 2  # in a round, of the largest size; smaller ones have more


@dataclass(frozen=True)
class Series:
    """One operation over several sizes."""

    name: str
    title: str
    axis: str  # what grows
    rows: dict[int, Row]

    def seconds(self, results: Sequence[Result], contender: str) -> dict[int, list[float]]:
        """Size -> the times of all rounds, where it was measured."""
        found = {result.row.name: result.seconds.get(contender) for result in results}
        return {size: s for size, row in self.rows.items() if (s := found.get(row.name))}

    def slopes(self, results: Sequence[Result], contender: str) -> list[float]:
        """The slope of each round; none where fewer than two sizes were measured."""
        seconds = self.seconds(results, contender)
        rounds = zip(*seconds.values()) if len(seconds) > 1 else ()
        return [slope(dict(zip(seconds, times))) for times in rounds]


def slope(seconds: dict[int, float]) -> float:
    """Least squares in logarithms: the s for which s log(size) + log(c) comes closest to log(seconds)."""
    x, y = np.log(list(seconds)), np.log(list(seconds.values()))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())


def series(
    name: str, title: str, axis: str, sizes: Sequence[int], shapes: Callable[[int], tuple[tuple[int, ...], ...]]
) -> Series:
    """The name up to a hyphen is the operation's; `shapes(size)` are those of its factors."""
    rows = {}
    for size in sizes:
        about = {"operation": name.split("-")[0], "shapes": shapes(size), "scale": 0.1}
        contenders = {
            kind: registered(__name__, f"{name} {size} {kind}", base, about)
            for kind, base in (("ours", Operation), ("torch", PyTorchOperation))
        }
        steps = FEWEST_STEPS * max(sizes) // size
        full_name = f"scaling-{name}-{size}"
        rows[size] = Row(
            full_name, f"{title}, {size}", contenders, (("torch", "ours"),), steps, 1e-4, most_rounds=10, series=name
        )
    return Series(name, title, axis, rows)


def recurrent(gates: int) -> Callable[[int], tuple[tuple[int, ...], ...]]:
    return lambda T: ((128, T, 32), (32, gates * 128), (128, gates * 128), (gates * 128,))


STEPS, IMAGES, VECTORS = (8, 16, 32, 64, 128), (16, 32, 64, 128, 256), (128, 256, 512, 1024, 2048)
CHANNELS = (128, 256, 512, 1024, 2048)
SERIES = (
    series("lstm-steps", "lstm(128), batch 128, 32 features", "sequence length (steps)", STEPS, recurrent(4)),
    series(
        "simple_rnn-steps", "simple_rnn(128), batch 128, 32 features", "sequence length (steps)", STEPS, recurrent(1)
    ),
    series(
        "conv2d-batch",
        "conv2d 3 x 3 of maps 10 x 10, 48 to 128 channels",
        "batch size (images)",
        IMAGES,
        lambda N: ((N, 10, 10, 48), (3, 3, 48, 128), (128,)),
    ),
    series(
        "linear-batch",
        "linear 512 to 512",
        "batch size (vectors)",
        VECTORS,
        lambda N: ((N, 512), (512, 512), (512,)),
    ),
    series(
        "conv2d-channels",
        "conv2d 3 x 3 of 16 maps 10 x 10, from 32 channels",
        "output channels",
        CHANNELS,
        lambda O: ((16, 10, 10, 32), (3, 3, 32, O), (O,)),
    ),
    series(
        "attention-weights",
        "attention of 4 heads of 32 numbers",
        "queries times keys",
        [T * T for T in (512, 1024, 2048)],
        lambda size: 3 * ((1, 4, math.isqrt(size), 32),),
    ),
)
ROWS = tuple(row for one in SERIES for row in one.rows.values())


def table(results: Sequence[Result]) -> list[str]:
    """In Markdown: the smallest and the largest size's time, and the slope between all, taken round by round."""
    lines = ["| operation, forward and backward | what grows | from | to | slope, ours | slope, PyTorch |"]
    lines += ["|---|---|---|---|---|---|"]
    for one in SERIES:
        ours = one.seconds(results, "ours")
        ends = [min(one.rows), max(one.rows)]
        times = [f"{size}: {duration(median(ours[size]))}" if size in ours else "-" for size in ends]
        fitted = [one.slopes(results, contender) for contender in ("ours", "torch")]
        spreads = [f"{median(s):.2f} ({min(s):.2f} to {max(s):.2f})" if s else "-" for s in fitted]
        lines.append(f"| {' | '.join([one.title, one.axis, *times, *spreads])} |")
    return lines

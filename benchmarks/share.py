"""How much of what the processor can do is used: useful arithmetic against what a large matrix product reaches.

The limit is sgemm, NumPy's float32 product of two 2048 x 2048 matrices by the same BLAS library. An operation's useful
arithmetic is that of its formula: 2 for each multiplication and addition, three times, for the result and for the
gradients of its two factors; copying windows, gates and sums are not counted. The figures are seconds per GFLOP, so
that sgemm's time over an operation's is the operation's share of the limit.
"""

from collections.abc import Sequence
from statistics import median

import numpy as np

from benchmarks.contender import Contender, Row
from benchmarks.harness import Result
from benchmarks.operation import Operation

GIGA = 1e9


class Sgemm(Contender):
    """The limit."""

    N = 2048
    flops = 2 * N**3

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.A, self.B = (rng.random((self.N, self.N), dtype=np.float32) for _ in range(2))
        self.Y = np.empty_like(self.A)

    def step(self) -> None:
        np.matmul(self.A, self.B, out=self.Y)

    def time_steps(self, steps: int) -> list[float]:
        """Seconds per GFLOP."""
        return [seconds / (self.flops / GIGA) for seconds in super().time_steps(steps)]


class Share(Operation):
    """An operation, forward and backward; its gradients are compared in other rows."""

    scale = 0.1
    flops: int

    def time_steps(self, steps: int) -> list[float]:
        """Seconds per GFLOP of useful arithmetic, each the mean of ten steps: a single one may be short."""
        return [sum(super(Share, self).time_steps(10)) / 10 / (self.flops / GIGA) for _ in range(steps)]

    def gradients(self) -> dict[str, np.ndarray | None]:
        return {}


class Conv2d(Share):
    """The second convolution of mini-AlexNet; at the border the zeros of the padding count as arithmetic."""

    operation, shapes = "conv2d", ((128, 10, 10, 48), (3, 3, 48, 128), (128,))
    flops = 3 * 2 * (128 * 10 * 10) * (3 * 3 * 48) * 128


class Lstm(Share):
    """The character LSTM's sequence."""

    operation, shapes = "lstm", ((128, 30, 32), (32, 512), (128, 512), (512,))
    flops = 3 * 2 * (128 * 30) * (32 + 128) * 512


class Linear(Share):
    """The second dense layer of mini-AlexNet."""

    operation, shapes = "linear", ((128, 1024), (1024, 1024), (1024,))
    flops = 3 * 2 * 128 * 1024 * 1024


OPERATIONS = {"conv2d": Conv2d, "lstm": Lstm, "linear": Linear}


def row(threads: int) -> Row:
    return Row(
        f"share-{threads}",
        "one GFLOP of useful arithmetic, " + ("one thread" if threads == 1 else f"{threads} threads"),
        {**OPERATIONS, "sgemm": Sgemm},
        tuple(("sgemm", name) for name in OPERATIONS),
        steps=2,
        threads=threads,
        most_rounds=20,
    )


ROWS = (row(2), row(1))


def table(results: Sequence[Result]) -> list[str]:
    """In Markdown: GFLOP/s, and the share of the limit in percent."""
    lines = ["| operation, forward and backward | threads | GFLOP/s | share of sgemm: median (min to max) |"]
    lines += ["|---|---|---|---|"]
    for result in results:
        for name, seconds in result.seconds.items():
            shares = result.ratios.get(f"sgemm / {name}", [1.0])
            percent = f"{median(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})" if name != "sgemm" else ""
            lines.append(f"| {name} | {result.row.threads} | {1 / median(seconds):.0f} | {percent} |")
    return lines

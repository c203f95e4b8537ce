"""How long a step takes on many processes: a model, fitted to what was measured on few.

For a batch of N examples and gradients of S bytes in b buckets, on n processes:

    T(n) = f + c N / n + b a log2(n) + 2 (n - 1) / n S / B                          (1)

f: what every process does anyway, such as the optimiser's step. c: an example. a: the latency of a message, which
passes log2(n) times from one to the next; B: the bandwidth, through which each process sends 2 (n - 1) / n of its bytes
and receives as many, when all of them add up pieces (R. Thakur, R. Rabenseifner and W. Gropp, "Optimization of
collective communication operations in MPICH", 2005). Nothing is hidden behind the walk in it, so it is pessimistic.
f and c are fitted to steps of one process, a and B to sums of arrays between processes that have a core each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MANY = tuple(2**power for power in range(11))  # processes of the simulation, 1 to 1,024
SIMULATED_BATCH = 1024
ETHERNET = {"a": 50e-6, "B": 1.25e9}  # assumed: 10 Gbit/s


@dataclass(frozen=True)
class Model:
    """Equation (1) of a network."""

    f: float
    c: float
    a: float
    B: float
    S: float
    b: int

    def compute(self, n: Any, N: float) -> Any:
        return self.f + self.c * N / n

    def sum(self, n: Any) -> Any:
        return self.b * self.a * np.log2(n) + 2 * (n - 1) / n * self.S / self.B

    def seconds(self, n: Any, N: float) -> Any:
        return self.compute(n, N) + self.sum(n)

    def crossover(self, N: float) -> int | None:
        """The smallest number of processes, up to the last of MANY, that add up for longer than examples take them."""
        return next((n for n in range(2, MANY[-1] + 1) if self.sum(n) > self.c * N / n), None)

    def fastest(self, N: float) -> int:
        return min(range(1, MANY[-1] + 1), key=lambda n: self.seconds(n, N))


def fit(alone: Sequence[Mapping[str, Any]], messages: Mapping[int, Mapping[int, float]], b: int) -> Model:
    """Least squares for f and c, to the steps of one process; and for a and B, in which every size counts alike."""
    A = np.array([[1, row["examples"]] for row in alone])
    f, c = np.linalg.lstsq(A, np.array([row["step"] for row in alone]), rcond=None)[0]
    rows = [(n, size, seconds) for n, sums in messages.items() for size, seconds in sums.items()]
    A = np.array([[np.log2(n) / seconds, 2 * (n - 1) / n * size / seconds] for n, size, seconds in rows])
    a, slowness = np.linalg.lstsq(A, np.ones(len(rows)), rcond=None)[0]
    return Model(max(f, 0.0), c, a, 1 / slowness, alone[0]["bytes"], b)

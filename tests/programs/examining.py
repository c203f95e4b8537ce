"""Many programs, checked one after the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from programs.comparison import Mismatch, check
from programs.drawing import LONGEST, programs
from programs.program import Program, torch
from programs.shrinking import smallest
from programs.table import TABLE


@dataclass
class Tally:
    """What came out of many programs.

    Attributes
    ----------
    begun, compared : programs that Hypothesis began to draw, and that were compared; it breaks a draw off where that
        becomes longer than it wants or repeats an earlier one, and nothing else throws a program away
    names : how many programs have each operation
    used : for each way of computing, the largest share of its bound that an error took
    failure : the message of a mismatch, with the script that shows it; empty where there is none
    """

    begun: int = 0
    compared: int = 0
    names: Counter[str] = field(default_factory=Counter)
    used: dict[str, float] = field(default_factory=dict)
    failure: str = ""

    def add(self, other: Tally) -> None:
        self.begun += other.begun
        self.compared += other.compared
        self.names += other.names
        self.used |= {name: max(share, self.used.get(name, 0.0)) for name, share in other.used.items()}


def names_for(number: int) -> list[str]:
    """A third of the operations, in three numbers one after the other all of them.

    Hypothesis repeats itself on purpose, with small variations of a program. With all the operations at hand, some
    would be in many of its programs and some in hardly any.
    """
    shuffled = np.random.default_rng(number // 3).permutation(sorted(TABLE)).tolist()
    return shuffled[number % 3 :: 3]


def examine(count: int, number: int, finite: bool = torch is None) -> Tally:
    """Check that many programs, always the same for one number; the first that fails ends it."""
    tally = Tally()
    failed: list[tuple[Program, str]] = []

    def begun() -> None:
        tally.begun += not failed

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],  # see `shrinking`
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(names_for(number), LONGEST, begun))
    def each(program: Program) -> None:
        if failed:
            return
        try:
            used = check(program, finite)
        except Mismatch as error:
            failed.append((program, error.name))
        else:
            tally.add(Tally(0, 1, Counter(set(program.names)), used))

    each()
    if failed:
        tally.failure = str(smallest(*failed[0], finite))
    return tally

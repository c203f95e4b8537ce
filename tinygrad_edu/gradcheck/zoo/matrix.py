"""Which check catches which mistake: the table of `python -m tinygrad_edu.gradcheck --zoo`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.check import gradcheck
from tinygrad_edu.gradcheck.evaluation import GradientError
from tinygrad_edu.gradcheck.other_checks import OTHER_CHECKS, central_differences
from tinygrad_edu.gradcheck.zoo import BEYOND, ZOO
from tinygrad_edu.gradcheck.zoo.mistake import Mistake

CAUGHT, MISSED, UNDECIDED = "x", "-", "?"
LEGEND = (
    "sum       loss = f(x).sum(), every entry of the gradient against the slope of the loss",
    "1 J 1     G = 1, and all entries of an input moved together: one number for each input",
    "v J       one random G = v, every entry of the gradient",
    "all of J  every entry of the Jacobian: G = (0 .. 1 .. 0) for each output",
    "v J u     a random G = v and a random direction u: one number for each input, three times",
    "rule      that of gradcheck which is broken",
    f"{CAUGHT} caught   {MISSED} missed   {UNDECIDED} says no to the right operation as well: x lies at a kink",
)


@dataclass(frozen=True)
class Row:
    """One mistake against all checks.

    Attributes
    ----------
    mistake : Mistake
    others : the mark of each of OTHER_CHECKS
    rule : the rule by which `gradcheck` caught it; empty where it did not
    refused : what `gradcheck` says against the right operation; empty where it passes, as it must
    """

    mistake: Mistake
    others: dict[str, str]
    rule: str
    refused: str


def rows(mistakes: list[Mistake]) -> Iterator[Row]:
    for mistake in mistakes:
        refusal = re.search("rule '([^']+)'", complaint(mistake.function, mistake.inputs))
        others = marks(mistake)
        yield Row(mistake, others, refusal[1] if refusal else "", complaint(mistake.right, mistake.inputs))


def complaint(f: Callable[..., Any], inputs: tuple[np.ndarray, ...]) -> str:
    """What `gradcheck` says against f; empty where it passes."""
    try:
        gradcheck(f, *inputs)
    except GradientError as error:
        return str(error)
    return ""


def marks(mistake: Mistake) -> dict[str, str]:
    """The mark of each other check: it catches a mistake when it refuses the wrong operation and not the right one."""
    inputs = mistake.inputs
    found = {}
    with np.errstate(all="ignore"):
        J = central_differences(mistake.right, inputs)
        for name, check in OTHER_CHECKS.items():
            if _accepts(check, mistake.function, inputs, J):
                found[name] = MISSED
            else:
                found[name] = CAUGHT if _accepts(check, mistake.right, inputs, J) else UNDECIDED
    return found


def _accepts(check: Callable[..., bool], f: Callable[..., Any], inputs: tuple, J: list[np.ndarray]) -> bool:
    try:
        return check(f, inputs, J)
    except (RuntimeError, ValueError):  # the walk itself refuses a gradient of the wrong shape, or too few of them
        return False


def print_zoo() -> int:
    """Print the table; the exit status is 1 where `gradcheck` misses a mistake or refuses a right operation."""
    head = f"{'mistake':<58}" + "".join(f"{name:>9}" for name in OTHER_CHECKS) + "  rule"
    print(*LEGEND, "", head, "-" * len(head), sep="\n")
    table: list[Row] = []
    for row in rows(ZOO):
        if not table or table[-1].mistake.theme != row.mistake.theme:
            print(f"\n{row.mistake.theme}")
        table.append(row)
        print(line(row), flush=True)
    print("\nThese are right at the point, and no check at one point can see them:\n")
    for row in rows(BEYOND):
        print(line(row))
        print(f"    {row.mistake.remedy}")
    print()
    for name, count in summary(table).items():
        print(f"{name:<58}{count:>9}")
    failures = failures_of(table)
    for failure in failures:
        print(f"\n{failure}")
    return 1 if failures else 0


def line(row: Row) -> str:
    marks = "".join(f"{mark:>9}" for mark in row.others.values())
    return f"{row.mistake.name:<58}{marks}  {row.rule or MISSED}"


def summary(table: list[Row]) -> dict[str, int]:
    """How many there are, and how many of them each check catches."""
    counts = {"mistakes": len(table)}
    for name, check in OTHER_CHECKS.items():
        counts[f"caught by {check.__name__.replace('_', ' ')}"] = sum(row.others[name] == CAUGHT for row in table)
    counts["caught by gradcheck"] = sum(bool(row.rule) for row in table)
    counts["right operations that gradcheck refuses"] = sum(bool(row.refused) for row in table)
    return counts


def failures_of(table: list[Row]) -> list[str]:
    """What must not be: a mistake that `gradcheck` misses, or a right operation that it refuses."""
    missed = [f"missed by gradcheck: {row.mistake.name}" for row in table if not row.rule]
    return missed + [f"refused, and right ({row.mistake.name}): {row.refused}" for row in table if row.refused]


def markdown(table: list[Row]) -> str:
    """The table for a page."""
    heads = ["mistake", *OTHER_CHECKS, "rule of gradcheck"]
    body = [[row.mistake.name, *row.others.values(), row.rule or MISSED] for row in table]
    align = ["---", *[":-:"] * len(OTHER_CHECKS), "---"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, align, *body))

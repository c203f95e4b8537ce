"""From a program that fails to a small one that fails in the same way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hypothesis import HealthCheck, find, settings
from hypothesis.errors import NoSuchExample

from programs.comparison import Mismatch, check
from programs.drawing import programs
from programs.program import Program, Step, compute
from tinygrad_edu import Tensor

QUIETLY = settings(
    max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


def smallest(program: Program, name: str, finite: bool) -> Mismatch:
    """The mismatch of the smallest program found; `name` is the way to compute that is wrong.

    Most operations of a large program have nothing to do with the mistake. First they are cut out. Then Hypothesis
    looks for a program of what is left, and makes its shapes and settings as simple as it can.
    """

    def failure_of(program: Program) -> Mismatch | None:
        try:
            check(program, finite, only=name)
        except Mismatch as error:
            return error if error.name == name else None
        return None

    program = cut(program, lambda smaller: failure_of(smaller) is not None)
    names = list(dict.fromkeys(program.names))
    with contextlib.suppress(NoSuchExample):  # it takes more than these operations, or other numbers
        program = find(
            programs(names, longest=len(names)), lambda smaller: failure_of(smaller) is not None, settings=QUIETLY
        )
    failure = failure_of(program)
    if failure is None:
        raise RuntimeError("a program failed once, and not again")
    return failure


def cut(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The program with one output, and with every step replaced by leaves of its results that can be."""
    for i in program.outputs:
        alone = Program(program.steps, [i])
        if fails(alone):
            program = alone
            break
    results = results_until_error(program)
    for k in reversed(range(len(results))):
        step = program.steps[k]
        if step.name != "leaf":
            leaves = [Step("leaf", (y.numpy(), True)) for y in results[k]]
            smaller = Program([*program.steps[:k], *leaves, *program.steps[k + 1 :]], program.outputs)
            program = smaller if fails(smaller) else program
    return program


def results_until_error(program: Program) -> list[list[Tensor]]:
    """What each step makes, up to one that raises an error."""
    results: list[list[Tensor]] = []
    for step in program.steps:
        try:
            results.append(compute(step, [y for made in results for y in made]))
        except Exception:
            break
    return results

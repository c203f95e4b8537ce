"""Let a learner's check judge operations, right ones and those of the zoo, and say which it judged wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck import GradientError
from tinygrad_edu.lessons.exercise import Coals, Verdict

# A check may also say no by raising; RuntimeError is what the tape raises for a backward of the wrong form.
REJECTIONS = (AssertionError, GradientError, RuntimeError)
NO_REJECTIONS = (NotImplementedError, RecursionError)  # which are RuntimeErrors as well


def check(exercise: Coals, written: Callable[..., Any]) -> Verdict:
    """Show the learner's function all operations. What it raises, and cannot mean a no, is not caught here."""
    judge = exercise.adapt(written)
    accepted = []
    for operation, inputs in exercise.right:
        verdict = judge(operation, *[x.copy() for x in inputs])
        if problem := _no_answer(exercise, verdict):
            return Verdict(False, problem)
        accepted.append(bool(verdict))
    slipped = []
    for mistake in exercise.wrong:
        try:
            verdict = judge(mistake.function, *[x.copy() for x in mistake.inputs])
        except NO_REJECTIONS:
            raise
        except REJECTIONS:
            verdict = False
        if problem := _no_answer(exercise, verdict):
            return Verdict(False, problem)
        if verdict:
            slipped.append(mistake)
    if not any(accepted) and not slipped:
        return Verdict(False, "your check rejects everything, the right operations as well")
    if all(accepted) and len(slipped) == len(exercise.wrong):
        return Verdict(False, f"your check accepts everything, also {_told(slipped[0])}")
    if not all(accepted):
        operation, inputs = exercise.right[accepted.index(False)]
        shapes = ", ".join(str(x.shape) for x in inputs)
        name = getattr(operation, "__name__", "").strip("_<>")
        name = "an operation" if name in ("", "lambda") else f"{name}()"
        return Verdict(False, f"your check rejects {name} of the package, whose backward is right; inputs {shapes}")
    if slipped:
        others = [mistake.name for mistake in slipped[1:]]
        also = f"\nalso through: {'; '.join(others)}" if others else ""
        caught = f"{len(exercise.wrong) - len(slipped)} of {len(exercise.wrong)} wrong operations are caught"
        return Verdict(False, f"{caught}; this one slips through: {_told(slipped[0])}{also}")
    counts = f"{len(accepted)} right operations accepted, {len(exercise.wrong)} wrong ones rejected"
    return Verdict(True, f"right: {counts}")


def _no_answer(exercise: Coals, verdict: Any) -> str:
    if isinstance(verdict, bool | np.bool_):
        return ""
    hint = ": is there a `return`?" if verdict is None else ""
    return f"{exercise.function}() must return True or False; it returned {verdict!r:.60}{hint}"


def _told(mistake: Any) -> str:
    return f"{mistake.name}. {mistake.story}"

"""Eight lessons with exercises: `python -m tinygrad_edu.lessons` lists them.

`lesson_1.py` to `lesson_8.py` are the texts; each runs as a script and opens as a notebook. `exercises/` holds what a
learner gets, `keys/` what is wanted and which mistakes are known, `solutions/` an answer to each. A check never reads
the solutions: it computes what is right by the package, in `gold.py` for a backward, in `coals.py` for a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.lessons.keys import one_exercise
from tinygrad_edu.lessons.verdict import verdict_on

__all__ = ["check"]


def check(number: str, written: Callable[..., Any]) -> None:
    """For notebooks: say whether the function `written` is right, as the answer to the exercise `number`.

    What it raises comes up as ever. Ctrl-C ("interrupt") stops an endless loop; `python -m tinygrad_edu.lessons check`
    does that by itself.
    """
    exercise = one_exercise(number)
    try:
        verdict = verdict_on(exercise, written)
    except NotImplementedError:
        print(f"{number} not yet: {exercise.function}() is not written yet")
        return
    print(f"{number} {'passed' if verdict.passed else 'not yet'}: {verdict.says}")

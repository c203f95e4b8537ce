"""What an exercise is: the task's number and title, and what its checker needs to know.

There are two kinds. *Gold*: the learner writes a backward, and the package knows the right gradient. *Coals*: the
learner writes a check, which must accept right operations and reject wrong ones. Both are written down in `keys/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # to read the whole zoo takes a fifth of the time that a check takes, and most need none of it
    from tinygrad_edu.gradcheck.zoo.mistake import Mistake


@dataclass(frozen=True)
class Case:
    """What an answer is tried on.

    Attributes
    ----------
    inputs : tuple of float64 arrays
        What a gradient is wanted for.
    options : dict
        What else the function is given, by name: a stride, labels, a generator (each call gets a copy of its own).
    """

    inputs: tuple[np.ndarray, ...]
    options: dict[str, Any] = field(default_factory=dict)


def case(*inputs: Any, **options: Any) -> Case:
    """A Case; tuples among the inputs are shapes, filled from the standard normal distribution, each anew."""
    rng = np.random.default_rng(7)
    arrays = (np.asarray(rng.normal(size=x) if isinstance(x, tuple) else x, np.float64) for x in inputs)
    return Case(tuple(arrays), options)


@dataclass(frozen=True)
class Wrong:
    """A mistake that learners make: what to tell them, and the mistake itself, written as an answer is."""

    says: str  # a sentence that goes on after "known mistake: "
    answer: Callable[..., Any]


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What both kinds have.

    Attributes
    ----------
    number : str
        Lesson and place: "2.1". Its files are `exercises/e2_1.py` and `solutions/e2_1.py`.
    title : str
        In the list: what is to be written, in a few words.
    function : str
        The name of the function that the learner writes.
    hints : three str
        From a push in the right direction to nearly the answer.
    imports : tuple of str
        What an answer may import beside Python's own modules.
    """

    number: str
    title: str
    function: str
    hints: tuple[str, str, str]
    imports: tuple[str, ...] = ("numpy",)

    @property
    def lesson(self) -> int:
        return int(self.number.partition(".")[0])

    @property
    def file(self) -> str:
        """The name of its files: "e2_1.py"."""
        return f"e{self.number.replace('.', '_')}.py"


@dataclass(frozen=True, kw_only=True)
class Gold(Exercise):
    """Write a backward: `answer(G, *inputs, **options)` returns dL/d(input), or a tuple with one for each input.

    Attributes
    ----------
    forward : callable or None
        The operation, on Tensors: forward(*inputs, **options) returns one. Its tape knows the right gradient.
    right : callable or None
        Where no gradient is asked for (the order of a walk, a patch matrix), in place of `forward`: the answer is
        called as it is, answer(*inputs, **options) without G, and must return the same.
    cases : tuple of Case
        What the answer is tried on; the learner's file shows none of them.
    wrong : tuple of Wrong
        The known mistakes, each called as an answer is. Where two would do, the first is told.
    adapt : callable
        Makes of the learner's function one that is called as above. The known mistakes go through it as well.
    """

    forward: Callable[..., Any] | None = None
    right: Callable[..., Any] | None = None
    cases: tuple[Case, ...]
    wrong: tuple[Wrong, ...]
    adapt: Callable[[Callable[..., Any]], Callable[..., Any]] = as_it_is


@dataclass(frozen=True, kw_only=True)
class Coals(Exercise):
    """Write a check: `check(operation, *inputs)` says whether the operation's backward is right there.

    Attributes
    ----------
    right : tuple of (operation, inputs)
        What it must accept; operations on Tensors, inputs float64 arrays.
    wrong : tuple of Mistake
        What it must reject. Of several that slip through, the first is told first.
    adapt : callable
        Makes of the learner's function one that is called as above.
    """

    right: tuple[tuple[Callable[..., Any], tuple[np.ndarray, ...]], ...]
    wrong: tuple[Mistake, ...]
    imports: tuple[str, ...] = ("numpy", "tinygrad_edu")
    adapt: Callable[[Callable[..., Any]], Callable[..., Any]] = as_it_is


@dataclass(frozen=True)
class Verdict:
    """Whether an answer passes, and what the learner is told."""

    passed: bool
    says: str

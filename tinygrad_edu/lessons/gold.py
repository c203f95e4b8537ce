"""Hold a learner's backward against the right gradient, and say what is wrong with it.

The right gradient comes from the tape of the package's operation, for random G; the slopes of its values confirm it
wherever there is no kink. A wrong answer gets one message. In this order: what cannot be compared at all (no array, a
wrong number of gradients, what was written into), a known mistake, another order, a wrong shape, and then guesses: a
factor, a transposition, a G that was taken for 1, single entries.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.other_checks import central_differences
from tinygrad_edu.lessons.exercise import Case, Gold, Verdict
from tinygrad_edu.lessons.guesses import Compared, guess
from tinygrad_edu.tensor import Tensor

GRADIENTS_PER_CASE = 3
RTOL = 1e-7  # both sides compute the same formula in float64
Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Trial:
    """One call of the answer: a case, one G (None where the exercise has none), and what is right."""

    case: Case
    G: np.ndarray | None
    right: Arrays

    def arguments(self) -> list[np.ndarray]:
        """What the answer is called with: new arrays each time."""
        first = [] if self.G is None else [self.G.copy()]
        return first + [x.copy() for x in self.case.inputs]

    def described(self) -> str:
        shapes = ", ".join(str(x.shape) for x in self.case.inputs)
        options = "".join(f", {name}={_short(value)}" for name, value in self.case.options.items())
        return (f"inputs {shapes}" if shapes else "no arrays") + options


def check(exercise: Gold, written: Callable[..., Any]) -> Verdict:
    """Try the learner's function on every case. What it raises is not caught here."""
    trials = all_trials(exercise)
    answer = exercise.adapt(written)
    names = _names(written, trials[0])
    answers: list[Arrays] = []
    for trial in trials:
        arguments = trial.arguments()
        try:
            returned = _called(answer, trial, arguments)
        except Exception:  # as where a matrix that is not square is not transposed: what went before may tell
            if answers and not _all_right(answers, trials):
                known = _known_mistake(exercise, trials, answers, names)
                if known:
                    return Verdict(False, f"known mistake: {known}")
            raise
        problem = _written_into(trial, arguments, names) or _no_arrays(exercise, trial, returned)
        if problem:
            return Verdict(False, problem)
        answers.append(_as_arrays(returned))
    if _all_right(answers, trials):
        return _repeatable(answer, trials, answers) or Verdict(True, _praise(exercise, trials))
    known = _known_mistake(exercise, trials, answers, names)
    if known:
        return Verdict(False, f"known mistake: {known}")
    order = _in_another_order(trials, answers)
    if order:
        came = ", ".join(_wanted(trials[0], names)[i] for i in order)
        wanted = ", ".join(_wanted(trials[0], names))
        return Verdict(False, f"all are right, but returned in another order: {came}; wanted are {wanted}")
    for trial, a in zip(trials, answers):
        for name, g, right in zip(_wanted(trial, names), a, trial.right):
            if g.shape != right.shape:
                return Verdict(False, _wrong_shape(name, g, right, trial))
            if np.isnan(g).any() and not np.isnan(right).any():
                count = f"{int(np.isnan(g).sum())} of its {g.size} entries are"
                return Verdict(False, f"{name}: {count} not a number (NaN), with {trial.described()}")
    return Verdict(False, _guessed(answer, trials, answers, names))


def _called(answer: Callable[..., Any], trial: Trial, arguments: list[np.ndarray]) -> Any:
    """What the answer returns; what it raises says what it was called with."""
    try:
        return answer(*arguments, **copy.deepcopy(trial.case.options))
    except Exception as error:
        G = "" if trial.G is None else f"G {trial.G.shape}, "
        error.add_note(f"called with {G}{trial.described()}")
        raise


def all_trials(exercise: Gold) -> list[Trial]:
    """Every case with each of its random G, and the right answers."""
    trials = []
    rng = np.random.default_rng(2024)
    for case in exercise.cases:
        if exercise.forward is None:
            assert exercise.right is not None, f"{exercise.number}: needs forward or right"
            returned = exercise.right(*[x.copy() for x in case.inputs], **copy.deepcopy(case.options))
            trials.append(Trial(case, None, _as_arrays(returned)))
            continue
        for _ in range(GRADIENTS_PER_CASE):
            leaves = [Tensor(x, requires_grad=True) for x in case.inputs]
            result = exercise.forward(*leaves, **copy.deepcopy(case.options))
            G = np.asarray(rng.normal(size=result.shape))
            result.backward(G)
            trials.append(Trial(case, G, tuple(np.zeros(x.shape) if x.grad is None else x.grad for x in leaves)))
    return trials


def confirmed(exercise: Gold) -> int:
    """Of how many cases the slopes of the operation's values give the same gradient; they cannot at a kink."""
    count = 0
    trials = all_trials(exercise)
    for case in exercise.cases if exercise.forward else ():
        slopes = central_differences(
            lambda *xs, case=case: exercise.forward(*xs, **copy.deepcopy(case.options)),  # type: ignore[misc]
            case.inputs,
        )
        own = [trial for trial in trials if trial.case is case and trial.G is not None]
        count += all(
            np.allclose(trial.G.reshape(-1) @ J, g.reshape(-1), rtol=1e-4, atol=1e-6)  # type: ignore[union-attr]
            for trial in own
            for J, g in zip(slopes, trial.right)
        )
    return count


def _praise(exercise: Gold, trials: list[Trial]) -> str:
    cases = f"{len(exercise.cases)} case{'s' * (len(exercise.cases) > 1)}"
    if exercise.forward is None:
        return f"right, on {cases} that your file does not show"
    tried = f"right: {len(trials)} random gradients G on {cases} that your file does not show"
    slopes = confirmed(exercise)
    kinks = f" in {slopes} of them, there is a kink in the others" if slopes < len(exercise.cases) else ""
    return f"{tried}, against the tape, and against the slopes of the values{kinks}"


# --- what was returned ---


def _as_arrays(returned: Any) -> Arrays:
    """One array or a tuple of them, as a tuple."""
    parts = returned if isinstance(returned, tuple | list) else (returned,)
    return tuple(np.asarray(part) for part in parts)


def _no_arrays(exercise: Gold, trial: Trial, returned: Any) -> str:
    """Why what was returned cannot be compared; "" where it can."""
    what = f"{exercise.function}()"
    wanted = "one array" if len(trial.right) == 1 else f"a tuple of {len(trial.right)} arrays"
    if returned is None:
        return f"{what} returned None; it must return {wanted}: is there a `return`?"
    parts = returned if isinstance(returned, tuple | list) else (returned,)
    if len(parts) != len(trial.right):
        return f"{what} must return {wanted}; it returned {_short(returned)}"
    for part in parts:
        if isinstance(part, Tensor):
            return f"{what} returned a Tensor; the gradient is to be computed with arrays, without the tape"
        if not isinstance(part, np.ndarray | np.generic | float | int) or np.asarray(part).dtype.kind not in "fiub":
            return f"{what} must return {wanted}; there is {_short(part)} in its place"
        if np.asarray(part).dtype in (np.float16, np.float32):
            return f"{what} was given float64 and returned {np.asarray(part).dtype}: it computes with fewer digits"
    return ""


def _written_into(trial: Trial, arguments: Sequence[np.ndarray], names: list[str]) -> str:
    for name, before, after in zip(names, trial.arguments(), arguments):
        if not np.array_equal(before, after, equal_nan=True):
            return f"your function wrote into {name}, which others still need: compute with a new array"
    return ""


def _repeatable(answer: Callable[..., Any], trials: list[Trial], answers: list[Arrays]) -> Verdict | None:
    """A right answer must be right again: the first trial once more, after all others."""
    first = trials[0]
    again = _as_arrays(answer(*first.arguments(), **copy.deepcopy(first.case.options)))
    if _same(again, answers[0]):
        return None
    return Verdict(False, "right the first time; called again with the same arrays, it gave something else")


# --- what it may be ---


def _known_mistake(exercise: Gold, trials: list[Trial], answers: list[Arrays], names: list[str]) -> str:
    """What the first known mistake says that gives the same as the answers so far, in every trial; else "".

    After those that give the same come those that give the same where the answers are wrong: who has forgotten a sum
    in one gradient, and not in the others as well, is told of it, and which of them are right.
    """
    wanted = _wanted(trials[0], names)
    wrong = {i for i in range(len(wanted)) if not all(_close(a[i], t.right[i]) for a, t in zip(answers, trials))}
    fine = " and ".join(name for i, name in enumerate(wanted) if i not in wrong)
    in_part = ""
    for mistake in exercise.wrong:
        same = _same_gradients(exercise.adapt(mistake.answer), trials, answers, wrong)
        if len(same) == len(wanted):
            return mistake.says
        if wrong <= same and not in_part:
            in_part = f"{mistake.says} ({fine}: right)"
    return in_part


def _same_gradients(
    mistaken: Callable[..., Any], trials: list[Trial], answers: list[Arrays], wrong: set[int]
) -> set[int]:
    """Which gradients are in every trial as the mistake makes them; none where one of the `wrong` ones is not."""
    same = set(range(len(answers[0])))
    for trial, a in zip(trials, answers):
        if not wrong <= same:
            return set()
        try:
            with np.errstate(all="ignore"):
                made = _as_arrays(mistaken(*trial.arguments(), **copy.deepcopy(trial.case.options)))
        except ValueError:  # NumPy's, for shapes for which the mistake cannot be made
            return set()
        same = {i for i in same if _close(a[i], made[i], 1e-6)}
    return same


def _in_another_order(trials: list[Trial], answers: list[Arrays]) -> tuple[int, ...]:
    """Which gradients they are, one after the other, where all are right and only their order is not; else ()."""
    for order in itertools.permutations(range(len(answers[0]))):
        if all(_same(a, tuple(t.right[i] for i in order)) for a, t in zip(answers, trials)):
            return order
    return ()


def _wrong_shape(name: str, g: np.ndarray, right: np.ndarray, trial: Trial) -> str:
    text = f"{name} must have shape {right.shape}, it has {g.shape}; with {trial.described()}"
    if g.shape == right.shape[::-1] and np.allclose(g.T, right, rtol=1e-6):
        return f"{text}: it is the right one, transposed"
    if g.ndim > right.ndim or g.size > right.size:
        return f"{text}: a sum over the axes along which it was repeated is missing"
    if g.size < right.size:
        return f"{text}: it was summed over too much, or has to be spread out again"
    return text


def _guessed(answer: Callable[..., Any], trials: list[Trial], answers: list[Arrays], names: list[str]) -> str:
    """What fits the answer that no known mistake fits, for the first gradient that is wrong."""
    wanted = _wanted(trials[0], names)
    wrong = [i for i in range(len(wanted)) if not all(_close(a[i], t.right[i]) for a, t in zip(answers, trials))]
    fine = [name for i, name in enumerate(wanted) if i not in wrong]
    i = wrong[0]

    def with_ones(trial: Trial) -> tuple[np.ndarray, np.ndarray] | None:
        """The answer for G and for G of ones."""
        if trial.G is None:
            return None
        first, *inputs = trial.arguments()
        returned = _as_arrays(answer(np.ones_like(first), *inputs, **copy.deepcopy(trial.case.options)))
        return returned[i], trial.G

    compared = [
        Compared(a[i], t.right[i], t.described(), [x.shape for x in t.case.inputs]) for a, t in zip(answers, trials)
    ]
    text = guess(wanted[i], compared, [with_ones(t) for t in trials])
    return text + (f" ({' and '.join(fine)}: right)" if fine else "")


# --- small things ---


def _all_right(answers: list[Arrays], trials: list[Trial]) -> bool:
    return all(_same(a, trial.right) for a, trial in zip(answers, trials))


def _same(a: Arrays, b: Arrays, rtol: float = RTOL) -> bool:
    return len(a) == len(b) and all(_close(x, y, rtol) for x, y in zip(a, b))


def _close(x: np.ndarray, y: np.ndarray, rtol: float = RTOL) -> bool:
    """Equal up to rounding, which is as large as the largest entry's."""
    if x.shape != y.shape:
        return False
    largest = np.max(np.abs(y[np.isfinite(y)]), initial=0.0)
    return np.allclose(x, y, rtol=rtol, atol=rtol * largest, equal_nan=True)


def _names(written: Callable[..., Any], trial: Trial) -> list[str]:
    """What the learner's function calls G and the inputs."""
    count = len(trial.arguments())
    names = list(inspect.signature(written).parameters)[:count]
    return names + [f"input {i}" for i in range(len(names), count)]


def _wanted(trial: Trial, names: list[str]) -> list[str]:
    """A name for each array that must be returned."""
    if trial.G is None:
        return ["the result"] if len(trial.right) == 1 else [f"result {i + 1}" for i in range(len(trial.right))]
    return [f"dL/d{name}" for name in names[1:]]


def _short(value: Any) -> str:
    return f"{value!r:.60}" if not isinstance(value, np.ndarray) else f"an array {value.shape}"

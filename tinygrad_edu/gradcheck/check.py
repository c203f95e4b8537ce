"""Compare a function's backward with finite differences.

The derivative of f in direction u is what the difference quotient tends to:

    f(x + h u) - f(x - h u)
    -----------------------   =   J u  +  O(h^2).
              2 h

The backward computes the other product, v J, for a gradient v = dL/df handed to it. Both know the Jacobian J, so they
can be held against each other. Random v matters: with v all ones, softmax, whose outputs always sum to 1, would pass
with a gradient of zero.

A check goes through these rooms: `layout.py` copies the inputs; `evaluation.py` calls f and walks its tape;
`difference.py` measures slopes, knows their rounding and sees kinks; `rules.py` holds what a backward must keep to
besides being right; `comparison.py` holds the walks' products against the slopes; `kinks.py` bounds what a backward may
choose where there is no derivative; `calls.py` asks again in other circumstances.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.gradcheck.calls import check_calls
from tinygrad_edu.gradcheck.comparison import CheckResult, RandomDirections, WholeJacobian, compare
from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError, NotFinite
from tinygrad_edu.gradcheck.kinks import check_kinks
from tinygrad_edu.gradcheck.layout import copy_with_strides, refuse_overlap
from tinygrad_edu.gradcheck.rules import check_rules, first_walk
from tinygrad_edu.tensor import Tensor

FULL_JACOBIAN = 20_000  # up to this many entries, each one is checked; beyond, random directions and random entries
ATTEMPTS = 10  # how often to move away from a kink


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    parameters: Iterable[Tensor] = (),
    seed: int = 0,
    rtol: float = 1e-6,
    thorough: bool = True,
) -> CheckResult:
    """Check the gradients of `f(*inputs)` with respect to every input and every parameter.

    Parameters
    ----------
    f : callable
        Takes as many tensors as there are inputs; returns a tensor or a tuple of tensors. It must return the same
        values when it is called again: seed any randomness inside.
    inputs : arrays or tensors, float64
        Where to check. They are copied, and keep their layout in memory. Where f has a kink (relu at 0), points beside
        it are tried; the result says so.
    parameters : tensors, float64
        Further tensors that `f` uses, such as `module.astype('float64').parameters()`. Their values are changed while
        the check runs, and restored; their `.grad` is reset.
    seed : int
        For the random gradients v and directions u.
    rtol : float
        The largest allowed relative error, |analytic - numeric| / max(|analytic|, |numeric|, floor), between 0 and 1.
        The floor is a thousandth of the largest derivative of the same output, or where the rounding of f's values
        alone makes an error of rtol; the result says how many derivatives that conceals, and how far.
    thorough : bool
        Whether to ask for the gradient in other circumstances as well: with inputs that lie otherwise in memory (in
        Fortran order, reversed, with gaps), with v much larger and much smaller, with each input frozen in turn, with a
        call of f at other values between a forward and its backward, and at those other values themselves (where f is
        defined and smooth there). The whole table of operations takes 1.4 times as long with it as without.

    Returns
    -------
    CheckResult

    Raises
    ------
    GradientError
        With the rule that failed: *equal* (analytic and numeric derivative differ; the worst entry is shown), *count*,
        *shape*, *dtype* (what a backward returns does not fit its inputs), *own memory* (it shares an array that is not
        its own), *untouched* (f or a backward wrote into what it was given), *repeatable* (a second call or walk gave
        something else than the first), *linear* (a zero gradient v gave something else than zeros, or c v not c times
        the gradient), *layout* (the gradient depends on how the incoming one, or an input, lies in memory), *frozen*
        (it depends on which other inputs require one), *order* (it depends on calls at other values before), *kink* (a
        slope of relu at 0 that is not between 0 and 1, tied maxima whose gradients do not sum to 1, and the like),
        *precision* (the backward computes in fewer digits than float64 has), *smooth* (a kink, or values that jump, at
        every point that was tried).
    TypeError
        An input is no array or tensor of float64, a parameter no such tensor, or f returns anything else.
    ValueError
        Inputs overlap in memory; a parameter requires no gradient, or is no leaf; f is not finite at the inputs, or
        beside them (at the edge of its domain, such as 0 for the square root); rtol is not between 0 and 1.

    What f or a backward raises itself is handed on.

    What no check at a few points can see: a backward that is wrong elsewhere, as for large inputs alone or for other
    shapes; one that goes wrong after a thousand calls, or in other threads. Check it there.
    """
    if not (isinstance(rtol, numbers.Real) and 0 < rtol < 1):  # NaN is neither more nor less than anything
        raise ValueError(f"gradcheck: rtol must be a number between 0 and 1, such as 1e-6; got {rtol!r}")
    checks.function("gradcheck", "f", f)
    thorough = checks.flag("gradcheck", "thorough", thorough)
    rtol = float(rtol)
    parameters = checks.items("gradcheck", "parameters", parameters, "a list of tensors, such as model.parameters()")
    arrays = [_float64(i, x) for i, x in enumerate((*inputs, *parameters))]
    _check_parameters(parameters)
    refuse_overlap(arrays)
    leaves = [Tensor(copy_with_strides(x), requires_grad=True) for x in arrays[: len(inputs)]] + parameters
    originals = [leaf.data.copy() for leaf in leaves]
    rng = np.random.default_rng(checks.seed("gradcheck", seed))
    try:
        with np.errstate(all="ignore"):  # what is not finite is said in words
            for moved in range(ATTEMPTS):
                try:
                    at = Evaluation(f, leaves, len(inputs), rng)
                    result = _check_at(at, rng, rtol, thorough)
                except NotFinite:
                    if moved == 0:
                        raise
                    result = None  # beside the kink, but outside of f's domain
                if result is not None:
                    return replace(result, moved=moved)
                for leaf, original in zip(leaves, originals):
                    leaf.data[...] = original + 0.02 * rng.normal(size=leaf.shape)
        raise GradientError(
            f"rule 'smooth': {at.name} has a kink, or values that jump or are rounded coarsely (to float32?), at every "
            f"one of {ATTEMPTS} points near the inputs"
        )
    finally:
        for leaf, original in zip(leaves, originals):
            leaf.data[...] = original
            leaf.grad = None


def _check_at(at: Evaluation, rng: np.random.Generator, rtol: float, thorough: bool) -> CheckResult | None:
    """All rules at one point. At a kink there is no derivative, only a backward's choice: None, when the others hold.

    A wrong gradient never looks like a kink: that is told from the values of f alone.
    """
    gradients = first_walk(at)
    entries = sum(leaf.data.size for leaf in at.leaves) * at.values.size
    plan = WholeJacobian(at, rng) if entries <= FULL_JACOBIAN else RandomDirections(at, rng)
    check_rules(at, gradients, rtol)
    if not all(slopes.is_smooth(rtol) for slopes in plan.slopes):
        check_kinks(at, rng, rtol)
        return None
    result = compare(at, plan, gradients, rtol)
    if thorough:
        check_calls(at, gradients, rng, rtol)
    return result


def _float64(i: int, x: Any) -> np.ndarray:
    data = x.data if isinstance(x, Tensor) else x
    if not isinstance(data, np.ndarray) or data.dtype != np.float64:
        raise TypeError(
            f"gradcheck: input {i} (parameters count on) must be an array or tensor of float64, got "
            f"{type(x).__name__} of {getattr(data, 'dtype', 'no dtype')}; float32 has too few digits for difference "
            "quotients, x.astype('float64') has enough"
        )
    return data


def _check_parameters(parameters: list[Any]) -> None:
    for i, p in enumerate(parameters):
        if not isinstance(p, Tensor):
            raise TypeError(f"gradcheck: parameter {i} must be a Tensor that f uses, got {type(p).__name__}")
        if not p.requires_grad or p.op:
            what = f"the result of {p.op}" if p.op else "frozen (requires_grad=False)"
            raise ValueError(f"gradcheck: parameter {i} is {what}; it must be a leaf that requires a gradient")

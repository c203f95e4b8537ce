"""What a backward must keep to besides being right: see `record` in `tensor.py`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError, flat, largest
from tinygrad_edu.gradcheck.layout import OTHER_LAYOUTS
from tinygrad_edu.tensor import Backward, Tensor

Replacement = Callable[[Tensor, Backward], Backward]  # a step of the tape and its backward -> another backward


def first_walk(at: Evaluation) -> list[np.ndarray]:
    """v J for each leaf, from the first walk over a new tape: the only one that training does.

    Then f is called again, before anything is concluded from its values.
    """
    gradients = walk_guarded(at, at.V)
    _check_untouched(at)
    if not np.array_equal(flat([out.data for out in at.call()]), at.values):
        raise GradientError(f"rule 'repeatable': {at.name}: a second call gave other values; seed its randomness")
    return gradients


def walk_guarded(at: Evaluation, V: list[np.ndarray]) -> list[np.ndarray]:
    """v J; at every step of the tape a guard looks at what its backward is given and returns."""
    with _at_every_step(at, _guarded):
        return at.vjp(V)


def check_rules(at: Evaluation, gradients: list[np.ndarray], rtol: float) -> None:
    """The rules that show in further walks, beside the `gradients` of the first."""
    again = at.vjp(at.V)
    zeros = at.vjp([np.zeros_like(v) for v in at.V])
    _check_untouched(at)
    for i in range(len(at.leaves)):
        where = f"{at.name}, {at.leaf_name(i)}"
        if not np.array_equal(gradients[i], again[i], equal_nan=True):
            raise GradientError(f"rule 'repeatable': {where}: a second backward gave another gradient than the first")
        if np.any(zeros[i] != 0):
            raise GradientError(f"rule 'linear': {where}: a zero gradient v gave {_worst(zeros[i])}, not zeros")
    _check_layouts(at, gradients, rtol)
    _check_precision(at, gradients)


def _check_untouched(at: Evaluation) -> None:
    for i, leaf in enumerate(at.leaves):
        if not np.array_equal(leaf.data, at.leaf_values[i]):
            raise GradientError(f"rule 'untouched': {at.name}, {at.leaf_name(i)}: f or its backward wrote into it")


def _check_layouts(at: Evaluation, gradients: list[np.ndarray], rtol: float) -> None:
    """Numbers do not depend on where they lie: the same G in another layout gives the same gradient."""
    for name, lay_out in OTHER_LAYOUTS.items():
        with _at_every_step(at, _handing_over(lay_out)):
            others = at.vjp(at.V)
        why = f"where the incoming gradients lie {name} in memory, the gradient differs"
        check_same(at, others, gradients, rtol, "rule 'layout'", why)


def _check_precision(at: Evaluation, gradients: list[np.ndarray]) -> None:
    """Rule *precision*: v J grows with v, by a factor 1 + e for which float32 (2^-24) is too coarse as well.

    Where float32 hears nothing of it, most of v J is off by just e, whatever e is. A sum whose terms cancel has few
    digits, too, but is off by something else, which does not follow e. A gradient that may be what rounding left of a
    zero is not asked.
    """
    factors = [2.0**-34, 2.0**-38, 2.0**-42]
    for i, others in enumerate(zip(*(at.vjp([v * (1 + e) for v in at.V]) for e in factors))):
        g = gradients[i]
        asked = np.abs(g) > 1e-3 * largest(g)
        if not asked.any() or largest(g) < max(1e-5 * largest(at.values), 1e-280):  # subnormal numbers have few digits
            continue
        off = [float(np.median(np.abs(other / g / (1 + e) - 1)[asked])) for other, e in zip(others, factors)]
        if all(e / 2 < o < 2 * e for o, e in zip(off, factors)):
            raise GradientError(
                f"rule 'precision': {at.name}, {at.leaf_name(i)}: a change of 2^-34 in the incoming gradient is lost; "
                "does the backward compute in float32?"
            )


def check_same(
    at: Evaluation, others: list[np.ndarray], gradients: list[np.ndarray], rtol: float, rule: str, why: str
) -> None:
    """GradientError where `others` are not the `gradients`, up to rounding, as sums may be taken in another order.

    How large that is shows beside the largest entry, or beside the values of f where all entries cancel.
    """
    for i, (gradient, other) in enumerate(zip(gradients, others)):
        small = 1e-3 * max(largest(gradient), largest(at.values))
        small = max(small, 1e-280)  # numbers near the smallest of all have fewer digits
        if not np.allclose(other, gradient, rtol=rtol, atol=rtol * small, equal_nan=True):
            raise GradientError(f"{rule}: {at.name}, {at.leaf_name(i)}: {why} by {_worst(other - gradient):.3e}")


def _handing_over(lay_out: Callable[[np.ndarray], np.ndarray]) -> Replacement:
    return lambda step, backward: lambda G: backward(lay_out(G))


@contextlib.contextmanager
def _at_every_step(at: Evaluation, replacement: Replacement) -> Iterator[None]:
    """Put `replacement(step, backward)` in the place of every backward on the tape, for the moment."""
    backwards: dict[Tensor, Backward] = {}
    waiting = list(at.outputs)
    while waiting:
        step = waiting.pop()
        if step._backward is not None and step not in backwards:
            backwards[step] = step._backward
            waiting.extend(step._inputs)
    try:
        for step, backward in backwards.items():
            step._backward = replacement(step, backward)
        yield
    finally:
        for step, backward in backwards.items():
            step._backward = backward


def _guarded(step: Tensor, backward: Backward) -> Backward:
    """`backward` under the rules for one step: see Returns of `record`."""
    op, inputs = step.op, step._inputs

    def guard(G):
        before = G.copy()
        returned = backward(G)
        if not np.array_equal(G, before, equal_nan=True):
            raise GradientError(f"rule 'untouched': {op}: its backward wrote into the gradient it was given")
        if not isinstance(returned, tuple):
            raise GradientError(f"rule 'count': {op}: its backward must return a tuple, it returned {returned!r:.80}")
        if len(returned) != len(inputs):
            raise GradientError(f"rule 'count': {op} has {len(inputs)} inputs, {len(returned)} gradients")
        for k, (x, g) in enumerate(zip(inputs, returned)):
            if g is None:
                continue
            if not isinstance(g, np.ndarray | np.generic):
                raise GradientError(f"rule 'dtype': {op}: a gradient must be an array, its backward returned {g!r:.80}")
            if g.shape != x.shape or g.dtype != x.dtype:
                rule = "shape" if g.shape != x.shape else "dtype"
                raise GradientError(f"rule '{rule}': {op}: {g.shape} {g.dtype} for {x.shape} {x.dtype}")
            if any(np.may_share_memory(g, y.data) for y in (*inputs, step)):
                raise GradientError(f"rule 'own memory': {op}: a gradient is a view of an input or the result")
            # The walk adds into arrays that it takes for new; no other gradient may see that.
            new = g is not G and g.base is None
            if new and any(h is not None and np.may_share_memory(g, h) for h in (*returned[:k], *returned[k + 1 :])):
                raise GradientError(f"rule 'own memory': {op}: two of its gradients share one array")
        return returned

    return guard


def _worst(x: np.ndarray) -> Any:
    return x.reshape(-1)[np.argmax(np.abs(x))]

"""What one point and one order of calls do not show: the same gradient is asked for in other circumstances.

A gradient follows from the values of the inputs and from G, and it is linear in G. It does not depend on where the
inputs lie in memory, on which of them require a gradient, or on what was computed between a forward and its backward.
So all this is varied, and the gradient must stay. At last the numbers of each input change places, and the gradient
must follow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from tinygrad_edu.gradcheck.comparison import RandomDirections, compare
from tinygrad_edu.gradcheck.difference import EPS
from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError, largest
from tinygrad_edu.gradcheck.layout import OTHER_LAYOUTS
from tinygrad_edu.gradcheck.rules import check_same, walk_guarded
from tinygrad_edu.tensor import no_grad

FACTORS = (2.0**10, 2.0**-40)  # what clips shows at the first, what drops at the second; powers of two round nothing


def check_calls(at: Evaluation, gradients: list[np.ndarray], rng: np.random.Generator, rtol: float) -> None:
    """Hold the `gradients` at the point, which are right, against those in other circumstances."""
    # A product with 1 may hand out what it should have multiplied: the guard's walk over random v does not see that.
    walk_guarded(at, [np.ones_like(v) for v in at.V])
    for c in FACTORS:
        scaled = [g / c for g in at.vjp([c * v for v in at.V])]
        check_same(at, scaled, gradients, rtol, "rule 'linear'", f"{c:g} v gave another gradient than {c:g} times v J,")
    for name, lay_out in OTHER_LAYOUTS.items():
        with _leaves(at, [lay_out(x) for x in at.leaf_values]):
            others = at.vjp(at.V, at.call())
        check_same(at, others, gradients, rtol, "rule 'layout'", f"where the inputs lie {name}, the gradient differs")
    if len(at.leaves) > 1:
        for k in range(len(at.leaves)):
            _check_frozen(at, k, gradients, rtol)
    _check_order(at, gradients, rng, rtol)


@contextlib.contextmanager
def _leaves(at: Evaluation, values: list[np.ndarray]) -> Iterator[None]:
    """Let the leaves hold other arrays for the moment. Their own are not written into: a tape holds them."""
    own = [leaf.data for leaf in at.leaves]
    try:
        for leaf, x in zip(at.leaves, values):
            leaf.data = x
        yield
    finally:
        for leaf, x in zip(at.leaves, own):
            leaf.data = x


def _check_frozen(at: Evaluation, k: int, gradients: list[np.ndarray], rtol: float) -> None:
    """Rule *frozen*: the other gradients are the same when leaf k requires none."""
    at.leaves[k].requires_grad = False
    try:
        others = at.vjp(at.V, at.call())
    finally:
        at.leaves[k].requires_grad = True
    others[k] = gradients[k]
    check_same(at, others, gradients, rtol, "rule 'frozen'", f"with {at.leaf_name(k)} frozen, the gradient differs")


def _check_order(at: Evaluation, gradients: list[np.ndarray], rng: np.random.Generator, rtol: float) -> None:
    """Rule *order*: f is called elsewhere between a forward and its backward, and both backwards must be right.

    Elsewhere, the numbers of each input have changed places: other signs, another maximum, and hardly ever outside of
    f's domain.
    """
    elsewhere = [rng.permutation(x.reshape(-1)).reshape(x.shape) for x in at.leaf_values]
    outputs = at.call()
    with _leaves(at, elsewhere):
        try:
            with no_grad():
                at.call()
            there = Evaluation(at.f, at.leaves, at.inputs, rng)
            plan = RandomDirections(there, rng, directions=2, singles=4)
        except Exception:  # not a fault of f: it need not be defined there
            return
    why = "after another forward, the backward of this one is off"
    check_same(at, at.vjp(at.V, outputs), gradients, rtol, "rule 'order'", why)
    if not all(slopes.is_smooth(rtol) for slopes in plan.slopes):
        return
    with _leaves(at, elsewhere):
        try:
            # What is left over from another call is no small error; and nobody chose this point for its smoothness: in
            # the tail of a sigmoid, 1 - s is 0 to the last bit of 1.
            last_bit = EPS * max(largest(g) for g in gradients)
            compare(there, plan, there.vjp(there.V), max(rtol, 1e-3), last_bit)
        except GradientError as error:
            where = "where the numbers of each input have changed places, after calls at other values"
            raise GradientError(f"rule 'order': {where}:\n{error}") from None

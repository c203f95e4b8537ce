"""Compare a function's backward with finite differences.

The derivative of f in direction u is what the difference quotient tends to:

    f(x + h u) - f(x - h u)
    -----------------------   =   J u  +  O(h^2).
              2 h

The backward computes the other product, v J, for a gradient v = dL/df handed to it. Both know the Jacobian J, so they
can be held against each other. Random v matters: with v all ones, softmax, whose outputs always sum to 1, would pass
with a gradient of zero.

The rounding error of the quotient is about eps |f| / h, its truncation error about h^2; h near the cube root of eps
balances them and leaves some ten right digits, for inputs that are not very much larger or smaller than 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError, flat
from tinygrad_edu.gradcheck.rules import check_rules
from tinygrad_edu.tensor import Tensor, no_grad

STEP = 2.0**-17  # 7.6e-6, near the cube root of float64's eps; a power of two, so that x + h has no rounding error
FULL_JACOBIAN = 20_000  # up to this many entries, each one is checked; beyond, random directions and random entries
DIRECTIONS, SINGLE_ENTRIES = 8, 24  # how many of each, for each input
ATTEMPTS = 10  # how often to move away from a kink


@dataclass(frozen=True)
class CheckResult:
    """What a passed check found: derivatives compared, and the largest errors among them.

    `moved` counts the points that were left because of a kink: 0 where the gradients were checked at the inputs.
    """

    entries: int
    absolute: float
    relative: float
    moved: int = 0


class _Kink(Exception):
    """The function has no derivative at this point: its slopes on the left and on the right differ."""


def gradcheck(
    f: Callable[..., Any], *inputs: Any, parameters: Iterable[Tensor] = (), seed: int = 0, rtol: float = 1e-6
) -> CheckResult:
    """Check the gradients of `f(*inputs)` with respect to every input and every parameter.

    Parameters
    ----------
    f : callable
        Takes as many tensors as there are inputs; returns a tensor or a tuple of tensors. It must return the same
        values when it is called again: seed any randomness inside.
    inputs : arrays or tensors, float64
        Where to check. They are copied. Where f has a kink (relu at 0), points beside it are tried; the result says so.
    parameters : tensors, float64
        Further tensors that `f` uses, such as `module.astype('float64').parameters()`. Their values are changed while
        the check runs, and restored; their `.grad` is reset.
    seed : int
        For the random gradients v and directions u.
    rtol : float
        The largest allowed relative error, |analytic - numeric| / max(|analytic|, |numeric|, floor). The floor, a
        thousandth of the largest value and derivative, is what a difference quotient of such a function can resolve.

    Returns
    -------
    CheckResult

    Raises
    ------
    GradientError
        With the rule that failed: *equal* (analytic and numeric derivative differ; the worst entry is shown), *shape*,
        *dtype*, *count*, *repeatable* (a second backward differs in some bit), *linear* (v = 0 gives something else
        than zeros), *untouched* (an input or v was written into), *own memory* (a returned gradient is a view of
        something else than v, or shares its array with another one), *smooth* (a kink at every point that was tried).
    TypeError, ValueError
        The inputs are not float64, or overlap in memory.
    """
    parameters = list(parameters)
    arrays = [_float64(i, x) for i, x in enumerate((*inputs, *parameters))]
    _refuse_overlap(arrays)
    leaves = [Tensor(x.copy(), requires_grad=True) for x in arrays[: len(inputs)]] + parameters
    originals = [leaf.data.copy() for leaf in leaves]
    rng = np.random.default_rng(seed)
    try:
        for moved in range(ATTEMPTS):
            try:
                at = Evaluation(f, leaves, len(inputs), rng)
                return replace(_Comparison(at, rng, rtol).run(check_rules(at)), moved=moved)
            except _Kink:  # a wrong gradient never causes this: only the differences of f are looked at
                for leaf, original in zip(leaves, originals):
                    leaf.data[...] = original + 0.02 * rng.normal(size=leaf.shape)
        raise GradientError(f"rule 'smooth': {at.name} has a kink at every one of {ATTEMPTS} points near the inputs")
    finally:
        for leaf, original in zip(leaves, originals):
            leaf.data[...] = original
            leaf.grad = None


class _Comparison:
    """Analytic derivatives against difference quotients, at one point."""

    def __init__(self, at: Evaluation, rng: np.random.Generator, rtol: float) -> None:
        self.at, self.rng, self.rtol = at, rng, rtol
        self.leaves, self.values = at.leaves, at.values

    def run(self, gradients: list[np.ndarray]) -> CheckResult:
        if sum(leaf.data.size for leaf in self.leaves) * self.values.size <= FULL_JACOBIAN:
            return self.compare_jacobians(gradients)
        return self.compare_directions(gradients)

    def evaluate(self, i: int, x: np.ndarray) -> np.ndarray:
        """All outputs, flattened, with leaf i set to x for the moment."""
        leaf = self.leaves[i]
        original = leaf.data.copy()
        leaf.data[...] = x
        try:
            with no_grad():
                return flat([out.data for out in self.at.call()])
        finally:
            leaf.data[...] = original

    def difference(self, i: int, u: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """The central difference quotient in direction u of leaf i; raises _Kink where there is no derivative.

        Without weights, of every output; with them, of the one number weights . outputs.
        """
        x = self.leaves[i].data

        def quotients(h: float) -> tuple[np.ndarray, np.ndarray]:
            ahead, behind = self.evaluate(i, x + h * u) - self.values, self.values - self.evaluate(i, x - h * u)
            if weights is not None:
                ahead, behind = (weights * ahead).sum(), (weights * behind).sum()
            return ahead / h, behind / h

        right, left = quotients(STEP)
        gap = np.abs(right - left)
        suspicious = gap > 1e-3 * (np.abs(right) + np.abs(left)) + 1e-5 * np.abs(self.values).max(initial=0.0)
        if np.any(suspicious):
            # The slopes of a smooth function approach each other in proportion to h, those at a kink do not (or do
            # so at once, when the smaller step no longer reaches it). Expected for a smooth one: a ratio of 1/8.
            closer_right, closer_left = quotients(STEP / 8)
            ratio = np.abs(closer_right - closer_left) / np.where(suspicious, gap, 1.0)
            if np.any(suspicious & ((ratio < 0.06) | (ratio > 0.25))):
                raise _Kink
        return (right + left) / 2

    def compare_jacobians(self, gradients: list[np.ndarray]) -> CheckResult:
        """Every entry of J: columns from differences, rows from backwards with v = (0 .. 1 .. 0)."""
        units = np.eye(self.values.size)
        rows = [[g.reshape(-1) for g in self.at.vjp(self.at.unflatten(unit))] for unit in units]
        entries, absolute, relative = 0, 0.0, 0.0
        for i, leaf in enumerate(self.leaves):
            size = leaf.data.size
            numeric = np.empty((self.values.size, size))
            for j in range(size):
                numeric[:, j] = self.difference(i, np.eye(1, size, j).reshape(leaf.shape), None)
            analytic = np.array([row[i] for row in rows]).reshape(self.values.size, size)
            v = flat(self.at.V)
            numeric = np.vstack([numeric, v @ numeric])  # and the random v, which a lucky unit cannot replace
            analytic = np.vstack([analytic, gradients[i].reshape(1, -1)])
            worst = self.compare(i, analytic, numeric, "output entry, input entry")
            entries, absolute, relative = entries + analytic.size, max(absolute, worst[0]), max(relative, worst[1])
        return CheckResult(entries, absolute, relative)

    def compare_directions(self, gradients: list[np.ndarray]) -> CheckResult:
        """v J u for random directions u, and for random single entries, where an error cannot average out."""
        v = flat(self.at.V)
        entries, absolute, relative = 0, 0.0, 0.0
        for i, leaf in enumerate(self.leaves):
            size = leaf.data.size
            singles = self.rng.choice(size, min(size, SINGLE_ENTRIES), replace=False)
            directions = [self.rng.normal(size=leaf.shape) for _ in range(DIRECTIONS)]
            # Of length 1: on the way x + h u each entry moves little, and hardly any of a million ReLUs meets its kink.
            directions = [u / np.linalg.norm(u) for u in directions]
            directions += [np.eye(1, size, int(j)).reshape(leaf.shape) for j in singles]
            numeric = np.array([self.difference(i, u, v) for u in directions])
            analytic = np.array([(gradients[i] * u).sum() for u in directions])
            worst = self.compare(i, analytic, numeric, f"direction ({DIRECTIONS} random ones, then single entries)")
            entries, absolute, relative = entries + analytic.size, max(absolute, worst[0]), max(relative, worst[1])
        return CheckResult(entries, absolute, relative)

    def compare(self, i: int, analytic: np.ndarray, numeric: np.ndarray, axes: str) -> tuple[float, float]:
        """The largest absolute and relative error; GradientError when the relative one is too large."""
        if analytic.size == 0:
            return 0.0, 0.0
        error = np.abs(analytic - numeric)
        floor = 1e-3 * max(np.abs(self.values).max(initial=0.0), np.abs(numeric).max())
        relative = error / np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), floor or 1.0)
        relative = np.where(np.isnan(relative), np.inf, relative)
        worst = np.unravel_index(np.argmax(relative), relative.shape)
        if relative[worst] > self.rtol:
            index = ", ".join(str(int(k)) for k in worst)
            raise GradientError(
                f"rule 'equal': {self.at.name}, {self.at.leaf_name(i)} of shape {self.leaves[i].shape}: "
                f"{int((relative > self.rtol).sum())} of {relative.size} derivatives are wrong\n"
                f"  worst at ({index})  [{axes}]\n"
                f"  analytic        {analytic[worst]: .12e}   (the backward)\n"
                f"  numeric         {numeric[worst]: .12e}   (central differences)\n"
                f"  absolute error  {error[worst]: .3e}\n"
                f"  relative error  {relative[worst]: .3e}   (allowed {self.rtol:g})"
            )
        return float(error.max()), float(relative.max())


def _float64(i: int, x: Any) -> np.ndarray:
    data = x.data if isinstance(x, Tensor) else x
    if not isinstance(data, np.ndarray) or data.dtype != np.float64:
        raise TypeError(
            f"gradcheck: input {i} (parameters count on) must be an array or tensor of float64, got "
            f"{type(x).__name__} of {getattr(data, 'dtype', 'no dtype')}; float32 has too few digits for difference "
            "quotients, x.astype('float64') has enough"
        )
    return data


def _refuse_overlap(arrays: list[np.ndarray]) -> None:
    """An entry that stands for several places cannot be changed alone, so its difference quotient means nothing."""
    for i, x in enumerate(arrays):
        offsets = np.zeros(1, dtype=int)
        for length, stride in zip(x.shape, x.strides):
            offsets = np.add.outer(offsets, np.arange(length) * stride).reshape(-1)
        if len(np.unique(offsets)) < x.size:
            raise ValueError(f"gradcheck: input {i} overlaps with itself (a broadcast or sliding view); pass a copy")
        for j in range(i):
            if np.shares_memory(x, arrays[j]):
                raise ValueError(f"gradcheck: inputs {j} and {i} overlap in memory; pass copies")

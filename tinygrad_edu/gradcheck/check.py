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
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.tensor import Tensor, no_grad

STEP = 2.0**-17  # 7.6e-6, near the cube root of float64's eps; a power of two, so that x + h has no rounding error
FULL_JACOBIAN = 20_000  # up to this many entries, each one is checked; beyond, random directions and random entries
DIRECTIONS, SINGLE_ENTRIES = 8, 24  # how many of each, for each input
ATTEMPTS = 10  # how often to move away from a kink


class GradientError(AssertionError):
    """A gradient is wrong, or the backward broke one of its rules; the message says which, where and by how much."""


@dataclass(frozen=True)
class CheckResult:
    """What a passed check found: derivatives compared, and the largest errors among them."""

    entries: int
    absolute: float
    relative: float


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
        Where to check. They are copied.
    parameters : tensors, float64
        Further tensors that `f` uses, such as `module.parameters()`. Their values are changed while the check runs
        and restored; their `.grad` is reset.
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
        for _ in range(ATTEMPTS):
            try:
                return _Check(f, leaves, len(inputs), rng, rtol).run()
            except _Kink:  # a wrong gradient never causes this: only the differences of f are looked at
                for leaf, original in zip(leaves, originals):
                    leaf.data[...] = original + 0.02 * rng.normal(size=leaf.shape)
        raise GradientError(f"rule 'smooth': {_name(f)} has a kink at every one of {ATTEMPTS} points near the inputs")
    finally:
        for leaf, original in zip(leaves, originals):
            leaf.data[...] = original
            leaf.grad = None


class _Check:
    """One check at one point."""

    def __init__(self, f: Callable, leaves: list[Tensor], inputs: int, rng: np.random.Generator, rtol: float) -> None:
        self.f, self.leaves, self.inputs, self.rng, self.rtol = f, leaves, inputs, rng, rtol
        self.before = [leaf.data.copy() for leaf in leaves]
        self.outputs = self.call()
        self.values = _flat(self.outputs)
        self.V = [rng.normal(size=out.shape) for out in self.outputs]

    def run(self) -> CheckResult:
        gradients = self.check_rules()
        if sum(leaf.data.size for leaf in self.leaves) * self.values.size <= FULL_JACOBIAN:
            return self.compare_jacobians(gradients)
        return self.compare_directions(gradients)

    def call(self) -> tuple[Tensor, ...]:
        outputs = self.f(*self.leaves[: self.inputs])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for out in outputs:
            if not isinstance(out, Tensor) or out.dtype != np.float64:
                raise TypeError(f"gradcheck: {_name(self.f)} must return float64 tensors, it returned {out!r:.80}")
        return outputs

    def vjp(self, V: list[np.ndarray]) -> list[np.ndarray]:
        """The analytic products v J, one for each leaf."""
        for leaf in self.leaves:
            leaf.grad = None
        for out, v in zip(self.outputs, V):
            if out.requires_grad:
                out.backward(v, retain_graph=True)
        return [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in self.leaves]

    # --- the rules that need no differences ---

    def check_rules(self) -> list[np.ndarray]:
        self.check_steps()
        gradients = self.vjp(self.V)
        again = self.vjp(self.V)
        zeros = self.vjp([np.zeros_like(v) for v in self.V])
        values_again = _flat(self.call())
        for i, leaf in enumerate(self.leaves):
            if not np.array_equal(leaf.data, self.before[i]):
                raise GradientError(
                    f"rule 'untouched': {_name(self.f)}, {self.leaf_name(i)}: f or its backward wrote into it"
                )
        for i, leaf in enumerate(self.leaves):
            where = f"{_name(self.f)}, {self.leaf_name(i)}"
            if gradients[i].shape != leaf.shape:
                raise GradientError(f"rule 'shape': {where} is {leaf.shape}, its gradient {gradients[i].shape}")
            if gradients[i].dtype != leaf.dtype:
                raise GradientError(f"rule 'dtype': {where} is {leaf.dtype}, its gradient {gradients[i].dtype}")
            if not np.array_equal(gradients[i], again[i], equal_nan=True):
                raise GradientError(f"rule 'repeatable': {where}: a second backward gave another gradient")
            if np.any(zeros[i] != 0):
                raise GradientError(f"rule 'linear': {where}: a zero gradient v gave {_worst(zeros[i])}, not zeros")
        if not np.array_equal(values_again, self.values, equal_nan=True):
            raise GradientError(
                f"rule 'repeatable': {_name(self.f)}: a second call gave other values; seed its randomness"
            )
        return gradients

    def check_steps(self) -> None:
        """Walk the tape once with a guard at every step, who looks at what its backward is given and returns."""
        steps, waiting = set(), list(self.outputs)
        while waiting:
            step = waiting.pop()
            if step._backward is not None and step not in steps:
                steps.add(step)
                waiting.extend(step._inputs)
        backwards = [(step, step._backward) for step in steps]
        try:
            for step, backward in backwards:
                step._backward = self.guarded(step, backward)
            self.vjp(self.V)
        finally:
            for step, backward in backwards:
                step._backward = backward

    def guarded(self, step: Tensor, backward: Any) -> Callable:
        op, inputs = step.op, step._inputs

        def guard(G):
            before = G.copy()
            returned = list(backward(G))
            if not np.array_equal(G, before, equal_nan=True):
                raise GradientError(f"rule 'untouched': {op}: its backward wrote into the gradient it was given")
            if len(returned) != len(inputs):
                raise GradientError(f"rule 'count': {op} has {len(inputs)} inputs, {len(returned)} gradients")
            for k, (x, g) in enumerate(zip(inputs, returned)):
                if g is None:
                    continue
                if g.shape != x.shape or g.dtype != x.dtype:
                    rule = "shape" if g.shape != x.shape else "dtype"
                    raise GradientError(f"rule '{rule}': {op}: {g.shape} {g.dtype} for {x.shape} {x.dtype}")
                if any(np.may_share_memory(g, y.data) for y in (*inputs, step)):
                    raise GradientError(f"rule 'own memory': {op}: a gradient is a view of an input or the result")
                # The walk adds into arrays that it takes for new; no other gradient may see that.
                new = g is not G and g.base is None
                if new and any(
                    h is not None and np.may_share_memory(g, h) for h in (*returned[:k], *returned[k + 1 :])
                ):
                    raise GradientError(f"rule 'own memory': {op}: two of its gradients share one array")
            return returned

        return guard

    # --- differences ---

    def evaluate(self, i: int, x: np.ndarray) -> np.ndarray:
        """All outputs, flattened, with leaf i set to x for the moment."""
        leaf = self.leaves[i]
        original = leaf.data.copy()
        leaf.data[...] = x
        try:
            with no_grad():
                return _flat(self.call())
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
            # so at once, when the smaller step no longer reaches it).
            closer_right, closer_left = quotients(STEP / 8)
            ratio = np.abs(closer_right - closer_left) / np.where(suspicious, gap, 1.0)
            if np.any(suspicious & ((ratio < 0.06) | (ratio > 0.25))):
                raise _Kink
        return (right + left) / 2

    def compare_jacobians(self, gradients: list[np.ndarray]) -> CheckResult:
        """Every entry of J: columns from differences, rows from backwards with v = (0 .. 1 .. 0)."""
        units = np.eye(self.values.size)
        rows = [[g.reshape(-1) for g in self.vjp(self.unflatten(unit))] for unit in units]
        entries, absolute, relative = 0, 0.0, 0.0
        for i, leaf in enumerate(self.leaves):
            size = leaf.data.size
            numeric = np.empty((self.values.size, size))
            for j in range(size):
                numeric[:, j] = self.difference(i, np.eye(1, size, j).reshape(leaf.shape), None)
            analytic = np.array([row[i] for row in rows]).reshape(self.values.size, size)
            v = _flat_arrays(self.V)
            numeric = np.vstack([numeric, v @ numeric])  # and the random v, which a lucky unit cannot replace
            analytic = np.vstack([analytic, gradients[i].reshape(1, -1)])
            worst = self.compare(i, analytic, numeric, "output entry, input entry")
            entries, absolute, relative = entries + analytic.size, max(absolute, worst[0]), max(relative, worst[1])
        return CheckResult(entries, absolute, relative)

    def compare_directions(self, gradients: list[np.ndarray]) -> CheckResult:
        """v J u for random directions u, and for random single entries, where an error cannot average out."""
        v = _flat_arrays(self.V)
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
        at = np.unravel_index(np.argmax(relative), relative.shape)
        if relative[at] > self.rtol:
            index = ", ".join(str(int(k)) for k in at)
            raise GradientError(
                f"rule 'equal': {_name(self.f)}, {self.leaf_name(i)} of shape {self.leaves[i].shape}: "
                f"{int((relative > self.rtol).sum())} of {relative.size} derivatives are wrong\n"
                f"  worst at ({index})  [{axes}]\n"
                f"  analytic        {analytic[at]: .12e}   (the backward)\n"
                f"  numeric         {numeric[at]: .12e}   (central differences)\n"
                f"  absolute error  {error[at]: .3e}\n"
                f"  relative error  {relative[at]: .3e}   (allowed {self.rtol:g})"
            )
        return float(error.max()), float(relative.max())

    def unflatten(self, v: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum([out.data.size for out in self.outputs])[:-1]
        return [part.reshape(out.shape) for part, out in zip(np.split(v, ends), self.outputs)]

    def leaf_name(self, i: int) -> str:
        return f"input {i}" if i < self.inputs else f"parameter {i - self.inputs}"


def _float64(i: int, x: Any) -> np.ndarray:
    data = x.data if isinstance(x, Tensor) else x
    if not isinstance(data, np.ndarray) or data.dtype != np.float64:
        raise TypeError(
            f"gradcheck: input {i} must be a float64 array, got {getattr(data, 'dtype', type(data).__name__)}; "
            "float32 has too few digits for difference quotients"
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


def _flat(outputs: tuple[Tensor, ...]) -> np.ndarray:
    return _flat_arrays([out.data for out in outputs])


def _flat_arrays(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([a.reshape(-1) for a in arrays])


def _worst(x: np.ndarray) -> float:
    return float(x.reshape(-1)[np.argmax(np.abs(x))])


def _name(f: Callable) -> str:
    return getattr(f, "__name__", type(f).__name__)

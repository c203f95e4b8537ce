"""Guesses at what is wrong with a gradient, for mistakes that nobody wrote down: the first that fits is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Compared:
    """An answer beside what is right, of the same shape."""

    answer: np.ndarray
    right: np.ndarray
    described: str  # what it was called with
    shapes: list[tuple[int, ...]]  # of the inputs


def guess(name: str, compared: list[Compared], for_ones: list[tuple[np.ndarray, np.ndarray] | None]) -> str:
    """What is wrong with the gradient called `name`.

    `for_ones`: for each comparison, what the same call returned for a G of ones, and the G that it had.
    """
    text = _factor(compared) or _size(compared) or _transposed(compared) or _without_G(compared, for_ones)
    return f"{name} is {text or _worst(name, compared)}"


def _factor(compared: list[Compared]) -> str:
    """One number by which all is off."""
    factors = {_ratio(c) for c in compared if c.right.any()}
    if len(factors) != 1 or None in factors:
        return ""
    (factor,) = factors
    if factor == 0:
        return "zero everywhere, and should not be"
    if factor == -1:
        return "right but for its sign: it is the negative of the gradient"
    return f"off by a factor: it is {factor:g} times what is right"


def _size(compared: list[Compared]) -> str:
    """In each case another factor, and always the length of the same axis."""
    pairs = [(c, _ratio(c) or 0.0) for c in compared if c.right.any()]
    if not pairs or not all(factor for _, factor in pairs):
        return ""
    for i, shape in enumerate(pairs[0][0].shapes):
        for axis in range(len(shape)):
            lengths = [c.shapes[i][axis] if axis < len(c.shapes[i]) else None for c, _ in pairs]
            where = f"the length of axis {axis} of input {i + 1}, {lengths[0]} in {pairs[0][0].described}"
            if all(n and np.isclose(factor, n) for n, (_, factor) in zip(lengths, pairs)):
                return f"too large by {where}: has a mean become a sum?"
            if all(n and np.isclose(factor, 1 / n) for n, (_, factor) in zip(lengths, pairs)):
                return f"too small by {where}: has a sum become a mean?"
    return ""


def _transposed(compared: list[Compared]) -> str:
    square = [c for c in compared if c.right.ndim == 2 and c.right.shape[0] == c.right.shape[1]]
    if square and all(np.allclose(c.answer.T, c.right, rtol=1e-6) for c in square):
        return "the right one transposed, where it is square"
    return ""


def _without_G(compared: list[Compared], for_ones: list[tuple[np.ndarray, np.ndarray] | None]) -> str:
    """The answer does not change with G."""
    if any(pair is None for pair in for_ones):
        return ""
    if all(np.array_equal(c.answer, pair[0]) for c, pair in zip(compared, for_ones) if pair):
        return "the same for every G: by the chain rule, G must be multiplied in"
    return ""


def _worst(name: str, compared: list[Compared]) -> str:
    """The worst entry of the first wrong case; how much else is right."""
    wrong = [c for c in compared if not _right(c).all()]
    c = wrong[0]
    off = np.where(_right(c), 0, np.abs(c.answer - c.right))
    where = np.unravel_index(int(np.argmax(off)), off.shape)
    entry = f"{name}[{', '.join(map(str, where))}]" if where else "it"
    cases = f"wrong in {len(wrong)} of {len(compared)} trials, first with {c.described}"
    count = f"; there, {int((~_right(c)).sum())} of {c.right.size} entries are wrong" if c.right.size > 1 else ""
    return f"{cases}{count}: {entry} is {c.answer[where]:.6g} and should be {c.right[where]:.6g}"


def _right(c: Compared) -> np.ndarray:
    largest = np.max(np.abs(c.right), initial=0.0)
    return np.isclose(c.answer, c.right, rtol=1e-7, atol=1e-7 * largest)


def _ratio(c: Compared) -> float | None:
    """The number by which the right one must be multiplied to give the answer, to ten digits; None without one."""
    k = int(np.argmax(np.abs(c.right)))
    factor = float(c.answer.reshape(-1)[k] / c.right.reshape(-1)[k])
    fits = np.allclose(c.answer, factor * c.right, rtol=1e-7, atol=1e-7 * np.max(np.abs(c.answer), initial=0.0))
    return float(f"{factor:.10g}") if fits else None

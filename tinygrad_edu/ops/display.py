"""How a tensor shows itself in a notebook: what it is, its values in colour, what they are like."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.backend import to_numpy
from tinygrad_edu.markup import Html, box, ends, join, table, tag
from tinygrad_edu.tensor import Tensor

MOST = 10  # rows and columns that are shown; of more, the first and the last
POSITIVE, NEGATIVE = "213, 94, 0", "0, 114, 178"  # Okabe and Ito's orange and blue: they differ to every eye
STRONGEST = 0.5  # opacity of the largest value: on white as on black, the text in front stays legible


def html(x: Tensor) -> str:
    """A line that says what it is, a table of values, a line of statistics.

    The colour says how far a value is from zero, orange above and blue below, the strongest the largest one shown.
    Of more than two axes, the first matrix is shown: x[0, 0].
    """
    X = to_numpy(x.data)
    history = f", op={x.op!r}" if x.op else ""
    facts = f"shape {x.shape}, {x.dtype}, {x.device}{history}" + (", requires_grad" if x.requires_grad else "")
    return box(tag("div", tag("b", type(x).__name__), " ", facts), _values(X), tag("div", statistics(X)))


def statistics(X: np.ndarray) -> str:
    """In words: mean and spread (standard deviation), smallest and largest, how many are 0, NaN or infinite."""
    if X.size == 0:
        return "no elements"
    finite = X[np.isfinite(X)]
    text = f"{X.size:,} element{'s' * (X.size != 1)}"
    if finite.size:
        with np.errstate(over="ignore"):  # the spread of values near the largest number there is: infinite
            mean, spread = finite.mean(dtype=np.float64), finite.std(dtype=np.float64)
        low, high = float(finite.min()), float(finite.max())
        text += f": mean {mean:.4g}, spread {spread:.4g}, smallest {low:.4g}, largest {high:.4g}"
    counts = {"zero": X.size - np.count_nonzero(X), "NaN": np.isnan(X).sum(), "infinite": np.isinf(X).sum()}
    return ", ".join([text, *(f"{n / X.size:.1%} {what}" for what, n in counts.items() if n)])


def _values(X: np.ndarray) -> Html:
    """The values of an array in rows and columns, or of the first matrix in it."""
    if X.size == 0:
        return Html("")
    above = X.shape[:-2]
    matrix = X[(0,) * len(above)] if above else np.atleast_2d(X)
    which = tag("div", f"[{', '.join('0' * len(above))}], the first of {np.prod(above):,} matrices") if above else ""
    rows, columns = _shown(len(matrix)), _shown(matrix.shape[1])
    finite = [
        abs(float(v))
        for i in rows
        for j in columns
        if i is not None and j is not None and np.isfinite(v := matrix[i, j])
    ]
    largest = max(finite, default=0.0) or 1.0
    cells = [[_cell(None if i is None or j is None else matrix[i, j], largest) for j in columns] for i in rows]
    return join([which, table((), cells)])


def _shown(length: int) -> list[int | None]:
    """The positions along an axis that are shown; None stands for those that are not."""
    first, left_out, last = ends(range(length), MOST)
    return [*first, *([None] if left_out else []), *last]


def _cell(value: Any, largest: float) -> Html:
    if value is None:
        return Html("…")
    colour, strength = POSITIVE if value > 0 else NEGATIVE, abs(float(value)) / largest
    opacity = STRONGEST * strength if np.isfinite(strength) else 0
    style = f"background: rgba({colour}, {opacity:.2f}); padding: .1em .4em; display: block; text-align: right"
    return tag("span", f"{value:.4g}" if value.dtype.kind == "f" else value, style=style)

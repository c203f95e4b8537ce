"""An array in short: statistics, a histogram, and some of its entries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tinygrad_edu.backend import Array, to_numpy

KEPT = 100_000  # the largest number of entries of an array that is kept whole
CELLS = 400  # of a Grid


@dataclass(frozen=True)
class Grid:
    """Some entries of an array, evenly spaced, as a matrix: its rows are all axes but the last, flattened.

    Attributes
    ----------
    rows, columns : list of int
        Which rows and columns of that matrix were picked.
    values : numpy.ndarray (rows, columns)
    """

    rows: list[int]
    columns: list[int]
    values: np.ndarray


@dataclass(frozen=True)
class Seen:
    """An array as the trace saw it.

    Attributes
    ----------
    shape, dtype : tuple, str
    mean, spread, smallest, largest : float
        Of the finite entries; the spread is their standard deviation. NaN where there are none.
    norm : float
        sqrt(sum of squares), of the finite entries.
    zeros : float
        The share of entries that are 0.
    nans, infinities : int
        How many entries are NaN, or infinite.
    silent : int
        How many units, places along the last axis, are 0 in every item.
    bins : list of int
        How many finite entries lie in each of 24 equal parts of the range from the smallest to the largest.
    grid : Grid
        Some of the entries, for a picture.
    values : numpy.ndarray or None
        A copy of the entries; None where there are more than `keep` of them.
    """

    shape: tuple[int, ...]
    dtype: str
    mean: float
    spread: float
    smallest: float
    largest: float
    norm: float
    zeros: float
    nans: int
    infinities: int
    silent: int
    bins: list[int] = field(repr=False)
    grid: Grid = field(repr=False)
    values: np.ndarray | None = field(repr=False)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))

    @property
    def is_finite(self) -> bool:
        return not (self.nans or self.infinities)


def see(X: Array, keep: int = KEPT) -> Seen:
    """Statistics of an array, and a copy of it where it has at most `keep` entries."""
    X = to_numpy(X)
    finite = X[np.isfinite(X)].astype(np.float64)
    none = finite.size == 0
    nans = int(np.isnan(X).sum())
    with np.errstate(over="ignore"):  # near the largest number there is, they are infinite
        mean, spread, norm = (np.nan, np.nan, 0.0) if none else (finite.mean(), finite.std(), np.linalg.norm(finite))
    return Seen(
        shape=X.shape,
        dtype=str(X.dtype),
        mean=float(mean),
        spread=float(spread),
        smallest=np.nan if none else float(finite.min()),
        largest=np.nan if none else float(finite.max()),
        norm=float(norm),
        zeros=0.0 if X.size == 0 else float(np.mean(X == 0)),
        nans=nans,
        infinities=X.size - finite.size - nans,
        silent=0 if X.ndim == 0 or X.size == 0 else int((~X.any(axis=tuple(range(X.ndim - 1)))).sum()),
        bins=[] if none else _bins(finite),
        grid=_grid(X),
        values=X.copy() if X.size <= keep else None,
    )


def _bins(finite: np.ndarray) -> list[int]:
    """A histogram over the range; by the shares of it, since `np.histogram` refuses ranges of a few rounding errors."""
    scaled = finite / (np.abs(finite).max() or 1.0)  # within -1 ... 1, so that no difference overflows
    low, width = scaled.min(), np.ptp(scaled)
    shares = (scaled - low) / width if width else np.full(scaled.shape, 0.5)
    return np.histogram(shares, 24, (0.0, 1.0))[0].tolist()


def _grid(X: np.ndarray) -> Grid:
    matrix = X.reshape(-1, X.shape[-1]) if X.ndim and X.size else X.reshape(-1, 1)
    height, width = matrix.shape
    columns = _spread(width, max(20, min(40, CELLS // max(height, 1))))
    rows = _spread(height, min(40, CELLS // max(len(columns), 1)))
    return Grid(rows, columns, matrix[np.ix_(rows, columns)])


def _spread(n: int, most: int) -> list[int]:
    """Up to so many of the numbers 0 ... n - 1, evenly spaced, with both ends."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(int).tolist() if n else []

"""Cutting a data set into batches."""

from collections.abc import Iterator

import numpy as np

from tinygrad_edu import checks


class Batches:
    """The batches of one epoch: `len` says how many there are, so that a progress bar knows where it ends.

    Attributes
    ----------
    order : array (N,) or None
        Which item comes when; None for the order of the arrays.
    """

    def __init__(self, arrays: tuple[np.ndarray, ...], size: int, order: np.ndarray | None = None) -> None:
        self.arrays, self.size, self.order = arrays, size, order

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        for start in range(0, len(self.arrays[0]), self.size):
            part = slice(start, start + self.size)
            chosen = part if self.order is None else self.order[part]
            yield tuple(array[chosen] for array in self.arrays)


def batches(*arrays: np.ndarray, batch_size: int, rng: np.random.Generator | None = None) -> Batches:
    """Go once through `arrays` side by side, `batch_size` items at a time: one epoch.

    Parameters
    ----------
    *arrays : arrays (N, ...)
        For example images (N, 28, 28) and labels (N,): item i of one belongs to item i of the others.
    batch_size : int
        Items in a batch, at least 1. The last batch holds the rest, and may be smaller.
    rng : numpy.random.Generator, optional
        Draws a new order, by one permutation per call. Without it the items come in the order of the arrays.

    Returns
    -------
    Batches
        To go through, and to ask for their number. Each batch is a tuple, one array (B, ...) for each of `arrays`, with
        its dtype. In order these are views, which cost nothing and must not be written to; shuffled they are copies.

    Raises
    ------
    ValueError
        At the call, not at the first batch: no arrays, no items, lengths that differ, a `batch_size` that is not
        a whole number >= 1.
    TypeError
        What is not an array, or an `rng` that is no generator.

    Examples
    --------
    >>> x = np.arange(5)
    >>> [batch.tolist() for (batch,) in batches(x, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """
    count = _common_length(arrays)
    size = checks.size("batches", "batch_size", batch_size)
    if rng is None:
        return Batches(arrays, size)
    checks.generator("batches", "rng", rng)
    # Drawn here and not at the first batch, so that what the generator gives next does not depend on when, or
    # whether, somebody starts to read the batches.
    return Batches(arrays, size, rng.permutation(count))


def _common_length(arrays: tuple[np.ndarray, ...]) -> int:
    """Return the number of items, which all arrays must share."""
    if not arrays:
        raise ValueError("batches: expected at least one array, came none")
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            checks.refuse("batches", "arrays", "NumPy arrays (N, ...)", array, TypeError)
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"batches: the arrays must hold equally many items, but their lengths are {lengths}")
    if lengths[0] == 0:
        raise ValueError("batches: the data set is empty (its arrays have length 0)")
    return lengths[0]

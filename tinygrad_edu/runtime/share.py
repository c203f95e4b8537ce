"""The part of a batch that this process works on, where several processes share one: see `training/distributed.py`.

Almost every operation works on each example by itself, and does not care who has the others. Two things belong to the
whole batch: what is drawn at random for it (dropout, augmentation), and means over it (batch normalisation). They ask
here. In a process that is alone, the answer is that its part is the whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_edu.backend import Array


@dataclass(frozen=True)
class Share:
    """Examples `rows` of a batch of `total`.

    `weight` is the share of the whole batch's loss that theirs has. A process for which nothing is left, as in a last
    batch of three among four processes, computes what counts for nothing: its weight is 0. `add` gives the sum of an
    array over all processes, to each of them.
    """

    rows: slice
    total: int
    weight: float
    add: Callable[[Array], Array]

    def in_whole(self, n: int) -> int:
        """How many rows the whole batch has in an array of which this process has n: several an example, perhaps."""
        own = self.rows.stop - self.rows.start
        if n % own:
            raise ValueError(f"{own} examples of a batch are here, so an array has a multiple of {own} rows; got {n}")
        return n // own * self.total


_current: Share | None = None


@contextlib.contextmanager
def sharing(share: Share) -> Iterator[None]:
    """Within, training computes on this share of a batch."""
    global _current
    _current = share
    try:
        yield
    finally:
        _current = None


def draw_rows(draw: Callable[[tuple[int, ...]], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """`draw(shape)`; in a shared batch, this process's rows of what one process would draw for all of it.

    Every process draws for all and keeps its own rows. So its generator goes on as the others' do, and it does not
    depend on the number of processes who is dropped and what is mirrored.
    """
    if _current is None or not shape:
        return draw(shape)
    total = _current.in_whole(shape[0])
    start = _current.rows.start * total // _current.total
    return draw((total, *shape[1:]))[start : start + shape[0]]


def count_rows(n: int) -> int:
    """n; in a shared batch, the number of rows in the arrays of all processes together."""
    return n if _current is None else _current.in_whole(n)


def add_up(sums: Array) -> Array:
    """Sums over this process's rows as sums over all of the batch."""
    if _current is None:
        return sums
    return _current.add(sums if _current.weight else sums * 0)

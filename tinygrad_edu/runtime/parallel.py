"""Two cores for one operation: a batch is cut into parts, and threads work through them side by side.

NumPy lets go of Python's lock while it computes, so threads really run at once. A matrix product has threads of its
own, inside the BLAS library; but copying windows, pooling or normalising has none, and that is half the work of a
convolutional network. So it is the parts that run in parallel, each with a BLAS of one thread, see `blas.py`.

How a batch is cut depends on its size and on nothing else: not on the number of cores, nor on whether threads are used.
Sums over parts are taken in the order of the parts. So what is cut comes out the same, to the last bit, in all cases.
What is too small to be cut may not: with two threads, BLAS rounds some products otherwise than with one (one in eleven
of random shapes, from 600,000 multiplications on). Such a product can change its last bit once a first operation was
cut, since BLAS has one thread beside ours, or from a computer with one core to one with two. `hold_blas` gives BLAS one
thread at once. After it, everything is the same to the last bit, whatever the number of cores and wherever a training
was stopped and resumed; from one kind of processor to another it is not, since BLAS has code for each. It is a function
to be called, and not what always happens, because BLAS' two threads are worth having between 2 and 24 million
multiplications, where nothing is cut yet: a product of 8 million takes 0.12 ms with them and 0.19 ms without.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.runtime.blas import alone, share_cores, thread_count
from tinygrad_edu.runtime.memory import keep_freed_memory
from tinygrad_edu.runtime.process import may_tune

Result = TypeVar("Result")

MOST_PARTS = 4  # more would only help beyond four cores
SMALLEST_PRODUCT = 28_000_000  # multiplications in a matrix product that are worth a part: 0.6 ms. (With 20 million,
# the convolution of 16 images was cut into parts of four, whose short products made it a third slower.)
PART_OF_PRODUCT = 18_000_000  # the same where the product is all there is to do: no windows are read, but BLAS puts the
# matrix that stays whole into its own order for every part, as it would once for the product
PIECE = 32_768  # numbers of a piece, see `in_pieces`: 128 KiB of float32
TINY = 1 / 60  # of the smallest part: here BLAS itself uses one thread


def in_parts(work: Callable[[int, int], Result], n: int, smallest: int, like: Array) -> list[Result]:
    """Call `work(start, stop)` for consecutive parts that together make 0..n; return the results in that order.

    Parameters
    ----------
    work : callable
        May be called by several threads at once, so it must write only to what belongs to its part.
    n : int
        The number of items, such as the images of a batch.
    smallest : int
        The least number of items that are worth a part: half a millisecond's work or more. Handing a part to a thread
        costs some 0.06 ms.
    like : array
        What is worked on. On a GPU everything is one part: a GPU is parallel by itself.
    """
    smallest = max(1, smallest)
    if n < 2 * smallest or array_module(like) is not np:
        return [work(0, n)] if n < smallest * TINY else [alone(work, 0, n)]
    count = min(MOST_PARTS, n // smallest)
    bounds = [n * i // count for i in range(count + 1)]
    parts = list(itertools.pairwise(bounds))
    workers = _workers()
    if workers == 1:
        return [alone(work, *part) for part in parts]
    return alone(_side_by_side, work, parts, workers)


def in_pieces(work: Callable[[slice], None], n: int, like: Array) -> None:
    """Call `work(piece)` for slices that together make 0..n, of so few items that all is done in the processor's cache.

    For long formulas, element by element: on whole arrays, each of their steps would go through memory and back. The
    pieces are shared among the cores as in `in_parts`. On a GPU everything is one piece.
    """
    most = PIECE if array_module(like) is np else max(1, n)

    def part(start: int, stop: int) -> None:
        for i in range(start, stop, most):
            work(slice(i, min(i + most, stop)))

    in_parts(part, n, 4 * PIECE, like)


def _side_by_side(work: Callable[[int, int], Result], parts: list[tuple[int, int]], workers: int) -> list[Result]:
    """`work` on all parts. This thread is one of the workers; each takes every `workers`-th part."""
    count = len(parts)
    futures = [
        _threads().submit(lambda mine: [work(*part) for part in mine], parts[i::workers])
        for i in range(1, min(workers, count))
    ]
    try:
        own = [work(*part) for part in parts[::workers]]
    finally:
        for future in futures:
            future.exception()  # waits, also where our own parts failed: nobody writes into their arrays any more
    results = [own, *(future.result() for future in futures)]
    return [results[i % workers][i // workers] for i in range(count)]


def smallest_part(multiplications: int) -> int:
    """How many items are worth a part, if each takes so many multiplications in a matrix product."""
    return 1 + SMALLEST_PRODUCT // max(1, multiplications)


def product(A: Array, B: Array) -> Array:
    """The matrix product A B; of two large matrices (N, D) and (D, M), in parts of A's rows or B's columns.

    Of the two, whichever are more: BLAS copies the matrix that stays whole into an order of its own for every part.
    (Two cores, D = M = 1024: for N = 128 rows, 3.4 ms by rows and 2.9 ms by columns.)
    """
    if A.ndim != 2 or B.ndim != 2:
        return alone(array_module(A).matmul, A, B)
    (N, D), M = A.shape, B.shape[1]
    if N * D * M < TINY * SMALLEST_PRODUCT:
        return A.dot(B)
    if N * D * M < 2 * PART_OF_PRODUCT or array_module(A) is not np:
        return alone(A.dot, B)
    Y = np.empty((N, M), A.dtype)

    def rows(start: int, stop: int) -> None:
        np.matmul(A[start:stop], B, out=Y[start:stop])

    def columns(start: int, stop: int) -> None:
        np.matmul(A, B[:, start:stop], out=Y[:, start:stop])

    part, n = (rows, N) if N >= M else (columns, M)
    in_parts(part, n, 1 + PART_OF_PRODUCT * n // (N * D * M), like=A)
    return Y


def _workers() -> int:
    """How many threads share the parts: all that BLAS found for itself, or one where the process is left as it is."""
    if not may_tune():
        return 1
    _settle_in()
    return thread_count()


@functools.cache
def _settle_in() -> None:
    """What the first operation that is cut changes in the process, see `process.py`."""
    share_cores()
    keep_freed_memory()


@functools.cache
def _threads() -> Any:
    from concurrent.futures import ThreadPoolExecutor  # slow to import, see `blas.py`

    return ThreadPoolExecutor(max(1, _workers() - 1), thread_name_prefix="tinygrad_edu")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork

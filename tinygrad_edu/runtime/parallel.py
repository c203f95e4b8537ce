"""Two cores for one operation: a batch is cut into parts, and threads work through them side by side.

NumPy lets go of Python's lock while it computes, so threads really run at once. A matrix product has threads of its
own, inside the BLAS library; but copying windows, pooling or normalising has none, and that is half the work of a
convolutional network. So it is the parts that run in parallel, each with a BLAS of one thread. BLAS is told so when the
first operation is worth cutting, and it stays so for the rest of the process: after a product of its own, a thread of
OpenBLAS looks out for the next one for some milliseconds, and takes half a core from ours meanwhile. (On two cores a
step of mini-AlexNet takes 136 to 225 ms with BLAS' threads beside ours, 90 ms without.)

How a batch is cut depends on its size and on nothing else: not on the number of cores, nor on whether threads are used.
Sums over parts are taken in the order of the parts. So what is cut comes out the same, to the last bit, in all cases.
What is too small to be cut may not: with two threads, BLAS rounds some products otherwise than with one (one in eleven
of random shapes, from 600,000 multiplications on). Such a product can change its last bit when the first large one has
told BLAS, or from a computer with one core to one with two. `hold_blas` tells BLAS at once. After it, everything is the
same to the last bit, whatever the number of cores and wherever a training was stopped and resumed; from one kind of
processor to another it is not, since BLAS has code for each. It is a function to be called, and not what always
happens, because BLAS' two threads are worth having between 2 and 40 million multiplications, where nothing is cut yet:
a product of 8 million takes 0.10 ms with them and 0.17 ms without.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.backend import Array, array_module

Result = TypeVar("Result")

MOST_PARTS = 4  # more would only help beyond four cores
SMALLEST_PRODUCT = 20_000_000  # multiplications in a matrix product that are worth a part: half a millisecond


def in_parts(work: Callable[[int, int], Result], n: int, smallest: int, like: Array) -> list[Result]:
    """Call `work(start, stop)` for consecutive parts that together make 0..n; return the results in that order.

    Parameters
    ----------
    work : callable
        May be called by several threads at once, so it must write only to what belongs to its part.
    n : int
        The number of items, such as the images of a batch.
    smallest : int
        The least number of items that are worth a part: about half a millisecond's work. Handing a part to a thread
        costs some 0.06 ms.
    like : array
        What is worked on. On a GPU everything is one part: a GPU is parallel by itself.
    """
    smallest = max(1, smallest)
    if n < 2 * smallest or array_module(like) is not np:
        return [work(0, n)]
    count = min(MOST_PARTS, n // smallest)
    bounds = [n * i // count for i in range(count + 1)]
    parts = list(itertools.pairwise(bounds))
    workers = _workers()
    if workers == 1:
        return [work(*part) for part in parts]
    # This thread is one of the workers; each takes every `workers`-th part.
    futures = [
        _threads().submit(lambda mine: [work(*part) for part in mine], parts[i::workers])
        for i in range(1, min(workers, count))
    ]
    results = [[work(*part) for part in parts[::workers]], *(future.result() for future in futures)]
    return [results[i % workers][i // workers] for i in range(count)]


def smallest_part(multiplications: int) -> int:
    """How many items are worth a part, if each takes so many multiplications in a matrix product."""
    return 1 + SMALLEST_PRODUCT // max(1, multiplications)


def product(A: Array, B: Array) -> Array:
    """The matrix product A B, (N, D) and (D, M); where it is large, in parts of A's rows or B's columns.

    Of the two, whichever are more: BLAS copies the matrix that stays whole into an order of its own for every part.
    (Two cores, D = M = 1024: for N = 128 rows, 3.4 ms by rows and 2.9 ms by columns.)
    """
    (N, D), M = A.shape, B.shape[1]
    if N * D * M < 2 * SMALLEST_PRODUCT or array_module(A) is not np:
        return A.dot(B)
    Y = np.empty((N, M), A.dtype)

    def rows(start: int, stop: int) -> None:
        np.matmul(A[start:stop], B, out=Y[start:stop])

    def columns(start: int, stop: int) -> None:
        np.matmul(A, B[:, start:stop], out=Y[:, start:stop])

    part, n = (rows, N) if N >= M else (columns, M)
    in_parts(part, n, smallest_part(N * D * M // n), like=A)
    return Y


def thread_count() -> int:
    """How many threads arithmetic uses: as many as BLAS found for itself when the process began."""
    return _blas()[1]


def hold_blas() -> None:
    """Hold BLAS to one thread from now on, so that results are the same to the last bit: for a program's first line."""
    _workers()


@functools.cache
def _workers() -> int:
    """Hold BLAS to one thread from now on, and return how many it had: so many are free for the parts."""
    libraries, threads = _blas()
    for library in libraries:
        library.set_num_threads(1)
    return threads


@functools.cache
def _blas() -> tuple[list[Any], int]:
    """The BLAS libraries that can be told how many threads to use, and how many they used at first.

    Their number is that of the cores, or what the environment says (OPENBLAS_NUM_THREADS and the like): who limits BLAS
    means us too. Where no such library is found (Apple's Accelerate), BLAS keeps its threads and we use one.
    """
    import threadpoolctl  # here and not above: with the executor below, a tenth of what importing NumPy takes

    libraries = [lib for lib in threadpoolctl.ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return libraries, max((lib.num_threads for lib in libraries), default=1)


@functools.cache
def _threads() -> Any:
    from concurrent.futures import ThreadPoolExecutor  # for the same reason

    return ThreadPoolExecutor(max(1, _workers() - 1), thread_name_prefix="tinygrad_edu")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork

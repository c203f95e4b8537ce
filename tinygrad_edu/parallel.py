"""Two cores for one operation: a batch is cut into parts, and threads work through them side by side.

NumPy lets go of Python's lock while it computes, so threads really run at once. A matrix product has threads of its
own, inside the BLAS library; but copying windows, pooling or normalising has none, and that is half the work of a
convolutional network. So it is the parts that run in parallel, each on BLAS with a single thread. Measured on a step
of mini-AlexNet with two cores: 62 ms with parts in parallel, 98 ms with BLAS' own threads alone.

How a batch is cut depends on its size and on nothing else: not on the number of cores, nor on whether threads are used.
Sums over parts are taken in the order of the parts. So the results are the same, to the last bit, in all cases.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.backend import Array, array_module

Result = TypeVar("Result")

MOST_PARTS = 4  # more would only help beyond four cores


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
    count = max(1, min(MOST_PARTS, n // max(1, smallest))) if array_module(like) is np else 1
    bounds = [n * i // count for i in range(count + 1)]
    parts = list(itertools.pairwise(bounds))
    if count == 1:
        return [work(*parts[0])]
    with _one_blas_thread() as workers:
        if workers == 1:
            return [work(*part) for part in parts]
        # This thread is one of the workers; each takes every `workers`-th part.
        futures = [
            _threads().submit(lambda mine: [work(*part) for part in mine], parts[i::workers])
            for i in range(1, min(workers, count))
        ]
        results = {0: [work(*part) for part in parts[::workers]]}
        results |= {i: future.result() for i, future in enumerate(futures, start=1)}
        return [results[i % workers][i // workers] for i in range(count)]


def thread_count() -> int:
    """How many threads arithmetic uses: as many as BLAS."""
    return _blas()[1]


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[int]:
    """Hold BLAS to one thread; gives the number of threads that are free for other use."""
    libraries, threads = _blas()
    for library in libraries:  # a plain call into the library, about a microsecond; finding the library is what is slow
        library.set_num_threads(1)
    try:
        yield threads
    finally:
        for library in libraries:
            library.set_num_threads(threads)


@functools.cache
def _blas() -> tuple[list[Any], int]:
    """The BLAS libraries that can be told how many threads to use, and how many they use now.

    Their number is that of the cores, or what the environment says (OPENBLAS_NUM_THREADS and the like): who limits BLAS
    means us too. Where no such library is found (Apple's Accelerate), BLAS keeps its threads and we use one.
    """
    import threadpoolctl  # here and not above: half of what `import tinygrad_edu` takes without NumPy

    libraries = [lib for lib in threadpoolctl.ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return libraries, max((lib.num_threads for lib in libraries), default=1)


@functools.cache
def _threads() -> Any:
    from concurrent.futures import ThreadPoolExecutor  # for the same reason

    return ThreadPoolExecutor(max(1, _blas()[1] - 1), thread_name_prefix="tinygrad_edu")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork

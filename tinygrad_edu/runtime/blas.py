"""How many threads BLAS has: one beside ours, and as many as it likes for everybody else.

After a product of its own, a thread of OpenBLAS looks out for the next one for some milliseconds, and takes half a core
from our threads meanwhile. (On two cores a step of mini-AlexNet takes 136 to 225 ms with BLAS' threads beside ours, 90
ms without.) So, once operations are cut into parts, BLAS has one thread while any operation of ours computes that is
large enough for BLAS to use two. When it is done, BLAS has again what it had before, and the user's own products are as
fast as ever. Asking and telling it takes some five microseconds; what is slow is looking the libraries up, and that is
done once.

The number of threads is one for the whole process. A product that another thread of the user's computes meanwhile has
one thread, too, and a limit that another thread sets meanwhile (`threadpool_limits`) may be undone, or stay.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tinygrad_edu.runtime.process import may_tune

Result = TypeVar("Result")

_lock = threading.Lock()
_sharing = False  # whether operations are cut into parts in this process
_inside: set[int] = set()  # the threads of the user's that compute an operation of ours with one thread of BLAS
_free: list[int] = []  # how many threads each library had before; empty while it is as it was


def share_cores() -> None:
    """From now on, `alone` means it: there are threads of ours."""
    global _sharing
    _sharing = True


def alone(work: Callable[..., Result], *arguments: Any) -> Result:
    """`work(*arguments)`, with one thread of BLAS where `share_cores` was called; with BLAS' own threads before.

    Ctrl-C may come between any two lines, and even while BLAS is given back: then the next operation does it.
    """
    if not _sharing or not may_tune() or thread_count() == 1:  # with one, there are no threads of ours either
        return work(*arguments)
    try:
        _take()
        return work(*arguments)
    finally:
        _give_back()


def _take() -> None:
    with _lock:
        _inside.add(threading.get_ident())
        if not _free:
            _free.extend(library.num_threads for library in _libraries()[0])
            for library in _libraries()[0]:
                library.set_num_threads(1)


def _give_back() -> None:
    with _lock:
        _inside.discard(threading.get_ident())
        if not _inside:
            for library, threads in zip(_libraries()[0], _free):
                if library.num_threads == 1:  # else somebody told it something else meanwhile
                    library.set_num_threads(threads)
            _free.clear()


def _after_fork() -> None:
    """In the child there is one thread, and it is in no operation; the lock may have been another one's."""
    global _lock
    _lock = threading.Lock()
    _inside.clear()
    if _free:
        _give_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def thread_count() -> int:
    """How many threads our arithmetic uses: as many as BLAS had when it was first asked."""
    return _libraries()[1]


def hold_blas() -> None:
    """Hold BLAS to one thread from now on, for the whole process: for the first line of a program.

    Then results are the same to the last bit, whatever the number of cores: see `parallel.py`.
    """
    for library in _libraries()[0]:
        library.set_num_threads(1)


def limit_threads(most: int) -> None:
    """Use no more threads than this from now on, neither in BLAS nor of ours: for a process that shares its cores.

    To be called before the first operation, which is when ours are started.
    """
    for library in _libraries()[0]:
        library.set_num_threads(min(most, library.num_threads))
    _libraries.cache_clear()  # it is to find the limit, as if the environment had said so


@functools.cache
def _libraries() -> tuple[list[Any], int]:
    """The BLAS libraries that can be told how many threads to use, and how many they used at first.

    Their number is that of the cores, or what the environment says (OPENBLAS_NUM_THREADS and the like): who limits BLAS
    there means us too. (A limit that is set later does not.) Where no such library is found (Apple's Accelerate), BLAS
    keeps its threads and we use one.
    """
    import threadpoolctl  # here and not above: with `parallel`'s executor, a tenth of what importing NumPy takes

    libraries = [lib for lib in threadpoolctl.ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return libraries, max((lib.num_threads for lib in libraries), default=1)

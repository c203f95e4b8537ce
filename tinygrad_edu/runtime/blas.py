"""How many threads BLAS has: one beside ours, and as many as it likes for everybody else.

After a product of its own, a thread of OpenBLAS looks out for the next one for some milliseconds, and takes half a core
from our threads meanwhile. (On two cores a step of mini-AlexNet takes 136 to 225 ms with BLAS' threads beside ours, 90
ms without.) So, once operations are cut into parts, BLAS has one thread while *any* operation of ours computes. When it
is done, BLAS has again what it had before, and the user's own products are as fast as ever. Telling it takes about a
microsecond; what is slow is looking the libraries up, and that is done once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

_lock = threading.Lock()
_sharing = False  # whether operations are cut into parts in this process
_inside = 0  # how many operations, of several threads, are computing with one thread of BLAS
_before: list[int] = []  # how many threads each library had before the first of them


def share_cores() -> None:
    """From now on, `alone` means it: there are threads of ours."""
    global _sharing
    _sharing = True


def alone(work: Callable[..., Result], *arguments: Any) -> Result:
    """`work(*arguments)`, with one thread of BLAS where `share_cores` was called; with BLAS' own threads before."""
    global _inside, _before
    if not _sharing:
        return work(*arguments)
    libraries = _libraries()[0]
    with _lock:
        if not _inside:
            _before = [library.num_threads for library in libraries]
            for library in libraries:
                library.set_num_threads(1)
        _inside += 1
    try:
        return work(*arguments)
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for library, threads in zip(libraries, _before):
                    library.set_num_threads(threads)


def thread_count() -> int:
    """How many threads arithmetic uses: as many as BLAS found for itself when the process began."""
    return _libraries()[1]


def hold_blas() -> None:
    """Hold BLAS to one thread from now on, for the whole process: for the first line of a program.

    Then results are the same to the last bit, whatever the number of cores: see `parallel.py`.
    """
    for library in _libraries()[0]:
        library.set_num_threads(1)


@functools.cache
def _libraries() -> tuple[list[Any], int]:
    """The BLAS libraries that can be told how many threads to use, and how many they used at first.

    Their number is that of the cores, or what the environment says (OPENBLAS_NUM_THREADS and the like): who limits BLAS
    means us too. Where no such library is found (Apple's Accelerate), BLAS keeps its threads and we use one.
    """
    import threadpoolctl  # here and not above: with `parallel`'s executor, a tenth of what importing NumPy takes

    libraries = [lib for lib in threadpoolctl.ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return libraries, max((lib.num_threads for lib in libraries), default=1)

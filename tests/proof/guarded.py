"""A call in a process of its own, which may take only so much memory, disk and time: what became of it."""

from __future__ import annotations

import os
import resource
import select
import signal
import warnings
from collections.abc import Callable
from typing import Any

SECONDS, WAIT = 10, 30  # of computing; and in all, on a computer that has other work as well
LONGEST = 20_000  # characters of a message that a person can still read


def outcome(call: Callable[[], Any], documented: type[Exception], names: str, memory: int, disk: int = 2**24) -> str:
    """Call in a forked child, and say what became of it.

    Parameters
    ----------
    call : function
    documented : the exception that it may raise, with `names` in its message
    memory : bytes of address space that it may take beside what this process has, used or freed (RLIMIT_AS)
    disk : bytes of the largest file that it may write (RLIMIT_FSIZE)

    Returns
    -------
    str
        "loaded", "refused", or what must not be: "crash: ...", "hang: ...", "over memory", "bare exception: ...".
        A warning counts as an exception.
    """
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's threads: the child does not use them
        pid = os.fork()
    if pid == 0:
        result = "crash: the child ended early"
        try:
            os.close(receive)
            _confine(memory, disk)
            result = _result(call, documented, names)
        finally:
            os.write(send, result.encode("utf-8", "replace")[:2000])
            os._exit(0)
    os.close(send)
    ready, _, _ = select.select([receive], [], [], WAIT)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    result = os.read(receive, 2000).decode("utf-8", "replace")
    os.close(receive)
    if not ready or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return f"hang: not done after {SECONDS} s of computing or {WAIT} s in all"
    if os.WIFSIGNALED(status):
        return f"crash: killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return result or "crash: no answer"


def _confine(memory: int, disk: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; a file that grows too large is to be seen
    with open("/proc/self/statm", encoding="ascii") as file:
        taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    for kind, most in (
        (resource.RLIMIT_AS, taken + memory),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_CPU, SECONDS),
    ):
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _result(call: Callable[[], Any], documented: type[Exception], names: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
    except documented as error:
        message = str(error)
        if names not in message:
            return f"bare exception: {documented.__name__} that does not name the file: {message}"
        return "refused" if len(message) < LONGEST else f"bare exception: a message of {len(message):,} characters"
    except MemoryError:
        return "over memory"
    except BaseException as error:
        return f"bare exception: {type(error).__name__}: {error}"
    return "loaded"

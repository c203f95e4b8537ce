"""The processes that train one network together, how they talk, and what happens when one of them does not answer.

A process that waits for another one waits for ever, unless somebody looks at the clock: so everybody waits in `wait`,
which does, and says who is missing. A process that ends by an error takes the others with it, see `stop_all`.

The words are those of MPI: a process is a *rank*, numbered from 0; all of them together have a *size*.
"""

from __future__ import annotations

import atexit
import os
import pickle
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import numpy as np

from tinygrad_edu.backend import Array, array_module, to_numpy
from tinygrad_edu.runtime.blas import limit_threads
from tinygrad_edu.training.guard import Guard

T = TypeVar("T")
LIMIT = 15.0  # seconds for which a rank waits for others
BEFORE_TRAINING = 600.0  # the same before the first step, while rank 0 may be looking at the first batch
INSTALL = "pip install mpi4py mpich"
# How launchers tell a process how many it is one of: MPICH, Open MPI.
SIZES_TOLD = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


class DistributedError(Exception):
    """Several processes cannot train together; the message says why, which of them, and what to do."""


class Group:
    """The ranks that share the batches; without a communicator, this process alone, for which nothing changes.

    Attributes
    ----------
    rank, size : int
    limit : float
        Seconds to wait for others before the run ends.
    processes : list of str
        Which process each rank is: "process 4711 on node3".
    """

    def __init__(self, communicator: Any = None, limit: float = LIMIT) -> None:
        self.comm, self.limit = communicator, limit
        self.rank: int = communicator.rank if communicator else 0
        self.size: int = communicator.size if communicator else 1
        self.processes = self.gather(f"process {os.getpid()} on {platform.node()}", "all ranks to start")

    # --- talking: each of these must be called by all ranks, in the same order ---

    def sum(self, values: Array, what: str = "a sum") -> Array:
        """The sum of an array over all ranks, the same on each of them to the last bit."""
        if self.size == 1:
            return values
        own = np.ascontiguousarray(to_numpy(values))
        total = np.empty_like(own)
        self.wait(self.comm.Iallreduce(own, total), what)
        return array_module(values).asarray(total)

    def start_sum(self, values: np.ndarray) -> Any:
        """Begin to replace `values` by their sum over all ranks. What comes back is for `wait`."""
        return self.comm.Iallreduce(None, values)  # None: in place

    def gather(self, value: T, what: str, limit: float | None = None) -> list[T]:
        """What each rank gave, in the order of the ranks, on all of them."""
        if self.size == 1:
            return [value]
        own = np.frombuffer(pickle.dumps(value), np.uint8)
        lengths = np.zeros(self.size, np.int64)
        self.wait(self.comm.Iallgather(np.array([len(own)]), lengths), what, limit)
        everything = np.empty(lengths.sum(), np.uint8)
        self.wait(self.comm.Iallgatherv(own, [everything, lengths]), what, limit)
        return [pickle.loads(part.tobytes()) for part in np.split(everything, np.cumsum(lengths)[:-1])]

    def from_first(self, value: Callable[[], T], what: str, limit: float | None = None) -> T:
        """What rank 0 computes."""
        if self.size == 1:
            return value()
        length, own = np.zeros(1, np.int64), np.zeros(0, np.uint8)
        if self.rank == 0:
            own = np.frombuffer(pickle.dumps(value()), np.uint8)
            length[0] = len(own)
        self.wait(self.comm.Ibcast(length), what, limit)
        own = own if self.rank == 0 else np.empty(length[0], np.uint8)
        self.wait(self.comm.Ibcast(own), what, limit)
        return pickle.loads(own.tobytes())

    def largest(self, *values: float) -> list[float]:
        """The largest of each value over all ranks."""
        if self.size == 1:
            return list(values)
        from mpi4py import MPI

        largest = np.array(values, np.float64)
        self.wait(self.comm.Iallreduce(None, largest, MPI.MAX), "whether to stop")
        return largest.tolist()

    def spread(self, function: Callable[..., T], pieces: Iterable[tuple], what: str = "the evaluation") -> list[T]:
        """`[function(*piece) for piece in pieces]`, where every rank computes the pieces of its turn."""
        own, count = [], 0
        for piece in pieces:
            if count % self.size == self.rank:
                own.append(function(*piece))
            count += 1
        everything = self.gather(own, what)
        return [everything[i % self.size][i // self.size] for i in range(count)]

    def compare(self, facts: dict[str, Any], what: str, limit: float | None = None) -> None:
        """DistributedError, on all ranks, unless all of them have the same facts."""
        everybody = self.gather(facts, f"a comparison: {what}?", limit)
        names = dict.fromkeys(name for facts in everybody for name in facts)
        for name in names:
            values = [facts.get(name) for facts in everybody]
            odd = [rank for rank, value in enumerate(values) if value != values[0]]
            if odd:
                pair = f"{values[0]!r:.60} on rank 0 and {values[odd[0]]!r:.60} on {some_ranks(odd)}"
                raise DistributedError(f"not all ranks have {what}: {name} is {pair}")

    # --- waiting ---

    def meet(self, what: str, limit: float | None = None) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            self.wait(self.comm.Ibarrier(), what, limit)

    def wait(self, request: Any, what: str, limit: float | None = None) -> None:
        """Wait for a message, or for several ranks; where that takes longer than the limit, end the run and say why.

        At first without a pause, then looking up a thousand times a second: ranks that share cores need them.
        """
        started, rounds = time.monotonic(), 0
        limit = max(self.limit, limit or 0)
        while not request.Test():
            rounds += 1
            time.sleep(0 if rounds < 200 else 0.001)
            if rounds % 200 == 0 and (time.monotonic() - started > limit or self.comm.iprobe(tag=REPORT)):
                self.say_who_is_missing(what, time.monotonic() - started)

    def say_who_is_missing(self, what: str, seconds: float) -> NoReturn:
        """Whoever waits says so to all others; a rank that says nothing is the one that they wait for."""
        for rank in range(self.size):
            if rank != self.rank:
                self.comm.isend((self.rank, what), rank, tag=REPORT)
        waiting, end = {self.rank: what}, time.monotonic() + 1.0
        while time.monotonic() < end:
            while self.comm.iprobe(tag=REPORT):
                waiting.update([self.comm.recv(tag=REPORT)])
            time.sleep(0.01)
        if self.rank == min(waiting):
            say(f"error: {self.who_is_missing(waiting, seconds)}")
        time.sleep(0 if self.rank == min(waiting) else 1)  # so that it is said before everything ends
        self.stop_all(2)

    def who_is_missing(self, waiting: dict[int, str], seconds: float) -> str:
        missing = [rank for rank in range(self.size) if rank not in waiting]
        who = {what: [rank for rank in sorted(waiting) if waiting[rank] == what] for what in waiting.values()}
        if not missing:
            pairs = "; ".join(f"{some_ranks(ranks)} for {what}" for what, ranks in who.items())
            return f"all ranks wait, so they do not run the same program: {pairs}"
        absent = ", ".join(f"rank {rank} ({self.processes[rank]})" for rank in missing)
        return (
            f"{some_ranks(sorted(waiting))} waited {seconds:.0f} s for {' and for '.join(who)}; "
            f"{absent} did not come: it hangs, or is slower than the others by more than --wait"
        )

    # --- ending ---

    def stop_all(self, status: int) -> NoReturn:
        """End all ranks at once, with this exit status; what is to be said must have been said."""
        sys.stdout.flush()
        sys.stderr.flush()
        if _guard:
            _guard.hush()
        self.comm.Abort(status)
        os._exit(status)


REPORT = 4242  # the tag of messages between ranks that waited too long
_joined = Group()
_guard: Guard | None = None


def init(limit: float = LIMIT) -> Group:
    """Join the processes that `mpiexec -n 4 python ...` started; alone without it. Call it first of all.

    The cores of a computer are divided among the ranks on it. An error that nobody catches ends all ranks.

    Raises DistributedError where mpi4py, or the MPI library that it needs, is missing or broken, and where the process
    was started by the `mpiexec` of another MPI.
    """
    global _joined, _guard
    _guard = _guard or Guard()
    try:
        from mpi4py import MPI
    except Exception as error:  # without its library it raises RuntimeError, with a damaged one anything
        raise DistributedError(
            f"--distributed needs MPI, and mpi4py cannot be imported ({error}). Install both, no other MPI is needed: "
            f"{sys.executable} -m {INSTALL}"
        ) from None
    told = max((int(os.environ.get(name) or 1) for name in SIZES_TOLD), default=1)
    if told > 1 and MPI.COMM_WORLD.size == 1:
        raise DistributedError(
            f"this was started as one of {told} processes by an mpiexec that mpi4py's library "
            f"({MPI.Get_library_version().split(chr(10))[0]:.40}) knows nothing of; use the mpiexec of the same MPI, "
            f"which lies beside {sys.executable} where it came by `{INSTALL}`"
        )
    _joined = Group(MPI.COMM_WORLD.Dup(), limit)
    _guard.say(f"rank {_joined.rank} ({_joined.processes[_joined.rank]})")
    atexit.register(_guard.say, "end")
    if _joined.size > 1:
        sys.excepthook = _stop_by_error
        limit_threads(own_cores(MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED).allgather(cores())))
    return _joined


def cores() -> set[int]:
    """The cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def own_cores(of_each: list[set[int]]) -> int:
    """How many cores a rank has for itself: those of one computer divided, unless its launcher has divided them."""
    together = set().union(*of_each)
    return max(1, min(len(together) // len(of_each), len(cores())))


def end(message: str, status: int) -> int:
    """Say on stderr why this process ends, and end the others as well; alone, return the status."""
    if _joined.size == 1:
        print(message, file=sys.stderr)
        return status
    time.sleep(0.5 if _joined.rank else 0)  # of an error that all ranks make, rank 0 speaks
    say(f"rank {_joined.rank}: {message}")
    _joined.stop_all(status)


def leave() -> None:
    """Wait, for as long as it takes and without using a core, until all ranks are here: the last thing they do."""
    if _joined.size > 1:
        request = _joined.comm.Ibarrier()
        while not request.Test():
            time.sleep(0.02)


def _stop_by_error(kind: type[BaseException], error: BaseException, where: Any) -> None:
    """For `sys.excepthook`: Python would wait for the other ranks before it ends, and they for this one."""
    text = "".join(traceback.format_exception(kind, error, where))
    end(f"ended by an error ({_joined.processes[_joined.rank]})\n{text}", 1)


def say(text: str) -> None:
    """A line on stderr, in one piece: others write there, too."""
    os.write(2, f"{text}\n".encode())


def some_ranks(ranks: list[int]) -> str:
    """ "rank 1", "ranks 0, 2 and 3"."""
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    return f"ranks {', '.join(map(str, ranks[:-1]))} and {ranks[-1]}"

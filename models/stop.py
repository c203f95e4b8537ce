"""How a run is stopped from outside: by Ctrl-C, or by SIGTERM, which a cluster's scheduler sends before it kills."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """The run ends here, without evaluation and pictures: after SIGTERM, or after a second signal.

    Like KeyboardInterrupt it is no Exception, so that nobody catches it by accident.
    """

    def __init__(self, number: int, what_was_kept: str) -> None:
        super().__init__(f"{signal.Signals(number).name}: {what_was_kept}")
        self.status = 128 + number  # what a shell says of a process that a signal ended: 143 for SIGTERM


class Left(BaseException):
    """The training is over, and what is left to do, rank 0 does alone: see `Run.fit`. The other processes end here."""


class Stop:
    """Within `with Stop() as stop`, Ctrl-C and SIGTERM wait until the weights are at rest.

    In the middle of a training step, some parameters have moved and others have not. So a signal is only noted; the
    training loop asks for it after a step, saves, and calls `obey`. A second signal does not wait.

    Attributes
    ----------
    asked : int or None
        The signal that came.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.resting = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # what nohup ignores stays ignored
                    self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.asked is not None:
            raise Terminated(number, "ended at once")
        self.asked = number
        if self.resting:
            self.obey()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Within, nothing is trained, and a signal need not wait: for evaluations, which may take long."""
        self.resting = True
        try:
            yield
        finally:
            self.resting = False

    def obey(self) -> None:
        """Raise what the signal stands for; nothing where none has come."""
        if self.asked == signal.SIGINT:
            raise KeyboardInterrupt
        if self.asked is not None:
            raise Terminated(self.asked, "ended; --resume goes on from the last checkpoint")


@contextlib.contextmanager
def ending_by_sigterm() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated`, so that a script leaves no half file behind and says what happened."""

    def end(number: int, _: FrameType | None) -> None:
        raise Terminated(number, "ended; --resume goes on from the last checkpoint, if there is one")

    alone = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # nobody else in this process waits for it
    ours = alone and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

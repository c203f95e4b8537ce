"""How long training took, without evaluation and pictures, and across --resume."""

from __future__ import annotations

import time


class Clock:
    """Runs while an epoch trains.

    Attributes
    ----------
    ends : list of float
        Seconds of training up to the end of each epoch.
    """

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.before = 0.0  # seconds until it was stopped last
        self.started: float | None = None

    def start(self) -> None:
        self.started = time.perf_counter()

    def now(self) -> float:
        return self.before + (0.0 if self.started is None else time.perf_counter() - self.started)

    def end_epoch(self) -> None:
        self.before, self.started = self.now(), None
        self.ends.append(self.before)

    def go_on_from(self, ends: list[float], now: float) -> None:
        """As it was when a checkpoint was written."""
        self.ends, self.before, self.started = [float(end) for end in ends], float(now), None

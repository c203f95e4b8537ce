"""The loop around the training step: epochs, progress, history, early stopping.

What happens to one batch stays in plain sight in the script: `fit` calls the script's own `step`.
"""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tinygrad_edu.checkpoint import write_whole

Figures = dict[str, float]  # such as {"loss": 0.31, "accuracy": 91.2}


class TrainingError(Exception):
    """Training cannot go on; the message says at which epoch and batch, and what to try."""


@dataclass
class History:
    """What every epoch measured.

    Attributes
    ----------
    epochs : list of dict
        One for each epoch: `{"epoch": 0, "train_loss": ..., ...}`.
    stopped : str
        Why training ended before its last epoch ("" if it did not).
    interrupted : bool
        Whether that was Ctrl-C; then the weights have gone on into an epoch that is not in the history.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = ""
    interrupted: bool = False

    def __getitem__(self, name: str) -> list[float]:
        """One figure over all epochs, NaN where an epoch did not measure it."""
        return [row.get(name, math.nan) for row in self.epochs]

    def best(self, name: str) -> int:
        """The position of the epoch with the smallest value of a figure."""
        values = self[name]
        return min(range(len(values)), key=lambda i: (math.isnan(values[i]), values[i]))

    def save_csv(self, path: str | Path) -> None:
        """One row an epoch, one column a figure."""
        columns = list(dict.fromkeys(name for row in self.epochs for name in row))

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(self.epochs)

        write_whole(Path(path), write)

    def save_json(self, path: str | Path, **facts: Any) -> None:
        """The same rows under "epochs", with further facts beside them."""
        text = json.dumps({**facts, "epochs": self.epochs}, indent=2) + "\n"
        write_whole(Path(path), lambda temporary: temporary.write_text(text))


def fit(
    step: Callable[..., Figures],
    batches: Callable[[], Iterable[tuple]],
    epochs: int,
    evaluate: Callable[[], Figures] | None = None,
    *,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
    monitor: str = "validation_loss",
    patience: int | None = None,
    progress: bool | None = None,
) -> History:
    """Train for some epochs.

    Parameters
    ----------
    step : callable
        Trains on one batch, `step(*batch)`, and returns its figures, of which `"loss"` must be one.
    batches : callable
        Returns the batches of the next epoch, in a new order each time if they are shuffled.
    epochs : int
        Train until the history has that many epochs.
    evaluate : callable, optional
        Called after every epoch; its figures go into the history beside `train_loss` and so on, the running means over
        the epoch's batches, weighted by their sizes.
    history : History, optional
        Go on from here (resume) instead of from nothing.
    after_epoch : callable, optional
        Called with the history after every epoch: the place for checkpoints.
    monitor, patience : str, int
        Stop early when the figure `monitor` has not become smaller for `patience` epochs.
    progress : bool, optional
        Show a bar on stderr. By default only where stderr is a terminal.

    Returns
    -------
    History
        Complete epochs only. Ctrl-C ends training cleanly and is noted in `stopped`.

    Raises
    ------
    TrainingError
        The loss became NaN or infinite. What `after_epoch` saved before stays as it is.
    ValueError
        Less than one epoch, an epoch without a batch, a step without a loss, or `patience` without the figure that it
        watches.
    """
    if epochs < 1:
        raise ValueError(f"fit: epochs must be at least 1, got {epochs}")
    history = history or History()
    try:
        for epoch in range(len(history.epochs), epochs):
            figures = _train_one_epoch(step, batches(), f"epoch {epoch + 1}/{epochs}", epoch, progress)
            history.epochs.append({"epoch": epoch, **figures, **(evaluate() if evaluate else {})})
            if patience is not None and monitor not in history.epochs[-1]:
                there = ", ".join(history.epochs[-1])
                raise ValueError(f"fit: patience needs the figure {monitor!r} after every epoch; there are {there}")
            if after_epoch:
                after_epoch(history)
            if patience is not None and epoch - history.best(monitor) >= patience:
                history.stopped = f"{monitor} did not improve for {patience} epochs"
                break
    except KeyboardInterrupt:
        history.stopped = f"interrupted in epoch {len(history.epochs)}"
        history.interrupted = True
    return history


def _train_one_epoch(
    step: Callable[..., Figures], batches: Iterable[tuple], label: str, epoch: int, progress: bool | None
) -> Figures:
    sums: Figures = {}
    examples = 0
    bar = progress_bar(batches, label, progress)
    for number, batch in enumerate(bar):
        figures = step(*batch)
        if not isinstance(figures, dict) or "loss" not in figures:
            raise ValueError(f"fit: step must return its figures, such as {{'loss': 0.3}}; it returned {figures!r:.80}")
        figures = {name: float(value) for name, value in figures.items()}  # of a Tensor, the number without its tape
        if not math.isfinite(figures["loss"]):
            raise TrainingError(
                f"the loss became {figures['loss']} in epoch {epoch}, batch {number} (both counted from 0); "
                "try a smaller learning rate, clip the gradients, or look for NaN in the data"
            )
        size = len(batch[0])
        examples += size
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + size * value
        if not bar.disable:
            bar.set_postfix({name: f"{total / examples:.4g}" for name, total in sums.items()}, refresh=False)
    if examples == 0:
        raise ValueError("fit: an epoch without a single batch; is the data set empty?")
    return {f"train_{name}": total / examples for name, total in sums.items()}


def progress_bar(items: Iterable, label: str, show: bool | None = None) -> tqdm:
    """`items` behind a tqdm bar on stderr; by default only where stderr is a terminal. NO_COLOR is honoured."""
    hidden = not sys.stderr.isatty() if show is None else not show
    plain = bool(os.environ.get("NO_COLOR"))
    return tqdm(items, label, leave=False, disable=hidden, ascii=plain, colour=None if plain else "blue")

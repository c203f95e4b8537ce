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

from tqdm.auto import tqdm  # a bar of the notebook in a notebook, of the terminal elsewhere

from tinygrad_edu.backend import device_of
from tinygrad_edu.files import write_whole
from tinygrad_edu.markup import box, ends, table, tag
from tinygrad_edu.tensor import Tensor

MOST_ROWS = 20  # of a history in a notebook
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

    def columns(self) -> list[str]:
        """The names of all figures that some epoch measured."""
        return list(dict.fromkeys(name for row in self.epochs for name in row))

    def _repr_html_(self) -> str:
        """For a notebook: a row an epoch, of many the first and the last ones, and why training stopped early."""
        columns = self.columns()
        rows = [[f"{row[name]:.5g}" if name in row else "" for name in columns] for row in self.epochs]
        first, left_out, last = ends(rows, MOST_ROWS)
        shown = [*first, *([[f"… {left_out:,} more epochs"]] if left_out else []), *last]
        why = tag("div", f"stopped: {self.stopped}") if self.stopped else ""
        return box(table(columns, shown) if rows else tag("div", "no epoch yet"), why)

    def save_csv(self, path: str | Path) -> None:
        """One row an epoch, one column a figure."""

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="") as file:
                writer = csv.DictWriter(file, self.columns())
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
        Trains on one batch, `step(*batch)`, and returns its figures, of which `"loss"` must be one. The loss is looked
        at after every step. A figure that is an array on a GPU is summed there, and fetched at the epoch's end.
    batches : callable
        Returns the batches of the next epoch, in a new order each time if they are shuffled. With a `len`, they make
        a progress bar that knows its end.
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
        Show a bar over all epochs, and one over an epoch's batches; see `progress_bar` for when that is the default.

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
    first = len(history.epochs)
    many = epochs - first > 1
    try:
        with progress_bar(None, "training", progress if many else False, total=epochs, initial=first) as bar:
            for epoch in range(first, epochs):
                if _out_of_patience(history, monitor, patience):  # before the epoch: a resumed run may have ended so
                    history.stopped = f"{monitor} did not improve for {patience} epochs"
                    break
                # Beside the bar over all epochs, one over an epoch's batches where that takes longer than a second.
                figures = _train_one_epoch(step, batches(), epoch, progress, delay=1.0 if many else 0.0)
                history.epochs.append({"epoch": epoch, **figures, **(evaluate() if evaluate else {})})
                if patience is not None and monitor not in history.epochs[-1]:
                    there = ", ".join(history.epochs[-1])
                    raise ValueError(f"fit: patience needs the figure {monitor!r} after every epoch; there are {there}")
                bar.set_postfix(_short(history.epochs[-1]), refresh=False)
                bar.update()
                if after_epoch:
                    with tqdm.external_write_mode():  # so that what it prints does not run into a bar
                        after_epoch(history)
    except KeyboardInterrupt:
        history.stopped = f"interrupted in epoch {len(history.epochs)}"
        history.interrupted = True
    return history


def _out_of_patience(history: History, monitor: str, patience: int | None) -> bool:
    """Whether `monitor` was smallest `patience` epochs ago or earlier."""
    if patience is None or not history.epochs:
        return False
    return len(history.epochs) - 1 - history.best(monitor) >= patience


def _train_one_epoch(
    step: Callable[..., Figures], batches: Iterable[tuple], epoch: int, progress: bool | None, delay: float
) -> Figures:
    sums: dict[str, Any] = {}
    examples = 0
    bar = progress_bar(batches, f"epoch {epoch}", progress, delay=delay)
    for number, batch in enumerate(bar):
        figures = step(*batch)
        if not isinstance(figures, dict) or "loss" not in figures:
            raise ValueError(f"fit: step must return its figures, such as {{'loss': 0.3}}; it returned {figures!r:.80}")
        figures = {name: _number(value, name == "loss") for name, value in figures.items()}
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
            known = {name: total / examples for name, total in sums.items() if isinstance(total, float)}
            bar.set_postfix(_short(known), refresh=False)
    if examples == 0:
        raise ValueError("fit: an epoch without a single batch; is the data set empty?")
    return {f"train_{name}": float(total) / examples for name, total in sums.items()}


def _number(value: Any, now: bool) -> Any:
    """A figure as a Python number, of a Tensor without its tape; one on a GPU stays there unless it is wanted now."""
    value = value.data if isinstance(value, Tensor) else value
    if getattr(value, "size", 1) != 1:
        raise ValueError(f"fit: a figure is one number, step returned one of shape {value.shape}; take its mean")
    return float(value) if now or device_of(value) == "cpu" else value.astype("float64")


def _short(figures: dict[str, Any]) -> dict[str, str]:
    return {name: f"{value:.4g}" for name, value in figures.items() if name != "epoch"}


def progress_bar(items: Iterable | None, label: str, show: bool | None = None, **options: Any) -> tqdm:
    """`items` behind a tqdm bar; by default only in a notebook or where stderr is a terminal. NO_COLOR is honoured.

    Where `items` know their number (`len`), the bar knows its end and the time left. Further options are tqdm's.
    """
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    plain = bool(os.environ.get("NO_COLOR"))
    hidden = not (seen if show is None else show)
    return tqdm(items, label, leave=False, disable=hidden, ascii=plain, colour=None if plain else "blue", **options)

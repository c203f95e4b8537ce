"""The loop around the training step: epochs, progress, history, early stopping.

What happens to one batch stays in plain sight in the script: `fit` calls the script's own `step`.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import TqdmWarning

from tinygrad_edu import checks
from tinygrad_edu.backend import device_of
from tinygrad_edu.files import write_whole
from tinygrad_edu.markup import box, ends, table, tag
from tinygrad_edu.tensor import Tensor

with (
    warnings.catch_warnings()
):  # in a notebook without ipywidgets the bar is a line of text; that is no warning's worth
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm  # a bar of the notebook in a notebook, of the terminal elsewhere

MOST_ROWS = 20  # of a history in a notebook
Figures = dict[str, float]  # such as {"loss": 0.31, "accuracy": 91.2}


class TrainingError(Exception):
    """Training cannot go on; the message says at which epoch and batch, and what to try."""


@dataclass
class Unfinished:
    """How far an epoch has come: batches done, the examples in them, and the sum of each figure over these."""

    batches: int = 0
    examples: int = 0
    sums: dict[str, Any] = field(default_factory=dict)

    def add(self, figures: Figures, size: int) -> None:
        """Count a batch of so many examples."""
        self.batches += 1
        self.examples += size
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + size * value


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
    unfinished : Unfinished
        The epoch after them, as far as it has come.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = ""
    interrupted: bool = False
    unfinished: Unfinished = field(default_factory=Unfinished)

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

        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns())
        writer.writeheader()
        writer.writerows(self.epochs)
        write_whole(Path(path), text.getvalue())

    def save_json(self, path: str | Path, **facts: Any) -> None:
        """The same rows under "epochs", with further facts beside them."""
        text = json.dumps({**facts, "epochs": self.epochs}, indent=2) + "\n"
        write_whole(Path(path), text)


def fit(
    step: Callable[..., Figures],
    batches: Callable[[], Iterable[tuple]],
    epochs: int,
    evaluate: Callable[[], Figures] | None = None,
    *,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
    after_batch: Callable[[History], None] | None = None,
    when_caught_up: Callable[[], None] | None = None,
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
        Go on from here (resume) instead of from nothing. Where it has an unfinished epoch, the batches that were done
        are passed over: `batches` must return the same ones again, so set its generator back to the epoch's start.
    after_epoch, after_batch : callable, optional
        Called with the history after every epoch, and after every batch: the places for checkpoints.
    when_caught_up : callable, optional
        Called when the batches of an unfinished epoch have been passed over: the place to set the generators, also
        that of `batches`, to where they were.
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
    epochs, patience = checks.size("fit", "epochs", epochs), _or_none(checks.whole, "patience", patience)
    progress = _or_none(checks.flag, "progress", progress)
    history = History() if history is None else checks.instance("fit", "history", history, History, "a History")
    for name, function in {"step": step, "batches": batches}.items():
        checks.function("fit", name, function)
    further = {"evaluate": evaluate, "after_epoch": after_epoch, "after_batch": after_batch}
    for name, optional in {**further, "when_caught_up": when_caught_up}.items():
        _or_none(checks.function, name, optional)
    checks.text("fit", "monitor", monitor)
    first = len(history.epochs)
    many = epochs - first > 1
    try:
        with progress_bar(None, "training", progress if many else False, total=epochs, initial=first) as bar:
            for epoch in range(first, epochs):
                if _out_of_patience(history, monitor, patience):  # before the epoch: a resumed run may have ended so
                    history.stopped = f"{monitor} did not improve for {patience} epochs"
                    break
                # Beside the bar over all epochs, one over an epoch's batches where that takes longer than a second.
                bar_options = {"show": progress, "delay": 1.0 if many else 0.0}
                figures = _train_one_epoch(step, batches(), history, after_batch, when_caught_up, **bar_options)
                history.epochs.append({"epoch": epoch, **figures, **(_measured(evaluate()) if evaluate else {})})
                history.unfinished = Unfinished()
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
        history.unfinished = Unfinished()
    return history


def _or_none(check: Callable[[str, str, Any], Any], name: str, value: Any) -> Any:
    """An argument of `fit` that may be left out."""
    return None if value is None else check("fit", name, value)


def _measured(figures: Any) -> Figures:
    return checks.mapping("fit", "what evaluate returns", figures, "figures, such as {'validation_loss': 0.3}")


def _out_of_patience(history: History, monitor: str, patience: int | None) -> bool:
    """Whether `monitor` was smallest `patience` epochs ago or earlier."""
    if patience is None or not history.epochs:
        return False
    return len(history.epochs) - 1 - history.best(monitor) >= patience


def _train_one_epoch(
    step: Callable[..., Figures],
    batches: Iterable[tuple],
    history: History,
    after_batch: Callable[[History], None] | None,
    when_caught_up: Callable[[], None] | None,
    **bar_options: Any,
) -> Figures:
    epoch, done = len(history.epochs), history.unfinished
    remaining = iter(checks.instance("fit", "what batches returns", batches, Iterable, "batches, such as a list"))
    if done.batches:
        for _ in itertools.islice(remaining, done.batches):
            pass
        if when_caught_up:
            when_caught_up()
    total = len(batches) if isinstance(batches, Sized) else None
    bar = progress_bar(remaining, f"epoch {epoch}", initial=done.batches, total=total, **bar_options)
    for batch in bar:
        figures = step(*batch)
        if not isinstance(figures, dict) or "loss" not in figures:
            raise ValueError(f"fit: step must return its figures, such as {{'loss': 0.3}}; it returned {figures!r:.80}")
        figures = {name: number(value, name == "loss") for name, value in figures.items()}
        if not math.isfinite(figures["loss"]):
            raise TrainingError(
                f"the loss became {figures['loss']} in epoch {epoch}, batch {done.batches} (both counted from 0); "
                "try a smaller learning rate, clip the gradients, or look for NaN in the data"
            )
        done.add(figures, len(batch[0]))
        if after_batch:
            after_batch(history)
        if not bar.disable:
            known = {name: sum_ / done.examples for name, sum_ in done.sums.items() if isinstance(sum_, float)}
            bar.set_postfix(_short(known), refresh=False)
    if done.examples == 0:
        raise ValueError("fit: an epoch without a single batch; is the data set empty?")
    return {f"train_{name}": float(sum_) / done.examples for name, sum_ in done.sums.items()}


def number(value: Any, now: bool) -> Any:
    """A figure as a Python number, of a Tensor without its tape; one on a GPU stays there unless it is wanted now."""
    value = value.data if isinstance(value, Tensor) else value
    if getattr(value, "size", 1) != 1:
        raise ValueError(f"fit: a figure is one number, step returned one of shape {value.shape}; take its mean")
    try:
        return float(value) if now or device_of(value) == "cpu" else value.astype("float64")
    except (TypeError, ValueError):
        raise ValueError(f"fit: a figure is one number, step returned {checks.shown(value)}") from None


def _short(figures: dict[str, Any]) -> dict[str, str]:
    return {name: f"{value:.4g}" for name, value in figures.items() if name != "epoch"}


def progress_bar(items: Iterable | None, label: str, show: bool | None = None, **options: Any) -> tqdm:
    """`items` behind a tqdm bar; by default only in a notebook or where stderr is a terminal. NO_COLOR is honoured.

    Where `items` know their number (`len`), the bar knows its end and the time left. Further options are tqdm's.
    """
    show = None if show is None else checks.flag("progress_bar", "show", show)
    if items is not None and (not isinstance(items, Iterable) or getattr(items, "ndim", 1) == 0):
        checks.refuse("progress_bar", "items", "something to go through, such as a list", items, TypeError)
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    plain = bool(os.environ.get("NO_COLOR"))
    hidden = not (seen if show is None else show)
    return tqdm(
        items,
        checks.text("progress_bar", "label", label),
        leave=False,
        disable=hidden,
        ascii=plain,
        colour=None if plain else "blue",
        **options,
    )

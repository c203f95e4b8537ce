"""Curves over epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from tinygrad_edu import checks
from tinygrad_edu.plots.style import PAGE_WIDTH, Destination, legend_below, line_style, new_figure, set_title

FEWEST_EPOCHS = 3  # two dots and the line between them say no more than the table does
DECADE = 10


def training_curves(
    path: Destination,
    epochs: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    title: str,
) -> Figure | None:
    """Draw one curve per name against the epoch, on a logarithmic axis where a curve falls by a decade or more.

    Fewer than three epochs make no curve: then a line says so, and there is no picture.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    epochs : E epoch numbers, the common x axis.
    curves : name -> E values; a NaN leaves a gap. The names make the legend.
    ylabel : what the values are, with the unit: `"accuracy (%)"`.
    title : one line above the axes.

    Raises
    ------
    ValueError
        No epoch, no curve, or a curve whose length is not E.
    """
    where = "training_curves"
    x, named = _epochs(where, epochs), checks.mapping(where, "curves", curves, "a dict, name -> values")
    checks.text(where, "ylabel", ylabel)
    if len(x) == 0 or not named:
        raise ValueError("training_curves: nothing to draw, give at least one epoch and one curve")
    drawn = {name: _values(where, name, values, len(x)) for name, values in named.items()}
    if _too_few(path, x):
        return None
    with new_figure(path, PAGE_WIDTH, 3.5) as figure:
        axes = figure.add_subplot()
        _draw(axes, x, drawn, ylabel)
        set_title(figure, title)
        legend_below(figure, axes.lines)
    return figure


def train_and_validation(
    path: Destination,
    epochs: Sequence[int],
    losses: tuple[Sequence[float], Sequence[float]],
    accuracies: tuple[Sequence[float], Sequence[float]],
    title: str,
) -> Figure | None:
    """Draw loss and accuracy side by side, each on the training and on the validation set.

    Where the two curves of a panel part, the network learns by heart what it was shown. Fewer than three epochs make no
    curve: then a line says so, and there is no picture.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    epochs : E epoch numbers.
    losses, accuracies : (training, validation), E values each; accuracies in percent.
    title : one line above both.
    """
    where = "train_and_validation"
    x = _epochs(where, epochs)
    panels: list[dict[str, np.ndarray]] = []
    for name, pair in (("losses", losses), ("accuracies", accuracies)):
        both = checks.items(where, name, pair, "two lists of values, (training, validation)")
        if len(both) != 2:
            checks.refuse(where, name, "two lists of values, (training, validation)", pair)
        kinds = zip(("training", "validation"), both)
        panels.append({kind: _values(where, kind, values, len(x)) for kind, values in kinds})
    if _too_few(path, x):
        return None
    with new_figure(path, PAGE_WIDTH, 3.0) as figure:
        cells = figure.subplots(1, 2)
        for axes, panel, ylabel in zip(cells, panels, ("loss (nats per image)", "accuracy (%)"), strict=True):
            _draw(axes, x, panel, ylabel)
        set_title(figure, title)
        legend_below(figure, cells[0].lines)
    return figure


def _epochs(where: str, epochs: Sequence[int]) -> np.ndarray:
    """The x axis."""
    array = checks.numbers(where, "epochs", epochs)
    if array.ndim != 1:
        checks.refuse(where, "epochs", "a list of epoch numbers", epochs)
    return array


def _values(where: str, name: str, values: Sequence[float], count: int) -> np.ndarray:
    """A curve with a value for each epoch."""
    array = checks.numbers(where, f"curve {name!r}", values)
    if array.shape != (count,):
        raise ValueError(f"{where}: curve {name!r} has {array.size} values for {count} epochs")
    return array


def _too_few(path: Destination, epochs: np.ndarray) -> bool:
    """Whether there is nothing to see. Says so, and takes an older picture away, which would pass for this run's."""
    if len(epochs) >= FEWEST_EPOCHS:
        return False
    if path is not None:
        Path(path).unlink(missing_ok=True)
    picture = "picture" if path is None else Path(path).name
    print(f"no {picture}: a curve needs {FEWEST_EPOCHS} epochs, and this run has {len(epochs)}", flush=True)
    return True


def _draw(axes: Axes, epochs: np.ndarray, curves: Mapping[str, np.ndarray], ylabel: str) -> None:
    for i, (name, values) in enumerate(curves.items()):
        axes.plot(epochs, values, label=name, **line_style(i, len(epochs)))
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))  # there is no epoch 2.5
    known = [np.asarray(values, dtype=float)[np.isfinite(values)] for values in curves.values()]
    if any(_falls_by_a_decade(values) for values in known) and all((values > 0).all() for values in known):
        set_log_scale(axes, np.concatenate(known))


def _falls_by_a_decade(values: np.ndarray) -> bool:
    """Whether the smallest comes after the largest, and is no more than a tenth of it."""
    return len(values) > 0 and bool(values.argmax() < values.argmin() and values.max() >= DECADE * values.min())


def set_log_scale(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic y axis for positive values; where they span few decades, 2 and 5 of each have a number, too."""
    axes.set_yscale("log")
    if values.max() < 1000 * values.min():
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())

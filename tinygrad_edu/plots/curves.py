"""Curves over epochs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from tinygrad_edu.plots.style import PAGE_WIDTH, line_style, new_figure


def training_curves(
    path: str | os.PathLike[str],
    epochs: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    title: str,
) -> Path:
    """Draw one curve per name against the epoch.

    Parameters
    ----------
    path : where the picture goes.
    epochs : E epoch numbers, the common x axis.
    curves : name -> E values; a NaN leaves a gap. The names make the legend.
    ylabel : what the values are, with the unit: `"accuracy (%)"`.
    title : one line above the axes.

    Raises
    ------
    ValueError
        No epoch, no curve, or a curve whose length is not E.
    """
    if len(epochs) == 0 or not curves:
        raise ValueError("training_curves: nothing to draw, give at least one epoch and one curve")
    for name, values in curves.items():
        if len(values) != len(epochs):
            raise ValueError(f"training_curves: curve {name!r} has {len(values)} values for {len(epochs)} epochs")

    with new_figure(path, PAGE_WIDTH, 3.4) as figure:
        axes = figure.add_subplot()
        for i, (name, values) in enumerate(curves.items()):
            axes.plot(epochs, values, label=name, **line_style(i, len(epochs)))
        axes.set(xlabel="epoch", ylabel=ylabel, title=title)
        # There is no epoch 2.5, and a single epoch does not need an axis that shows thousandths of it.
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        if len(epochs) == 1:
            axes.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
        axes.legend()
    return Path(path)


def train_and_validation(
    path: str | os.PathLike[str],
    epochs: Sequence[int],
    losses: tuple[Sequence[float], Sequence[float]],
    accuracies: tuple[Sequence[float], Sequence[float]],
    title: str,
) -> Path:
    """Draw loss and accuracy side by side, each on the training and on the validation set.

    Where the two curves of a panel part, the network learns by heart what it was shown.

    Parameters
    ----------
    path : where the picture goes.
    epochs : E epoch numbers.
    losses, accuracies : (training, validation), E values each; accuracies in percent.
    title : one line above both.
    """
    with new_figure(path, PAGE_WIDTH, 2.9) as figure:
        for axes, pair, ylabel in zip(
            figure.subplots(1, 2), (losses, accuracies), ("loss (nats per image)", "accuracy (%)"), strict=True
        ):
            for i, (name, values) in enumerate(zip(("training", "validation"), pair, strict=True)):
                if len(values) != len(epochs):
                    raise ValueError(f"train_and_validation: {len(values)} {name} values for {len(epochs)} epochs")
                axes.plot(epochs, values, label=name, **line_style(i, len(epochs)))
            axes.set(xlabel="epoch", ylabel=ylabel)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
            axes.legend()
        figure.suptitle(title)
    return Path(path)

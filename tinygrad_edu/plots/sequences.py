"""Figures of sequences: series and predictions, the flow of the gradient through time, what clipping does."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from tinygrad_edu.plots.curves import set_log_scale
from tinygrad_edu.plots.style import COLOURS, DASHES, PAGE_WIDTH, Destination, legend_below, new_figure, set_title

WINDOW = 10  # training steps that `clipping` takes the mean of


def series(
    path: Destination,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    title: str,
    ticks: tuple[Sequence[float], Sequence[str]] | None = None,
    baseline: str | None = None,
) -> Figure:
    """Draw series over a common axis, such as the truth and the predictions for parts of it.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    curves : name -> (x (N,), y (N,)); a NaN leaves a gap. The first is drawn thin and dark, as what the others are
        compared with.
    xlabel, ylabel : what the axes are, with units.
    title : one or two lines above the axes.
    ticks : positions and labels of the x axis, where numbers say little (years, say).
    baseline : the name of a curve that is drawn thin and dotted, over the others: what could be had without learning.

    Raises
    ------
    ValueError
        No curve, an empty one, x and y of different lengths, or a baseline that is none of the curves.
    """
    if not curves:
        raise ValueError("series: nothing to draw, give at least one curve")
    if baseline is not None and baseline not in curves:
        raise ValueError(f"series: the baseline {baseline!r} is none of the curves {', '.join(map(repr, curves))}")
    with new_figure(path, PAGE_WIDTH, 3.5) as figure:
        axes = figure.add_subplot()
        for i, (name, (x, y)) in enumerate(curves.items()):
            x, y = np.asarray(x), np.asarray(y)
            if x.shape != y.shape or x.ndim != 1 or x.size == 0:
                raise ValueError(f"series: curve {name!r} needs x and y of one shape (N,); got {x.shape} and {y.shape}")
            if name == baseline:
                axes.plot(x, y, label=name, color="black", linestyle=":", linewidth=1.0, zorder=3)
            elif i == 0 and baseline is not None and len(curves) == 2:
                axes.plot(x, y, label=name, color=COLOURS[0])
            elif i == 0:
                axes.plot(x, y, label=name, color="#444444", linewidth=1.1)
            else:
                axes.plot(x, y, label=name, color=COLOURS[i - 1], linestyle=DASHES[i % 2], linewidth=1.7)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        set_title(figure, title)
        axes.margins(x=0.01)
        if ticks is not None:
            axes.set_xticks(ticks[0], ticks[1])
        if len(curves) > 1:
            legend_below(figure, axes.lines)
    return figure


def gradient_flow(path: Destination, panels: Mapping[str, Mapping[str, ArrayLike]], title: str, ylabel: str) -> Figure:
    """Draw norms of gradients against the time step, on a logarithmic axis; one panel beside the other.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    panels : heading -> (name -> T norms, for t = 1 ... T). A zero, which has no logarithm, leaves a gap.
    title : one line above the panels.
    ylabel : what the norms are, `"||dL/dh_t||"`.

    Raises ValueError when there is nothing to draw, or a norm is negative or not finite.
    """
    if not panels or not all(panels.values()):
        raise ValueError("gradient_flow: nothing to draw, give at least one panel with one curve")
    with new_figure(path, PAGE_WIDTH, 4.2) as figure:
        cells = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, (heading, curves) in zip(cells, panels.items()):
            for i, (name, values) in enumerate(curves.items()):
                norms = np.asarray(values, dtype=float)
                if norms.ndim != 1 or not np.isfinite(norms).all() or (norms < 0).any():
                    raise ValueError(f"gradient_flow: {name!r} must be finite norms >= 0, of shape (T,)")
                steps = np.arange(1, len(norms) + 1)
                line = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
                axes.plot(steps, np.where(norms > 0, norms, np.nan), label=name, **line)
            axes.set(yscale="log", xlabel="time step t (the loss is at the last)")
            axes.set_title(heading, fontsize=9)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)  # below, where it hides no curve
        cells[0].set_ylabel(ylabel)
        set_title(figure, title)
    return figure


def clipping(path: Destination, losses: Mapping[str, ArrayLike], norms: Mapping[str, ArrayLike], title: str) -> Figure:
    """Draw the loss and the gradient's norm (before clipping) for every training step, with and without clipping.

    Both mappings are name -> values (S,), with the same names. Raises ValueError when they differ. The values are drawn
    thin, and their mean over the last ten steps over them.
    """
    if not losses or losses.keys() != norms.keys():
        raise ValueError(f"clipping: losses {sorted(losses)} and norms {sorted(norms)} must have the same names")
    with new_figure(path, PAGE_WIDTH, 3.4) as figure:
        cells = figure.subplots(1, 2)
        for axes, kind in zip(cells, (losses, norms)):
            for i, (name, values) in enumerate(kind.items()):
                values = np.asarray(values)
                window = min(WINDOW, len(values))
                means = np.convolve(values, np.ones(window) / window, mode="valid")
                axes.plot(values, color=COLOURS[i], linewidth=0.4, alpha=0.5)
                axes.plot(window - 1 + np.arange(len(means)), means, DASHES[i], color=COLOURS[i], label=name)
            set_log_scale(axes, np.concatenate([np.asarray(values) for values in kind.values()]))
        cells[0].set(xlabel="training step", ylabel="loss (mean squared error)")
        cells[1].set(xlabel="training step", ylabel="gradient norm, unclipped")
        named, _ = cells[0].get_legend_handles_labels()
        thin = Line2D([], [], linewidth=0.6, color="#777777", label="thin: every step")
        thick = Line2D([], [], color="#777777", label=f"thick: mean of the last {WINDOW}")
        legend_below(figure, [*named, thin, thick])
        set_title(figure, title)
    return figure

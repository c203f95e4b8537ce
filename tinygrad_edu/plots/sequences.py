"""Figures of sequences: series and predictions, the flow of the gradient through time, what clipping does."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from tinygrad_edu import checks
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
    logarithmic: bool = False,
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
    logarithmic : whether both axes are; what is not positive leaves a gap.

    Raises
    ------
    ValueError
        No curve, an empty one, x and y of different lengths, or a baseline that is none of the curves.
    """
    curves = checks.mapping("series", "curves", curves, "a dict, name -> (x, y)")
    for name, value in {"xlabel": xlabel, "ylabel": ylabel}.items():
        checks.text("series", name, value)
    if not curves:
        raise ValueError("series: nothing to draw, give at least one curve")
    if baseline is not None and (not isinstance(baseline, str) or baseline not in curves):
        raise ValueError(
            f"series: the baseline {checks.shown(baseline)} is none of the curves {', '.join(map(repr, curves))}"
        )
    with new_figure(path, PAGE_WIDTH, 3.5) as figure:
        axes = figure.add_subplot()
        for i, (name, curve) in enumerate(curves.items()):
            if not isinstance(curve, tuple | list) or len(curve) != 2:
                checks.refuse("series", f"curve {name!r}", "two arrays, (x, y)", curve)
            x, y = (checks.numbers("series", f"curve {name!r}", values) for values in curve)
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
        if checks.flag("series", "logarithmic", logarithmic):
            axes.set(xscale="log", yscale="log")
        set_title(figure, title)
        axes.margins(x=0.01)
        if ticks is not None:
            axes.set_xticks(*_ticks(ticks))
        if len(curves) > 1:
            legend_below(figure, axes.lines)
    return figure


def _ticks(ticks: tuple[Sequence[float], Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """Positions and labels, as many of one as of the other."""
    if not isinstance(ticks, tuple | list) or len(ticks) != 2:
        checks.refuse("series", "ticks", "positions and labels", ticks)
    places, labels = checks.numbers("series", "ticks", ticks[0]), checks.texts("series", "ticks", ticks[1])
    if places.shape != (len(labels),) or not np.isfinite(places).all():
        raise ValueError(f"series: ticks need a label for each position; got {places.shape} and {len(labels)}")
    return places, labels


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
    panels = checks.mapping("gradient_flow", "panels", panels, "a dict, heading -> (name -> norms)")
    for heading, curves in panels.items():
        checks.mapping("gradient_flow", f"panel {heading!r}", curves, "a dict, name -> norms")
    checks.text("gradient_flow", "ylabel", ylabel)
    if not panels or not all(panels.values()):
        raise ValueError("gradient_flow: nothing to draw, give at least one panel with one curve")
    with new_figure(path, PAGE_WIDTH, 4.2) as figure:
        cells = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, (heading, curves) in zip(cells, panels.items()):
            for i, (name, values) in enumerate(curves.items()):
                norms = checks.numbers("gradient_flow", f"{name!r}", values)
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
    losses, norms = _steps("losses", losses), _steps("norms", norms)
    if not losses or losses.keys() != norms.keys():
        raise ValueError(f"clipping: losses {[*losses]} and norms {[*norms]} must have the same names")
    with new_figure(path, PAGE_WIDTH, 3.4) as figure:
        cells = figure.subplots(1, 2)
        for axes, kind in zip(cells, (losses, norms)):
            for i, (name, values) in enumerate(kind.items()):
                window = min(WINDOW, len(values))
                means = np.convolve(values, np.ones(window) / window, mode="valid")
                axes.plot(values, color=COLOURS[i], linewidth=0.4, alpha=0.5)
                axes.plot(window - 1 + np.arange(len(means)), means, DASHES[i], color=COLOURS[i], label=name)
            set_log_scale(axes, np.concatenate([*kind.values()]))
        cells[0].set(xlabel="training step", ylabel="loss (mean squared error)")
        cells[1].set(xlabel="training step", ylabel="gradient norm, unclipped")
        named, _ = cells[0].get_legend_handles_labels()
        thin = Line2D([], [], linewidth=0.6, color="#777777", label="thin: every step")
        thick = Line2D([], [], color="#777777", label=f"thick: mean of the last {WINDOW}")
        legend_below(figure, [*named, thin, thick])
        set_title(figure, title)
    return figure


def _steps(name: str, curves: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """A number >= 0 for each training step, by name."""
    curves = checks.mapping("clipping", name, curves, "a dict, name -> values (S,)")
    found = {key: checks.numbers("clipping", f"{name} of {key!r}", values) for key, values in curves.items()}
    for key, values in found.items():
        if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(f"clipping: {name} of {key!r} must be finite numbers >= 0, of shape (S,)")
    return found

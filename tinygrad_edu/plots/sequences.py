"""Figures of sequences: series and predictions, the flow of the gradient through time, a network unrolled."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike

from tinygrad_edu.plots.style import COLOURS, DASHES, PAGE_WIDTH, new_figure


def series(
    path: str | os.PathLike[str],
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    title: str,
    ticks: tuple[Sequence[float], Sequence[str]] | None = None,
) -> Path:
    """Draw series over a common axis, such as the truth and the predictions for parts of it.

    Parameters
    ----------
    path : where the picture goes.
    curves : name -> (x (N,), y (N,)). The first is drawn thin and dark, as what the others are compared with.
    xlabel, ylabel : what the axes are, with units.
    title : one line above the axes.
    ticks : positions and labels of the x axis, where numbers say little (years, say).

    Raises
    ------
    ValueError
        No curve, an empty one, or x and y of different lengths.
    """
    if not curves:
        raise ValueError("series: nothing to draw, give at least one curve")
    with new_figure(path, PAGE_WIDTH, 3.2) as figure:
        axes = figure.add_subplot()
        for i, (name, (x, y)) in enumerate(curves.items()):
            x, y = np.asarray(x), np.asarray(y)
            if x.shape != y.shape or x.ndim != 1 or x.size == 0:
                raise ValueError(f"series: curve {name!r} needs x and y of one shape (N,); got {x.shape} and {y.shape}")
            if i == 0:
                axes.plot(x, y, label=name, color="#444444", linewidth=1.1)
            else:
                axes.plot(x, y, label=name, color=COLOURS[i - 1], linestyle=DASHES[i % 2], linewidth=1.7)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        axes.margins(x=0.01)
        if ticks is not None:
            axes.set_xticks(ticks[0], ticks[1])
        if len(curves) > 1:
            # Beside the axes no curve is hidden.
            figure.legend(loc="outside lower center", ncols=min(4, len(curves)))
    return Path(path)


def gradient_flow(
    path: str | os.PathLike[str], panels: Mapping[str, Mapping[str, ArrayLike]], title: str, ylabel: str
) -> Path:
    """Draw norms of gradients against the time step, on a logarithmic axis; one panel beside the other.

    Parameters
    ----------
    path : where the picture goes.
    panels : heading -> (name -> T norms, for t = 1 ... T). A zero, which has no logarithm, leaves a gap.
    title : one line above the panels.
    ylabel : what the norms are, `"||dL/dh_t||"`.

    Raises ValueError when there is nothing to draw, or a norm is negative or not finite.
    """
    if not panels or not all(panels.values()):
        raise ValueError("gradient_flow: nothing to draw, give at least one panel with one curve")
    with new_figure(path, PAGE_WIDTH, 3.6) as figure:
        cells = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, (heading, curves) in zip(cells, panels.items()):
            for i, (name, values) in enumerate(curves.items()):
                norms = np.asarray(values, dtype=float)
                if norms.ndim != 1 or not np.isfinite(norms).all() or (norms < 0).any():
                    raise ValueError(f"gradient_flow: {name!r} must be finite norms >= 0, of shape (T,)")
                steps = np.arange(1, len(norms) + 1)
                line = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
                axes.plot(steps, np.where(norms > 0, norms, np.nan), label=name, **line)
            axes.set(yscale="log", xlabel="time step t (the loss is at the last)", title=heading)
            axes.legend(fontsize=7, loc="lower right", handlelength=2.5)
        cells[0].set_ylabel(ylabel)
        figure.suptitle(title)
    return Path(path)


def clipping(
    path: str | os.PathLike[str], losses: Mapping[str, ArrayLike], norms: Mapping[str, ArrayLike], title: str
) -> Path:
    """Draw the loss and the gradient's norm (before clipping) for every training step, with and without clipping.

    Both mappings are name -> values (S,), with the same names. Raises ValueError when they differ. The values are drawn
    thin, and their mean over the last ten steps over them.
    """
    if not losses or losses.keys() != norms.keys():
        raise ValueError(f"clipping: losses {sorted(losses)} and norms {sorted(norms)} must have the same names")
    with new_figure(path, PAGE_WIDTH, 3.0) as figure:
        left, right = figure.subplots(1, 2)
        for i, name in enumerate(losses):
            for axes, values in ((left, np.asarray(losses[name])), (right, np.asarray(norms[name]))):
                window = min(10, len(values))
                means = np.convolve(values, np.ones(window) / window, mode="valid")
                axes.plot(values, color=COLOURS[i], linewidth=0.4, alpha=0.5)
                axes.plot(window - 1 + np.arange(len(means)), means, DASHES[i], color=COLOURS[i], label=name)
        left.set(xlabel="training step", ylabel="loss", yscale="log", title="loss")
        right.set(xlabel="training step", ylabel="norm", yscale="log", title="gradient norm before clipping")
        left.legend()
        figure.suptitle(title)
    return Path(path)


def unrolled_network(path: str | os.PathLike[str], steps: int, cell: str, units: int, title: str) -> Path:
    """Draw a recurrent network twice: folded, with its loop, and unrolled over `steps` time steps.

    Parameters
    ----------
    path : where the picture goes.
    steps : time steps, 1 to 10.
    cell : what is written into the boxes, `"SimpleRNN"`.
    units : its number of units.
    title : one line above the drawing.
    """
    if not 1 <= steps <= 10:
        raise ValueError(f"unrolled_network: 1 to 10 steps can be drawn, got {steps}")
    with new_figure(path, PAGE_WIDTH, 2.6 if steps < 7 else 2.2) as figure:
        axes = figure.add_subplot()
        right = 2.0 + 1.35 * steps + 0.8
        axes.set(xlim=(-1.4, right), ylim=(-0.7, 3.3))
        axes.axis("off")
        small = 8 if steps < 4 else 7 if steps < 6 else 5

        def box(x: float, y: float, text: str, colour: str, width: float = 0.95) -> None:
            shape = FancyBboxPatch(
                (x - width / 2, y - 0.27), width, 0.54, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="black"
            )
            axes.add_patch(shape)
            axes.text(x, y, text, ha="center", va="center", fontsize=small)

        def arrow(start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
            axes.add_patch(
                FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, color="black", shrinkA=0, shrinkB=1)
            )
            if text:
                at = ((start[0] + end[0]) / 2 + (0.1 if start[0] == end[0] else 0), (start[1] + end[1]) / 2 + 0.12)
                axes.text(*at, text, fontsize=small, ha="left" if start[0] == end[0] else "center")

        label = f"{cell}\n{units} unit{'s' * (units != 1)}"
        box(0, 0.1, "$x_t$", "#E8E8E8")
        box(0, 1.4, label, "#CFE3F2", width=0.95 if steps < 6 else 1.1)
        box(0, 2.8, "$\\hat{y}$", "#F9DCC4")
        arrow((0, 0.4), (0, 1.1), "$W$")
        arrow((0, 1.7), (0, 2.5), "dense")
        axes.plot([-0.5, -0.95, -0.95], [1.55, 1.55, 1.25], color="black", linewidth=1, solid_joinstyle="miter")
        arrow((-0.95, 1.25), (-0.5, 1.25))
        axes.text(-1.05, 1.4, "$U$", fontsize=small, ha="right", va="center")
        axes.text(1.2, 1.4, "=", fontsize=16, ha="center", va="center")
        axes.text(2.05, 1.4, "$h_0 = 0$", fontsize=small, ha="center", va="center")
        before = 2.45
        for t in range(1, steps + 1):
            x = 2.0 + 1.35 * t
            box(x, 0.1, f"$x_{{{t}}}$", "#E8E8E8")
            box(x, 1.4, label if steps < 6 else f"$h_{{{t}}}$", "#CFE3F2")
            arrow((x, 0.4), (x, 1.1), "$W$")
            arrow((before, 1.4), (x - 0.5, 1.4), "$U$")
            before = x + 0.5
        box(x, 2.8, f"$\\hat{{y}} \\approx x_{{{steps + 1}}}$", "#F9DCC4", width=1.2)
        arrow((x, 1.7), (x, 2.5), "dense")
        note = "the same W, U and b at every step; the gradient runs the arrows backwards"
        axes.text((right - 1.4) / 2, -0.6, note, fontsize=8, ha="center")
        axes.set_title(title)
    return Path(path)

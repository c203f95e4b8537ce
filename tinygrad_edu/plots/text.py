"""Figures of character networks: who looks at whom, what stands in the blanks, whose loss falls faster."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike

from tinygrad_edu import checks
from tinygrad_edu.plots.curves import set_log_scale
from tinygrad_edu.plots.style import (
    COLOURS,
    PAGE_WIDTH,
    Destination,
    legend_below,
    line_style,
    new_figure,
    set_title,
)

VISIBLE = {" ": "\u2423", "\n": "\u21b5"}  # what is no ink has a sign
RIGHT, WRONG = COLOURS[0], COLOURS[1]
LINE = 0.36  # inches from one line of text to the next
MOST_LINES, MOST_CHARACTERS = 20, 64


def attention_maps(path: Destination, weights: ArrayLike, text: str, title: str) -> Figure:
    """Draw how much each character of a text looks at each other: a map for each head, a row for each layer.

    Row t of a map is who asks, column s is who is looked at; a row sums to 1.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    weights : (layers, heads, T, T).
    text : the T characters.
    title : one line above.

    Raises ValueError for other shapes, and for weights outside 0 to 1.
    """
    where = "attention_maps"
    W, text = checks.numbers(where, "weights", weights), checks.text(where, "text", text)
    T = len(text)
    if W.ndim != 4 or W.shape[2:] != (T, T) or not W.size:
        raise ValueError(f"{where}: expected weights (layers, heads, {T}, {T}) of {T} characters, got {W.shape}")
    if not ((W >= 0) & (W <= 1 + 1e-5)).all():
        raise ValueError(f"{where}: weights must lie between 0 and 1")
    layers, heads = W.shape[:2]
    side = PAGE_WIDTH / heads
    names = [VISIBLE.get(character, character) for character in text]
    with new_figure(path, PAGE_WIDTH, min(0.94 * side, 2.4) * layers + 0.7) as figure:
        cells = figure.subplots(layers, heads, squeeze=False)
        size = min(7.0, 46 * side / T)
        for (layer, head), cell in np.ndenumerate(cells):
            image = cell.imshow(W[layer, head], cmap="Blues", vmin=0, vmax=1)
            cell.grid(False)
            cell.spines[:].set_visible(False)
            cell.set_xticks(range(T), names if layer == layers - 1 else [""] * T, fontsize=size, family="monospace")
            cell.set_yticks(range(T), names if head == 0 else [""] * T, fontsize=size, family="monospace")
            cell.tick_params(length=0, pad=1)
            cell.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=7, pad=2)
        figure.supylabel("who asks", fontsize=8)
        figure.supxlabel("who is looked at", fontsize=8)
        bar = figure.colorbar(image, ax=cells, shrink=0.5, aspect=30, pad=0.01)
        bar.set_label("weight", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
        set_title(figure, title)
    return figure


def filled_blanks(
    path: Destination, texts: Sequence[str], asked: ArrayLike, guesses: Sequence[str], sure: ArrayLike, title: str
) -> Figure:
    """Draw lines of text in which characters were blanked: what was guessed there, how surely, and what was right.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    texts : R lines of T characters, the truth.
    asked : (R, T) bool, where it was blanked.
    guesses : R lines of T characters; those where nothing was asked are not looked at.
    sure : (R, T), the guesses' probabilities.
    title : one line above.

    Raises ValueError for no line, lines of different lengths, or more than a page has room for.
    """
    where = "filled_blanks"
    texts, guesses = checks.texts(where, "texts", texts), checks.texts(where, "guesses", guesses)
    shape = len(texts), len(texts[0]) if texts else 0
    asked, P = checks.numbers(where, "asked", asked), checks.numbers(where, "sure", sure)
    fits = asked.shape == P.shape == shape and {len(line) for line in [*texts, *guesses]} == {shape[1]}
    if not fits or len(guesses) != len(texts):
        raise ValueError(
            f"{where}: expected R texts and guesses of T characters, asked and sure (R, T); got {len(texts)} and "
            f"{len(guesses)} lines, {asked.shape} and {P.shape}"
        )
    if not ((P >= 0) & (P <= 1)).all():
        raise ValueError(f"{where}: sure must lie between 0 and 1")
    if not (0 < shape[0] <= MOST_LINES and 0 < shape[1] <= MOST_CHARACTERS):
        raise ValueError(f"{where}: a page has room for {MOST_LINES} lines of {MOST_CHARACTERS}, got {shape}")
    cell, height = (PAGE_WIDTH - 0.2) / shape[1], 0.3 + LINE * shape[0] + 0.75
    with new_figure(path, PAGE_WIDTH, height, by_hand=True) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, PAGE_WIDTH), ylim=(0, height))
        axes.axis("off")
        for (r, t), blanked in np.ndenumerate(asked):
            x, y = 0.1 + t * cell, height - 0.35 - (r + 1) * LINE
            if blanked:
                _blank(axes, x, y, cell, guesses[r][t], texts[r][t], float(P[r, t]))
            else:
                _letter(axes, x + cell / 2, y + LINE / 2, texts[r][t], 6.5)
        axes.text(
            PAGE_WIDTH / 2,
            0.36,
            "in a box: the guess; above it, how sure it is in percent; below a wrong one, what is right",
            ha="center",
            fontsize=7,
        )
        colours = [Patch(color=RIGHT, alpha=0.5, label="right"), Patch(color=WRONG, alpha=0.5, label="wrong")]
        figure.legend(handles=colours, loc="lower center", ncols=2, fontsize=7)
        set_title(figure, title)
    return figure


def _blank(axes: Axes, x: float, y: float, cell: float, guess: str, truth: str, sure: float) -> None:
    """A box, the fuller the surer, with the guess in it."""
    colour = RIGHT if guess == truth else WRONG
    box = Rectangle((x, y + 0.3 * LINE), cell, 0.4 * LINE, facecolor=colour, alpha=0.1 + 0.5 * sure, linewidth=0)
    axes.add_patch(box)
    _letter(axes, x + cell / 2, y + LINE / 2, guess, 6.5, weight="bold")
    _letter(axes, x + cell / 2, y + 0.81 * LINE, f"{100 * sure:.0f}", 3.8)
    if guess != truth:
        _letter(axes, x + cell / 2, y + 0.17 * LINE, truth, 5.5, color="#444444")


def _letter(axes: Axes, x: float, y: float, character: str, size: float, **style: Any) -> None:
    if character != " " or style:
        character = VISIBLE.get(character, character).replace("$", r"\$")
        axes.text(x, y, character, ha="center", va="center", family="monospace", fontsize=size, **style)


def losses_against(
    path: Destination, panels: Mapping[str, Mapping[str, Sequence[ArrayLike]]], ylabel: str, title: str
) -> Figure:
    """Draw how losses fall, against one thing in each panel: characters read, seconds.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    panels : what the x axis is -> (name -> (x (N,), y (N,))), the same names in each, y > 0.
    ylabel : what the losses are, with the unit; the panels share the axis, which is logarithmic.
    title : one line above.
    """
    where = "losses_against"
    panels = checks.mapping(where, "panels", panels, "a dict, x axis -> (name -> (x, y))")
    panels = {
        xlabel: checks.mapping(where, f"panel {xlabel!r}", curves, "name -> (x, y)")
        for xlabel, curves in panels.items()
    }
    checks.text(where, "ylabel", ylabel)
    if not panels or not all(panels.values()):
        raise ValueError(f"{where}: nothing to draw, give at least one panel with one curve")
    with new_figure(path, PAGE_WIDTH, 3.2) as figure:
        cells = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        drawn = []
        for axes, (xlabel, curves) in zip(cells, panels.items()):
            for i, (name, curve) in enumerate(curves.items()):
                if not isinstance(curve, tuple | list) or len(curve) != 2:
                    checks.refuse(where, f"curve {name!r}", "two arrays, (x, y)", curve)
                x, y = (checks.numbers(where, f"curve {name!r}", values) for values in curve)
                if x.shape != y.shape or x.ndim != 1 or not x.size or not (y > 0).all():
                    raise ValueError(
                        f"{where}: curve {name!r} needs x and y > 0 of one shape (N,); got {x.shape} and {y.shape}"
                    )
                axes.plot(x, y, label=name, **line_style(i, len(x)))
                drawn.append(y)
            axes.set_xlabel(checks.text(where, "each x axis", xlabel))
            axes.set_xlim(left=0)
        set_log_scale(cells[0], np.concatenate(drawn))
        cells[0].set_ylabel(ylabel)
        set_title(figure, title)
        legend_below(figure, cells[0].lines)
    return figure

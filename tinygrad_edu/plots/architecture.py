"""A network drawn as the blocks of numbers that flow through it."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, new_figure

ROW_WIDTH = 12.6  # in the drawing's units, two of which are an inch
GAP, ROW_HEIGHT, SKIP_HEIGHT = 0.55, 3.5, 0.35
ARROW = {"arrowstyle": "->", "color": "#777777", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
PLUS = {"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": COLOURS[1], "linewidth": 0.9}


def draw_architecture(
    path: str | os.PathLike[str],
    stages: Sequence[tuple[str, tuple[int, ...]]],
    title: str,
    skips: Sequence[tuple[int, int]] = (),
) -> Path:
    r"""Draw a network stage by stage, from left to right: images as boxes, rows of numbers as bars.

    A box's face is as high as the image (on a scale of square roots, so that small ones stay visible) and as deep as it
    has channels (on a logarithmic scale). The first stage is the input.

    Parameters
    ----------
    path : where the drawing goes; `.svg` stays sharp at any size.
    stages : (label, shape of one item), such as `("conv 3x3\nReLU", (32, 32, 48))`. The label stands below the stage
        and says how it was computed from the one before.
    title : one line above.
    skips : (from, to), two stages by number: the first one's values are added to the second one's, past those between.

    Raises
    ------
    ValueError
        No stage, a shape that is neither (H, W, C) nor (D,), or a skip that does not lead forwards to a stage.
    """
    if not stages:
        raise ValueError("draw_architecture: there is no stage to draw")
    for label, shape in stages:
        if len(shape) not in (1, 3):
            raise ValueError(f"draw_architecture: expected shapes (H, W, C) or (D,); {label!r} has {shape}")
    for a, b in skips:
        if not 0 <= a < b < len(stages):
            raise ValueError(
                f"draw_architecture: the skip {(a, b)} must lead forwards between stages 0..{len(stages) - 1}"
            )
    row_height = ROW_HEIGHT + (SKIP_HEIGHT if skips else 0)
    rows = _into_rows([_width(*stage) for stage in stages])
    with new_figure(path, PAGE_WIDTH, 0.4 + len(rows) * row_height / 2) as figure:
        axes = figure.add_subplot()
        axes.set(xlim=(0, ROW_WIDTH), ylim=(-len(rows) * row_height, 0), title=title, aspect="equal")
        axes.axis("off")
        exits: dict[int, tuple[float, float]] = {}  # where the arrow behind a stage begins
        for r, row in enumerate(rows):
            exits |= _draw_row(axes, stages, row, middle=ROW_HEIGHT - 1.55 - (r + 1) * row_height)
        for a, b in skips:
            _draw_skip(axes, exits[a], exits[b])
    return Path(path)


def _size(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Width and height of the face, and depth, in the drawing's units."""
    if len(shape) == 1:
        return 0.14, 0.35 + 0.16 * math.log2(shape[0] + 1), 0.0
    return 0.26 * math.sqrt(shape[1]), 0.26 * math.sqrt(shape[0]), 0.07 * math.log2(shape[2] + 1)


def _width(label: str, shape: tuple[int, ...]) -> float:
    """What a stage needs: its box or its text, whichever is wider."""
    width, _, depth = _size(shape)
    longest = max(len(line) for line in [*label.split("\n"), _shape_text(shape)])
    return max(width + depth, 0.135 * longest)


def _into_rows(widths: Sequence[float]) -> list[range]:
    """The stages row by row: as many as fit, and rows of about equal length."""
    total = sum(widths) + GAP * len(widths)
    target = total / math.ceil(total / (ROW_WIDTH - GAP))
    rows, first, used = [], 0, 0.0
    for i, width in enumerate(widths):
        if i > first and (used + width / 2 > target or used + width > ROW_WIDTH - GAP):
            rows.append(range(first, i))
            first, used = i, 0.0
        used += width + GAP
    return [*rows, range(first, len(widths))]


def _draw_row(
    axes: Axes, stages: Sequence[tuple[str, tuple[int, ...]]], row: range, middle: float
) -> dict[int, tuple[float, float]]:
    """Draw some stages side by side, with an arrow behind each but the network's last; returns where those begin."""
    exits = {}
    x = (ROW_WIDTH - sum(_width(*stages[i]) + GAP for i in row) + GAP) / 2
    for i in row:
        label, shape = stages[i]
        place = _width(label, shape)
        width, height, depth = _size(shape)
        left = x + (place - width - depth) / 2
        _draw_block(axes, left, middle - (height + depth) / 2, shape, is_input=i == 0)
        centre = x + place / 2
        axes.text(centre, middle - 1.05, label, ha="center", va="top", fontsize=7, linespacing=1.25)
        axes.text(centre, middle + 1.08, _shape_text(shape), ha="center", va="bottom", fontsize=7, color="#444444")
        start = left + width + depth + 0.05
        x += place + GAP
        exits[i] = (x - GAP / 2, middle)
        if i + 1 < len(stages):
            end = x - 0.05
            if i + 1 in row:
                following = _size(stages[i + 1][1])
                end += (_width(*stages[i + 1]) - following[0] - following[2]) / 2
            axes.annotate("", (end, middle), (start, middle), arrowprops=ARROW)
    return exits


def _draw_skip(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A line from one arrow over the stages between to a plus sign on another arrow; a row may end in between."""
    (x0, y0), (x1, y1) = start, end
    top = 1.08 + SKIP_HEIGHT
    pieces = [[(x0, y0), (x0, y0 + top), (x1, y0 + top)]]
    if y1 != y0:
        pieces = [[(x0, y0), (x0, y0 + top), (ROW_WIDTH, y0 + top)], [(0, y1 + top), (x1, y1 + top)]]
    for corners in pieces:
        axes.plot(*zip(*corners), color=COLOURS[1], linewidth=0.9)
    axes.annotate("", (x1, y1 + 0.1), (x1, y1 + top), arrowprops={**ARROW, "color": COLOURS[1]})
    axes.text(x1, y1, "+", ha="center", va="center", fontsize=8, color=COLOURS[1], bbox=PLUS)


def _draw_block(axes: Axes, left: float, bottom: float, shape: tuple[int, ...], is_input: bool) -> None:
    """A box in parallel perspective: face, top and side, in three shades of one colour."""
    width, height, depth = _size(shape)
    colour = COLOURS[2] if is_input else COLOURS[0] if len(shape) == 3 else COLOURS[1]
    right, top = left + width, bottom + height
    face = [(left, bottom), (right, bottom), (right, top), (left, top)]
    lid = [(left, top), (right, top), (right + depth, top + depth), (left + depth, top + depth)]
    side = [(right, bottom), (right + depth, bottom + depth), (right + depth, top + depth), (right, top)]
    for corners, strength in ((face, 0.75), (lid, 0.45), (side, 0.3)) if depth else ((face, 0.75),):
        axes.add_patch(Polygon(corners, facecolor="white", edgecolor="none"))  # so that shades do not mix
        axes.add_patch(Polygon(corners, facecolor=colour, alpha=strength, edgecolor="none"))
        axes.add_patch(Polygon(corners, fill=False, edgecolor="#333333", linewidth=0.5))


def _shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))

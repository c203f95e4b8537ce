"""A network drawn as the blocks of numbers that flow through it."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, new_figure

ROW_WIDTH = 12.6  # in the drawing's units, two of which are an inch
GAP, ROW_HEIGHT = 0.42, 3.5


def draw_architecture(path: str | os.PathLike[str], stages: Sequence[tuple[str, tuple[int, ...]]], title: str) -> Path:
    r"""Draw a network stage by stage, from left to right: images as boxes, rows of numbers as bars.

    A box's face is as high as the image (on a scale of square roots, so that small ones stay visible) and as deep as it
    has channels (on a logarithmic scale). The first stage is the input.

    Parameters
    ----------
    path : where the drawing goes; `.svg` stays sharp at any size.
    stages : (label, shape of one item), such as `("conv 3x3\nReLU", (32, 32, 48))`. The label stands below the stage
        and says how it was computed from the one before.
    title : one line above.

    Raises
    ------
    ValueError
        No stage, or a shape that is neither (H, W, C) nor (D,).
    """
    if not stages:
        raise ValueError("draw_architecture: there is no stage to draw")
    for label, shape in stages:
        if len(shape) not in (1, 3):
            raise ValueError(f"draw_architecture: expected shapes (H, W, C) or (D,); {label!r} has {shape}")
    rows = _into_rows([(_width(label, shape), label, shape) for label, shape in stages])
    with new_figure(path, PAGE_WIDTH, 0.4 + len(rows) * ROW_HEIGHT / 2) as figure:
        axes = figure.add_subplot()
        axes.set(xlim=(0, ROW_WIDTH), ylim=(-len(rows) * ROW_HEIGHT, 0), title=title, aspect="equal")
        axes.axis("off")
        for r, row in enumerate(rows):
            _draw_row(axes, row, -r * ROW_HEIGHT - 1.55, first=r == 0, last=r == len(rows) - 1)
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


def _into_rows(stages: list[tuple[float, str, tuple[int, ...]]]) -> list[list[tuple[float, str, tuple[int, ...]]]]:
    """As many stages in a row as fit, and rows of about equal length."""
    total = sum(width + GAP for width, _, _ in stages)
    target = total / math.ceil(total / (ROW_WIDTH - GAP))
    rows: list[list[tuple[float, str, tuple[int, ...]]]] = [[]]
    for stage in stages:
        used = sum(width + GAP for width, _, _ in rows[-1])
        if rows[-1] and (used + stage[0] / 2 > target or used + stage[0] > ROW_WIDTH - GAP):
            rows.append([])
        rows[-1].append(stage)
    return rows


def _draw_row(
    axes: Axes, row: list[tuple[float, str, tuple[int, ...]]], middle: float, first: bool, last: bool
) -> None:
    x = (ROW_WIDTH - sum(width + GAP for width, _, _ in row) + GAP) / 2
    for i, (place, label, shape) in enumerate(row):
        width, height, depth = _size(shape)
        left = x + (place - width - depth) / 2
        _draw_block(axes, left, middle - (height + depth) / 2, shape, is_input=first and i == 0)
        centre = x + place / 2
        axes.text(centre, middle - 1.05, label, ha="center", va="top", fontsize=7, linespacing=1.25)
        axes.text(centre, middle + 1.08, _shape_text(shape), ha="center", va="bottom", fontsize=7, color="#444444")
        if i + 1 < len(row) or not last:
            start = left + width + depth + 0.05
            following = _size(row[i + 1][2]) if i + 1 < len(row) else None
            next_left = x + place + GAP
            if following:
                next_left += (row[i + 1][0] - following[0] - following[2]) / 2
            axes.annotate(
                "",
                (next_left - 0.05, middle),
                (start, middle),
                arrowprops={"arrowstyle": "->", "color": "#777777", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
            )
        x += place + GAP


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

"""A network drawn as the blocks of numbers that flow through it."""

import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from tinygrad_edu import checks
from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, Destination, Picture, new_figure, set_title

Skip = tuple[int, int]

# All lengths in the drawing's units, two of which are an inch.
PAGE = 2 * PAGE_WIDTH
MARGIN = 0.7  # left and right, where the lines from row to row run
GAP = 0.7  # between two blocks: room for an arrow, and for a plus sign on it
TALLEST = 1.95  # block
ABOVE, BELOW = 1.05, 1.08  # from a row's middle to the shapes over its blocks, and to the labels under them
LINE, LANE = 0.25, 0.3  # from a line of text to the next, and from a skip to the one over it
LABEL = 14  # characters; what is longer goes on in the next line
GREY = "#777777"
ARROW = {"arrowstyle": "->", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
PLUS = {"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": COLOURS[1], "linewidth": 0.9}


class Block(NamedTuple):
    """What is drawn of a stage: a face of width x height, and how far it reaches to the back."""

    label: str
    shape: tuple[int, ...]
    width: float
    height: float
    depth: float
    colour: str

    @property
    def room(self) -> float:
        """The width of the block or of its text, whichever is wider."""
        longest = max(len(line) for line in [*self.label.split("\n"), _shape_text(self.shape)])
        return max(self.width + self.depth, 0.13 * longest)


class Place(NamedTuple):
    """Where a block is: its outline's left and right, and the middle of its row."""

    left: float
    right: float
    middle: float


def draw_architecture(
    path: Destination,
    stages: Sequence[tuple[str, tuple[int, ...]]],
    title: str,
    skips: Sequence[Skip] = (),
) -> Picture:
    r"""Draw a network stage by stage, from left to right and row by row: images as boxes, rows of numbers as bars.

    A box's face is as high as the image (on a scale of square roots, so that small ones stay visible) and as deep as it
    has channels (on a logarithmic scale). The first stage is the input.

    Parameters
    ----------
    path : where the drawing goes; `.svg` stays sharp at any size; None: it is not saved.
    stages : (label, shape of one item), such as `("conv 3x3, 48\nReLU", (32, 32, 48))`. The label stands below the
        stage and says how it was computed from the one before.
    title : one line above.
    skips : (from, to), two stages by number: the first one's values are added to the second one's, past those between.

    Raises
    ------
    ValueError
        No stage, a shape that is neither (H, W, C) nor (D,), or a skip that does not lead forwards to a stage.
    """
    stages, skips = _checked(stages, skips)
    blocks = _blocks(stages)
    rows = _into_rows([block.room for block in blocks], skips)
    levels = _levels(skips, rows)
    highest = max(levels.values(), default=0)
    above = ABOVE + 2 * LINE + LANE * highest
    row_height = above + BELOW + LINE * max(block.label.count("\n") + 2 for block in blocks)
    with new_figure(path, PAGE_WIDTH, 0.4 + len(rows) * row_height / 2) as figure:
        axes = figure.add_subplot()
        axes.set(xlim=(0, PAGE), ylim=(-len(rows) * row_height, 0), aspect="equal")
        axes.axis("off")
        set_title(figure, title)
        places: list[Place] = []
        for r, row in enumerate(rows):
            places += _draw_row(axes, [blocks[i] for i in row], middle=-r * row_height - above)
        for place, following in itertools.pairwise(places):
            _draw_arrow(axes, place, following, below=place.middle + above - row_height)
        ends = {b for _, b in skips}
        for skip, level in levels.items():
            height, margin = ABOVE + 1.2 * LINE + LANE * level, PAGE - 0.3 + 0.3 * (level + 1) / (highest + 2)
            _draw_skip(axes, places, skip, height, margin, ends)
        for b in ends:
            _draw_sum(axes, places, b)
    return figure


def _checked(stages: Sequence[tuple[str, tuple[int, ...]]], skips: Sequence[Skip]) -> tuple[list[Any], list[Skip]]:
    where, found = "draw_architecture", []
    stages = checks.items(where, "stages", stages, "a list of (label, shape)")
    skips = checks.items(where, "skips", skips, "a list of (from, to)")
    if not stages:
        raise ValueError("draw_architecture: there is no stage to draw")
    for stage in stages:
        if not isinstance(stage, tuple | list) or len(stage) != 2:
            checks.refuse(where, "each of stages", "(label, shape)", stage)
        label, shape = checks.text(where, "a label", stage[0]), checks.shape(where, "a shape", stage[1])
        found.append((label, shape))
        if len(shape) not in (1, 3):
            raise ValueError(f"draw_architecture: expected shapes (H, W, C) or (D,); {label!r} has {shape}")
    for skip in skips:
        whole = isinstance(skip, tuple | list) and len(skip) == 2 and all(map(checks.is_whole, skip))
        if not whole or not 0 <= skip[0] < skip[1] < len(stages):
            raise ValueError(
                f"{where}: the skip {checks.shown(skip)} must lead forwards between stages 0..{len(stages) - 1}"
            )
    return found, [(int(a), int(b)) for a, b in skips]


def _blocks(stages: Sequence[tuple[str, tuple[int, ...]]]) -> list[Block]:
    """The stages with their sizes, all of them smaller where the tallest would run into the text."""
    sizes = [_size(shape) for _, shape in stages]
    scale = min(1.0, TALLEST / max(height + depth for _, height, depth in sizes))
    blocks: list[Block] = []
    for (label, shape), (width, height, depth) in zip(stages, sizes):
        lines = [part for line in label.split("\n") for part in textwrap.wrap(line, LABEL) or [""]]
        colour = COLOURS[2] if not blocks else COLOURS[0] if len(shape) == 3 else COLOURS[1]  # the first is the input
        text = "\n".join(lines)
        blocks.append(Block(text, shape, scale * width, scale * height, scale * depth, colour))
    return blocks


def _size(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Width and height of the face, and depth."""
    if len(shape) == 1:
        return 0.14, 0.35 + 0.16 * math.log2(shape[0] + 1), 0.0
    return 0.26 * math.sqrt(shape[1]), 0.26 * math.sqrt(shape[0]), 0.07 * math.log2(shape[2] + 1)


def _into_rows(widths: Sequence[float], skips: Sequence[Skip]) -> list[range]:
    """The stages row by row: few rows, few skips from one row to another, and rows of about equal length.

    The best rows for the first n stages are the best ones for fewer stages, and one row more.
    """
    best: list[tuple[tuple[int, int, float], list[range]]] = [((0, 0, 0.0), [])]  # by n: cost and rows
    for end in range(1, len(widths) + 1):
        ways: list[tuple[tuple[int, int, float], list[range]]] = []
        for first in reversed(range(end)):
            length = sum(widths[first:end]) + GAP * (end - first - 1)
            if length > PAGE - 2 * MARGIN and ways:  # a single stage may be as long as it likes
                break
            (badness, cuts, squares), rows = best[first]
            cut = sum(a + 1 < first <= b for a, b in skips)
            ways.append(((badness + 1 + cut, cuts + cut, squares + length**2), [*rows, range(first, end)]))
        best.append(min(ways, key=lambda way: way[0]))
    return best[-1][1]


def _levels(skips: Sequence[Skip], rows: Sequence[range]) -> dict[Skip, int]:
    """How high each skip runs: over the shorter ones that it has a part of the way in common with."""

    def way(skip: Skip) -> list[tuple[int, int, int]]:
        """(row, from stage, to stage); from one row to another it runs by way of the margin, behind the last stage."""
        a, b = skip
        first, last = (next(r for r, row in enumerate(rows) if i in row) for i in (a + 1, b))
        end = rows[-1].stop
        return [(first, a, b)] if first == last else [(first, a, end), (-1, first, last), (last, b, end)]

    levels: dict[Skip, int] = {}
    for skip in sorted(set(skips), key=lambda skip: skip[1] - skip[0]):
        taken = {
            level
            for other, level in levels.items()
            for row, a, b in way(other)
            if any(row == r and a < end and start < b for r, start, end in way(skip))
        }
        levels[skip] = min(set(range(len(skips))) - taken)
    return levels


def _draw_row(axes: Axes, blocks: Sequence[Block], middle: float) -> list[Place]:
    """Draw some blocks side by side, with their texts; returns where they are."""
    places = []
    x = (PAGE - sum(block.room for block in blocks) - GAP * (len(blocks) - 1)) / 2
    for block in blocks:
        centre, outline = x + block.room / 2, block.width + block.depth
        left = centre - outline / 2
        _draw_block(axes, block, left, middle - (block.height + block.depth) / 2)
        axes.text(centre, middle - BELOW, block.label, ha="center", va="top", fontsize=7, linespacing=1.25)
        shape = _shape_text(block.shape)
        axes.text(centre, middle + ABOVE, shape, ha="center", va="bottom", fontsize=7, color="#444444")
        places.append(Place(left, left + outline, middle))
        x += block.room + GAP
    return places


def _draw_block(axes: Axes, block: Block, left: float, bottom: float) -> None:
    """A box in parallel perspective: face, top and side, in three shades of one colour."""
    depth = block.depth
    right, top = left + block.width, bottom + block.height
    face = [(left, bottom), (right, bottom), (right, top), (left, top)]
    lid = [(left, top), (right, top), (right + depth, top + depth), (left + depth, top + depth)]
    side = [(right, bottom), (right + depth, bottom + depth), (right + depth, top + depth), (right, top)]
    for corners, strength in ((face, 0.75), (lid, 0.45), (side, 0.3)) if depth else ((face, 0.75),):
        axes.add_patch(Polygon(corners, facecolor="white", edgecolor="none"))  # so that shades do not mix
        axes.add_patch(Polygon(corners, facecolor=block.colour, alpha=strength, edgecolor="none"))
        axes.add_patch(Polygon(corners, fill=False, edgecolor="#333333", linewidth=0.5))


def _draw_arrow(axes: Axes, start: Place, end: Place, below: float) -> None:
    """From block to block; at the end of a row down, at the height `below` back to the left, and into the next row."""
    x = start.right + 0.05
    if end.middle != start.middle:
        right, left = PAGE - 0.3, 0.3
        corners = [(x, start.middle), (right, start.middle), (right, below), (left, below), (left, end.middle)]
        axes.plot(*zip(*corners), color=GREY, linewidth=0.8)
        x = left
    axes.annotate("", (end.left - 0.05, end.middle), (x, end.middle), arrowprops={**ARROW, "color": GREY})


def _draw_skip(axes: Axes, places: Sequence[Place], skip: Skip, height: float, margin: float, ends: set[int]) -> None:
    """A line from one arrow over the blocks behind it to a plus sign on another, to a row below by way of the margin.

    height : over the rows' middle. margin : x of the way down. ends : the stages that have a plus sign behind them.
    """
    a, b = skip
    x0, y0 = _ahead(places, a + 1) + 0.22 * (a in ends), places[a + 1].middle  # behind a sum, not at it
    x1, y1 = _behind(places, b), places[b].middle
    corners = [(x0, y0), (x0, y0 + height)]
    if y1 != y0:
        corners += [(margin, y0 + height), (margin, y1 + height)]
    axes.plot(*zip(*corners, (x1, y1 + height)), color=COLOURS[1], linewidth=0.9)
    axes.annotate("", (x1, y1 + 0.1), (x1, y1 + height), arrowprops={**ARROW, "color": COLOURS[1]})


def _draw_sum(axes: Axes, places: Sequence[Place], i: int) -> None:
    """A plus sign on the arrow behind a block; behind the last one there is none, but to the sum."""
    x, y = _behind(places, i), places[i].middle
    if i + 1 == len(places):
        axes.plot([places[i].right + 0.05, x], [y, y], color=GREY, linewidth=0.8)
    axes.text(x, y, "+", ha="center", va="center", fontsize=8, color=COLOURS[1], bbox=PLUS)


def _behind(places: Sequence[Place], i: int) -> float:
    """Half way from a block to the next one; at the end of a row, just behind it."""
    if i + 1 == len(places) or places[i + 1].middle != places[i].middle:
        return places[i].right + 0.25
    return (places[i].right + places[i + 1].left) / 2 - 0.05


def _ahead(places: Sequence[Place], i: int) -> float:
    """On the same arrow, but at the beginning of a row, just ahead of the block."""
    return _behind(places, i - 1) if places[i - 1].middle == places[i].middle else places[i].left - 0.5


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))

"""A recurrent network drawn twice: folded, with what it hands to itself, and unrolled over time."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from tinygrad_edu import checks
from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, Destination, Picture, new_figure, set_title

Point = tuple[float, float]  # inches from the picture's lower left corner

INPUT, CELL, OUTPUT = "#E8E8E8", "#CFE3F2", "#F9DCC4"  # the colours of boxes
MATRIX, GATE = "black", COLOURS[1]  # and of arrows, by what they multiply by: a matrix, or a gate, number by number
HALF = 0.45  # the height of half a cell's box, which holds one value
STATE = 0.52  # room for "h_0 = 0" before the first box
FONT = 8


class Lane(NamedTuple):
    """What goes from one time step to the next."""

    start: int  # 0: from h_{t-1}, which is the upper half of the box; 1: from the lower half
    end: int
    factor: str
    colour: str


class Cell(NamedTuple):
    """How a recurrent cell is drawn."""

    values: tuple[str, ...]  # what its box holds, from top to bottom
    gate: str  # what the lower one is multiplied by on its way to the upper one
    lanes: tuple[Lane, ...]
    formulas: tuple[str, ...]
    remark: str


CELLS = {
    "SimpleRNN": Cell(
        values=("h",),
        gate="",
        lanes=(Lane(0, 0, "$U$", MATRIX),),
        formulas=(r"$h_t = \tanh(x_t W + h_{t-1} U + b)$",),
        remark="the same $W$, $U$ and $b$ at every step; the gradient runs the arrows backwards",
    ),
    "LSTM": Cell(
        values=("h", "c"),
        gate="$o$",
        lanes=(Lane(0, 0, "$U$", MATRIX), Lane(1, 1, "$f$", GATE)),
        formulas=(
            r"$i,\ f,\ o = \sigma(x_t W + h_{t-1} U + b)$",
            r"$g = \tanh(x_t W + h_{t-1} U + b)$",
            r"$c_t = f\,c_{t-1} + i\,g$",
            r"$h_t = o\,\tanh c_t$",
        ),
        remark="the same $W$, $U$ and $b$ at every step (columns of their own for $i$, $f$, $g$, $o$); "
        "the gradient runs the arrows backwards,\nand along the cell state, in orange, it meets no matrix",
    ),
    "GRU": Cell(
        values=("h", "k"),
        gate="$1{-}z$",
        lanes=(Lane(0, 0, "$z$", GATE), Lane(0, 1, "$U$", MATRIX)),
        formulas=(
            r"$z,\ r = \sigma(x_t W + b + h_{t-1} U + b^\prime)$",
            r"$k_t = \tanh(x_t W + b + r\,(h_{t-1} U + b^\prime))$",
            r"$h_t = z\,h_{t-1} + (1-z)\,k_t$",
        ),
        remark="the same $W$, $U$, $b$ and $b^\\prime$ at every step (columns of their own for $z$, $r$, $k$); "
        "the gradient runs the arrows backwards,\n"
        "and along the share of $h$ that $z$ keeps, in orange, it meets no matrix",
    ),
}


def unrolled_network(path: Destination, steps: int, cell: str, units: int, title: str) -> Picture:
    """Draw a recurrent network twice: folded, with its loops, and unrolled over `steps` time steps.

    A box holds what a cell computes in a step: h; of the LSTM also its cell state c, with a lane of its own; of the GRU
    also the candidate k, which is blended with the h before.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    steps : time steps, 1 to 10.
    cell : `"SimpleRNN"`, `"LSTM"` or `"GRU"`.
    units : its number of units.
    title : one line above the drawing.
    """
    where = "unrolled_network"
    steps, units = checks.size(where, "steps", steps), checks.size(where, "units", units)
    if steps > 10:
        raise ValueError(f"{where}: 1 to 10 steps can be drawn, got {steps}")
    checks.choice(where, "cell", cell, CELLS)
    kind = CELLS[cell]
    top = 1.0 + HALF * len(kind.values)  # of the cells' boxes, when unrolled
    height = top + 1.65 + 0.25 * len(kind.lanes)
    with new_figure(path, PAGE_WIDTH, height, by_hand=True) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, PAGE_WIDTH), ylim=(0, height))
        axes.axis("off")
        set_title(figure, title)
        _draw_folded(axes, kind, f"{cell}\n{units:,} unit{'s' * (units != 1)}", height - 0.92)
        _draw_unrolled(axes, kind, steps, top)
        axes.text(PAGE_WIDTH / 2, 0.06, kind.remark, ha="center", va="bottom", fontsize=FONT - 1)
    return figure


def _draw_folded(axes: Axes, cell: Cell, label: str, y: float) -> None:
    """x_t to the prediction from left to right, loops for what the cell hands to itself, and the formulas beside it."""
    _box(axes, (0.35, y), (0.4, 0.3), "$x_t$", INPUT)
    _box(axes, (1.55, y), (1.1, 0.44), label, CELL)
    _box(axes, (2.95, y), (0.4, 0.3), r"$\hat{y}$", OUTPUT)
    _arrow(axes, (0.57, y), (0.98, y), "$W$")
    _arrow(axes, (2.12, y), (2.73, y), "dense")
    for lane, side in zip(cell.lanes, (1, -1)):  # the first over the box, the second under it
        near, far = y + side * 0.24, y + side * 0.42
        _line(axes, [(1.9, near), (1.9, far), (1.2, far), (1.2, near)], lane.colour)
        carried = cell.values[lane.start]
        text = f"${carried}_{{t-1}}$ times {lane.factor}"
        axes.text(1.55, far + side * 0.04, text, ha="center", va="bottom" if side > 0 else "top", fontsize=FONT)
    axes.text(3.55, y, "\n".join(cell.formulas), ha="left", va="center", fontsize=FONT + 1, linespacing=1.6)


def _draw_unrolled(axes: Axes, cell: Cell, steps: int, top: float) -> None:
    """One box a time step, the arrows between them, and the prediction over the last one."""
    pitch = min(1.1, (PAGE_WIDTH - STATE - 0.25) / steps)  # from box to box
    width = min(0.6, 0.6 * pitch)
    left = (PAGE_WIDTH - STATE - steps * pitch) / 2 - 0.06  # where "h_0 = 0" begins
    levels = [top - HALF * (i + 0.5) for i in range(len(cell.values))]
    for value, y in zip(cell.values, levels):
        if any(cell.values[lane.start] == value for lane in cell.lanes):
            axes.text(left + STATE - 0.04, y, f"${value}_0 = 0$", ha="right", va="center", fontsize=FONT)
    before = left + STATE
    for t in range(1, steps + 1):
        x = left + STATE + t * pitch - width / 2
        _box(axes, (x, 0.62), (width, 0.28), f"$x_{{{t}}}$", INPUT)
        _box(axes, (x, top - HALF * len(levels) / 2), (width, HALF * len(levels)), "", CELL)
        for value, y in zip(cell.values, levels):
            axes.text(x, y, f"${value}_{{{t}}}$", ha="center", va="center", fontsize=FONT + 1)
        if cell.gate:
            _arrow(axes, (x - 0.105, levels[1] + 0.1), (x - 0.105, levels[0] - 0.1), cell.gate)
        _arrow(axes, (x, 0.78), (x, top - HALF * len(levels)), "$W$")
        for lane in cell.lanes:
            _arrow(axes, (before, levels[lane.start]), (x - width / 2, levels[lane.end]), lane.factor, lane.colour)
        before = x + width / 2
    _arrow(axes, (x, top), (x, top + 0.34))
    axes.text(x - 0.06, top + 0.17, "dense", ha="right", va="center", fontsize=FONT)
    _box(axes, (x, top + 0.48), (0.6, 0.28), rf"$\hat{{y}} \approx x_{{{steps + 1}}}$", OUTPUT)


def _box(axes: Axes, centre: Point, size: Point, text: str, colour: str) -> None:
    (x, y), (width, height) = centre, size
    corner = x - width / 2, y - height / 2
    axes.add_patch(
        FancyBboxPatch(
            corner, width, height, boxstyle="round,pad=0,rounding_size=0.03", facecolor=colour, linewidth=0.8
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=FONT)


def _arrow(axes: Axes, start: Point, end: Point, text: str = "", colour: str = "black") -> None:
    """With what it multiplies by above it; on the right of an upright one; below a slanting one."""
    _line(axes, [start, end], colour)
    (x0, y0), (x1, y1) = start, end
    if x0 == x1:
        axes.text(x0 + 0.03, (y0 + y1) / 2, text, ha="left", va="center", fontsize=FONT - 1)
    elif y0 == y1:
        axes.text((x0 + x1) / 2, y0 + 0.04, text, ha="center", va="bottom", fontsize=FONT)
    else:
        axes.text(x0 + (x1 - x0) / 3, y1 - 0.06, text, ha="center", va="center", fontsize=FONT)


def _line(axes: Axes, corners: list[Point], colour: str) -> None:
    """From corner to corner, with an arrow's head at the last one."""
    axes.add_patch(
        FancyArrowPatch(path=Path(corners), arrowstyle="-|>", mutation_scale=7, color=colour, fill=False, linewidth=1)
    )

"""Small matrices laid beside each other, with all their numbers."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu import checks
from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, Destination, Picture, new_figure, set_title

# Inches: a row of a table, a letter, a cell's edges, the least space between tables; the title, a line of a heading.
ROW, LETTER, EDGES, GAP, HEAD, LINE = 0.22, 0.066, 0.1, 0.15, 0.42, 0.16
POSITIVE, NEGATIVE = COLOURS[0], COLOURS[1]
ROWS = 36  # of a table, which a page has room for


class Table(NamedTuple):
    """A matrix with its heading, as it is written down."""

    heading: str
    values: NDArray  # (R, C)
    texts: list[list[str]]

    @property
    def cell(self) -> float:
        """How wide a cell is, in inches."""
        return EDGES + LETTER * max(len(text) for row in self.texts for text in row)

    @property
    def width(self) -> float:
        longest = max(len(line.replace("$", "")) for line in self.heading.split("\n"))
        return max(self.cell * self.values.shape[1], LETTER * longest)


def number_tables(path: Destination, tables: Mapping[str, ArrayLike], title: str) -> Picture:
    r"""Draw small matrices beside each other: numbers on blue (above 0) or orange (below), the stronger the larger.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    tables : heading -> matrix (R, C); a vector is one row. `\n` in a heading starts a new line. Each has a scale of
        colours of its own. Numbers that are not whole are rounded to two digits.
    title : one line above.

    Raises
    ------
    ValueError
        No table, an empty one, more than two axes, NaN or infinity, or more rows or columns than a page has room for.
    """
    where = "number_tables"
    given = checks.mapping(where, "tables", tables, "a dict, heading -> matrix")
    written = [_table(heading, checks.numbers(where, repr(heading), values)) for heading, values in given.items()]
    if not written:
        raise ValueError(f"{where}: nothing to draw, give at least one table")
    free = PAGE_WIDTH - sum(table.width for table in written)
    gap = free / (len(written) + 1)
    if gap < GAP:
        raise ValueError(f"{where}: {PAGE_WIDTH - free:.1f} inches of tables; a page is {PAGE_WIDTH} inches wide")
    head = HEAD + 0.08 + LINE * max(table.heading.count("\n") + 1 for table in written)
    height = head + ROW * max(len(table.values) for table in written) + 0.15
    with new_figure(path, PAGE_WIDTH, height, by_hand=True) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, PAGE_WIDTH), ylim=(0, height))
        axes.axis("off")
        set_title(figure, title)
        left = gap
        for table in written:
            _draw(axes, left + table.width / 2, height - head, table)
            left += table.width + gap
    return figure


def _table(heading: str, values: NDArray) -> Table:
    checks.text("number_tables", "each heading", heading)
    values = values.astype(float)[None] if values.ndim == 1 else values.astype(float)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"number_tables: {heading!r} must be finite numbers (R, C) or (C,), got {values.shape}")
    if len(values) > ROWS:
        raise ValueError(f"number_tables: {heading!r} has {len(values)} rows; a page has room for {ROWS}")
    return Table(heading, values, [[f"{x:.0f}" if x == round(x) else f"{x:.2f}" for x in row] for row in values])


def _draw(axes: Axes, middle: float, top: float, table: Table) -> None:
    """One table under its heading."""
    axes.text(middle, top + 0.07, table.heading, ha="center", va="bottom", fontsize=8)
    largest = np.abs(table.values).max() or 1
    left = middle - table.cell * table.values.shape[1] / 2
    for (r, c), value in np.ndenumerate(table.values):
        x, y = left + c * table.cell, top - (r + 1) * ROW
        colour = POSITIVE if value > 0 else NEGATIVE
        axes.add_patch(Rectangle((x, y), table.cell, ROW, facecolor=colour, alpha=0.55 * abs(value) / largest))
        axes.add_patch(Rectangle((x, y), table.cell, ROW, fill=False, edgecolor="#BBBBBB", linewidth=0.5))
        axes.text(x + table.cell / 2, y + ROW / 2, table.texts[r][c], ha="center", va="center", fontsize=8)

"""The one style of all figures, and how a figure gets into a file or a notebook.

Curves differ in colour (the palette of Okabe and Ito, made for colour-blind readers) *and* in dash and marker, so that
they can still be told apart in a black-and-white print.
"""

import io
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image  # matplotlib needs it as well

from tinygrad_edu import checks
from tinygrad_edu.files import write_whole

# Okabe and Ito's palette without its yellow, which is lost on white paper. The first two differ most: they are the
# usual pair of curves, training and test.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")  # 7 colours and 4 dashes have no common divisor: 28 curves before a pair repeats
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 3,  # long enough to tell the dashes apart
    "figure.titlesize": 10,
    "savefig.dpi": 200,
    "image.interpolation": "nearest",  # a pixel of ours is a square, not a blur
}

PAGE_WIDTH = 6.3  # inches: the text width of an A4 page with margins of 25 mm


Destination = str | os.PathLike[str] | None  # where a picture goes; None: it is not saved


class Picture(Figure):
    """A figure in our style that shows itself in a notebook.

    Matplotlib's own figures need pyplot for that, which brings global state and looks for a display.
    """

    def savefig(self, *args: Any, **options: Any) -> None:
        with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # ticks are made, and look it up, when it is drawn
            super().savefig(*args, **options)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """What a notebook asks for: the picture as a PNG file, and how many pixels wide to show it.

        96 pixels are an inch on the screen; the file has more, which keeps it sharp where the screen has more.
        """
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue(), {"width": round(96 * self.get_figwidth())}


@contextmanager
def new_figure(path: Destination, width: float, height: float, by_hand: bool = False) -> Iterator[Picture]:
    """An empty figure of width x height inches in our style, saved to `path` when the block ends without an error.

    Matplotlib finds room for everything; `by_hand`, for drawings, puts things where they are told to be.
    """
    if path is not None:
        ending = checks.path("plots", "path", path).suffix[1:]
        if ending.lower() not in FigureCanvasAgg.get_supported_filetypes():
            raise ValueError(f"plots: the picture's name must end in .png, .pdf or .svg, got {Path(path).name!r}")
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Picture(figsize=(width, height), layout=None if by_hand else "constrained")
        FigureCanvasAgg(figure)
        yield figure
        if path is not None:
            _save(figure, Path(path))


def _save(figure: Figure, path: Path) -> None:
    """Write the whole picture: nobody ever sees half of one, or loses an old one to a failed save."""
    ending = path.suffix[1:]
    facts: dict[str, Any] = {"metadata": {"Title": _spoken_title(figure)}} if ending in ("png", "pdf", "svg") else {}
    picture = io.BytesIO()
    figure.savefig(picture, format=ending, **facts)
    write_whole(path, picture.getvalue())


def _spoken_title(figure: Figure) -> str:
    """The title in one line, without the marks of formulas."""
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    return " ".join(next(filter(None, titles), "").replace("$", "").split())


def title_of(path: Path) -> str:
    """The title that a picture of ours carries in its file, for those who cannot see it; empty where there is none."""
    if path.suffix == ".svg":
        return ElementTree.parse(path).findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""
    with Image.open(path) as image:
        return str(image.info.get("Title", ""))


def line_style(index: int, points: int) -> dict[str, Any]:
    """Colour, dash and marker of the curve with this index; at most some 20 markers, however long the curve."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markevery": max(1, points // 20),
    }


def image_cells(figure: Figure, rows: int, columns: int) -> list[Axes]:
    """rows x columns axes for images, row by row: no ticks, no frame, nothing at all where no image comes."""
    cells = list(figure.subplots(rows, columns, squeeze=False).flat)
    for cell in cells:
        cell.set(xticks=[], yticks=[])
        cell.grid(False)
        for edge in cell.spines.values():
            edge.set_visible(False)
    return cells


def set_title(figure: Figure, title: str) -> None:
    """One line over the whole figure, or more where one would not fit."""
    checks.text("plots", "title", title)
    by_hand = figure.get_layout_engine() is None
    text = figure.suptitle(title, **({"y": 1 - 0.08 / figure.get_figheight()} if by_hand else {}))
    columns = len(title)
    while text.get_window_extent().width > figure.bbox.width and columns > 20:
        columns -= 4
        text.set_text("\n".join(textwrap.fill(line, columns) for line in title.split("\n")))


def legend_below(figure: Figure, entries: Sequence[Artist]) -> None:
    """A legend under the whole figure, where it hides no curve; in as many columns as fit."""
    longest = max(len(str(entry.get_label())) for entry in entries)
    columns = int(figure.get_figwidth() / (0.75 + 0.07 * longest))  # inches: for the line and for a letter
    figure.legend(handles=entries, loc="outside lower center", ncols=max(1, min(columns, len(entries))))

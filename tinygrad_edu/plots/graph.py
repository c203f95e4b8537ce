"""Small graphs of a computation: boxes with what they hold, and arrows with what they carry."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from tinygrad_edu import checks
from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, Destination, Picture, new_figure, set_title

FILL, MARKED = "#CFE3F2", "#F9DCC4"  # a box, and one that the reader shall look at


class Node(NamedTuple):
    """A box: its place (0 to 1, from the left and from below), its text, and whether it stands out."""

    place: tuple[float, float]
    text: str
    marked: bool = False


class Graph(NamedTuple):
    """Boxes by their names, and arrows between them: (from, to, text beside it)."""

    nodes: Mapping[str, Node]
    arrows: Sequence[tuple[str, str, str]]


def small_graphs(path: Destination, graphs: Mapping[str, Graph], title: str) -> Picture:
    r"""Draw small graphs beside each other, each under its heading.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    graphs : heading -> Graph. `\n` in a text starts a new line.
    title : one line above.

    Raises ValueError where there is nothing to draw, or an arrow leads from or to a box that is not there.
    """
    graphs = checks.mapping("small_graphs", "graphs", graphs, "a dict, heading -> Graph")
    if not graphs or not all(graph.nodes for graph in graphs.values()):
        raise ValueError("small_graphs: nothing to draw, give at least one graph with one node")
    for start, end in ((s, e) for graph in graphs.values() for s, e, _ in graph.arrows if not {s, e} <= {*graph.nodes}):
        raise ValueError(f"small_graphs: an arrow from {start!r} to {end!r}, and one of them is no node of the graph")
    with new_figure(path, PAGE_WIDTH, 3.2) as figure:
        for axes, (heading, graph) in zip(figure.subplots(1, len(graphs), squeeze=False)[0], graphs.items()):
            axes.set(xlim=(0, 1), ylim=(0, 1))
            axes.axis("off")
            axes.set_title(heading, fontsize=9)
            _draw(axes, graph)
        set_title(figure, title)
    return figure


def _draw(axes: Axes, graph: Graph) -> None:
    boxes = {}
    for name, node in graph.nodes.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": MARKED if node.marked else FILL, "linewidth": 0.8}
        boxes[name] = axes.text(*node.place, node.text, ha="center", va="center", fontsize=8, bbox=box, zorder=3)
    for start, end, text in graph.arrows:
        (x0, y0), (x1, y1) = graph.nodes[start].place, graph.nodes[end].place
        arrow = {"arrowstyle": "-|>", "patchA": boxes[start].get_bbox_patch(), "patchB": boxes[end].get_bbox_patch()}
        axes.annotate("", (x1, y1), (x0, y0), arrowprops=arrow | {"color": COLOURS[4], "shrinkA": 0, "shrinkB": 0})
        aside, side = (-0.02, "right") if x0 + x1 < 1 else (0.02, "left")
        axes.text((x0 + x1) / 2 + aside, (y0 + y1) / 2, text, ha=side, va="center", fontsize=8, color="#444444")

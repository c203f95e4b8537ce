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

    Raises ValueError where there is nothing to draw, a box lies elsewhere, or an arrow leads to one that is not there.
    """
    given = checks.mapping("small_graphs", "graphs", graphs, "a dict, heading -> Graph")
    if not given:
        raise ValueError("small_graphs: nothing to draw, give at least one graph")
    checked = {
        checks.text("small_graphs", "each heading", heading): _checked(graph) for heading, graph in given.items()
    }
    with new_figure(path, PAGE_WIDTH, 3.2) as figure:
        for axes, (heading, graph) in zip(figure.subplots(1, len(checked), squeeze=False)[0], checked.items()):
            axes.set(xlim=(0, 1), ylim=(0, 1))
            axes.axis("off")
            axes.set_title(heading, fontsize=9)
            _draw(axes, graph)
        set_title(figure, title)
    return figure


def _checked(graph: Graph) -> Graph:
    """The graph, whose boxes lie on the page, and whose arrows have two ends."""
    where = "small_graphs"
    checks.instance(where, "each graph", graph, Graph, "a plots.Graph")
    nodes = checks.mapping(where, "nodes", graph.nodes, "a dict, name -> Node")
    for name, node in nodes.items():
        checks.instance(where, f"node {name!r}", node, Node, "a plots.Node")
        checks.text(where, f"the text of node {name!r}", node.text)
        place = checks.numbers(where, f"the place of node {name!r}", node.place)
        if place.shape != (2,) or not ((place >= 0) & (place <= 1)).all():
            raise ValueError(
                f"{where}: the place of node {name!r} must be two numbers from 0 to 1, got {node.place!r:.60}"
            )
    for arrow in checks.items(where, "arrows", graph.arrows, "a list of (from, to, text)"):
        ends = checks.texts(where, f"an arrow, {arrow!r:.60},", arrow)
        if len(ends) != 3:
            raise ValueError(f"{where}: an arrow must be (from, to, text), got {arrow!r:.60}")
        start, end, _ = ends
        if start not in nodes or end not in nodes:
            raise ValueError(f"{where}: an arrow from {start!r} to {end!r}, and one of them is no node of the graph")
    return graph


def _draw(axes: Axes, graph: Graph) -> None:
    boxes = {}
    for name, node in graph.nodes.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": MARKED if node.marked else FILL, "linewidth": 0.8}
        boxes[name] = axes.text(*node.place, node.text, ha="center", va="center", fontsize=8, bbox=box, zorder=3)
    for start, end, text in graph.arrows:
        (x0, y0), (x1, y1) = graph.nodes[start].place, graph.nodes[end].place
        arrow = {"arrowstyle": "-|>", "patchA": boxes[start].get_bbox_patch(), "patchB": boxes[end].get_bbox_patch()}
        axes.annotate("", (x1, y1), (x0, y0), arrowprops=arrow | {"color": COLOURS[4], "shrinkA": 0, "shrinkB": 0})
        aside, side = (-0.04, "right") if x0 + x1 < 1 else (0.03, "left")
        axes.text((x0 + x1) / 2 + aside, (y0 + y1) / 2, text, ha=side, va="center", fontsize=8, color="#444444")

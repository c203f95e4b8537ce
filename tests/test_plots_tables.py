"""What a lesson lays side by side: matrices with all their numbers, and small graphs."""

import numpy as np
import pytest
from figure_checks import check_texts, place
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch

from tinygrad_edu import plots
from tinygrad_edu.plots import Graph, Node
from tinygrad_edu.plots.graph import FILL, MARKED
from tinygrad_edu.plots.tables import NEGATIVE, POSITIVE


def colours(figure):
    """(colour, opacity) of each cell, from left to right and from top to bottom within a table."""
    filled = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    return [(patch.get_facecolor()[:3], patch.get_alpha()) for patch in filled]


def test_every_number_stands_in_its_cell_and_whole_ones_have_no_fraction():
    figure = plots.number_tables(None, {"A": [[1, -2.5], [1000, 0]], "a vector": [0.125, 3]}, "Title")
    texts = [text for text, _ in check_texts(figure)]
    assert texts == ["A", "1", "-2.50", "1000", "0", "a vector", "0.12", "3", "Title"]
    for (text, box), patch in zip(check_texts(figure)[1:5], figure.axes[0].patches[::2]):
        cell = patch.get_window_extent()
        assert cell.x0 < box.x0 < box.x1 < cell.x1, text
        assert cell.y0 < box.y0 < box.y1 < cell.y1, text


def test_the_sign_is_a_colour_and_the_size_its_strength():
    found = colours(plots.number_tables(None, {"A": [[1.0, -2.0, 0.0, 2.0]]}, "Title"))
    assert [colour for colour, _ in found][:2] == [to_rgb(POSITIVE), to_rgb(NEGATIVE)]
    np.testing.assert_allclose([strength for _, strength in found], np.array([0.5, 1, 0, 1]) * found[1][1])
    assert [s for _, s in colours(plots.number_tables(None, {"A": [0.0, 0.0]}, "Title"))] == [0, 0]


def test_a_graph_has_its_boxes_where_they_belong_and_arrows_between_their_edges():
    nodes = {"x": Node((0.5, 0.1), "x = 2"), "a": Node((0.2, 0.5), "a", marked=True), "y": Node((0.5, 0.9), "y")}
    figure = plots.small_graphs(
        None,
        {"left": Graph(nodes, [("y", "a", "3"), ("a", "x", "4"), ("y", "x", "5")]), "right": Graph(nodes, [])},
        "T",
    )
    check_texts(figure)
    place(figure)
    left, right = figure.axes
    boxes = [text.get_bbox_patch() for text in left.texts if text.get_bbox_patch()]
    assert [box.get_facecolor()[:3] for box in boxes] == [to_rgb(FILL), to_rgb(MARKED), to_rgb(FILL)]
    assert all(isinstance(box, FancyBboxPatch) for box in boxes)
    arrows = [text.arrow_patch for text in left.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 3
    assert not any(getattr(text, "arrow_patch", None) for text in right.texts)
    x, a, y = (box.get_window_extent() for box in boxes)
    for arrow, (start, end) in zip(arrows, [(y, a), (a, x), (y, x)]):
        corners = arrow.get_path().vertices  # in pixels: where it begins, and the tip and the wings of its head
        assert abs(corners[0][1] - start.y0) < 4, "it leaves the box at its lower edge"
        assert min(abs(corners[:, 1] - end.y1)) < 4, "and ends at the other's upper one"


def test_a_table_longer_than_a_page_is_refused():
    with pytest.raises(ValueError, match=r"number_tables: 'long' has \d+ rows; a page has room for \d+"):
        plots.number_tables(None, {"long": np.zeros((1000, 2))}, "t")

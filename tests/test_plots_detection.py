"""Pictures of a detector: each box where it is given, at each what is found, curves as they come."""

import numpy as np
import pytest
from figure_checks import check_texts
from matplotlib.colors import to_hex

from tinygrad_edu import plots
from tinygrad_edu.plots.detection import FOUND, TRUE

IMAGES = np.zeros((2, 64, 64), np.uint8)
SOMETHING = [[10, 12, 30, 40], [5, 5, 20, 25]], [7, 1], [0.9, 0.25]
NOTHING = np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)
NAMES = tuple("0123456789")


def frames(axes):
    """(colour, left, top, right, bottom, alpha) of the boxes that are drawn."""
    return [(to_hex(p.get_edgecolor()).upper(), *p.get_bbox().extents.tolist(), p.get_alpha()) for p in axes.patches]


def named(axes):
    """(text, left, bottom) of what stands at the boxes."""
    return [(text.get_text(), *np.round(text.get_position(), 1).tolist()) for text in axes.texts]


def test_scenes_show_what_is_true_and_what_is_found():
    true = [(np.array([[11, 12, 30, 41]]), np.array([7])), ([], [])]
    figure = plots.scene_boxes(None, IMAGES, true, [SOMETHING, NOTHING], NAMES, "title")
    check_texts(figure)
    first, second = figure.axes[:2]
    assert frames(first) == [(TRUE, 11, 12, 30, 41, 1), (FOUND, 10, 12, 30, 40, 1), (FOUND, 5, 5, 20, 25, 1)]
    assert named(first) == [("7 90%", 10, 11.4), ("1 25%", 5, 4.5)]  # above, but in the picture
    assert first.get_xlabel() == ""
    assert frames(second) == named(second) == []
    assert second.get_xlabel() == "nothing is found"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["true box", "found box"]


def test_names_of_boxes_that_begin_at_one_place_do_not_run_into_each_other():
    found = [[10, 12, 30, 40], [12, 12, 34, 60], [11, 13, 33, 58]], [3, 8, 9], [0.5, 0.4, 0.3]
    figure = plots.scene_boxes(None, IMAGES[:1], [([], [])], [found], NAMES, "title")
    check_texts(figure)
    assert named(figure.axes[0]) == [("3 50%", 10, 11.4), ("8 40%", 12, 64)]  # below; there is no room for a third


def test_cells_show_all_boxes_and_those_that_are_kept():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 30, (16, 2))
    sure = np.zeros(16)
    sure[[0, 6]] = 0.9, 0.2
    said = np.concatenate([corner, corner + 10], axis=1), np.arange(16) % 10, sure
    figure = plots.cell_boxes(None, IMAGES[0], said, ([said[0][0]], [0], [0.9]), NAMES, "title")
    check_texts(figure)
    grid, boxes, kept = figure.axes
    np.testing.assert_array_equal(grid.images[0].get_array(), sure.reshape(4, 4))
    # Cells of 16 pixels: number 0 is the first, number 6 in row 1, column 2.
    assert [(text.get_text(), *text.get_position()) for text in grid.texts] == [("0", 8, 8), ("6", 40, 24)]
    assert [frame[-1] for frame in frames(boxes)] == np.sqrt(sure).tolist()
    assert frames(kept) == [(FOUND, *said[0][0].tolist(), 1)]
    assert [text.get_text() for text in kept.texts] == ["0 90%"]


def test_precision_is_drawn_against_recall():
    curves = {"one": ([1, 0.5, 2 / 3], [0.25, 0.25, 0.5]), "none found": ([], [])}
    figure = plots.precision_recall(None, curves, "title")
    check_texts(figure)
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == list(curves)
    np.testing.assert_array_equal(lines[0].get_xydata(), [(0.25, 1), (0.25, 0.5), (0.5, 2 / 3)])
    assert figure.axes[0].get_ylim() == (0.5, 1.01)  # the part where the curves are
    right = plots.precision_recall(None, {"all right": ([1, 1], [0.5, 1])}, "title")
    assert right.axes[0].get_ylim() == (0, 1.02)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.scene_boxes(None, IMAGES, [([], [])], [NOTHING] * 2, NAMES, "t"), r"\(2, 64, 64\), 1 and 2"),
        (lambda: plots.scene_boxes(None, IMAGES[:0], [], [], NAMES, "t"), r"got \(0, 64, 64\), 0 and 0"),
        (lambda: plots.cell_boxes(None, IMAGES, NOTHING, NOTHING, NAMES, "t"), r"got \(2, 64, 64\) and \(0,\)"),
        (lambda: plots.cell_boxes(None, IMAGES[0], SOMETHING, NOTHING, NAMES, "t"), r"got \(64, 64\) and \(2,\)"),
        (lambda: plots.precision_recall(None, {}, "t"), "nothing to draw"),
        (lambda: plots.precision_recall(None, {"a": ([1], [])}, "t"), r"curve 'a' needs .* got \(1,\) and \(0,\)"),
        (lambda: plots.precision_recall(None, {"a": ([1], [1], [1])}, "t"), r"curve 'a' must be two arrays"),
        (lambda: plots.precision_recall(None, {"a": ([90], [1])}, "t"), r"precision of curve 'a' must be from 0 to 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


BOX = [[0, 0, 9, 9]]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((BOX, [3]), "found must be 3 arrays: "),
        ((BOX, [3, 4], [0.5]), "found must be 3 arrays: "),
        ((BOX[0], [3], [0.5]), "found must be 3 arrays: "),
        ((BOX, [3.0], [0.5]), "found must be 3 arrays: "),
        ((BOX, [3], [1.5]), "how sure .* from 0 to 1"),
        (([[0, 0, np.nan, 9]], [3], [0.5]), "found must be 3 arrays: boxes"),
        ((BOX, [10], [0.5]), r"classes of found must lie in 0\.\.9, for class_names"),
        ((BOX, [-1], [0.5]), r"classes of found must lie in 0\.\.9"),
    ],
)
def test_what_is_no_finding_is_refused(found, message):
    with pytest.raises(ValueError, match=f"scene_boxes: .*{message}"):
        plots.scene_boxes(None, IMAGES[:1], [([], [])], [found], NAMES, "t")

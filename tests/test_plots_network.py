"""Figures of networks: nothing runs into anything, every arrow has two ends, and bad input is told."""

import itertools

import numpy as np
import pytest
from figure_checks import check_drawing, check_texts
from matplotlib.patches import Polygon
from matplotlib.text import Annotation

from tinygrad_edu import plots
from tinygrad_edu.plots.predictions import four_kinds
from tinygrad_edu.plots.style import COLOURS

RNG = np.random.default_rng(0)
STAGES = [
    ("input", (32, 32, 3)),
    ("conv 3x3, 48\nReLU", (32, 32, 48)),
    ("max pool 3x3, stride 3", (10, 10, 48)),
    ("dense 10", (10,)),
]
NAMES = ["a", "b", "c"]


def predictions(n):
    P = RNG.dirichlet(np.ones(3), n)
    return RNG.integers(256, size=(n, 8, 8, 3)).astype(np.uint8), RNG.integers(3, size=n), P


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_architecture_is_written(tmp_path, ending):
    plots.draw_architecture(tmp_path / f"a.{ending}", STAGES, "A network", [(1, 3)])
    text = (tmp_path / f"a.{ending}").read_bytes()
    assert b"<svg" in text if ending == "svg" else text.startswith(b"\x89PNG")


HARD = {
    "one row": (STAGES, [(1, 3)]),
    "three rows": (STAGES * 5, []),
    "from one row to another, and to the last stage": (STAGES * 5, [(1, 19)]),
    "one behind another": (STAGES * 2, [(0, 2), (2, 4), (4, 7)]),
    "one inside another, with one end": (STAGES * 2, [(1, 4), (2, 4)]),
    "side by side over several rows": (STAGES * 5, [(0, 9), (9, 19), (12, 14), (3, 17)]),
    "twice the same": (STAGES, [(1, 3), (1, 3)]),
    "large images and long layers": (
        [("input", (512, 512, 3)), ("a rather long name of a layer", (10_000,))],
        [(0, 1)],
    ),
    "a single stage": (STAGES[:1], []),
}


@pytest.mark.parametrize("name", HARD)
def test_architecture_keeps_its_lines_on_the_page_and_out_of_the_texts(name):
    stages, skips = HARD[name]
    texts = check_drawing(plots.draw_architecture(None, stages, "A network", skips), standing_on_lines="+")
    assert [text for text, _ in texts].count("+") == len({end for _, end in skips})


def blocks(axes):
    """Left edge, right edge and middle of every block's outline; a block is drawn as polygons."""
    faces = [patch.get_xy() for patch in axes.patches if isinstance(patch, Polygon) and patch.get_fill()]
    return [(corners[:, 0].min(), corners[:, 0].max(), corners[:, 1].min(), corners[:, 1].max()) for corners in faces]


@pytest.mark.parametrize("name", HARD)
def test_every_arrow_leads_from_something_to_something(name):
    """Also where a row ends: no arrow points into nowhere."""
    stages, skips = HARD[name]
    axes = plots.draw_architecture(None, stages, "A network", skips).axes[0]
    arrows = [note for note in axes.texts if isinstance(note, Annotation)]
    sums = [text.get_position() for text in axes.texts if text.get_text() == "+"]
    assert len(arrows) == len(stages) - 1 + len(set(skips))
    for arrow in arrows:
        x, y = arrow.xy
        at_block = any(0 < left - x < 0.1 and low < y < high for left, _, low, high in blocks(axes))
        assert at_block or any(abs(x - a) < 0.01 and 0 < y - b < 0.2 for a, b in sums), (x, y)


def test_a_skip_is_one_line_even_from_row_to_row():
    for skips in ([(1, 3)], [(1, 19)]):
        figure = plots.draw_architecture(None, STAGES * 5, "A network", skips)
        assert [line.get_color() for line in figure.axes[0].lines].count(COLOURS[1]) == 1


def segments(line):
    """(y, x from, x to) of a line's horizontal pieces, and with x and y the other way round of its upright ones."""
    for (x0, y0), (x1, y1) in itertools.pairwise(line.get_xydata()):
        yield ("level", y0, *sorted((x0, x1))) if y0 == y1 else ("upright", x0, *sorted((y0, y1)))


@pytest.mark.parametrize("name", HARD)
def test_no_skip_runs_on_top_of_another(name):
    axes = plots.draw_architecture(None, HARD[name][0], "A network", HARD[name][1]).axes[0]
    orange = [line for line in axes.lines if line.get_color() == COLOURS[1]]
    for one, other in itertools.combinations(orange, 2):
        for (a, b, c, d), (e, f, g, h) in itertools.product(segments(one), segments(other)):
            assert (a, b) != (e, f) or min(d, h) <= max(c, g)


def test_rows_end_between_residual_blocks_where_they_can():
    stages = [("input", (8, 8, 3)), *[("conv 3x3, 16\nReLU", (8, 8, 16))] * 11]
    figure = plots.draw_architecture(None, stages, "A network", [(1, 3), (3, 5), (5, 7), (7, 9), (9, 11)])
    orange = [line for line in figure.axes[0].lines if line.get_color() == COLOURS[1]]
    assert len(orange) == 5
    assert all(len(line.get_xdata()) == 3 for line in orange)  # up and over; by way of the margin it would be 5 corners


@pytest.mark.parametrize(
    ("stages", "skips", "message"),
    [
        ([], [], "no stage"),
        ([("x", (3, 4))], [], r"expected shapes \(H, W, C\) or \(D,\); 'x' has"),
        (STAGES, [(1, 4)], r"the skip \(1, 4\) must lead forwards between stages 0..3"),
        (STAGES, [(2, 2)], r"the skip \(2, 2\) must lead forwards"),
    ],
)
def test_architecture_refuses(tmp_path, stages, skips, message):
    with pytest.raises(ValueError, match=message):
        plots.draw_architecture(tmp_path / "a.png", stages, "A network", skips)
    assert not list(tmp_path.iterdir())


def test_four_kinds():
    right = np.array([True, True, True, True, False, False, False, False])
    sure = np.array([0.9, 0.5, 0.8, 0.4, 0.95, 0.3, 0.6, 0.35])
    kinds = four_kinds(right, sure, 2)
    assert [k.tolist() for k in kinds] == [[0, 2], [3, 1], [5, 7], [4, 6]]
    # With few of a kind, nobody appears twice.
    assert [k.tolist() for k in four_kinds(right[3:6], sure[3:6], 2)] == [[3 - 3], [], [2], [1]]


@pytest.mark.parametrize("n", [1, 3, 100])
def test_prediction_rows(n):
    check_texts(plots.prediction_rows(None, *predictions(n), NAMES, "Predictions"))


def test_prediction_rows_refuse(tmp_path):
    images, labels, P = predictions(4)
    with pytest.raises(ValueError, match="prediction_rows: expected N images"):
        plots.prediction_rows(tmp_path / "p.png", images, labels[:3], P, NAMES, "Predictions")
    with pytest.raises(ValueError, match="prediction_rows: expected N images"):
        plots.prediction_rows(tmp_path / "p.png", images, labels, P, NAMES[:2], "Predictions")


# --- filters ---


def filters(count, size=(3, 3), seed=0):
    return np.random.default_rng(seed).normal(size=(*size, 3, count))


IMAGE, MAPS = predictions(1)[0][0], RNG.normal(size=(8, 8, 48))


@pytest.mark.parametrize("count", [1, 12, 13, 48])
@pytest.mark.parametrize("size", [(3, 3), (1, 7), (7, 1)])
def test_filters_stand_beside_their_start_with_the_map_under_them(count, size):
    start = filters(count, size)
    figure = plots.filter_images(None, start, -start, IMAGE, MAPS[..., :count], "Filters")
    check_texts(figure)
    head, *rest = [image.get_array() for image in figure.axes[0].images]
    np.testing.assert_array_equal(head, IMAGE)
    assert len(rest) == 3 * count
    for o in range(count):
        first, last, seen = rest[3 * o : 3 * o + 3]
        np.testing.assert_allclose(first + last, 1)  # middle grey is 0, and -W is W's negative
        np.testing.assert_allclose(seen, 0.5 + MAPS[..., o] / (2 * abs(MAPS[..., o]).max()))
    extents = [image.get_extent() for image in figure.axes[0].images]
    for (a0, a1, b0, b1), (c0, c1, d0, d1) in itertools.combinations(extents, 2):
        assert min(a1, c1) <= max(a0, c0) or min(b1, d1) <= max(b0, d0)  # no image over another
    width, height = figure.get_size_inches()
    assert all(0 < left < right < width and 0 < low < top < height for left, right, low, top in extents)


def test_the_title_says_how_much_of_the_random_start_is_left():
    start = filters(48)
    for end, words in (
        (start + 0.4 * filters(48, seed=1), "correlation with the random start 0.9"),
        (start + 0.4 * filters(48, seed=1), ": still much as they were drawn"),
        (filters(48, seed=1), "correlation with the random start "),
        (np.zeros_like(start), "all weights alike, at the start or at the end"),
    ):
        title = plots.filter_images(None, start, end, IMAGE, MAPS, "Filters of a network").get_suptitle()
        assert title.startswith("Filters of a network\n")
        assert words in title
    assert "still" not in plots.filter_images(None, start, filters(48, seed=1), IMAGE, MAPS, "F").get_suptitle()


BAD = np.full((3, 3, 3, 48), np.nan)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((filters(48)[:, :, :2], filters(48), IMAGE, MAPS), r"kernels \(KH, KW, 3, O\), got \(3, 3, 2, 48\)"),
        ((filters(0), filters(0), IMAGE, MAPS[..., :0]), r"got \(3, 3, 3, 0\)"),
        ((filters(48), filters(47), IMAGE, MAPS), r"got \(3, 3, 3, 48\), \(3, 3, 3, 47\)"),
        ((filters(48), filters(48), IMAGE[..., 0], MAPS), r"an image \(H, W, 3\) of uint8, got \(8, 8\)"),
        ((filters(48), filters(48), IMAGE / 255, MAPS), "of float64"),
        ((filters(48), filters(48), IMAGE, MAPS[..., :7]), r"maps \(MH, MW, 48\), one a filter, got \(8, 8, 7\)"),
        ((filters(48), BAD, IMAGE, MAPS), "NaN or infinity"),
    ],
)
def test_filters_refuse(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.filter_images(tmp_path / "f.png", *arguments, "Filters")
    assert not list(tmp_path.iterdir())


def test_train_and_validation_refuses(tmp_path):
    with pytest.raises(ValueError, match="curve 'validation' has 1 values for 2 epochs"):
        plots.train_and_validation(tmp_path / "c.png", [0, 1], ([2, 1], [2]), ([30, 40], [30, 35]), "Training")

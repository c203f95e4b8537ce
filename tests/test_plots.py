"""Every figure is written, complete, of a size that fits a page; bad input gets one clear error and leaves no file."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from figure_checks import check_texts
from matplotlib import rcParams
from matplotlib.figure import Figure

from tinygrad_edu import plots
from tinygrad_edu.plots.style import Picture, line_style, new_figure, set_title

RNG = np.random.default_rng(0)
ACCURACY = {"train": [89.0, 90.5, 91.2], "test": [90.0, 90.8, 91.0]}
DIGITS = [str(k) for k in range(10)]


def png_size(path):
    """Width and height in pixels, from the header of a PNG file."""
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", header[16:24])


T = np.arange(1, 21.0)
PREDICTIONS = RNG.dirichlet(np.ones(10), 60)
BYTES = RNG.integers(256, size=(60, 32, 32, 3)).astype(np.uint8)
KERNELS = RNG.normal(size=(3, 3, 3, 30))
STAGES = [("input", (32, 32, 3)), ("conv 3x3, 48\nReLU", (32, 32, 48)), ("global average pool", (48,))]
FOUND = [[1, 2, 20, 30]] * 4, [3] * 4, [0.9, 0.5, 0, 0]
PICTURES = {
    "curves.png": lambda path: plots.training_curves(path, [0, 1, 2], ACCURACY, "accuracy (%)", "Curves"),
    "pair.png": lambda path: plots.train_and_validation(path, [0, 1, 2], (T[:3], T[:3]), (T[:3], T[:3]), "Pair"),
    "weights.png": lambda path: plots.weight_images(path, RNG.normal(size=(784, 10)), DIGITS, "Weights"),
    "grey.png": lambda path: plots.image_grid(path, RNG.random((7, 28, 28)), ["label 4\nsaid 9"] * 7, "Grey"),
    "rgb.png": lambda path: plots.image_grid(path, RNG.random((12, 32, 32, 3)), ["cat"] * 12, "RGB", columns=4),
    "rows.png": lambda path: plots.prediction_rows(
        path, BYTES, RNG.integers(10, size=60), 0.01 * PREDICTIONS + 0.99, ["automobile"] * 10, "Rows"
    ),
    "filters.png": lambda path: plots.filter_images(
        path, KERNELS, KERNELS + 0.5, BYTES[0], RNG.normal(size=(32, 32, 30)), "Filters"
    ),
    "series.png": lambda path: plots.series(path, {"truth": (T, T), "guess": (T, T + 1)}, "t", "y", "Series"),
    "flow.png": lambda path: plots.gradient_flow(path, {"one": {"x": T}, "two": {"y": T}}, "Flow", "norm"),
    "clipping.png": lambda path: plots.clipping(path, {"x": T, "y": T}, {"x": T, "y": T}, "Clipping"),
    "unrolled.png": lambda path: plots.unrolled_network(path, 3, "LSTM", 32, "Unrolled"),
    "tables.png": lambda path: plots.number_tables(path, {"A, (5, 4)": T.reshape(5, 4), "b": T[:3]}, "Tables"),
    "graphs.png": lambda path: plots.small_graphs(
        path, {"one": plots.Graph({"x": plots.Node((0.5, 0.1), "x"), "y": plots.Node((0.5, 0.9), "y")}, [])}, "Graphs"
    ),
    "scenes.png": lambda path: plots.scene_boxes(
        path, BYTES[:2, ..., 0], [FOUND[:2]] * 2, [FOUND] * 2, DIGITS, "Scenes"
    ),
    "cells.png": lambda path: plots.cell_boxes(path, BYTES[0, ..., 0], FOUND, FOUND, DIGITS, "Cells"),
    "precision_recall.png": lambda path: plots.precision_recall(path, {"0": ([1, 0.5], [0.5, 1])}, "Precision"),
    "attention.png": lambda path: plots.attention_maps(path, RNG.random((2, 3, 9, 9)), "Who asks\n", "Attention"),
    "blanks.png": lambda path: plots.filled_blanks(
        path, ["text for $\n"] * 2, RNG.random((2, 11)) < 0.4, ["another\ntxt"] * 2, RNG.random((2, 11)), "Blanks"
    ),
    "losses.png": lambda path: plots.losses_against(
        path, {"characters": {"x": (T, T), "y": (T, T + 1)}, "seconds": {"x": (T, T)}}, "loss", "Losses"
    ),
    "architecture.png": lambda path: plots.draw_architecture(path, STAGES, "Architecture", [(0, 1)]),
}


def test_there_is_a_picture_of_every_function():
    names = {constant for draw in PICTURES.values() for constant in draw.__code__.co_names}
    assert set(plots.__all__) <= names


@pytest.fixture(scope="module", params=PICTURES)
def drawn(request, tmp_path_factory):
    """(the picture's name, the file it was written into, the figure). Drawn once: most of a test's time is drawing."""
    path = tmp_path_factory.mktemp("drawn") / "new" / "folder" / request.param
    return request.param, path, PICTURES[request.param](path)


def test_each_picture_is_written_as_wide_as_the_page_at_most_and_nothing_else_is(drawn):
    name, path, figure = drawn
    width, height = png_size(path)
    assert 600 <= width <= 6.3 * 200
    assert 300 <= height <= 9.5 * 200
    assert os.listdir(path.parent) == [name]
    assert isinstance(figure, Figure)


def test_texts_are_on_the_page_and_none_runs_into_another(drawn):
    check_texts(drawn[2])


@pytest.mark.parametrize("name", PICTURES)
def test_without_a_path_the_figure_is_returned_and_no_file_is_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert isinstance(PICTURES[name](None), Picture)  # which shows itself
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["curves.png", "tables.png"])  # of two sizes
def test_a_figure_shows_itself(tmp_path, name):
    figure = PICTURES[name](None)
    png, metadata = figure._repr_png_()  # what IPython asks every object for
    file = tmp_path / "shown.png"
    file.write_bytes(png)
    assert png_size(file)[0] == int(200 * figure.get_figwidth())
    assert metadata == {"width": round(96 * figure.get_figwidth())}


def test_a_shown_figure_is_drawn_in_our_style():
    figure = PICTURES["curves.png"](None)
    figure._repr_png_()
    assert figure.axes[0].xaxis.get_major_ticks()[0].gridline.get_color() == "#E4E4E4"


def test_a_title_that_is_too_long_for_the_page_gets_a_second_line():
    with new_figure(None, 6.3, 3.0) as figure:
        set_title(figure, "The accuracy of a network with a name that does not fit into a single line " * 2)
    assert "\n" in figure.get_suptitle()
    check_texts(figure)
    with new_figure(None, 6.3, 3.0) as figure:
        set_title(figure, "One line")
    assert figure.get_suptitle() == "One line"


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_ending_chooses_the_format_and_a_string_is_a_path(tmp_path, suffix):
    path = tmp_path / f"curves{suffix}"
    plots.training_curves(str(path), [0, 1, 2], ACCURACY, "accuracy (%)", "Curves")
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["curves", "curves.", "curves.tiff2"])
def test_an_ending_that_names_no_format_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in|not supported"):
        plots.training_curves(tmp_path / name, [0, 1, 2], ACCURACY, "accuracy (%)", "Curves")
    assert os.listdir(tmp_path) == []


def test_a_failing_save_leaves_no_file_and_keeps_the_old_one(tmp_path, monkeypatch):
    old = tmp_path / "old.png"
    old.write_bytes(b"the picture of yesterday")

    def disk_full(figure, file, **options):
        file.write(b"half a pic")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", disk_full)
    for path in (old, tmp_path / "new.png"):
        with pytest.raises(OSError, match="no space left"):
            plots.training_curves(path, [0, 1, 2], ACCURACY, "accuracy (%)", "Curves")
    assert os.listdir(tmp_path) == ["old.png"]
    assert old.read_bytes() == b"the picture of yesterday"


def test_drawing_leaves_no_global_state(tmp_path):
    before = dict(rcParams)
    for name in ("curves.png", "clipping.png", "unrolled.png"):
        PICTURES[name](tmp_path / name)
        PICTURES[name](None)._repr_png_()
    assert dict(rcParams) == before


def test_no_pyplot_and_no_display_needed():
    code = (
        "import sys, tinygrad_edu.plots as plots\n"
        "plots.training_curves(None, [0, 1, 2], {'a': [1, 2, 3]}, 'y', 'T')._repr_png_()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_curves_of_a_thousand_epochs_and_with_gaps():
    gaps = {"every fifth": [float(e) if e % 5 == 0 else float("nan") for e in range(1000)]}
    check_texts(plots.training_curves(None, range(1000), gaps, "accuracy (%)", "Gaps"))


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_epochs_make_no_picture_and_an_older_one_is_not_left_in_its_place(tmp_path, capsys, count):
    old = tmp_path / "curves.png"
    old.write_bytes(b"the picture of another run")
    epochs, values = list(range(count)), [89.0] * count
    for draw in (
        lambda: plots.training_curves(old, epochs, {"train": values}, "accuracy (%)", "Few"),
        lambda: plots.train_and_validation(old, epochs, (values, values), (values, values), "Few"),
    ):
        assert draw() is None
        assert capsys.readouterr().out == f"no curves.png: a curve needs 3 epochs, and this run has {count}\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("curves", "scale"),
    [
        ({"training": [0.5, 0.2, 0.04]}, "log"),
        ({"training": [0.5, 0.2, 0.06]}, "linear"),
        ({"training": [0.5, 0.4, 0.3], "validation": [0.5, float("nan"), 0.05]}, "log"),
        ({"accuracy": [2.0, 30.0, 60.0]}, "linear"),  # rises
        ({"training": [0.5, 0.2, 0.0]}, "linear"),  # 0 has no logarithm
        ({"training": [0.5, 0.2, 0.04], "other": [-1.0, 0.0, 1.0]}, "linear"),
        ({"training": [float("nan")] * 3}, "linear"),
    ],
)
def test_a_loss_that_falls_by_a_decade_has_a_logarithmic_axis(curves, scale):
    figure = plots.training_curves(None, [0, 1, 2], curves, "loss", "Loss")
    assert figure.axes[0].get_yscale() == scale
    check_texts(figure)
    values = list(curves.values())
    pair = plots.train_and_validation(None, [0, 1, 2], (values[0], values[-1]), ([10, 20, 30], [10, 20, 30]), "Loss")
    assert [axes.get_yscale() for axes in pair.axes] == [scale, "linear"]


def test_a_logarithmic_axis_over_few_decades_has_numbers_that_can_be_read():
    figure = plots.training_curves(None, [0, 1, 2], {"training": [0.03, 0.01, 0.002]}, "loss", "Loss")
    texts = [text for text, _ in check_texts(figure)]
    assert {"0.02", "0.01", "0.005", "0.002"} <= set(texts)


def test_the_legend_is_under_the_axes_and_on_the_page():
    names = [f"a curve with a rather long name {i}" for i in range(5)]
    figure = plots.training_curves(None, [0, 1, 2], {name: [1.0, 2.0, 3.0] for name in names}, "y", "Title")
    found = dict(check_texts(figure))
    assert all(found[name].y1 < found["epoch"].y0 for name in names)


def test_twenty_eight_curves_can_be_told_apart():
    styles = [line_style(i, 10) for i in range(28)]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 28


@pytest.mark.parametrize(
    ("epochs", "curves", "message"),
    [
        ([], {"train": []}, "nothing to draw"),
        ([0, 1], {}, "nothing to draw"),
        ([0, 1], {"train": [1.0, 2.0], "test": [1.0]}, "'test' has 1 values for 2 epochs"),
    ],
)
def test_curves_that_do_not_fit_are_refused(tmp_path, epochs, curves, message):
    with pytest.raises(ValueError, match=message):
        plots.training_curves(tmp_path / "curves.png", epochs, curves, "accuracy (%)", "Curves")
    assert os.listdir(tmp_path) == []


def test_weights_that_are_all_zero_can_be_drawn(tmp_path):
    plots.weight_images(tmp_path / "zero.png", np.zeros((784, 3)), ["a", "b", "c"], "Before training")


@pytest.mark.parametrize(
    ("weights", "names", "message"),
    [
        (np.zeros((10, 784)), DIGITS, r"\(784, classes\), got \(10, 784\)"),
        (np.zeros((784, 0)), [], r"got \(784, 0\)"),
        (np.zeros(784), ["0"], r"got \(784,\)"),
        (np.zeros((784, 10)), DIGITS[:9], "9 class names for 10 columns"),
        (np.full((784, 10), np.nan), DIGITS, "NaN or infinity"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, weights, names, message):
    with pytest.raises(ValueError, match=message):
        plots.weight_images(tmp_path / "weights.png", weights, names, "Weights")
    assert os.listdir(tmp_path) == []


def test_a_grid_takes_bytes_and_fewer_images_than_columns(tmp_path):
    plots.image_grid(tmp_path / "two.png", np.full((2, 8, 8), 255, np.uint8), ["a", "b"], "Two", columns=5)


@pytest.mark.parametrize(
    ("images", "captions", "columns", "message"),
    [
        (np.zeros((0, 28, 28)), [], 5, "no images"),
        (np.zeros((28, 28)), ["a"], 5, r"got \(28, 28\)"),
        (np.zeros((2, 28, 28, 4)), ["a", "b"], 5, r"got \(2, 28, 28, 4\)"),
        (np.zeros((2, 28, 28)), ["a"], 5, "1 captions for 2 images"),
        (np.zeros((2, 28, 28)), ["a", "b"], 0, "columns must be a whole number >= 1"),
        (np.zeros((2, 28, 28), np.int64), ["a", "b"], 5, "got int64"),
        (np.full((1, 28, 28), 255.0), ["a"], 5, r"must lie in \[0, 1\], these span \[255, 255\]"),
        (np.full((1, 28, 28), np.nan), ["a"], 5, r"must lie in \[0, 1\]"),
    ],
)
def test_grids_that_do_not_fit_are_refused(tmp_path, images, captions, columns, message):
    with pytest.raises(ValueError, match=message):
        plots.image_grid(tmp_path / "grid.png", images, captions, "Grid", columns=columns)
    assert os.listdir(tmp_path) == []


def test_too_few_epochs_are_no_picture_where_no_file_was_named_either(capsys):
    plots.training_curves(None, [0], {"train": [1.0]}, "loss", "a title")
    assert capsys.readouterr().out == "no picture: a curve needs 3 epochs, and this run has 1\n"

"""Every figure is written, complete, of a size that fits a page; bad input gets one clear error and leaves no file."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure

from tinygrad_edu import plots
from tinygrad_edu.plots.style import line_style

RNG = np.random.default_rng(0)
ACCURACY = {"train": [89.0, 90.5, 91.2], "test": [90.0, 90.8, 91.0]}
DIGITS = [str(k) for k in range(10)]


def png_size(path):
    """Width and height in pixels, from the header of a PNG file."""
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", header[16:24])


def draw_each(folder):
    """One picture from every function."""
    return [
        plots.training_curves(folder / "curves.png", [0, 1, 2], ACCURACY, "accuracy (%)", "Curves"),
        plots.weight_images(folder / "weights.png", RNG.normal(size=(784, 10)), DIGITS, "Weights"),
        plots.image_grid(folder / "grey.png", RNG.random((7, 28, 28)), ["label 4\nsaid 9"] * 7, "Grey"),
        plots.image_grid(folder / "rgb.png", RNG.random((12, 32, 32, 3)), ["cat"] * 12, "RGB", columns=4),
    ]


def test_each_picture_is_written_as_wide_as_the_page_at_most_and_nothing_else_is(tmp_path):
    paths = draw_each(tmp_path / "new" / "folder")
    for path in paths:
        width, height = png_size(path)
        assert 600 <= width <= 6.3 * 200
        assert 300 <= height <= 9.5 * 200
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(path.name for path in paths)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_ending_chooses_the_format_and_a_string_is_a_path(tmp_path, suffix):
    path = plots.training_curves(str(tmp_path / f"curves{suffix}"), [0, 1, 2], ACCURACY, "accuracy (%)", "Curves")
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
        with open(file, "wb") as half:
            half.write(b"half a pic")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", disk_full)
    for path in (old, tmp_path / "new.png"):
        with pytest.raises(OSError, match="no space left"):
            plots.training_curves(path, [0, 1, 2], ACCURACY, "accuracy (%)", "Curves")
    assert os.listdir(tmp_path) == ["old.png"]
    assert old.read_bytes() == b"the picture of yesterday"


def test_drawing_leaves_no_global_state(tmp_path):
    before = dict(rcParams)
    draw_each(tmp_path)
    assert dict(rcParams) == before


def test_no_pyplot_and_no_display_needed():
    code = "import sys, tinygrad_edu.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_curves_of_one_epoch_of_a_thousand_and_with_gaps(tmp_path):
    plots.training_curves(tmp_path / "one.png", [0], {"train": [89.0]}, "accuracy (%)", "One epoch")
    gaps = {"every fifth": [float(e) if e % 5 == 0 else float("nan") for e in range(1000)]}
    plots.training_curves(tmp_path / "gaps.png", range(1000), gaps, "accuracy (%)", "Gaps")


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
        (np.zeros((2, 28, 28)), ["a", "b"], 0, "columns must be at least 1"),
        (np.zeros((2, 28, 28), np.int64), ["a", "b"], 5, "got int64"),
        (np.full((1, 28, 28), 255.0), ["a"], 5, r"must lie in \[0, 1\], these span \[255, 255\]"),
        (np.full((1, 28, 28), np.nan), ["a"], 5, r"must lie in \[0, 1\]"),
    ],
)
def test_grids_that_do_not_fit_are_refused(tmp_path, images, captions, columns, message):
    with pytest.raises(ValueError, match=message):
        plots.image_grid(tmp_path / "grid.png", images, captions, "Grid", columns=columns)
    assert os.listdir(tmp_path) == []

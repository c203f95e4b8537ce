"""Figures of networks: they are written, and bad input is told."""

import numpy as np
import pytest

from tinygrad_edu import plots
from tinygrad_edu.plots.predictions import four_kinds

RNG = np.random.default_rng(0)
STAGES = [("input", (32, 32, 3)), ("Conv2d\nReLU", (32, 32, 48)), ("MaxPool2d", (10, 10, 48)), ("Linear", (10,))]
NAMES = ["a", "b", "c"]


def predictions(n):
    P = RNG.dirichlet(np.ones(3), n)
    return RNG.integers(256, size=(n, 8, 8, 3)).astype(np.uint8), RNG.integers(3, size=n), P


@pytest.mark.parametrize("ending", ["svg", "png"])
@pytest.mark.parametrize("times", [1, 5])
def test_architecture(tmp_path, ending, times):
    skips = [(1, 4 * times - 1)]  # with 5 times as many, from one row to another
    path = plots.draw_architecture(tmp_path / f"a.{ending}", STAGES * times, "A network", skips)
    text = path.read_bytes()
    assert b"<svg" in text if ending == "svg" else text.startswith(b"\x89PNG")


def lines(path):
    return path.read_text().count('<g id="line2d')


def test_a_skip_is_one_line_in_a_row_and_two_from_row_to_row(tmp_path):
    for times, count in ((1, 1), (5, 2)):
        path = plots.draw_architecture(tmp_path / "a.svg", STAGES * times, "A network", [(0, 4 * times - 1)])
        without = plots.draw_architecture(tmp_path / "b.svg", STAGES * times, "A network")
        assert lines(path) - lines(without) == count


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
def test_prediction_rows(tmp_path, n):
    assert plots.prediction_rows(tmp_path / "p.png", *predictions(n), NAMES, "Predictions").stat().st_size > 1000


def test_prediction_rows_refuse(tmp_path):
    images, labels, P = predictions(4)
    with pytest.raises(ValueError, match="prediction_rows: expected N images"):
        plots.prediction_rows(tmp_path / "p.png", images, labels[:3], P, NAMES, "Predictions")
    with pytest.raises(ValueError, match="prediction_rows: expected N images"):
        plots.prediction_rows(tmp_path / "p.png", images, labels, P, NAMES[:2], "Predictions")


@pytest.mark.parametrize("count", [1, 48])
def test_filters(tmp_path, count):
    assert plots.filter_images(tmp_path / "f.png", RNG.normal(size=(3, 3, 3, count)), "Filters").exists()


@pytest.mark.parametrize("kernels", [np.zeros((3, 3, 4, 2)), np.full((3, 3, 3, 2), np.nan), np.zeros((3, 3, 3, 0))])
def test_filters_refuse(tmp_path, kernels):
    with pytest.raises(ValueError, match="filter_images: expected finite kernels"):
        plots.filter_images(tmp_path / "f.png", kernels, "Filters")


def test_train_and_validation(tmp_path):
    path = plots.train_and_validation(tmp_path / "c.png", [0, 1], ([2, 1], [2, 2]), ([30, 40], [30, 35]), "Training")
    assert path.exists()
    with pytest.raises(ValueError, match="1 validation values for 2 epochs"):
        plots.train_and_validation(tmp_path / "c.png", [0, 1], ([2, 1], [2]), ([30, 40], [30, 35]), "Training")

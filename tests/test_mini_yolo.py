"""The detector's loss against its formula and its gradients, boxes there and back, and the script on a few scenes."""

import functools
import json

import numpy as np
import pytest

from models import mini_yolo
from tinygrad_edu import Tensor, data, nn
from tinygrad_edu.gradcheck import gradcheck

pytestmark = pytest.mark.usefixtures("coarse_pictures")


@functools.cache
def few_scenes():
    return data.load_scenes(source="synthetic", train=20, validation=4, test=10)


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    monkeypatch.setattr(mini_yolo, "load_scenes", lambda *_, **__: few_scenes())


@pytest.fixture
def scenes():
    """Three scenes: of two digits, of none, of one; and what a network might say of them."""
    boxes, labels = np.zeros((3, 4, 4), np.float32), np.full((3, 4), -1)
    boxes[0, :2], labels[0, :2] = [[10, 4, 26, 28], [40, 30, 60, 50]], [3, 7]
    boxes[2, 0], labels[2, 0] = [0, 44, 9, 64], 1
    return np.random.default_rng(0).normal(size=(3, 8, 8, 15)), boxes, labels


# --- what is asked of the network ---


def test_a_box_becomes_a_cell_a_place_in_it_and_a_log_size(scenes):
    _, boxes, labels = scenes
    cells, inside, log_size, classes = mini_yolo.encode(boxes, labels)
    # Centres (18, 16), (50, 40) and (4.5, 54): of cells of 8 pixels the columns 2, 6, 0 and the rows 2, 5, 6.
    assert [part.tolist() for part in cells] == [[0, 0, 2], [2, 5, 6], [2, 6, 0]]
    np.testing.assert_allclose(inside, [[0.25, 0], [0.25, 0], [4.5 / 8, 0.75]])
    np.testing.assert_allclose(log_size, np.log([[16 / 20, 24 / 20], [1, 1], [9 / 20, 1]]))
    assert classes.tolist() == [3, 7, 1]


def test_a_network_that_says_just_that_is_right():
    test = few_scenes().test
    Z = np.zeros((10, 8, 8, 15))
    Z[..., 0] = -20
    cells, inside, log_size, classes = mini_yolo.encode(test.boxes, test.labels)
    inside = np.clip(inside, 1e-9, 1 - 1e-9)
    said = np.concatenate([np.full((len(classes), 1), 20), np.log(inside / (1 - inside)), log_size], axis=1)
    Z[cells] = np.concatenate([said, 30 * np.eye(10)[classes]], axis=1)
    assert mini_yolo.detection_loss(Tensor(Z), test.boxes, test.labels).item() < 1e-6
    for i in range(10):
        boxes, labels = test.truth(i)
        found, digits, sure = mini_yolo.detect(Z[i])
        order, wanted = np.lexsort(found.T), np.lexsort(boxes.T)
        np.testing.assert_allclose(found[order], boxes[wanted], atol=1e-4)
        assert digits[order].tolist() == labels[wanted].tolist()
        assert sure.min() > 0.999


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([60, 10, 70, 20], "a box's centre must lie in the scene of 64 x 64 pixels"),
        ([-9, 10, 7, 20], "a box's centre must lie in the scene"),
        ([10, 10, 10, 20], "a box must have a width and a height > 0"),
    ],
)
def test_a_box_that_no_cell_can_say_is_refused(box, message):
    with pytest.raises(ValueError, match=f"mini_yolo: {message}"):
        mini_yolo.encode(np.array([[box]], np.float32), np.array([[1]]))


def test_of_two_digits_in_one_cell_none_could_be_said():
    boxes, labels = np.array([[[0, 0, 8, 8], [2, 2, 12, 10]]], np.float32), np.array([[3, 7]])
    with pytest.raises(ValueError, match="mini_yolo: two digits have their centres in one cell"):
        mini_yolo.encode(boxes, labels)
    cells, *_ = mini_yolo.encode(boxes.reshape(2, 1, 4), labels.T)  # in two scenes
    assert [part.tolist() for part in cells] == [[0, 1], [0, 0], [0, 0]]


def test_a_box_may_reach_out_of_the_scene():
    boxes, labels = np.array([[[-10, 50, 26, 70]]], np.float32), np.array([[5]])
    cells, inside, log_size, classes = mini_yolo.encode(boxes, labels)
    assert [part.tolist() for part in cells] == [[0], [7], [1]]
    np.testing.assert_allclose(inside, [[0, 0.5]])
    np.testing.assert_allclose(log_size, [[np.log(36 / 20), 0]])
    assert classes.tolist() == [5]


# --- the loss ---


def loss_by_the_formula(Z, boxes, labels):
    """The sums of the docstring, cell by cell."""
    total = 0.0
    for z, scene, digits in zip(Z, boxes, labels):
        there = {}
        for (left, top, right, bottom), k in zip(scene, digits):
            if k >= 0:
                x, y = (left + right) / 16, (top + bottom) / 16
                there[int(y), int(x)] = x % 1, y % 1, np.log((right - left) / 20), np.log((bottom - top) / 20), k
        for row in range(8):
            for column in range(8):
                said = z[row, column]
                p, sx, sy = 1 / (1 + np.exp(-said[:3]))
                if (row, column) not in there:
                    total -= np.log(1 - p)
                    continue
                x, y, w, h, k = there[row, column]
                total += -np.log(p) + 5 * ((sx - x) ** 2 + (sy - y) ** 2 + (said[3] - w) ** 2 + (said[4] - h) ** 2)
                total -= np.log(np.exp(said[5 + k]) / np.exp(said[5:]).sum())
    return total / len(Z)


def test_the_loss_is_its_formula(scenes):
    Z, boxes, labels = scenes
    expected = loss_by_the_formula(Z, boxes.astype(float), labels)
    assert mini_yolo.detection_loss(Tensor(Z), boxes, labels).item() == pytest.approx(expected, rel=1e-12)


def test_the_loss_s_gradients():
    # Of 2 x 2 cells, since every number is varied by itself; the second scene is empty.
    boxes = np.array([[[1, 2, 9, 13], [6, 9, 14, 16]], np.zeros((2, 4))])
    labels = np.array([[3, 7], [-1, -1]])
    Z = Tensor(np.random.default_rng(0).normal(size=(2, 2, 2, 15)), requires_grad=True)
    gradcheck(lambda z: mini_yolo.detection_loss(z, boxes, labels), Z)


def test_the_gradients_are_those_of_the_derivation(scenes):
    Z, boxes, labels = scenes
    tensor = Tensor(Z, requires_grad=True)
    mini_yolo.detection_loss(tensor, boxes, labels).backward()
    sigmoid = 1 / (1 + np.exp(-Z[..., :3]))
    S = np.zeros((3, 8, 8))
    S[[0, 0, 2], [2, 5, 6], [2, 6, 0]] = 1
    np.testing.assert_allclose(tensor.grad[..., 0], (sigmoid[..., 0] - S) / 3, rtol=1e-12)
    assert not tensor.grad[S == 0][:, 1:].any()  # of a cell without a digit neither box nor class is asked
    z, s = Z[2, 6, 0], sigmoid[2, 6, 0]  # the 1 in the third scene
    P = np.exp(z[5:]) / np.exp(z[5:]).sum()
    expected = [10 * (s[1] - 4.5 / 8) * s[1] * (1 - s[1]), 10 * (s[2] - 0.75) * s[2] * (1 - s[2])]
    expected += [10 * (z[3] - np.log(9 / 20)), 10 * z[4], *(P - np.eye(10)[1])]
    np.testing.assert_allclose(tensor.grad[2, 6, 0, 1:], np.array(expected) / 3, rtol=1e-12, atol=1e-15)


def test_scenes_without_a_digit_have_a_loss(scenes):
    Z, boxes, _ = scenes
    tensor = Tensor(Z, requires_grad=True)
    loss = mini_yolo.detection_loss(tensor, boxes, np.full((3, 4), -1))
    assert loss.item() == pytest.approx(np.log1p(np.exp(Z[..., 0])).sum() / 3)
    loss.backward()
    assert not tensor.grad[..., 1:].any()


# --- the network ---


def test_the_network_has_the_size_and_the_view_that_it_says():
    model = mini_yolo.mini_yolo()
    assert sum(p.data.size for p in model.parameters()) == 163_487
    # What the cell in row 3, column 4 depends on; means over the batch would tie everything to everything.
    x = Tensor(np.random.default_rng(0).random((1, 64, 64, 1), np.float32), requires_grad=True)
    for layer in model.layers:
        if isinstance(layer, nn.MaxPool2d):
            layer.forward = nn.AvgPool2d(2)  # else the gradient follows the largest pixel alone
    Z = model.eval()(x)
    assert Z.shape == (1, 8, 8, 15)
    model.layers[0].weight.data[...] = np.abs(model.layers[0].weight.data)
    for layer in model.layers:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data[...] = np.abs(layer.weight.data)  # no ReLU closes
    model(x)[0, 3, 4, 0].backward()
    rows, columns = np.nonzero(x.grad[0, ..., 0])
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (1, 55, 9, 63)


def test_of_a_scene_without_a_digit_nothing_is_heard():
    Z = np.zeros((8, 8, 15))
    Z[..., 0] = -5  # 0.7%, of which each digit has a tenth
    assert [part.shape for part in mini_yolo.detect(Z)] == [(0, 4), (0,), (0,)]


def test_of_two_cells_on_one_digit_the_surer_is_heard():
    Z = np.zeros((8, 8, 15))
    Z[..., 0] = -20
    Z[..., 5 + 3] = 9  # all say 3
    Z[3, 3, 0], Z[3, 4, 0], Z[7, 0, 0] = 2, 1, 1
    Z[3, 3, 1], Z[3, 4, 1] = 9, -9  # both put the centre on the line between them
    boxes, digits, sure = mini_yolo.detect(Z)
    assert digits.tolist() == [3, 3]
    assert sure[0] > sure[1] > 0.7
    np.testing.assert_allclose(boxes, [[22, 18, 42, 38], [-6, 50, 14, 70]], atol=0.01)
    Z[3, 4, 5 + 8] = 12  # one says 8: both are heard
    assert sorted(mini_yolo.detect(Z)[1].tolist()) == [3, 3, 8]


# --- the script ---


def test_the_script(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mini_yolo, "draw", lambda *_: None)  # `test_plots_scripts.py` looks at the pictures
    arguments = ["--out", str(tmp_path), "--no-progress", "--epochs", "3", "--batch-size", "5"]
    assert mini_yolo.main(arguments) == 0
    out = capsys.readouterr().out
    assert "scenes of synthetic digits (synthetic)" in out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert {"validation_loss", "validation_map", "test_loss", "test_map"} <= set(metrics["final"])
    assert {"train_loss", "validation_loss", "validation_map"} <= set(metrics["epochs"][0])
    assert metrics["epochs"][2]["train_loss"] < metrics["epochs"][0]["train_loss"] * 0.8
    files = {"weights.safetensors", "metrics.csv", "player.html", "index.html"}
    assert files <= {path.name for path in tmp_path.iterdir()}

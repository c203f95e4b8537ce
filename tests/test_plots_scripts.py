"""The scripts' pictures: each names its model, keeps its texts apart, and shows what its script promises."""

import numpy as np
import pytest
from figure_checks import check_texts

from models import (
    airline_lstm,
    mini_alexnet,
    mini_yolo,
    shakespeare_gpt,
    shakespeare_lstm,
    sine_rnn,
    softmax_by_hand,
    softmax_regression,
)
from tinygrad_edu import Tensor, data, manual_seed, ops
from tinygrad_edu.data import cifar10
from tinygrad_edu.data.synthetic_images import CLASS_NAMES
from tinygrad_edu.plots import style


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """file name -> the figure that would be in it, of all that a script saves."""
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    saved = {}
    monkeypatch.setattr(style, "_save", lambda figure, path: saved.update({path.name: figure}))
    monkeypatch.setattr(softmax_by_hand, "compare_with_engine", lambda *_: None)
    scripts = airline_lstm, mini_alexnet, mini_yolo, shakespeare_gpt, shakespeare_lstm, sine_rnn, softmax_regression
    for script in scripts:
        monkeypatch.setattr(script, "look_inside", lambda *_, **__: None)  # a page, no picture
    return saved


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def run(script, *arguments):
    assert script.main(["--no-progress", *arguments]) == 0


def check_all(pictures, names, model):
    """These pictures and no others; all texts apart and on the page, all titles naming the model."""
    assert set(pictures) == set(names)
    for name, figure in pictures.items():
        check_texts(figure)
        assert model in title(figure), name


@pytest.mark.parametrize("flags", [[], ["--look-back", "3", "--time-steps"]])
def test_airline(pictures, flags):
    run(airline_lstm, "--epochs", "3", *flags)
    look_back = "look-back 3 as time steps" if flags else "look-back 1"
    check_all(pictures, ["prediction.png", "loss.png"], f"LSTM of 4 units ({look_back})")
    figure = pictures["prediction.png"]
    assert '"next month = this month"' in title(figure)
    assert legend(figure) == ["passengers", "LSTM, training part", "LSTM, test part", '"next month = this month"']
    passengers, train, test, repeated = (line.get_xydata() for line in figure.axes[0].lines)
    for months in (train[:, 0], test[:, 0]):  # drawn wherever the network predicts: the month before
        at = months.astype(int)
        np.testing.assert_array_equal(repeated[at, 1], passengers[at - 1, 1])
    predicted = {*train[:, 0], *test[:, 0]}
    assert {x for x, y in repeated if not np.isnan(y)} == predicted


@pytest.mark.parametrize(("cell", "name"), [("rnn", "SimpleRNN"), ("lstm", "LSTM"), ("gru", "GRU")])
def test_sine(pictures, cell, name, monkeypatch):
    monkeypatch.setattr(sine_rnn, "draw_gradient_flow", lambda folder, seed: None)  # the next test
    run(sine_rnn, "--epochs", "3", "--units", "8", "--cell", cell, "--truncated-length", "10", "--noise", "0.3")
    figure = pictures.pop("data.png")
    check_texts(figure)
    assert "the noise is in the phase" in title(figure)
    assert r"\sin(2\pi t / 20 + 0.3\,u_t)" in title(figure)
    series, pure = (line.get_xydata() for line in figure.axes[0].lines)
    assert 0.01 < abs(series - pure).max() <= 0.3
    check_all(pictures, ["loss.png", "prediction.png", "unrolled.png"], f"{name} of 8 units")


def test_the_flow_of_the_gradient(pictures, tmp_path):
    sine_rnn.draw_gradient_flow(tmp_path, 0)
    check_all(pictures, ["gradient_flow.png", "clipping.png"], "of 32 units")
    assert "Untrained" in title(pictures["gradient_flow.png"])
    assert "SimpleRNN" in title(pictures["clipping.png"])


@pytest.mark.parametrize("variant", ["plain", "residual"])
def test_mini_alexnet(pictures, monkeypatch, variant):
    tiny = data.ImageData("synthetic images", "synthetic", *cifar10.synthetic_images(60, 40), CLASS_NAMES)
    monkeypatch.setattr(mini_alexnet, "load_cifar10", lambda *_, **__: tiny)
    run(mini_alexnet, "--variant", variant, "--epochs", "3")
    assert "synthetic images" in title(pictures.pop("images.png"))
    names = ["architecture.svg", "architecture.png", "curves.png", "predictions.png", "filters.png"]
    check_all(pictures, names, f"mini-AlexNet ({variant})")
    texts = [text.get_text() for text in pictures["architecture.png"].axes[0].texts]
    size = 2 if variant == "residual" else 3
    for label in ("conv 3x3, 128", f"max pool {size}x{size},\nstride {size}"):
        assert any(text.startswith(label) for text in texts)
    assert texts.count("+") == (2 if variant == "residual" else 0)
    assert "correlation with the random start" in title(pictures["filters.png"])
    count = 32 if variant == "residual" else 48
    assert len(pictures["filters.png"].axes[0].images) == 1 + 3 * count


def test_mini_yolo(pictures, monkeypatch):
    monkeypatch.setattr(mini_yolo, "SCENES", {"train": 20, "validation": 10, "test": 13})
    monkeypatch.setattr(mini_yolo, "DRAWN", 0.02)  # little is learnt of twenty scenes
    run(mini_yolo, "--epochs", "3", "--data", "synthetic", "--batch-size", "10")
    names = ["scenes.png", "precision_recall.png", "cells.png", "architecture.svg", "architecture.png", "loss.png"]
    check_all(pictures, names, "mini-YOLO")
    assert len(pictures["scenes.png"].axes) == 12
    assert [text.split(": ")[0] for text in legend(pictures["precision_recall.png"])] == [str(k) for k in range(10)]
    said, kept = (len(axes.patches) for axes in pictures["cells.png"].axes[1:])
    assert said == 64
    assert kept < 64


def test_the_filters_at_the_start_are_the_ones_before_the_training(pictures, monkeypatch):
    tiny = data.ImageData("synthetic images", "synthetic", *cifar10.synthetic_images(60, 40), CLASS_NAMES)
    monkeypatch.setattr(mini_alexnet, "load_cifar10", lambda *_, **__: tiny)
    given = {}
    monkeypatch.setattr(mini_alexnet.plots, "filter_images", lambda path, *arguments: given.update(all=arguments))
    run(mini_alexnet, "--epochs", "1", "--seed", "4")
    manual_seed(4)
    start, end, image, maps, _ = given["all"]
    np.testing.assert_array_equal(start, mini_alexnet.mini_alexnet(norm=False).layers[0].weight.data)
    assert (start != end).any()
    np.testing.assert_array_equal(image, tiny.test_images[0])
    kernel, x = Tensor(end), Tensor(image[None].astype(np.float32) / 255)
    np.testing.assert_allclose(maps, ops.conv2d(x, kernel).data[0], atol=0.05)  # but for the bias


@pytest.mark.parametrize("script", [softmax_by_hand, softmax_regression])
def test_softmax(pictures, script):
    run(script, "--data", "synthetic", "--epochs", "3")
    check_all(pictures, ["accuracy.png", "weights.png", "mistakes.png"], "softmax regression on")


@pytest.mark.parametrize("flags", [[], ["--stateful"]])
def test_shakespeare(pictures, tmp_path, monkeypatch, flags):
    monkeypatch.setattr(shakespeare_lstm, "SAMPLE_LENGTH", 5)
    (tmp_path / "shakespeare").mkdir()
    text = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 70
    (tmp_path / "shakespeare" / "input.txt").write_text(text)
    run(shakespeare_lstm, "--epochs", "3", *flags)
    check_all(pictures, ["loss.png"], f"character LSTM ({'stateful' if flags else 'window'})")


@pytest.mark.parametrize("objective", ["next", "masked"])
def test_shakespeare_gpt(pictures, tmp_path, monkeypatch, objective):
    monkeypatch.setattr(shakespeare_gpt, "SAMPLE_LENGTH", 5)
    monkeypatch.setattr(shakespeare_gpt, "ITERATIONS", 2)
    (tmp_path / "shakespeare").mkdir()
    text = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 70
    (tmp_path / "shakespeare" / "input.txt").write_text(text)
    run(shakespeare_gpt, "--epochs", "3", "--objective", objective)
    names = ["loss.png", "time.png", "learning_rate.png", "attention.png"]
    masked = objective == "masked"
    check_all(pictures, names + ["blanks.png"] * masked, "masked Transformer on" if masked else "GPT on")
    maps = [axes.images[0].get_array() for axes in pictures["attention.png"].axes if axes.images]
    above = [np.triu(values, 1).max() for values in maps]
    assert len(maps) == 4 * 4
    assert (max(above) > 0) == masked  # no place looks ahead


def test_two_epochs_leave_no_picture_of_two_dots(pictures, capsys):
    run(airline_lstm, "--epochs", "2")
    assert set(pictures) == {"prediction.png"}
    assert "no loss.png: a curve needs 3 epochs, and this run has 2" in capsys.readouterr().out

"""The script: all variants train, write their files, resume to the same bits; foreign weights are refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from models import mini_alexnet
from tinygrad_edu import Tensor, data, nn, ops
from tinygrad_edu.data import cifar10
from tinygrad_edu.data.synthetic_images import CLASS_NAMES

pytestmark = pytest.mark.usefixtures("coarse_pictures")


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    tiny = data.ImageData("synthetic images", "synthetic", *cifar10.synthetic_images(80, 40), CLASS_NAMES)
    monkeypatch.setattr(mini_alexnet, "load_cifar10", lambda *_, **__: tiny)


@pytest.fixture
def weights_alone(monkeypatch):
    """Neither pictures nor the page of the first batch."""
    for name in ("draw", "look_inside"):
        monkeypatch.setattr(mini_alexnet, name, lambda *_, **__: None)


def run(out, *arguments):
    return mini_alexnet.main(["--out", str(out), "--no-progress", *arguments])


@pytest.mark.parametrize("variant", mini_alexnet.VARIANTS)
def test_every_variant(tmp_path, variant, capsys, request):
    if variant != "batchnorm":  # `test_plots_scripts.py` looks at their pictures
        request.getfixturevalue("weights_alone")
    assert run(tmp_path, "--variant", variant, "--epochs", "1", "--augment") == 0
    out = capsys.readouterr().out
    assert "Parameters: " in out
    assert f"mini_alexnet ({variant})" in out
    assert "- (stand-in data)" in out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["variant"] == variant
    assert {"train_accuracy", "validation_accuracy", "test_accuracy"} <= set(metrics["final"])
    assert {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"} <= set(metrics["epochs"][0])
    files = {"weights.safetensors", "metrics.csv"}
    if variant == "batchnorm":
        files |= {"images.png", "architecture.svg", "architecture.png", "predictions.png", "filters.png", "player.html"}
    assert files <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.usefixtures("weights_alone")
def test_resuming_gives_the_same_bits(tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    flags = "--schedule", "constant", "--augment"  # a cosine depends on how many epochs were planned
    assert run(once, *flags, "--epochs", "2") == 0
    assert run(twice, *flags, "--epochs", "1") == 0
    assert run(twice, *flags, "--epochs", "2", "--resume") == 0
    expected, got = load_file(once / "weights.safetensors"), load_file(twice / "weights.safetensors")
    assert expected.keys() == got.keys()
    for name in expected:
        np.testing.assert_array_equal(expected[name], got[name])


@pytest.mark.usefixtures("weights_alone")
def test_a_run_of_another_variant_is_refused_naming_both(tmp_path, capsys):
    assert run(tmp_path, "--epochs", "1") == 0
    assert run(tmp_path, "--epochs", "2", "--variant", "batchnorm", "--resume") == 2
    error = capsys.readouterr().err
    assert "variant 'plain' there, 'batchnorm' here" in error
    assert "schedule 'constant' there, 'cosine' here" in error


def test_relu_after_pooling_is_relu_before_pooling():
    x = Tensor(np.random.default_rng(0).normal(size=(4, 9, 9, 5)), requires_grad=True)
    G = np.random.default_rng(1).normal(size=(4, 3, 3, 5))
    gradients = []
    for y in (ops.relu(ops.max_pool2d(x, 3)), ops.max_pool2d(ops.relu(x), 3)):
        x.grad = None
        y.backward(G)
        gradients.append((y.data, x.grad))
    for a, b in zip(*gradients):
        np.testing.assert_array_equal(a, b)


def test_the_plain_network_is_the_practical_s():
    model = mini_alexnet.mini_alexnet(norm=False)
    weights = [p.shape for p in model.parameters() if p.data.ndim > 1]
    assert weights == [
        *((3, 3, 3, 48), (3, 3, 48, 128), (3, 3, 128, 192), (3, 3, 192, 192), (3, 3, 192, 128)),
        *((128, 1024), (1024, 1024), (1024, 10)),
    ]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in model.layers) == 3
    assert model.eval()(Tensor(np.zeros((2, 32, 32, 3), np.float32))).shape == (2, 10)

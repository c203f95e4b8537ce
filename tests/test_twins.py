"""Trainings in PyTorch: a step's gradients are our model script's, and the script runs to its end."""

import runpy
import sys

import numpy as np
import pytest

from models import mini_yolo
from tinygrad_edu import Tensor, data, interop, manual_seed


def test_without_pytorch_a_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match=r"benchmarks\.twins\.mini_yolo needs PyTorch.*: pip install -e '\.\[torch\]'"):
        runpy.run_module("benchmarks.twins.mini_yolo")


@pytest.fixture(scope="module")
def twin():
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[torch]'")
    from benchmarks.twins import mini_yolo

    return mini_yolo


@pytest.fixture(scope="module")
def scenes():
    return data.load_scenes(source="synthetic", train=12, validation=4, test=4)


def test_the_detector_s_first_gradients_are_ours(twin, scenes):
    few = scenes.train
    manual_seed(0)
    model = mini_yolo.mini_yolo()
    for _, tensor in model.named_tensors():
        tensor.data = tensor.data.astype(np.float64)
    network = twin.network_like(model).double()
    loss = mini_yolo.detection_loss(model(Tensor(few.images[..., None] / 255)), few.boxes, few.labels)
    loss.backward()
    theirs = twin.detection_loss(twin.say(network, few.images), few.boxes, few.labels)
    theirs.backward()
    assert theirs.item() == pytest.approx(loss.item(), rel=1e-12)
    ours = interop.to_torch(model, like=network.state_dict(), gradients=True)
    assert len(ours) == 17
    for name, parameter in network.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), ours[name], rtol=0, atol=1e-10)


def test_the_detector_learns_there_too(twin, scenes, monkeypatch, capsys):
    monkeypatch.setattr(twin, "load_scenes", lambda *_, **__: scenes)
    monkeypatch.setattr(mini_yolo, "BATCH_SIZE", 6)
    monkeypatch.setattr(mini_yolo, "EPOCHS", 3)
    assert twin.main(["--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.split()[3]) for line in lines if line.startswith("epoch")]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert lines[-2].startswith("6 steps in ")
    assert lines[-1].startswith("test mean average precision, IoU 0.5: ")

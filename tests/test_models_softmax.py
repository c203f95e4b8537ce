"""The two softmax scripts and the tour, run as a user runs them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from models import __main__ as tour
from models import softmax_by_hand, softmax_regression
from tinygrad_edu import Tensor, ops, optim, resolve_device
from tinygrad_edu.data import batches, load_mnist

pytestmark = pytest.mark.usefixtures("coarse_pictures")

REAL_DATA = os.environ.get("TINYGRAD_EDU_DATA")
no_gpu = pytest.mark.skipif(resolve_device("auto") == "cuda", reason="there is a GPU, so it can be done")
needs_real_data = pytest.mark.skipif(not REAL_DATA, reason="TINYGRAD_EDU_DATA names no directory with the real data")


@pytest.fixture
def figures_alone(monkeypatch):
    """Neither pictures nor the page of the first batch, where a test looks at numbers."""
    monkeypatch.setattr(softmax_regression, "look_inside", lambda *_: None)
    monkeypatch.setattr(softmax_by_hand, "compare_with_engine", lambda *_: None)
    for module in (softmax_regression, softmax_by_hand):
        monkeypatch.setattr(module, "draw", lambda *_: None)


def run(module, out, *arguments):
    """A script's exit status and what it left in metrics.json."""
    status = module.main(["--out", str(out), "--no-progress", *arguments])
    path = out / "metrics.json"
    return status, json.loads(path.read_text()) if path.exists() else None


@pytest.mark.parametrize("source", ["synthetic", pytest.param("real", marks=needs_real_data)])
def test_autograd_gradients_equal_the_hand_derived_ones(source):
    data = load_mnist(source=source)
    X, T = softmax_by_hand.prepare(data.train_images[:3000], data.train_labels[:3000])
    rng = np.random.default_rng(0)
    model = softmax_regression.SoftmaxRegression()
    for images, one_hot in batches(X, T, batch_size=100):
        W = rng.normal(0, 0.1, (784, 10)).astype(np.float32)
        b = rng.normal(0, 0.1, 10).astype(np.float32)
        gradW, gradb = softmax_by_hand.gradients(images, one_hot, W, b)
        model.weight.data, model.bias.data = W, b
        model.zero_grad()
        ops.softmax_cross_entropy(model(Tensor(images)), one_hot.argmax(axis=1)).backward()
        for own, by_hand in ((model.weight.grad, gradW), (model.bias.grad, gradb)):
            assert own.dtype == np.float32
            np.testing.assert_allclose(own, by_hand, rtol=0, atol=1e-6 * np.abs(by_hand).max())


@pytest.mark.usefixtures("figures_alone")
@needs_real_data
@pytest.mark.parametrize("module", [softmax_by_hand, softmax_regression])
def test_the_figures_of_the_report_come_out_to_the_last_digit(module, tmp_path):
    status, metrics = run(module, tmp_path, "--data", "real")
    assert status == 0
    assert metrics["data"] == {"name": "MNIST", "source": "local"}
    epochs = metrics["epochs"]
    measured = {i: (round(epochs[i]["train_accuracy"], 2), round(epochs[i]["test_accuracy"], 2)) for i in (0, 10, 19)}
    assert measured == {0: (89.27, 90.24), 10: (92.09, 92.13), 19: (92.50, 92.24)}


@pytest.mark.parametrize("module", [softmax_by_hand, softmax_regression])
def test_a_run_leaves_what_the_readme_promises(module, tmp_path, capsys):
    name = module.__name__.split(".")[-1]
    status, metrics = run(module, tmp_path, "--data", "synthetic", "--epochs", "3")
    assert status == 0
    files = {"accuracy.png", "index.html", "metrics.csv", "metrics.json", "mistakes.png", "player.html", "weights.png"}
    if module is softmax_regression:
        files |= {"checkpoint.safetensors", "checkpoint.previous.safetensors", "weights.safetensors"}
    assert {name for name in os.listdir(tmp_path) if not name.startswith(".")} == files
    assert set(metrics) >= {"model", "variant", "device", "seed", "data", "epochs", "final"}
    assert (metrics["model"], metrics["device"], metrics["seed"]) == (name, "cpu", 0)
    assert [row["epoch"] for row in metrics["epochs"]] == [0, 1, 2]
    assert metrics["final"]["test_accuracy"] > 50  # chance is 10
    output = capsys.readouterr().out
    assert "synthetic" in output
    assert "89.27" not in output  # a figure of the report never stands beside stand-in data


@pytest.mark.usefixtures("figures_alone")
def test_both_scripts_learn_the_same(tmp_path):
    figures = []
    for module in (softmax_by_hand, softmax_regression):
        _, metrics = run(module, tmp_path / module.__name__, "--data", "synthetic", "--epochs", "3")
        figures.append([(row["train_accuracy"], row["test_accuracy"]) for row in metrics["epochs"]])
    assert figures[0] == figures[1]


@pytest.mark.usefixtures("figures_alone")
def test_resume_goes_on_as_if_nothing_had_happened(tmp_path):
    _, whole = run(softmax_regression, tmp_path / "whole", "--data", "synthetic", "--epochs", "4")
    run(softmax_regression, tmp_path / "parts", "--data", "synthetic", "--epochs", "2")
    status, parts = run(softmax_regression, tmp_path / "parts", "--data", "synthetic", "--epochs", "4", "--resume")
    assert status == 0
    assert parts["epochs"] == whole["epochs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data-dir", "no/such/folder"], "no/such/folder"),
        pytest.param(["--data", "synthetic", "--device", "cuda"], "cuda", marks=no_gpu),
        (["--data", "synthetic", "--resume"], "checkpoint.safetensors"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_the_status_is_2(arguments, message, tmp_path, capsys):
    assert softmax_regression.main(["--out", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--device", "tpu"],
        ["--epochs", "0"],
        ["--data", "fake"],
        ["--epochs", "many"],
        ["--unknown"],
        ["--seed", "-1"],
        ["--lr", "0"],
        ["--lr", "nan"],
        ["--batch-size", "0"],
        ["--optimizer", "lion"],
        ["--out", ""],
    ],
)
def test_unknown_flags_and_values_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        softmax_regression.main(arguments)
    assert "usage:" in capsys.readouterr().err


@pytest.mark.usefixtures("figures_alone")
def test_the_tour_ends_in_one_table(tmp_path, capsys):
    assert tour.main(["softmax_by_hand", "--data", "synthetic", "--no-progress", "--out", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith("softmax_by_hand")
    closing, page = (part.splitlines() for part in output.split("\n\n")[-2:])
    assert page == [f"to look at: {tmp_path / 'index.html'}"]
    assert closing[0].startswith("softmax_by_hand: synthetic digits (synthetic), 20 epochs, ")
    assert closing[1].split() == ["figure", "report", "measured"]
    assert max(map(len, closing)) <= 100


def test_the_tour_goes_on_after_a_failure_and_says_so(tmp_path, capsys):
    status = tour.main(["softmax_regression", "--data-dir", "no/such/folder", "--out", str(tmp_path)])
    assert status == 1
    output = capsys.readouterr()
    assert "failed" in output.out
    assert "no/such/folder" in output.err


def test_the_tour_names_the_scripts_it_knows(capsys):
    with pytest.raises(SystemExit, match="2"):
        tour.main(["resnet"])
    assert "softmax_by_hand" in capsys.readouterr().err


def test_the_hand_derived_script_needs_no_autograd():
    source = Path(softmax_by_hand.__file__).read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    allowed = ("from __future__", "import sys", "import numpy", "from models.", "from tinygrad_edu import plots")
    assert all(line.startswith((*allowed, "from tinygrad_edu.data")) for line in imports)


def interrupt_after(steps, monkeypatch):
    """Ctrl-C in the middle of training, after so many steps of the optimiser."""
    count = iter(range(steps))
    step = optim.SGD.step

    def interrupted(self):
        if next(count, None) is None:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(optim.SGD, "step", interrupted)


@pytest.mark.usefixtures("figures_alone")
def test_ctrl_c_keeps_weights_and_figures_that_belong_together_and_exits_with_130(tmp_path, monkeypatch, capsys):
    _, whole = run(softmax_regression, tmp_path / "whole", "--data", "synthetic", "--epochs", "2")
    interrupt_after(2 * 60 + 30, monkeypatch)  # 60 batches an epoch
    status, metrics = run(softmax_regression, tmp_path / "part", "--data", "synthetic", "--epochs", "9")
    assert status == 130
    assert metrics["epochs"] == whole["epochs"]
    assert (tmp_path / "part/weights.safetensors").read_bytes() == (tmp_path / "whole/weights.safetensors").read_bytes()
    assert "interrupted in epoch 2" in capsys.readouterr().out


@pytest.mark.usefixtures("figures_alone")
def test_ctrl_c_ends_the_tour(tmp_path, monkeypatch, capsys):
    interrupt_after(90, monkeypatch)
    names = ["softmax_regression", "softmax_by_hand"]
    assert tour.main([*names, "--data", "synthetic", "--no-progress", "--out", str(tmp_path)]) == 130
    assert "2/2" not in capsys.readouterr().out


@pytest.mark.usefixtures("figures_alone")
def test_resuming_another_run_is_refused(tmp_path, capsys):
    run(softmax_regression, tmp_path, "--data", "synthetic", "--epochs", "1")
    status, _ = run(softmax_regression, tmp_path, "--data", "synthetic", "--epochs", "2", "--resume", "--seed", "5")
    assert status == 2
    assert "another run" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert softmax_regression.main(["--data", "synthetic", "--out", str(tmp_path / "file")]) == 2
    output = capsys.readouterr()
    assert "--out" in output.err
    assert "epoch" not in output.out

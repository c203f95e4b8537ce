"""Looking at the first batch of a run: --explain, the page, and that nothing of it is left behind."""

import argparse
import json
import re

import numpy as np
import pytest

from models import airline_lstm, softmax_by_hand, softmax_regression
from models.inside import look_inside
from tinygrad_edu import Tensor, manual_seed, nn, ops
from tinygrad_edu.training.group import Group


class Run:
    """What `look_inside` needs of one."""

    def __init__(self, out, explain=False):
        self.out, self.data = out, {"name": "numbers"}
        self.options = argparse.Namespace(model="a_model", explain=explain)
        self.group = Group()
        self.rng = np.random.default_rng(0)
        self.generators = {"weights and dropout": manual_seed(0), "batches": self.rng}


def test_the_run_goes_on_as_if_nobody_had_looked(tmp_path):
    run = Run(tmp_path)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    X = np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)
    y = np.arange(16) % 3

    def batches():
        order = run.rng.permutation(16)
        return [(X[order], y[order])]

    def loss(x, labels):
        return ops.softmax_cross_entropy(model(Tensor(x)), labels)

    def states():
        return [generator.bit_generator.state for generator in run.generators.values()]

    before = model.state_dict(), states()
    look_inside(run, model, loss, batches, items=8)
    after = model.state_dict(), states()
    assert before[1:] == after[1:]
    for name, values in before[0].items():
        np.testing.assert_array_equal(values, after[0][name], err_msg=name)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(tensor.op == "" for _, tensor in model.named_tensors())
    assert "8 items of the first batch of numbers" in (tmp_path / "player.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "loss", "leaf", "finding"),
    [
        # One time step, from a state of zeros: what multiplies the state gets no gradient.
        (
            airline_lstm,
            "mse",
            "lstm.recurrent_kernel",
            "No gradient for lstm.recurrent_kernel. Why: it is 0 everywhere, and becomes so",
        ),
        (softmax_regression, "softmax_cross_entropy", "weight", "Nothing is wrong that this would see"),
        (softmax_by_hand, "softmax_cross_entropy", "weight", "Nothing is wrong that this would see"),
    ],
)
def test_explain_tells_of_the_first_batch_and_changes_nothing(
    module, loss, leaf, finding, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "draw", lambda *_: None)
    figures = []
    for flags in ([], ["--explain"]):
        assert module.main(["--epochs", "1", "--data", "synthetic", "--out", "out", "--no-progress", *flags]) == 0
        with open("out/metrics.json", encoding="utf-8") as file:
            metrics = json.load(file)
        figures.append((metrics["epochs"], metrics["final"], metrics["settings"]))
    assert figures[0] == figures[1]
    plain, told = capsys.readouterr().out.split("results in", 2)[:2]
    assert "backward pass" not in plain
    assert f"0     {loss} " in told
    assert re.search(rf"^{leaf} ", told, re.MULTILINE)
    assert finding in told
    if module is softmax_by_hand:
        apart = re.search(r"the gradients by hand are the same, none off by more than (\S+)$", told, re.MULTILINE)
        assert float(apart[1]) < 1e-6

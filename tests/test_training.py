"""The loop around the training step, and what it leaves in files."""

import copy
import json
import math
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_edu import nn, optim
from tinygrad_edu.data import batches
from tinygrad_edu.training import (
    CheckpointError,
    History,
    TrainingError,
    Unfinished,
    fit,
    load_checkpoint,
    load_weights,
    progress_bar,
    save_checkpoint,
    save_weights,
)


def two_batches():
    return [(np.zeros(3),), (np.zeros(1),)]


def test_running_means_are_weighted_by_the_sizes_of_the_batches():
    losses = iter([1.0, 5.0])
    history = fit(lambda batch: {"loss": next(losses)}, two_batches, 1, lambda: {"test_accuracy": 90.0})
    assert history.epochs == [{"epoch": 0, "train_loss": (3 * 1.0 + 1 * 5.0) / 4, "test_accuracy": 90.0}]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_training_and_says_where(bad):
    losses = iter([1.0, 1.0, 1.0, bad])
    saved = []
    with pytest.raises(TrainingError, match="epoch 1, batch 1"):
        fit(lambda batch: {"loss": next(losses)}, two_batches, 5, after_epoch=lambda h: saved.append(len(h.epochs)))
    assert saved == [1]  # the checkpoint of the last good epoch stays the last one


def test_early_stopping_waits_for_patience_epochs():
    validation = iter([3.0, 2.0, 2.5, 2.4, 2.3, 1.0])
    history = fit(
        lambda batch: {"loss": 1.0}, two_batches, 6, lambda: {"validation_loss": next(validation)}, patience=3
    )
    assert history["validation_loss"] == [3.0, 2.0, 2.5, 2.4, 2.3]
    assert "3 epochs" in history.stopped
    assert history.best("validation_loss") == 1


def test_early_stopping_needs_its_figure():
    with pytest.raises(ValueError, match=r"^fit: patience needs the figure 'validation_loss' .* epoch, train_loss$"):
        fit(lambda batch: {"loss": 1.0}, two_batches, 6, patience=3)


def test_ctrl_c_keeps_the_complete_epochs():
    steps = iter(range(10))

    def step(batch):
        if next(steps) == 5:
            raise KeyboardInterrupt
        return {"loss": 1.0}

    history = fit(step, two_batches, 10)
    assert len(history.epochs) == 2
    assert "epoch 2" in history.stopped
    assert history.interrupted


@pytest.mark.parametrize(
    ("epochs", "data", "message"),
    [(0, two_batches, "epochs must be a whole number >= 1"), (1, list, "without a single batch")],
)
def test_nothing_to_train_is_an_error(epochs, data, message):
    with pytest.raises(ValueError, match=message):
        fit(lambda batch: {"loss": 1.0}, data, epochs)


def test_the_bar_shows_running_figures_only_when_asked(capsys):
    def step(batch):
        time.sleep(0.12)  # the bar is drawn anew at most every 0.1 s
        return {"loss": 1.0, "accuracy": 50.0}

    fit(step, two_batches, 1, progress=True)
    assert "loss=1, accuracy=50" in capsys.readouterr().err
    fit(lambda batch: {"loss": 1.0}, two_batches, 1)  # stderr is no terminal here
    assert capsys.readouterr().err == ""


def test_no_color_is_honoured(capsys, monkeypatch):
    fit(lambda batch: {"loss": 1.0}, two_batches, 1, progress=True)
    assert "\x1b[34m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    fit(lambda batch: {"loss": 1.0}, two_batches, 1, progress=True)
    assert "\x1b[34m" not in capsys.readouterr().err


def test_history_in_files(tmp_path):
    history = History([{"epoch": 0, "train_loss": 2.0}, {"epoch": 1, "train_loss": 1.0, "test_loss": 1.5}])
    history.save_csv(tmp_path / "new" / "metrics.csv")
    history.save_json(tmp_path / "new" / "metrics.json", seed=3)
    lines = (tmp_path / "new" / "metrics.csv").read_text().split()
    assert lines == ["epoch,train_loss,test_loss", "0,2.0,", "1,1.0,1.5"]
    assert json.loads((tmp_path / "new" / "metrics.json").read_text()) == {"seed": 3, "epochs": history.epochs}
    assert math.isnan(history["test_loss"][0])


def test_a_write_that_fails_keeps_the_old_file(tmp_path):
    history = History([{"epoch": 0}])
    path = tmp_path / "metrics.json"
    history.save_json(path)
    before = path.read_text()
    with pytest.raises(TypeError):
        history.save_json(path, model=object())
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["metrics.json"]


def trained():
    """A small network and its optimiser after two steps."""
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    optimizer = optim.Adam(model.parameters())
    for _ in range(2):
        for p in model.parameters():
            p.grad = np.ones_like(p.data)
        optimizer.step()
    return model, optimizer


def test_weights_and_facts_come_back(tmp_path):
    model, _ = trained()
    save_weights(tmp_path / "weights.safetensors", model, {"vocabulary": ["a", "b"]})
    other = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    assert load_weights(tmp_path / "weights.safetensors", other) == {"vocabulary": ["a", "b"]}
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], values)
    assert os.listdir(tmp_path) == ["weights.safetensors"]


def test_weights_of_another_network_are_refused_with_names_and_shapes(tmp_path):
    model, _ = trained()
    save_weights(tmp_path / "weights", model)
    other = nn.Sequential(nn.Linear(3, 4))
    before = other.state_dict()
    with pytest.raises(CheckpointError, match=r"layers\.0\.weight is \(3, 4\) here, \(3, 2\) there") as error:
        load_weights(tmp_path / "weights", other)
    assert "unknown: layers.1.weight (2, 1)" in str(error.value)
    for name, values in other.state_dict().items():
        np.testing.assert_array_equal(before[name], values)


def test_files_that_are_no_checkpoints(tmp_path):
    model, optimizer = trained()
    with pytest.raises(CheckpointError, match="there is no file"):
        load_weights(tmp_path / "missing", model)
    (tmp_path / "text").write_text("not a safetensors file, though long enough to be read as one")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_weights(tmp_path / "text", model)
    save_weights(tmp_path / "whole", model)
    with pytest.raises(CheckpointError, match="no state of an optimiser"):
        load_checkpoint(tmp_path / "whole", model, optimizer)


def test_a_checkpoint_of_another_optimiser_leaves_the_model_as_it_was(tmp_path):
    model, adam = trained()
    save_checkpoint(tmp_path / "adam", model, adam, {})
    other = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    before, sgd = other.state_dict(), optim.SGD(other.parameters())
    with pytest.raises(CheckpointError, match=r"adam: this state does not belong to this SGD:\n.*unknown: 0\.m"):
        load_checkpoint(tmp_path / "adam", other, sgd)
    smaller = nn.Sequential(nn.Linear(3, 2))
    restored = optim.Adam(smaller.parameters())
    with pytest.raises(CheckpointError, match=r"unknown: layers\.1\.weight"):
        load_checkpoint(tmp_path / "adam", smaller, restored)
    assert restored.t == sgd.t == 0
    for name, values in other.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_a_checkpoint_keeps_what_was_frozen_and_for_how_long(tmp_path):
    model, adam = trained()
    model.layers[0].weight.requires_grad = False
    for _ in range(3):
        for p in model.parameters():
            p.grad = np.ones_like(p.data)
        adam.step()
    save_checkpoint(tmp_path / "checkpoint", model, adam, {})
    other = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    restored = optim.Adam(other.parameters())
    load_checkpoint(tmp_path / "checkpoint", other, restored)
    assert restored.missed == adam.missed == [3, 0, 0, 0]


def test_a_step_that_returns_no_loss_is_an_error():
    for wrong in (None, 0.5, {"accuracy": 1.0}):
        with pytest.raises(ValueError, match=r"^fit: step must return its figures, such as \{'loss': 0\.3\}"):
            fit(lambda batch, wrong=wrong: wrong, two_batches, 1)


def test_a_loss_that_is_a_tensor_counts_as_its_number_and_keeps_no_tape():
    w = nn.Parameter([2.0])
    history = fit(lambda batch: {"loss": (w * w).sum()}, two_batches, 1)
    assert history.epochs == [{"epoch": 0, "train_loss": 4.0}]
    assert type(history.epochs[0]["train_loss"]) is float


def test_bars_know_their_end_and_the_time_left(capsys):
    def step(batch):
        time.sleep(0.06)
        return {"loss": 1.0}

    class Sized(list):
        """Batches that know their number, as `data.batches` makes them."""

    fit(step, lambda: Sized([(np.zeros(1),)] * 4), 1, progress=True)  # one epoch: a bar over its batches
    assert re.search(r"epoch 0: +50%.*2/4 \[00:00<00:00", capsys.readouterr().err)
    fit(step, lambda: Sized([(np.zeros(1),)] * 2), 4, progress=True)  # short epochs: one bar over all
    bars = capsys.readouterr().err
    assert re.search(r"training: +50%.*2/4 \[00:00<00:00", bars)
    assert "epoch 1" not in bars
    bar = progress_bar(batches(np.zeros(10), batch_size=3), "evaluation", True)
    assert bar.total == 4
    bar.close()


@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_figure_of_several_numbers_is_refused_at_its_step(cupy, on_gpu):
    values = np.ones(3)
    figures = {"loss": 1.0, "accuracy": cupy.asarray(values) if on_gpu else values}
    with pytest.raises(ValueError, match=r"a figure is one number, step returned one of shape \(3,\)"):
        fit(lambda x: figures, lambda: [(values,)], epochs=1)


def test_an_unfinished_epoch_is_gone_on_with_where_it_was():
    """The batches that were done are passed over, and the means are over the whole epoch."""
    seen, saved = [], []

    def step(batch):
        seen.append(len(batch))
        return {"loss": float(len(batch))}

    def data():
        return [(np.zeros(size),) for size in (1, 2, 3)]

    whole = fit(step, data, 1)
    unfinished = Unfinished()
    unfinished.add({"loss": 1.0}, 1)
    begun = copy.deepcopy(unfinished)
    history = fit(
        step,
        data,
        1,
        history=History(unfinished=unfinished),
        after_batch=lambda h: saved.append(h.unfinished.batches),
        when_caught_up=lambda: seen.append("caught up"),
    )
    assert seen == [1, 2, 3, "caught up", 2, 3]
    assert saved == [2, 3]
    assert history.epochs == whole.epochs
    assert history.unfinished == Unfinished()
    assert fit(step, data, 1, history=History(unfinished=begun)).epochs == whole.epochs  # nobody waits to be told


def test_in_a_notebook_without_ipywidgets_the_import_warns_of_nothing():
    """What a kernel looks like to tqdm, which then misses the widgets."""
    code = """
import sys, types
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython"].get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["ipywidgets"] = None
import tinygrad_edu.training
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

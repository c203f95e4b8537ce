"""The books of a run: what it is, what it may go on from, what it says, and what Ctrl-C leaves."""

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from models import (
    airline_lstm,
    checkpoints,
    mini_alexnet,
    mini_yolo,
    shakespeare_gpt,
    shakespeare_lstm,
    sine_rnn,
    softmax_by_hand,
    softmax_regression,
)
from models.lock import lock_folder
from tinygrad_edu import nn, optim
from tinygrad_edu.training import History, fit, save_checkpoint

SCRIPTS = (
    softmax_by_hand,
    softmax_regression,
    mini_alexnet,
    mini_yolo,
    sine_rnn,
    airline_lstm,
    shakespeare_lstm,
    shakespeare_gpt,
)
TEXT = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 20


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch, tmp_path):
    """Small runs in a folder of the test's own, on an own text; pictures and looks inside have tests of their own."""
    for module in SCRIPTS:
        for name in {"draw", "look_inside"} & vars(module).keys():
            monkeypatch.setattr(module, name, lambda *_, **__: None)
    monkeypatch.setattr(shakespeare_lstm, "SAMPLE_LENGTH", 5)
    monkeypatch.setattr(shakespeare_gpt, "SAMPLE_LENGTH", 5)
    monkeypatch.setattr(shakespeare_gpt, "ITERATIONS", 3)
    monkeypatch.setattr(shakespeare_gpt, "QUICK_ITERATIONS", 2)
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    images = mini_alexnet.load_cifar10(source="synthetic")
    few = replace(images, train_images=images.train_images[:500], train_labels=images.train_labels[:500])
    few = replace(few, test_images=images.test_images[:100], test_labels=images.test_labels[:100])
    monkeypatch.setattr(mini_alexnet, "load_cifar10", lambda *_, **__: few)
    for name, train in (("SCENES", 40), ("QUICK", 20)):
        monkeypatch.setattr(mini_yolo, name, {"train": train, "validation": 10, "test": 10})
    (tmp_path / "shakespeare").mkdir()
    (tmp_path / "shakespeare" / "input.txt").write_text(TEXT)


def start(module, *flags):
    synthetic = () if module in (sine_rnn, airline_lstm, shakespeare_lstm, shakespeare_gpt) else ("--data", "synthetic")
    return module.main(["--no-progress", "--out", "out", *synthetic, *flags])


def metrics():
    with open("out/metrics.json") as file:
        return json.load(file)


def weights():
    return load_file("out/weights.safetensors")


# --- resume never mixes experiments ---


@pytest.mark.parametrize(
    ("module", "first", "then", "message"),
    [
        (airline_lstm, ["--look-back", "3", "--time-steps"], [], "look_back 3 there, 1 here; time_steps True there"),
        (airline_lstm, [], ["--lr", "0.01"], "lr 0.001 there, 0.01 here"),
        (airline_lstm, [], ["--batch-size", "2"], "batch_size 1 there, 2 here"),
        (airline_lstm, [], ["--optimizer", "sgd"], "optimizer 'adam' there, 'sgd' here"),
        (airline_lstm, [], ["--seed", "1"], "seed 0 there, 1 here"),
        (sine_rnn, [], ["--noise", "0.2"], "noise 0.1 there, 0.2 here"),
        (sine_rnn, ["--cell", "gru"], [], "cell 'gru' there, 'rnn' here"),
        (shakespeare_lstm, [], ["--stateful", "--batch-size", "4"], "stateful False there, True here"),
        (shakespeare_lstm, [], ["--recurrent-dropout", "0"], r"recurrent_dropout 0\.2 there, 0\.0 here"),
        (shakespeare_gpt, [], ["--objective", "masked"], "objective 'next' there, 'masked' here"),
        (shakespeare_gpt, ["--layers", "1"], [], "layers 1 there, 4 here; iterations of the schedule 3 there, 6 here"),
        (softmax_regression, [], ["--lr", "0.2"], "lr 0.1 there, 0.2 here"),
    ],
)
def test_another_experiment_is_not_gone_on_with(module, first, then, message, capsys):
    assert start(module, "--epochs", "1", *first) == 0
    before = weights()
    capsys.readouterr()
    assert start(module, "--epochs", "2", "--resume", *then) == 2
    error = capsys.readouterr().err
    assert "--resume: out/checkpoint.safetensors is of another run" in error
    assert re.search(message, error)
    for name, values in weights().items():
        np.testing.assert_array_equal(values, before[name])


def test_a_run_on_fewer_images_is_another_experiment(capsys, monkeypatch):
    data = mini_alexnet.load_cifar10()
    monkeypatch.setattr(mini_alexnet, "load_cifar10", lambda *_, **__: replace(data, source="local"))
    small = lambda: nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))  # noqa: E731
    monkeypatch.setitem(mini_alexnet.VARIANTS, "plain", small)
    assert start(mini_alexnet, "--quick", "--epochs", "1") == 0
    output = capsys.readouterr().out
    assert "1 of 10 epochs, 80 of 400 images" in output
    assert metrics()["settings"]["images"] == 80
    assert start(mini_alexnet, "--epochs", "2", "--resume") == 2
    assert "images 80 there, 400 here" in capsys.readouterr().err


def test_what_changes_nothing_that_is_computed_may_change():
    assert start(shakespeare_lstm, "--epochs", "1") == 0
    flags = ["--prompt", "All:", "--sliding-window", "--data", "real"]
    assert start(shakespeare_lstm, "--epochs", "2", "--resume", *flags) == 0
    assert len(metrics()["epochs"]) == 2


def test_every_setting_stands_in_the_metrics():
    assert start(airline_lstm, "--epochs", "1", "--look-back", "2") == 0
    usual = {"seed": 0, "lr": 0.001, "batch_size": 1, "optimizer": "adam", "textbook": False}
    assert metrics()["settings"] == usual | {"look_back": 2, "time_steps": False}


def test_a_file_that_is_no_checkpoint_of_a_script_is_refused(capsys):
    assert start(airline_lstm, "--epochs", "1") == 0
    assert start(airline_lstm, "--epochs", "2", "--resume", "out/weights.safetensors") == 2
    assert "holds weights, but no state of an optimiser" in capsys.readouterr().err
    model = airline_lstm.AirlineNetwork(1)
    save_checkpoint("another.safetensors", model, optim.Adam(model.parameters()), {})
    assert start(airline_lstm, "--epochs", "2", "--resume", "another.safetensors") == 2
    assert "no checkpoint of a model script" in capsys.readouterr().err


# --- the first things that a lecture varies ---


@pytest.mark.parametrize("module", SCRIPTS)
def test_every_script_has_the_same_flags(module, capsys):
    with pytest.raises(SystemExit, match="0"):
        module.main(["--help"])
    text = capsys.readouterr().out
    for flag in ("--lr", "--batch-size", "--optimizer", "--seed", "--epochs", "--quick", "--resume", "--out"):
        assert flag in text


@pytest.mark.parametrize("flags", [["--lr", "0.3"], ["--batch-size", "7"], ["--optimizer", "momentum"]])
def test_they_change_what_is_learnt(flags, capsys):
    assert start(softmax_regression, "--epochs", "1") == 0
    usual = weights()
    assert "89.27" not in capsys.readouterr().out
    assert start(softmax_regression, "--epochs", "1", *flags) == 0
    assert not np.array_equal(weights()["weight"], usual["weight"])
    output = capsys.readouterr().out
    assert f"not as in the report: {flags[0].strip('-')} {flags[1]} (the report: " in output


# --- what a run says ---


@pytest.mark.parametrize("module", SCRIPTS)
def test_a_short_run_says_what_is_short_and_its_table_fits(module, capsys):
    small = ["--batch-size", "1000"] if module is mini_alexnet else []
    assert start(module, "--quick", "--epochs", "1", *small) == 0
    output = capsys.readouterr().out
    table = output[output.index("results in ") :].splitlines()
    whole = {"softmax_by_hand": 20, "softmax_regression": 20, "sine_rnn": 1000, "airline_lstm": 100}
    whole |= {"mini_alexnet": 10, "mini_yolo": 5, "shakespeare_lstm": 3, "shakespeare_gpt": 8}
    epochs = whole[metrics()["model"]]
    assert f"a short run, of 1 of {epochs} epochs" in output
    assert table[-1].count("after") == 0 or "after epoch 0" in output  # no "after 1 of 1000 epochs" beside a constant
    assert any(line.split()[:2] == ["figure", "report"] and f"after 1 of {epochs} epochs" in line for line in table)
    assert max(map(len, table)) <= 100


def test_the_guesses_to_beat_stand_in_the_table(capsys):
    assert start(airline_lstm, "--epochs", "1") == 0
    rows = {figure: measured for figure, _, measured in metrics()["table"]}
    assert rows['train RMSE of "next month = this month"'] == "23.18"
    assert rows['test RMSE of "next month = this month"'] == "48.66"
    assert start(sine_rnn, "--epochs", "1") == 0
    rows = {figure: measured for figure, _, measured in metrics()["table"]}
    assert [rows[f"test MSE of {name}"] for name in ("the mean", '"the next value = this one"')] == ["0.4998", "0.0518"]
    assert rows["test MSE of a linear function of two values"] == "0.0086"
    assert start(shakespeare_lstm, "--epochs", "1") == 0
    rows = {figure: float(measured) for figure, _, measured in metrics()["table"]}
    alone, pairs = (
        rows[f"validation loss of the {name}"] for name in ("characters' frequencies", "frequencies of pairs")
    )
    assert pairs < alone < np.log(rows["distinct characters"])
    assert start(softmax_by_hand, "--epochs", "1") == 0
    assert any("always saying" in figure for figure, *_ in metrics()["table"])


def test_no_figure_of_the_report_stands_beside_a_users_own_series(tmp_path, capsys):
    (tmp_path / "airline").mkdir()
    rows = [f"{2000 + i // 12}-{i % 12 + 1:02},{100 + i}" for i in range(60)]
    (tmp_path / "airline" / "airline-passengers.csv").write_text("\n".join(["Month,Passengers", *rows]) + "\n")
    assert start(airline_lstm, "--epochs", "1") == 0
    output = capsys.readouterr().out
    assert "data: own series (local)" in output
    assert "22.76" not in output
    assert metrics()["data"]["name"] == "own series"


# --- interrupted is not poisoned ---


def interrupt_after(steps, monkeypatch):
    """Ctrl-C once, after so many steps of Adam."""
    calls, step = iter(range(steps)), optim.Adam.step

    def interrupted(self):
        if next(calls, None) is None:
            monkeypatch.setattr(optim.Adam, "step", step)
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(optim.Adam, "step", interrupted)


@pytest.mark.parametrize("epochs_done", [0, 3, 17])
def test_an_interrupted_step_leaves_no_half_trained_weights(epochs_done, monkeypatch, capsys):
    """Ctrl-C comes in the middle of a step where nothing makes it wait, as in a thread."""
    assert start(airline_lstm, "--epochs", "23") == 0
    whole = weights()
    interrupt_after(epochs_done * 94 + 50, monkeypatch)  # in the middle of an epoch
    assert start(airline_lstm, "--epochs", "23") == 130
    output = capsys.readouterr().out.split("airline_lstm (")[-1]
    if epochs_done:
        assert f"evaluating the network after {epochs_done} epochs" in output
        assert len(metrics()["epochs"]) == epochs_done
    else:  # nothing of this run is delivered, the older one's files stay
        assert "evaluating" not in output
        assert len(metrics()["epochs"]) == 23
    assert start(airline_lstm, "--epochs", "23", "--resume") == 0
    for name, values in weights().items():
        np.testing.assert_array_equal(values, whole[name])


def test_what_is_delivered_after_ctrl_c_is_never_an_older_run_s(monkeypatch, capsys):
    assert start(airline_lstm, "--epochs", "10", "--seed", "5") == 0
    older = weights()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save_checkpoint", interrupted)
    assert start(airline_lstm, "--epochs", "20") == 130
    delivered = weights()
    assert metrics()["settings"]["seed"] == 0
    assert any(not np.array_equal(values, older[name]) for name, values in delivered.items())


def test_a_run_that_had_stopped_early_does_not_go_on(capsys):
    flags = ["--lr", "0.05", "--patience", "5", "--cycles", "30"]
    assert start(sine_rnn, "--epochs", "1000", *flags) == 0
    stopped, whole = metrics(), weights()
    assert len(stopped["epochs"]) < 1000
    assert start(sine_rnn, "--epochs", "1000", *flags, "--resume") == 0
    assert metrics()["epochs"] == stopped["epochs"]
    assert "did not improve for 5 epochs" in capsys.readouterr().out.split("resumed from")[1]
    for name, values in weights().items():
        np.testing.assert_array_equal(values, whole[name])


def test_patience_is_looked_at_before_an_epoch():
    history = History([{"epoch": i, "validation_loss": 1.0} for i in range(4)])
    fit(lambda batch: pytest.fail("trained"), lambda: [([0],)], 9, history=history, patience=3)
    assert "did not improve for 3 epochs" in history.stopped


def test_two_runs_in_one_folder_do_not_meet(tmp_path, capsys):
    code = (
        "import sys, pathlib; from models.lock import lock_folder; held = lock_folder(pathlib.Path('out'));"
        "print('held', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as other:
        assert other.stdout.readline() == "held\n"
        assert start(airline_lstm, "--epochs", "1") == 2
        assert (
            f"--out out: another run, process {other.pid} on {platform.node()}, is writing there"
            in capsys.readouterr().err
        )
        other.kill()
    assert start(airline_lstm, "--epochs", "1") == 0


def test_a_folder_is_free_again_when_its_run_has_ended(tmp_path):
    lock_folder(tmp_path / "a").close()
    lock_folder(tmp_path / "a").close()
    assert start(airline_lstm, "--epochs", "1", "--resume", "nowhere") == 2
    assert start(airline_lstm, "--epochs", "1") == 0


def test_an_empty_folder_name_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        airline_lstm.main(["--out", ""])
    assert "expected the name of a folder, got an empty one" in capsys.readouterr().err

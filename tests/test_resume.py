"""A run that is asked to stop saves first, and goes on from there as if nothing had happened."""

import functools
import os
import re
import signal

import pytest
from survival import left_in

from models import __main__ as tour
from models import airline_lstm, checkpoints, mini_alexnet, mini_yolo, shakespeare_gpt, shakespeare_lstm, sine_rnn
from models.lock import lock_folder
from models.stop import Stop, ending_by_sigterm
from tinygrad_edu import nn, optim
from tinygrad_edu.data import ImageData, MinMaxScaler, cifar10, load_scenes
from tinygrad_edu.data.synthetic_images import CLASS_NAMES
from tinygrad_edu.files import MACHINE
from tinygrad_edu.training import read_checkpoint, save_checkpoint

TEXT = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 20
SMALL_GPT = ("--layers", "1", "--heads", "2", "--width", "8", "--context", "16")
RUNS = {
    "a state is carried, with dropout": (shakespeare_lstm, "--stateful", "--batch-size", "4", "--epochs", "3"),
    "shuffled, with dropout": (shakespeare_lstm, "--epochs", "3", "--batch-size", "64"),
    "windows from anywhere, blanks": (shakespeare_gpt, "--objective", "masked", "--epochs", "3", *SMALL_GPT),
    "shuffled, shifted and mirrored": (mini_alexnet, "--augment", "--epochs", "3", "--batch-size", "16"),
    "saved after every tenth epoch": (airline_lstm, "--epochs", "12", "--batch-size", "16"),
    "a rate that falls, scenes with boxes": (mini_yolo, "--epochs", "3", "--batch-size", "4"),
    "stops early": (sine_rnn, "--epochs", "60", "--lr", "0.05", "--patience", "3", "--cycles", "30"),
}


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch, tmp_path):
    """In a folder of the test's own, on little data, without pictures and looks inside, which have other tests."""
    for module in (shakespeare_gpt, shakespeare_lstm, mini_alexnet, mini_yolo, airline_lstm, sine_rnn):
        monkeypatch.setattr(module, "look_inside", lambda *_, **__: None)
        monkeypatch.setattr(module, "draw", lambda *_: None, raising=False)
    monkeypatch.setattr(shakespeare_lstm, "SAMPLE_LENGTH", 5)
    monkeypatch.setattr(shakespeare_lstm, "SAMPLE_EVERY", 3)
    monkeypatch.setattr(shakespeare_gpt, "ITERATIONS", 6)
    few = ImageData("synthetic images", "synthetic", *cifar10.synthetic_images(100, 20), CLASS_NAMES)
    monkeypatch.setattr(mini_alexnet, "load_cifar10", lambda *_, **__: few)
    monkeypatch.setitem(mini_alexnet.VARIANTS, "plain", small_network)
    monkeypatch.setattr(mini_yolo, "load_scenes", lambda *_, **__: few_scenes())
    monkeypatch.setattr(mini_yolo, "mini_yolo", lambda: nn.Sequential(nn.Conv2d(1, 15, 8, stride=8), nn.BatchNorm(15)))
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shakespeare").mkdir()
    (tmp_path / "shakespeare" / "input.txt").write_text(TEXT)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    yield
    signal.signal(signal.SIGINT, before)


@functools.cache
def few_scenes():
    return load_scenes(source="synthetic", train=24, validation=4, test=4)


def small_network():
    """With all that a checkpoint of a network for images must hold: statistics of batches, dropout's generator."""
    layers = nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(256, 10)
    return nn.Sequential(*layers)


def start(module, *flags, out="out"):
    return module.main(["--no-progress", "--out", out, *flags])


def send(number, monkeypatch, after, times=1):
    """Let the optimiser's step of this number be the one in which a signal comes."""
    calls, step = iter(range(after)), optim.Adam.step

    def interrupted(self):
        if next(calls, None) is None:
            monkeypatch.setattr(optim.Adam, "step", step)
            for _ in range(times):
                os.kill(os.getpid(), number)
        step(self)

    monkeypatch.setattr(optim.Adam, "step", interrupted)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_of_an_epoch_it_ends_as_if_left_alone(name, number, monkeypatch, tmp_path, capsys):
    module, *flags = RUNS[name]
    assert start(module, *flags, out="alone") == 0
    send(number, monkeypatch, 13)
    assert start(module, *flags) == 128 + number
    output = capsys.readouterr().out
    assert re.search(r"saved after \d+ epochs?( and \d+ batch(es)?)? in out.checkpoint.safetensors", output)
    assert number == signal.SIGINT or "evaluating the network" not in output  # a scheduler does not wait for that
    assert start(module, *flags, "--resume") == 0
    assert left_in(tmp_path / "out") == left_in(tmp_path / "alone")


def test_a_signal_during_an_evaluation_need_not_wait(monkeypatch, tmp_path, capsys):
    flags = ["--epochs", "3", "--batch-size", "16"]
    assert start(airline_lstm, *flags, out="alone") == 0
    calls, undo = iter(range(5)), MinMaxScaler.undo  # in the second evaluation

    def interrupted(self, values):
        if next(calls, None) is None:
            monkeypatch.setattr(MinMaxScaler, "undo", undo)
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("it waited")
        return undo(self, values)

    monkeypatch.setattr(MinMaxScaler, "undo", interrupted)
    assert start(airline_lstm, *flags) == 143
    assert "saved after 1 epoch and 6 batches" in capsys.readouterr().out
    assert start(airline_lstm, *flags, "--resume") == 0
    assert left_in(tmp_path / "out") == left_in(tmp_path / "alone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait_for_anything(number, monkeypatch, tmp_path, capsys):
    send(number, monkeypatch, 13, times=2)
    assert start(airline_lstm, "--epochs", "30") == 128 + number
    output = capsys.readouterr()
    assert output.err == f"{signal.Signals(number).name}: ended at once\n"
    assert "saved" not in output.out
    assert not (tmp_path / "out" / checkpoints.FILE).exists()


def test_ctrl_c_delivers_the_last_complete_epoch_and_saves_the_moment(monkeypatch, tmp_path):
    flags = ["--epochs", "9", "--batch-size", "16"]
    assert start(airline_lstm, "--epochs", "2", *flags[2:], out="two") == 0
    send(signal.SIGINT, monkeypatch, 2 * 6 + 3)
    assert start(airline_lstm, *flags) == 130
    assert (tmp_path / "out/weights.safetensors").read_bytes() == (tmp_path / "two/weights.safetensors").read_bytes()
    assert (tmp_path / "out/metrics.csv").read_bytes() == (tmp_path / "two/metrics.csv").read_bytes()
    facts = read_checkpoint(tmp_path / "out" / checkpoints.FILE).facts
    assert (len(facts["epochs"]), facts["unfinished"]["batches"]) == (2, 4)


def test_ctrl_c_before_the_first_epoch_is_done_delivers_nothing_and_loses_nothing(monkeypatch, tmp_path, capsys):
    send(signal.SIGINT, monkeypatch, 3)
    assert start(airline_lstm, "--epochs", "2") == 130
    assert "saved after 0 epochs and 4 batches" in capsys.readouterr().out
    assert not (tmp_path / "out" / "weights.safetensors").exists()
    assert start(airline_lstm, "--epochs", "2", "--resume") == 0


def test_signals_are_handled_as_before_when_the_training_is_over():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert start(airline_lstm, "--epochs", "1") == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a process in the background
    try:
        with ending_by_sigterm(), Stop() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked is None
    finally:
        signal.signal(signal.SIGINT, before[0])


def test_sigterm_outside_the_training_ends_the_script_and_the_tour(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(airline_lstm, "look_inside", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert tour.main(["airline_lstm", "sine_rnn", "--no-progress", "--out", str(tmp_path / "tour")]) == 143
    output = capsys.readouterr()
    assert "SIGTERM: ended" in output.err
    assert "2/2" not in output.out


# --- how often ---


@pytest.mark.parametrize(("seconds", "within"), [("0", 3 * 6), ("3600", 0)])
def test_it_saves_within_an_epoch_as_often_as_wanted(seconds, within, monkeypatch):
    saved = []
    monkeypatch.setattr(checkpoints, "save_checkpoint", lambda *arguments: saved.append(arguments[3]["unfinished"]))
    assert start(airline_lstm, "--epochs", "3", "--batch-size", "16", "--checkpoint-every", seconds) == 0
    assert sum(unfinished["batches"] > 0 for unfinished in saved) == within


@pytest.mark.parametrize("bad", ["-1", "nan", "inf", "often"])
def test_how_often_is_a_number_of_seconds(bad, capsys):
    with pytest.raises(SystemExit, match="2"):
        start(airline_lstm, "--checkpoint-every", bad)
    assert "expected a number of seconds >= 0" in capsys.readouterr().err


def test_how_often_is_no_part_of_the_experiment():
    assert start(airline_lstm, "--epochs", "1", "--checkpoint-every", "5") == 0
    assert start(airline_lstm, "--epochs", "2", "--checkpoint-every", "7", "--resume") == 0


# --- damaged, missing, foreign ---


FLAGS = ["--epochs", "3", "--batch-size", "16", "--checkpoint-every", "0"]


@pytest.fixture
def stopped(monkeypatch, tmp_path):
    """A folder with the last two checkpoints of a run that was ended."""
    assert start(airline_lstm, *FLAGS, out="alone") == 0
    send(signal.SIGTERM, monkeypatch, 9)
    assert start(airline_lstm, *FLAGS) == 143
    return tmp_path / "out"


@pytest.mark.parametrize("how", ["cut", "changed", "missing", "empty"])
def test_where_the_last_checkpoint_is_damaged_the_one_before_it_is_used(how, stopped, tmp_path, capsys):
    path, before = stopped / checkpoints.FILE, stopped / checkpoints.BEFORE
    content, good = path.read_bytes(), before.read_bytes()
    damaged = {"cut": content[:-9], "changed": content[:-1] + bytes([content[-1] ^ 1]), "missing": None, "empty": b""}
    path.unlink()
    if damaged[how] is not None:
        path.write_bytes(damaged[how])
    capsys.readouterr()
    assert start(airline_lstm, *FLAGS[:4], "--checkpoint-every", "3600", "--epochs", "2", "--resume") == 0
    output = capsys.readouterr().out
    assert output.count("going on from the checkpoint before it, out") == 1
    assert "resumed from out/checkpoint.previous.safetensors after 1 epoch and 3 batches" in output
    assert before.read_bytes() == good  # the damaged one did not take its place
    assert start(airline_lstm, *FLAGS, "--resume") == 0
    assert left_in(stopped)["metrics.csv"] == left_in(tmp_path / "alone")["metrics.csv"]
    assert left_in(stopped)["weights.safetensors"] == left_in(tmp_path / "alone")["weights.safetensors"]


def test_where_both_are_damaged_it_says_so_and_changes_neither(stopped, capsys):
    for name in (checkpoints.FILE, checkpoints.BEFORE):
        (stopped / name).write_bytes(b"damaged")
    capsys.readouterr()
    assert start(airline_lstm, *FLAGS, "--resume") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: out/checkpoint.previous.safetensors is not a whole safetensors file")
    assert error.count("\n") == 1
    assert (stopped / checkpoints.FILE).read_bytes() == b"damaged"


def spoiled(name, value):
    def spoil(facts):
        *above, last = name
        for key in above:
            facts = facts[key]
        facts[last] = value

    return spoil


PCG = {"bit_generator": "PCG64", "has_uint32": 0, "uinteger": 0}


@pytest.mark.parametrize(
    "spoil",
    [
        spoiled(("generators",), None),
        spoiled(("generators",), {}),
        spoiled(("generators", "batches"), "PCG64"),
        spoiled(("generators", "batches"), {"bit_generator": "MT19937"}),
        spoiled(("generators", "batches"), {**PCG, "state": {"state": float("nan"), "inc": 1}}),
        spoiled(("generators", "batches"), {**PCG, "state": {"state": -1, "inc": 1}}),
        spoiled(("generators", "batches"), {**PCG, "state": {"state": 2**200, "inc": 1}}),
        spoiled(("generators at the epoch's start",), {}),
        spoiled(("epochs",), 3),
        spoiled(("epochs",), [3]),
        spoiled(("epochs",), [{"epoch": "one"}]),
        spoiled(("unfinished",), {}),
        spoiled(("unfinished", "batches"), "three"),
        spoiled(("unfinished", "sums"), [1]),
    ],
)
def test_facts_that_are_not_a_run_s_are_refused_in_a_line(spoil, stopped, capsys):
    path = stopped / checkpoints.FILE
    facts = read_checkpoint(path).facts
    spoil(facts)
    model = airline_lstm.AirlineNetwork(1)
    save_checkpoint(path, model, optim.Adam(model.parameters()), facts)
    capsys.readouterr()
    assert start(airline_lstm, *FLAGS, "--resume") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: out/checkpoint.safetensors is no checkpoint of this version's scripts (")
    assert error.count("\n") == 1


def test_a_checkpoint_writes_no_file_but_the_script_s_own(tmp_path):
    assert start(shakespeare_lstm, "--epochs", "1") == 0
    path = tmp_path / "out" / checkpoints.FILE
    checkpoint = read_checkpoint(path)
    text = shakespeare_lstm.Vocabulary(TEXT)
    model = shakespeare_lstm.CharacterLSTM(len(text))
    optimizer = optim.Adam(model.parameters())
    checkpoint.restore(model, optimizer)
    facts = checkpoint.facts | {"texts": {"samples.txt": "kept\n", "../stolen.txt": "x", "weights.safetensors": "x"}}
    save_checkpoint(path, model, optimizer, facts)
    assert start(shakespeare_lstm, "--epochs", "1", "--resume") == 0
    assert not (tmp_path / "stolen.txt").exists()
    assert (tmp_path / "out" / "samples.txt").read_text().startswith("kept\n===== at the end")


def test_from_the_middle_of_an_epoch_it_goes_to_the_epoch_s_end_at_least(stopped, capsys):
    assert start(airline_lstm, "--epochs", "1", *FLAGS[2:], "--resume") == 2
    assert "is from the middle of an epoch; give --epochs 2 or more" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_in_a_line_and_the_last_checkpoint_stays(stopped, monkeypatch, capsys):
    before = (stopped / checkpoints.FILE).read_bytes()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("tinygrad_edu.files.os.fsync", lambda _: (_ for _ in ()).throw(full))
    capsys.readouterr()
    assert start(airline_lstm, *FLAGS, "--resume") == 2
    error = capsys.readouterr().err
    assert error == (
        "error: out/checkpoint.safetensors cannot be written: No space left on device; the file is as it was before; "
        "make room or name another\n"
    )
    assert (stopped / checkpoints.FILE).read_bytes() == before
    assert not list(stopped.glob(".*.part"))


# --- the folder ---


def test_a_run_removes_what_killed_ones_left_half_written(tmp_path):
    (tmp_path / "out").mkdir()
    elsewhere = f".weights.safetensors.not_{MACHINE}-12345-0123abcd.part"  # another machine's: the lock says it is gone
    for name in (elsewhere, ".checkpoint.safetensors.4711.part"):
        (tmp_path / "out" / name).write_bytes(b"half")
    lock_folder(tmp_path / "out").close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_planted_at_the_lock_is_not_followed(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out" / ".lock").symlink_to(tmp_path / "precious")
    assert start(airline_lstm, "--epochs", "1") == 2
    assert "--out out: cannot write into this folder" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "precious"

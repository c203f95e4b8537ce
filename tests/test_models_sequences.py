"""The sequence scripts: small runs, their files, sampling, bad input."""

import json
import shutil

import numpy as np
import pytest

from models import airline_lstm, shakespeare_lstm, sine_rnn
from models.gradient_flow import gradient_norms
from models.writing import next_probabilities, write
from tinygrad_edu import Tensor, nn, ops, optim
from tinygrad_edu.data import Vocabulary
from tinygrad_edu.training import save_weights

pytestmark = pytest.mark.usefixtures("coarse_pictures")

QUIET = ["--no-progress"]


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """An empty data directory, and results in a folder of the test's own."""
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_airline_learns_and_leaves_its_files(in_folder, capsys):
    assert airline_lstm.main([*QUIET, "--epochs", "3", "--out", "out"]) == 0
    found = metrics(in_folder / "out")
    assert found["data"] == {"name": "airline passengers", "source": "embedded"}
    losses = [row["train_loss"] for row in found["epochs"]]
    assert losses[-1] < losses[0] < 0.2
    assert {"train_rmse", "test_rmse"} <= set(found["final"])
    files = {path.name for path in (in_folder / "out").iterdir()}
    assert {"prediction.png", "loss.png", "weights.safetensors", "metrics.csv", "metrics.json"} <= files
    assert "22.76" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [["--look-back", "3"], ["--look-back", "3", "--time-steps"]])
def test_airline_looks_further_back(in_folder, flags, capsys):
    assert airline_lstm.main([*QUIET, "--epochs", "1", *flags]) == 0
    assert "22.76" not in capsys.readouterr().out  # the report's figure is of one month


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_sine_learns_and_leaves_its_files(in_folder, cell, monkeypatch):
    monkeypatch.setattr(sine_rnn, "draw_gradient_flow", lambda folder, seed: None)  # tested by itself
    assert sine_rnn.main([*QUIET, "--epochs", "10", "--units", "4", "--cell", cell, "--out", "out"]) == 0
    found = metrics(in_folder / "out")
    assert found["variant"] == cell
    assert found["epochs"][-1]["train_loss"] < found["epochs"][0]["train_loss"]
    assert {"validation_loss", "test_loss"} <= set(found["final"])
    files = {path.name for path in (in_folder / "out").iterdir()}
    assert {"data.png", "loss.png", "prediction.png", "unrolled.png", "weights.safetensors"} <= files


def test_sine_stops_early(in_folder, capsys, monkeypatch):
    monkeypatch.setattr(sine_rnn, "draw_gradient_flow", lambda folder, seed: None)
    monkeypatch.setattr(optim.Adam, "step", lambda self: None)  # no progress at all
    assert sine_rnn.main([*QUIET, "--epochs", "50", "--patience", "3", "--cycles", "20"]) == 0
    assert "validation_loss did not improve for 3 epochs" in capsys.readouterr().out
    assert len(metrics(in_folder / "runs" / "sine_rnn")["epochs"]) == 4


def test_sine_calls_only_a_start_in_the_valley_stuck(in_folder, capsys, monkeypatch):
    monkeypatch.setattr(sine_rnn, "draw", lambda *_: None)
    for seed, starts_in_it in (("0", False), ("2", True)):
        assert sine_rnn.main([*QUIET, "--epochs", "2", "--seed", seed]) == 0  # too short to learn anything
        assert ("got stuck" in capsys.readouterr().out) == starts_in_it


def test_gradient_norms_are_the_gradients_of_the_states():
    """dL/de_t by a leaf e_t = 0 against the state's gradient from the chain rule of a one-unit network."""
    cell = nn.SimpleRNNCell(1, 1)
    x = Tensor(np.random.default_rng(0).normal(size=(1, 5, 1)).astype(np.float32))
    h = nn.unroll(cell, x)[0].data[0, :, 0]
    factors = cell.recurrent_kernel.data.item() * (1 - h[1:] ** 2)  # dh_{t+1}/dh_t
    expected = [abs(np.prod(factors[t:])) for t in range(5)]
    np.testing.assert_allclose(gradient_norms(cell, x), expected, rtol=1e-5)


def test_gradients_vanish_in_a_weak_network_and_not_in_an_open_lstm():
    x = Tensor(np.random.default_rng(0).normal(size=(2, 60, 1)).astype(np.float32))
    weak, lstm = nn.SimpleRNNCell(1, 8), nn.LSTMCell(1, 8)
    weak.recurrent_kernel.data *= 0.8
    lstm.bias.data[8:16] = 6
    assert gradient_norms(weak, x)[0] < 1e-4
    assert gradient_norms(lstm, x)[0] > 1e-3


# --- Shakespeare ---


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """A folder with a short text, and in `out` the weights of a very short run on it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "shakespeare").mkdir()
    text = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 20
    (folder / "shakespeare" / "input.txt").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_EDU_DATA", str(folder))
        patch.chdir(folder)
        patch.setattr(shakespeare_lstm, "SAMPLE_LENGTH", 20)
        patch.setattr(shakespeare_lstm, "SAMPLE_EVERY", 5)
        assert shakespeare_lstm.main([*QUIET, "--epochs", "2", "--out", "out"]) == 0
    return folder


@pytest.fixture
def trained(trained_once, in_folder, monkeypatch):
    """A copy of it, of the test's own; what is written there."""
    monkeypatch.setattr(shakespeare_lstm, "SAMPLE_LENGTH", 20)
    monkeypatch.setattr(shakespeare_lstm, "SAMPLE_EVERY", 5)
    shutil.copytree(trained_once, in_folder, dirs_exist_ok=True)
    return in_folder / "out"


def test_shakespeare_learns_writes_samples_and_leaves_its_files(trained):
    found = metrics(trained)
    assert found["epochs"][1]["validation_loss"] < found["epochs"][0]["validation_loss"]
    samples = (trained / "samples.txt").read_text()
    assert "after batch 5" in samples
    assert "at the end" in samples
    assert all(f"temperature {t}" in samples for t in ("0.2", "0.5", "1\n", "1.2"))
    assert not (trained / "loss.png").exists()  # two epochs make no curve


def test_samples_from_saved_weights_without_training(trained, capsys):
    capsys.readouterr()
    command = ["--sample", "15", "--out", "out", "--prompt", "Speak", "--seed", "4"]
    assert shakespeare_lstm.main(command) == 0
    first = capsys.readouterr().out
    assert first.count("Speak|") == 4
    assert shakespeare_lstm.main(command) == 0
    assert capsys.readouterr().out == first
    assert shakespeare_lstm.main([*command, "--sliding-window"]) == 0


def test_a_prompt_with_an_unknown_character_names_it_and_the_vocabulary(trained, capsys):
    assert shakespeare_lstm.main(["--sample", "5", "--out", "out", "--prompt", "Zounds"]) == 2
    assert "the character 'Z' is not in the vocabulary of" in capsys.readouterr().err
    assert shakespeare_lstm.main([*QUIET, "--prompt", "Zounds", "--out", "other"]) == 2


def test_sampling_without_weights_says_so(in_folder, capsys):
    assert shakespeare_lstm.main(["--sample", "5", "--out", "nowhere"]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_sampling_from_the_weights_of_another_script_says_so(in_folder, capsys):
    save_weights(in_folder / "weights.safetensors", nn.Linear(1, 1), {})
    assert shakespeare_lstm.main(["--sample", "5", "--out", str(in_folder)]) == 2
    assert "weights.safetensors holds no vocabulary" in capsys.readouterr().err


def test_stateful_training_carries_the_state(trained):
    assert shakespeare_lstm.main([*QUIET, "--stateful", "--epochs", "2", "--batch-size", "4", "--out", "stateful"]) == 0
    found = metrics(trained.parent / "stateful")
    assert found["variant"] == "stateful"
    assert found["epochs"][1]["validation_loss"] < found["epochs"][0]["validation_loss"]


def test_a_text_shorter_than_a_window(in_folder, capsys):
    (in_folder / "shakespeare").mkdir()
    (in_folder / "shakespeare" / "input.txt").write_text("Too short to learn from.")
    assert shakespeare_lstm.main(QUIET) == 2
    assert "a text of 24 characters is too short to learn from" in capsys.readouterr().err


def character_model():
    nn.manual_seed(3)
    vocabulary = Vocabulary("abcdefgh ")
    return shakespeare_lstm.CharacterLSTM(len(vocabulary)), vocabulary


def test_both_ways_of_writing_give_the_same_probabilities_after_a_prompt_of_one_window():
    model, vocabulary = character_model()
    model.eval()
    prompt = vocabulary.encode("abc abc abd dhe gfe abc abc bd")
    assert len(prompt) == shakespeare_lstm.WINDOW
    at_once, _ = model(Tensor(prompt[None]))
    state = None
    for character in prompt:  # one by one, with the state carried along
        scores, state = model(Tensor(np.array([[character]])), state)
    np.testing.assert_allclose(
        next_probabilities(scores.data[0], 1.0), next_probabilities(at_once.data[0], 1.0), rtol=1e-5
    )
    text = vocabulary.decode(prompt)
    first = [write(model, vocabulary, text, 1, 1.0, np.random.default_rng(5), window) for window in (None, 30)]
    assert first[0] == first[1]


def test_writing_leaves_the_model_as_it_was_and_uses_no_dropout():
    model, vocabulary = character_model()
    a, b = (write(model, vocabulary, "abc", 20, 0.5, np.random.default_rng(1)) for _ in range(2))
    assert a == b
    assert len(a) == 20
    assert model.training
    assert ops.sum(model(Tensor(np.zeros((1, 3), dtype=int)))[0]).requires_grad


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_must_be_positive(temperature):
    model, vocabulary = character_model()
    with pytest.raises(ValueError, match=f"temperature must be > 0, got {temperature}"):
        write(model, vocabulary, "abc", 5, temperature, np.random.default_rng(0))
    assert model.training


def test_temperature_sharpens_and_flattens():
    scores = np.array([0.0, 1.0, 3.0])
    cold, warm = next_probabilities(scores, 0.2), next_probabilities(scores, 5.0)
    assert cold[2] > 0.99
    assert warm.max() < 0.5
    np.testing.assert_allclose(next_probabilities(scores, 1.0), np.exp(scores) / np.exp(scores).sum())


def test_an_empty_prompt_is_refused():
    model, vocabulary = character_model()
    with pytest.raises(ValueError, match="the prompt is empty"):
        write(model, vocabulary, "", 5, 1.0, np.random.default_rng(0))


# --- bad input on the command line ---


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (airline_lstm, ["--look-back", "95"], "look_back must be at most"),
        (sine_rnn, ["--noise", "-1"], "noise must be a finite number >= 0, got -1"),
        (sine_rnn, ["--cycles", "1", "--steps-per-cycle", "2"], "has no window of 2"),
        (sine_rnn, ["--cycles", "1", "--patience", "2"], "13 training windows leave none for validation"),
        (shakespeare_lstm, ["--data", "synthetic", "--recurrent-dropout", "1"], "recurrent_dropout is a probability"),
    ],
)
def test_bad_flags_end_with_one_line_and_status_2(in_folder, capsys, script, arguments, message):
    assert script.main([*QUIET, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (airline_lstm, ["--look-back", "0"]),
        (sine_rnn, ["--truncated-length", "11"]),
        (sine_rnn, ["--cell", "transformer"]),
        (shakespeare_lstm, ["--sample", "-3"]),
    ],
)
def test_unusable_flags_are_refused_at_once(script, arguments):
    with pytest.raises(SystemExit) as ended:
        script.main(arguments)
    assert ended.value.code == 2


def test_a_damaged_series_is_named(in_folder, capsys):
    (in_folder / "airline").mkdir()
    (in_folder / "airline" / "airline-passengers.csv").write_text("Month,Passengers\n1949-01,112\n1949-02,?\n")
    assert airline_lstm.main(QUIET) == 2
    assert "line 3: expected a finite number for 1949-02, came '?'" in capsys.readouterr().err

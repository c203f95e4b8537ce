"""The character Transformer: what it computes, its two objectives, writing and filling in, the script, bad input."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from models import shakespeare_gpt, shakespeare_lstm
from models.beside import Beside, guess_from_neighbours
from models.shakespeare_gpt import GPT
from models.writing import fill_in, next_probabilities, write
from tinygrad_edu import Tensor, nn, no_grad, ops
from tinygrad_edu.data import NOT_ASKED, Vocabulary

pytestmark = pytest.mark.usefixtures("coarse_pictures")

TEXT = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 20
SMALL = ["--context", "16", "--layers", "2", "--heads", "2", "--width", "16"]


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """An own text, short epochs, results in a folder of the test's own."""
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shakespeare").mkdir()
    (tmp_path / "shakespeare" / "input.txt").write_text(TEXT)
    monkeypatch.setattr(shakespeare_gpt, "ITERATIONS", 12)
    monkeypatch.setattr(shakespeare_gpt, "SAMPLE_EVERY", 12)
    for module in (shakespeare_gpt, shakespeare_lstm):
        monkeypatch.setattr(module, "SAMPLE_LENGTH", 10)
        monkeypatch.setattr(module, "look_inside", lambda *_, **__: None)
    return tmp_path


def start(*flags, out="out"):
    return shakespeare_gpt.main(["--no-progress", "--out", out, *SMALL, *flags])


def metrics(folder="out"):
    with open(f"{folder}/metrics.json") as file:
        return json.load(file)


def small(causal=True, K=9):
    """In float64, with weights large enough that places differ."""
    nn.manual_seed(3)
    model = GPT(K, context=8, layers=2, heads=2, width=12, causal=causal)
    for p in model.parameters():
        p.data = p.data.astype(np.float64) * (10 if p.ndim > 1 else 1)
    return model


# --- the network ---


def test_no_place_sees_those_behind_it_unless_blanks_are_to_be_filled():
    ids = np.random.default_rng(0).integers(9, size=(1, 8))
    other = ids.copy()
    other[0, 5] = (other[0, 5] + 1) % 9
    for causal in (True, False):
        model = small(causal)
        changed = np.abs(model.after_each(ids).data - model.after_each(other).data).max(axis=(0, 2)) > 1e-9
        assert changed.tolist() == [not causal] * 5 + [True] * 3


def test_equal_to_pytorchs_in_scores_and_all_gradients():
    pytest.importorskip("torch")
    from benchmarks.twins import shakespeare_gpt as twin

    nn.manual_seed(0)
    model = GPT(11, **shakespeare_gpt.SIZES)
    for p in model.parameters():
        p.data = p.data.astype(np.float64)
    weights = twin.first_weights(model)
    x, y = np.random.default_rng(0).integers(11, size=(2, 3, 20))
    loss, theirs = ops.softmax_cross_entropy(model.after_each(x), y), twin.loss_of(weights, x, y)
    loss.backward()
    theirs.backward()
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-12)
    assert {name for name, _ in model.named_tensors()} == weights.keys()
    for name, p in model.named_tensors():
        assert np.abs(p.grad - weights[name].grad.numpy()).max() < 1e-10 * max(1.0, np.abs(p.grad).max()), name


def test_the_matrices_that_are_added_to_the_stream_begin_smaller():
    nn.manual_seed(0)
    model = GPT(65)
    block = model.blocks[0]
    for weight, std in {
        model.tokens.weight: 0.02,
        block.attention.qkv.weight: 0.02,
        block.attention.output.weight: 0.02 / np.sqrt(8),
        block.network.layers[2].weight: 0.02 / np.sqrt(8),
    }.items():
        assert weight.data.std() == pytest.approx(std, rel=0.05)
    assert sum(p.size for p in model.parameters()) == 805_248


# --- writing ---


@no_grad()
def test_keys_and_values_that_were_kept_give_the_scores_of_the_whole_text():
    model, ids = small(), np.random.default_rng(1).integers(9, size=(2, 8))
    whole, state = model.after_each(ids).data, None
    for t, part in enumerate([ids[:, :3], *(ids[:, t : t + 1] for t in range(3, 8))]):
        scores, state = model(part, state)
        np.testing.assert_allclose(scores.data, whole[:, t + 2], rtol=1e-12, atol=1e-12)


@no_grad()
def test_when_all_places_are_taken_the_last_half_is_read_anew():
    model, ids = small(), np.random.default_rng(1).integers(9, size=(1, 20))
    state = None
    for t in range(20):
        scores, state = model(ids[:, t : t + 1], state)
        seen = state[0].shape[1]
        assert seen == (t + 1 if t < 8 else 4 + (t - 8) % 5)
        np.testing.assert_allclose(scores.data, model.after_each(ids[:, t + 1 - seen : t + 1]).data[:, -1], rtol=1e-10)
    scores, state = model(ids)  # a prompt that is too long
    assert state[0].tolist() == ids[:, -4:].tolist()


def test_writing_longer_than_the_context():
    model, vocabulary = small(), Vocabulary("abcdefghi")
    a, b = (write(model, vocabulary, "abc", 30, 1.0, np.random.default_rng(0)) for _ in range(2))
    assert a == b
    assert len(a) == 30


def test_top_k_leaves_the_likeliest():
    scores = np.array([0.0, 3.0, 1.0, 2.0])
    p = next_probabilities(scores, 1.0, top_k=2)
    np.testing.assert_allclose(p, [0, 1 / (1 + np.exp(-1)), 0, 1 / (1 + np.exp(1))])
    np.testing.assert_array_equal(next_probabilities(scores, 1.0, top_k=9), next_probabilities(scores, 1.0))
    written = write(small(), Vocabulary("abcdefghi"), "abc", 20, 5.0, np.random.default_rng(0), top_k=1)
    assert written == write(small(), Vocabulary("abcdefghi"), "abc", 20, 0.01, np.random.default_rng(1))


def test_blanks_are_filled_with_the_likeliest_character_never_with_a_blank():
    vocabulary, model = Vocabulary("abcdefgh"), small(causal=False)  # the ninth is the blank
    model.tokens.weight.data[8] *= 50  # the blank's own score is the largest
    ids = np.array([[0, 8, 2, 8]])
    expected = model.after_each(ids).data[0, :, :8].argmax(axis=1)
    lines = fill_in(model, vocabulary, "a_c_", likeliest=2).split("\n")
    assert lines[:2] == ["a_c_", f"a{vocabulary.characters[expected[1]]}c{vocabulary.characters[expected[3]]}"]
    assert lines[2].startswith(f"   1  '{vocabulary.characters[expected[1]]}'")
    assert lines[3].count("%") == 2
    with pytest.raises(ValueError, match="the prompt 'abc' has no blank to fill in; write _ where one is to be"):
        fill_in(model, vocabulary, "abc")


# --- the script ---


def test_it_learns_writes_and_leaves_its_files(in_folder, capsys):
    assert start("--epochs", "3", "--lr", "0.01") == 0
    found = metrics()
    losses = [row["validation_loss"] for row in found["epochs"]]
    assert losses == sorted(losses, reverse=True)
    assert found["final"]["iterations"] == 36
    assert found["final"]["tokens"] == 36 * 12 * 16
    assert len(found["seconds of training"]) == 3
    files = {path.name for path in (in_folder / "out").iterdir()}
    assert {"loss.png", "time.png", "learning_rate.png", "attention.png", "samples.txt", "index.html"} <= files
    samples = (in_folder / "out" / "samples.txt").read_text()
    assert "after iteration 12" in samples
    assert "at the end" in samples
    capsys.readouterr()
    command = ["--sample", "15", "--out", "out", "--prompt", "Speak", "--temperature", "0.7", "--top-k", "3"]
    assert shakespeare_gpt.main(command) == 0
    first = capsys.readouterr().out
    assert first.count("Speak|") == 1
    assert "temperature 0.7" in first
    assert shakespeare_gpt.main(command) == 0
    assert capsys.readouterr().out == first


def test_a_batch_in_parts_makes_the_same_step(in_folder, monkeypatch):
    monkeypatch.setattr(shakespeare_gpt, "draw", lambda *_: None)
    for objective in ("next", "masked"):
        whole = ["--epochs", "1", "--objective", objective]
        assert start(*whole, out="whole") == 0
        assert start(*whole, "--accumulate", "5", out="parts") == 0
        one, other = (load_file(f"{name}/weights.safetensors") for name in ("whole", "parts"))
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], rtol=0, atol=1e-4)  # of steps of 1e-3 in float32
    losses = [metrics(name)["epochs"][0]["train_loss"] for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_masked_objective_beside_an_lstm_and_what_counting_guesses(in_folder, monkeypatch, capsys):
    lstm = ["--no-progress", "--stateful", "--epochs", "3", "--batch-size", "4", "--out", "lstm"]
    assert shakespeare_lstm.main(lstm) == 0
    assert start("--objective", "masked", "--epochs", "3", "--beside", "lstm", "--prompt", "Sp_ak") == 0
    figures = [row[0] for row in metrics()["table"]]
    assert "blanked characters that the LSTM guesses from the text before" in figures
    assert "blanks filled with the most frequent between the two neighbours" in figures
    assert (in_folder / "out" / "blanks.png").exists()
    assert "Sp_ak\nSp" in (in_folder / "out" / "samples.txt").read_text()
    capsys.readouterr()
    assert shakespeare_gpt.main(["--sample", "2", "--out", "out"]) == 0
    assert capsys.readouterr().out.startswith("Sp_ak\nSp")
    monkeypatch.setattr(shakespeare_gpt, "draw", lambda *_: None)
    assert start("--epochs", "1", "--beside", "lstm") == 0
    rows = {row[0].strip(): row[2] for row in metrics()["table"]}
    assert float(rows["validation loss of the LSTM, all of its training"]) < np.log(30)
    assert rows["the same after as many seconds"]


def test_what_stands_beside_is_read_at_the_same_characters_and_seconds(in_folder):
    lstm = ["--no-progress", "--stateful", "--epochs", "3", "--batch-size", "4", "--out", "lstm"]
    assert shakespeare_lstm.main(lstm) == 0
    vocabulary = Vocabulary(TEXT)
    beside = Beside("lstm", vocabulary)
    ids = vocabulary.encode(TEXT)
    train = len(ids) * 9 // 10
    an_epoch = ((train // 4 - 1) // 30) * 30 * 4
    assert beside.tokens.tolist() == [an_epoch, 2 * an_epoch, 3 * an_epoch]
    half_way = np.mean(beside.losses[:2])
    assert beside.when(beside.tokens, 1.5 * an_epoch) == f"{half_way:.3f}"
    assert "before" in beside.when(beside.tokens, 1)
    assert "after" in beside.when(beside.tokens, 1e9)
    loss, right = beside.read(ids)  # in two pieces, with the state carried
    with no_grad():
        scores, _ = beside.model.after_each(ids[None, :-1])
    assert loss == pytest.approx(ops.softmax_cross_entropy(scores, ids[None, 1:]).item(), rel=1e-5)
    np.testing.assert_array_equal(right, scores.data[0].argmax(axis=1) == ids[1:])


def test_guessing_from_neighbours_counts():
    train = np.array([0, 1, 0, 1, 0, 2, 0, 1, 1])
    x, y = np.array([[0, 3, 0, 2, 3, 1]]), np.full((1, 6), NOT_ASKED)
    y[0, 1], y[0, 4] = 2, 0  # between 0 and 0 mostly 1; between 2 and 1 nothing was seen: 0 or 1, the most frequent
    rows = guess_from_neighbours(train, [(x, y)], 3)
    often = np.bincount(train).argmax()
    assert [value for _, value in rows] == ["50.0 %" if often == 0 else "0.0 %"] * 2


# --- bad input ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--heads", "3"], "heads must divide size, so that each has as many numbers; 3 and 16"),
        (["--prompt", "Zounds"], "the character 'Z' is not in the vocabulary of"),
        (["--objective", "masked", "--prompt", "Zo_nds"], "the character 'Z' is not in the vocabulary of"),
        (["--objective", "masked", "--prompt", "Speak, speak. All: _"], "at most 16 characters; got 20, 'Speak"),
        (["--objective", "masked", "--prompt", "Speak"], "--prompt: a text to fill in has a blank, _, and at most 16"),
        (["--context", "4000"], "has no window of 4000 and a character after it"),
        (["--beside", "nowhere"], "No such file or directory: 'nowhere/metrics.json'"),
        (["--sample", "5"], "there is no file"),
    ],
)
def test_bad_flags_end_with_one_line_and_status_2(in_folder, capsys, arguments, message):
    assert start(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--accumulate", "13"], ["--objective", "both"], ["--top-k", "0"], ["--clip", "0"]]
)
def test_unusable_flags_are_refused_at_once(arguments):
    with pytest.raises(SystemExit) as ended:
        shakespeare_gpt.main(arguments)
    assert ended.value.code == 2


def test_what_cannot_stand_beside_is_refused(in_folder, monkeypatch, capsys):
    monkeypatch.setattr(shakespeare_gpt, "draw", lambda *_: None)
    assert start("--epochs", "1") == 0
    assert start("--epochs", "1", "--beside", "out", out="other") == 2
    assert (
        "--beside: out must hold a run of shakespeare_lstm --stateful; it is shakespeare_gpt" in capsys.readouterr().err
    )
    (in_folder / "old").mkdir()
    (in_folder / "old" / "metrics.json").write_text(
        '{"model": "shakespeare_lstm", "variant": "stateful", "epochs": []}'
    )
    assert start("--epochs", "1", "--beside", "old", out="other") == 2
    assert (
        "--beside: old/metrics.json is not of a finished run of this version; run it again" in capsys.readouterr().err
    )


def test_the_weights_of_another_script_are_refused(in_folder, capsys):
    assert shakespeare_lstm.main(["--no-progress", "--epochs", "1", "--out", "lstm"]) == 0
    assert shakespeare_gpt.main(["--sample", "5", "--out", "lstm"]) == 2
    assert "is not from shakespeare_gpt; name its folder by --out" in capsys.readouterr().err


def test_a_state_of_the_scores_is_a_tensor_on_the_tape():
    scores, _ = small()(np.zeros((1, 3), int))
    assert isinstance(scores, Tensor)
    assert scores.requires_grad

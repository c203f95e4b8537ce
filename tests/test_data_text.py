"""Vocabulary, windows and chunks of a text, and where the text comes from."""

import hashlib

import numpy as np
import pytest
from data_files import Server

from tinygrad_edu.data import (
    NOT_ASKED,
    Blanked,
    Chunks,
    DataError,
    RandomWindows,
    TextWindows,
    Vocabulary,
    load_shakespeare,
    text,
)

SAMPLE = "Zounds! " * 200


def put(folder, content):
    (folder / "shakespeare").mkdir()
    (folder / "shakespeare" / "input.txt").write_bytes(content)


def test_vocabulary_there_and_back():
    vocabulary = Vocabulary("hello")
    assert (len(vocabulary), vocabulary.characters) == (4, "ehlo")
    ids = vocabulary.encode("hole")
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 3, 2, 0]
    assert vocabulary.decode(ids) == "hole"
    assert vocabulary.decode(Vocabulary("hello").encode("")) == ""
    for wrong in (-1, len(vocabulary)):
        with pytest.raises(ValueError, match=rf"^Vocabulary: {wrong} is the number of no character; there are 0\.\.3$"):
            vocabulary.decode(np.array([0, wrong]))


def test_a_character_outside_the_vocabulary_is_named_with_the_vocabulary():
    with pytest.raises(ValueError, match="'ß' is not in the vocabulary of 4 characters: 'ehlo'"):
        Vocabulary("hello").encode("heß")
    with pytest.raises(ValueError, match="the text is empty"):
        Vocabulary("")


def test_windows_are_cut_when_their_batch_comes():
    ids = np.arange(20)
    windows = TextWindows(ids, length=5, step=3)
    assert len(windows) == 5
    X, y = (np.concatenate(parts) for parts in zip(*windows.batches(2)))
    assert X.tolist() == [list(range(s, s + 5)) for s in (0, 3, 6, 9, 12)]
    assert y.tolist() == [5, 8, 11, 14, 17]
    shuffled = np.concatenate([y for _, y in windows.batches(2, np.random.default_rng(0))])
    assert shuffled.tolist() != y.tolist()
    assert sorted(shuffled) == y.tolist()


def test_a_million_characters_are_not_materialised():
    windows = TextWindows(np.zeros(1_000_000, dtype=np.int64), length=30, step=3)
    assert len(windows) == 333_324
    assert windows.starts.nbytes < 3_000_000
    assert next(iter(windows.batches(128)))[0].shape == (128, 30)


def test_chunks_continue_each_other():
    chunks = list(Chunks(np.arange(23), rows=2, length=3))
    assert len(chunks) == len(Chunks(np.arange(23), 2, 3)) == 3
    first, last = chunks[0], chunks[-1]
    assert first[0].tolist() == [[0, 1, 2], [11, 12, 13]]
    assert first[1].tolist() == [[1, 2, 3], [12, 13, 14]]
    assert chunks[1][0][:, 0].tolist() == [3, 14]
    assert last[1].tolist() == [[7, 8, 9], [18, 19, 20]]


def test_random_windows_begin_anywhere_and_the_generator_says_where():
    windows = RandomWindows(np.arange(12), 3, batch_size=9, count=22, rng=np.random.default_rng(0))
    batches = list(windows)
    assert len(windows) == len(batches) == 22
    X, Y = (np.concatenate(parts) for parts in zip(*batches))
    assert X.shape == Y.shape == (198, 3)
    assert (np.diff(X, axis=1) == 1).all()
    assert (Y == X + 1).all()
    assert set(X[:, 0]) == set(range(9))  # up to the last window that a character follows
    again = RandomWindows(np.arange(12), 3, 9, 22, np.random.default_rng(0))
    assert all((x == X[9 * i : 9 * i + 9]).all() for i, (x, _) in enumerate(again))


def test_blanks_take_the_place_of_fifteen_in_a_hundred_and_are_asked_for():
    x = np.random.default_rng(1).integers(9, size=(50, 80))
    batches = Blanked([(x,), (x,)], 9, np.random.default_rng(0))
    (first, y), (second, _) = batches
    assert len(batches) == 2
    blanked = first == 9
    assert 0.13 < blanked.mean() < 0.17
    assert (y[blanked] == x[blanked]).all()
    assert (y[~blanked] == NOT_ASKED).all()
    assert (first[~blanked] == x[~blanked]).all()
    assert (first != second).any()


def test_even_the_smallest_batch_has_a_blank():
    for x, y in Blanked([(np.zeros((1, 1), int),)] * 30, 1, np.random.default_rng(0)):
        assert (x, y) == (1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: RandomWindows(np.arange(5), 5, 1, 1, np.random.default_rng()),
            "no window of 5 .* at least 6 are needed",
        ),
        (
            lambda: RandomWindows(np.arange(5), 2, 0, 1, np.random.default_rng()),
            "batch_size must be a whole number >= 1",
        ),
        (
            lambda: RandomWindows(np.arange(9), 2, 10**9, 1, np.random.default_rng()),
            "batch_size must be at most 7, the pl",
        ),
        (
            lambda: list(Blanked([(np.arange(3),)], 1, np.random.default_rng())),
            "X of a batch must be characters as numbers",
        ),
        (lambda: Blanked([], -1, np.random.default_rng()), "blank must be a whole number >= 0"),
        (lambda: TextWindows(np.arange(5), 5), "a text of 5 characters has no window of 5 .* at least 6 are needed"),
        (lambda: TextWindows(np.zeros((2, 5), int), 3), r"ids must be of shape \(N,\), .* got \(2, 5\)"),
        (lambda: TextWindows(np.arange(5), 0), "length must be a whole number >= 1"),
        (lambda: TextWindows(np.arange(5), 2, 0), "step must be a whole number >= 1"),
        (lambda: Chunks(np.arange(11), 3, 3), "11 characters has no chunk of 3 in each of 3 strands; at least 12"),
        (lambda: Chunks(np.arange(11), 0, 3), "rows must be a whole number >= 1"),
        (lambda: load_shakespeare(source="some"), "source must be one of auto, real, synthetic"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_stand_in_can_be_asked_for():
    ours = load_shakespeare(source="synthetic")
    assert (ours.name, ours.source) == ("our own source code", "synthetic")
    assert "def backward(G):" in ours.text


def test_a_local_file_is_used(tmp_path):
    put(tmp_path, SAMPLE.encode())
    loaded = load_shakespeare(tmp_path)
    assert (loaded.name, loaded.source, loaded.text) == ("own text", "local", SAMPLE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a text of 0 characters is too short to learn from; at least 1000"),
        (b"abc", "a text of 3 characters is too short"),
        (text.FIRST_LINE.encode() * 30, "has 1,115,394 bytes, this file has 1,830: it was cut or changed"),
        (b"\xff\xfe", "cannot be read as UTF-8"),
    ],
)
def test_a_damaged_local_file_is_refused(tmp_path, content, message):
    put(tmp_path, content)
    with pytest.raises(DataError, match=message):
        load_shakespeare(tmp_path)


def test_the_same_text_with_other_line_ends_is_the_same_text(tmp_path, monkeypatch):
    lines = "Zounds!\n" * 200
    monkeypatch.setattr(text, "SHA256", hashlib.sha256(lines.encode()).hexdigest())
    put(tmp_path, b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode())
    loaded = load_shakespeare(tmp_path)
    assert (loaded.name, loaded.text) == ("tiny Shakespeare", lines)


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch):
    with Server({"/input.txt": SAMPLE.encode()}) as server:
        monkeypatch.setattr(text, "MIRRORS", (f"{server.url}input.txt",))
        with pytest.raises(DataError, match="wrong checksum"):
            load_shakespeare(tmp_path, "real")
        monkeypatch.setattr(text, "SHA256", hashlib.sha256(SAMPLE.encode()).hexdigest())
        assert load_shakespeare(tmp_path, "real").source == "download"
    local = load_shakespeare(tmp_path, "real")
    assert (local.name, local.source) == ("tiny Shakespeare", "local")


def test_without_a_network_the_stand_in_is_our_own_source_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(text, "MIRRORS", ())
    loaded = load_shakespeare(tmp_path)
    assert loaded.source == "synthetic"
    assert "using our own source code" in capsys.readouterr().err
    assert "def backward(G):" in loaded.text
    assert len(loaded.text) > 100_000
    assert len(Vocabulary(loaded.text)) <= 97
    with pytest.raises(DataError, match=r"could not download input\.txt"):
        load_shakespeare(tmp_path, "real")

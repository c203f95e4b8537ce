"""MNIST: from local files, by download, by stand-in; and every way in which the files can be wrong."""

import gzip
import hashlib
import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from data_files import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    Server,
    idx_bytes,
    mnist_files,
    sha256,
    write_mnist,
)

from tinygrad_edu.data import DataError, files, load_mnist, mnist
from tinygrad_edu.data import download as downloads

NAMES = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]
REAL = os.environ.get("TINYGRAD_EDU_DATA")  # read at import, since the fixture below hides it


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A port where nobody listens instead of the real mirrors, and nothing remembered from another test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{port}/mnist/",))
    monkeypatch.setattr(downloads, "_silent_hosts", {})
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("TINYGRAD_EDU_DATA", raising=False)


@pytest.fixture
def tiny_hashes(monkeypatch):
    """Let the tiny MNIST pass for the real one."""
    monkeypatch.setattr(mnist, "FILES", {name: sha256(content) for name, content in mnist_files().items()})


def routes(contents):
    return {f"/{name}.gz": gzip.compress(content) for name, content in contents.items()}


# ---- what works


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("source", ["auto", "real"])
def test_local_files(tmp_path, packed, source, capsys):
    write_mnist(tmp_path, packed=packed)
    data = load_mnist(tmp_path, source)
    assert (data.name, data.source) == ("own images", "local")
    assert data.train_images.shape == (20, 28, 28)
    assert data.test_images.shape == (10, 28, 28)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    np.testing.assert_array_equal(data.train_labels, np.arange(20) % 10)
    assert data.train_images.tobytes() == mnist_files()[TRAIN_IMAGES][16:]
    assert data.class_names == tuple("0123456789")
    assert capsys.readouterr() == ("", "")


def test_the_environment_variable(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    assert load_mnist(source="real").source == "local"


@pytest.mark.usefixtures("tiny_hashes")
def test_download_then_local(tmp_path, monkeypatch):
    with Server(routes(mnist_files())) as server:
        monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
        first = load_mnist(tmp_path, "real")
        assert load_mnist(tmp_path, "real").source == "local"
        assert server.asked == [f"/{name}.gz" for name in NAMES]  # each file once
    assert first.source == "download"
    assert len(first.train_images) == 20
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(f"{name}.gz" for name in NAMES)


@pytest.mark.usefixtures("tiny_hashes")
def test_other_images_in_the_same_format_are_the_users_own(tmp_path):
    folder = write_mnist(tmp_path, packed=False)
    assert load_mnist(tmp_path).name == "MNIST"
    changed = bytearray(mnist_files()[TRAIN_IMAGES])
    changed[-1] ^= 1  # one bit of one pixel, in a file that has no checksum of its own
    (folder / TRAIN_IMAGES).write_bytes(changed)
    assert load_mnist(tmp_path).name == "own images"


@pytest.mark.usefixtures("tiny_hashes")
def test_only_what_is_missing_is_downloaded(tmp_path, monkeypatch):
    (write_mnist(tmp_path) / f"{TEST_LABELS}.gz").unlink()
    with Server(routes(mnist_files())) as server:
        monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
        assert load_mnist(tmp_path).source == "download"
        assert server.asked == [f"/{TEST_LABELS}.gz"]


@pytest.mark.usefixtures("tiny_hashes")
def test_a_wrong_checksum_and_then_a_good_mirror(tmp_path, monkeypatch):
    bad = routes(mnist_files(seed=1))
    with Server(bad) as wrong, Server(routes(mnist_files())) as good:
        monkeypatch.setattr(mnist, "MIRRORS", (wrong.url, good.url))
        data = load_mnist(tmp_path, "real")
    assert data.train_images.tobytes() == mnist_files()[TRAIN_IMAGES][16:]


def test_synthetic(capsys):
    data = load_mnist(source="synthetic")
    assert (data.name, data.source) == ("synthetic digits", "synthetic")
    assert data.train_images.shape == (6000, 28, 28)
    assert data.train_labels.dtype == np.int64
    assert capsys.readouterr() == ("", "")  # it was asked for, so there is nothing to announce


def test_auto_falls_back_and_says_so_in_one_line(tmp_path, capsys):
    data = load_mnist(tmp_path)
    out, err = capsys.readouterr()
    assert data.source == "synthetic"
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "stand-in" in err
    assert "connection failed" in err
    assert list(tmp_path.rglob("*")) == []


def test_a_silent_network_is_given_up_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "FIRST_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{server.getsockname()[1]}/",))
        started = time.monotonic()
        for _ in range(3):  # as the tour does, which loads MNIST for several scripts
            assert load_mnist(tmp_path).source == "synthetic"
        assert time.monotonic() - started < 5


# ---- what does not


def test_real_names_url_file_and_place(tmp_path):
    with pytest.raises(DataError) as caught:
        load_mnist(tmp_path, "real")
    message = str(caught.value)
    assert f"{mnist.MIRRORS[0]}{TRAIN_IMAGES}.gz" in message
    assert str(tmp_path / "mnist" / f"{TRAIN_IMAGES}.gz") in message
    assert all(f"{name}.gz" in message for name in NAMES)


def test_a_wrong_checksum_on_all_mirrors(tmp_path, monkeypatch):
    with Server(routes(mnist_files())) as server:
        monkeypatch.setattr(mnist, "MIRRORS", (server.url, server.url))
        with pytest.raises(DataError) as caught:
            load_mnist(tmp_path, "real")
    assert mnist.FILES[TRAIN_IMAGES] in str(caught.value)
    assert sha256(mnist_files()[TRAIN_IMAGES]) in str(caught.value)
    assert list((tmp_path / "mnist").iterdir()) == []


@pytest.mark.parametrize("source", ["auto", "real"])
def test_a_directory_that_does_not_exist(tmp_path, source):
    with pytest.raises(DataError, match="does not exist"):
        load_mnist(tmp_path / "nowhere", source)


def test_unknown_source():
    with pytest.raises(ValueError, match="auto, real, synthetic, not 'fake'"):
        load_mnist(source="fake")


def replaced(name, content):
    return {**mnist_files(), name: content}


SWAPPED = {**mnist_files(), TRAIN_IMAGES: mnist_files()[TRAIN_LABELS], TRAIN_LABELS: mnist_files()[TRAIN_IMAGES]}
DAMAGED = {
    "swapped": (SWAPPED, f"{TRAIN_IMAGES}.*this looks like a label file"),
    "cut off": (replaced(TEST_IMAGES, mnist_files()[TEST_IMAGES][:-5]), f"{TEST_IMAGES}.*cut off"),
    "too long": (replaced(TEST_LABELS, mnist_files()[TEST_LABELS] + b"0"), f"{TEST_LABELS}.*there are more"),
    "label 10": (replaced(TRAIN_LABELS, idx_bytes(np.arange(20) % 11)), "must be 0 to 9, but label 10 is 10"),
    "counts": (replaced(TEST_LABELS, idx_bytes(np.zeros(9))), "t10k-images has 10 images, but .* 9 labels"),
    "size": (replaced(TRAIN_IMAGES, idx_bytes(np.zeros((20, 32, 32)))), "28 x 28 pixels, came 32 x 32"),
    "empty": (replaced(TRAIN_IMAGES, idx_bytes(np.zeros((0, 28, 28)))), "empty"),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("source", ["auto", "real"])
def test_a_damaged_local_file_is_an_error_for_auto_too(tmp_path, case, source):
    contents, message = DAMAGED[case]
    write_mnist(tmp_path, contents)
    with pytest.raises(DataError, match=message):
        load_mnist(tmp_path, source)


def test_a_local_gz_that_is_not_gz(tmp_path):
    folder = write_mnist(tmp_path)
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(mnist_files()[TRAIN_IMAGES])
    with pytest.raises(DataError, match="not a valid gzip file"):
        load_mnist(tmp_path)


def test_a_damaged_local_file_is_reported_even_when_another_is_missing(tmp_path):
    folder = write_mnist(tmp_path, DAMAGED["cut off"][0])
    (folder / f"{TRAIN_IMAGES}.gz").unlink()
    with pytest.raises(DataError, match="cut off"):
        load_mnist(tmp_path)


# ---- the real thing


@pytest.mark.skipif(not REAL, reason="TINYGRAD_EDU_DATA is not set")
def test_the_real_files():
    data = load_mnist(REAL, "real")
    assert data.train_images.shape == (60_000, 28, 28)
    assert data.test_images.shape == (10_000, 28, 28)
    # The arrays behind their headers are the published files, bit by bit.
    arrays = [data.train_images, data.train_labels, data.test_images, data.test_labels]
    for (name, expected), array in zip(mnist.FILES.items(), arrays):
        assert hashlib.sha256(idx_bytes(array)).hexdigest() == expected, name
    for name, expected in mnist.FILES.items():
        path = files.find_file(Path(REAL) / "mnist", [f"{name}.gz", name])
        files.check_hash(path, expected, unpack=path.suffix == ".gz")

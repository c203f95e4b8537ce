"""The inventory: each data set is told as its loader reads it, and nothing is fetched or unpacked."""

import hashlib

import numpy as np
import pytest
from data_files import mnist_files, sha256, write_mnist

from tinygrad_edu.data import airline, cifar10, mnist, text
from tinygrad_edu.data.inventory import inventory


def states(folder):
    return {holding.name: holding.state for holding in inventory(folder)}


def put(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def test_of_an_empty_folder_only_what_is_in_the_package_is_there(tmp_path):
    expected = dict.fromkeys(("MNIST", "CIFAR-10", "tiny Shakespeare"), "missing")
    assert states(tmp_path) == {**expected, "airline passengers": "published"}
    assert list(tmp_path.iterdir()) == []


def test_mnist_is_known_by_its_checksums(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    assert states(tmp_path)["MNIST"] == "own"
    monkeypatch.setattr(mnist, "FILES", {name: sha256(content) for name, content in mnist_files().items()})
    assert states(tmp_path)["MNIST"] == "published"


@pytest.mark.parametrize("place", ["cifar10", f"cifar10/{cifar10.FOLDER}"])
def test_the_files_of_cifar10_are_read(tmp_path, monkeypatch, place):
    monkeypatch.setattr(cifar10, "RECORDS", 1)
    (tmp_path / place).mkdir(parents=True)
    for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE):
        (tmp_path / place / name).write_bytes(bytes(cifar10.RECORD))
    assert states(tmp_path)["CIFAR-10"] == "published"
    (tmp_path / place / cifar10.TEST_FILE).unlink()
    found = inventory(tmp_path)[1]
    assert found.state == "damaged"
    assert "expected six files, test_batch.bin missing" in found.error


def test_the_archive_of_cifar10_is_looked_at_and_stays_packed(tmp_path, monkeypatch):
    put(tmp_path / "cifar10" / cifar10.ARCHIVE, b"an archive")
    assert states(tmp_path)["CIFAR-10"] == "damaged"
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(b"an archive").hexdigest())
    assert states(tmp_path)["CIFAR-10"] == "published"
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == [cifar10.ARCHIVE]


def test_a_text_is_known_by_its_checksum(tmp_path, monkeypatch):
    content = b"Zounds! " * 200
    put(tmp_path / "shakespeare" / text.FILE, content)
    assert states(tmp_path)["tiny Shakespeare"] == "own"
    monkeypatch.setattr(text, "SHA256", sha256(content))
    assert states(tmp_path)["tiny Shakespeare"] == "published"


def test_a_series_is_known_by_its_numbers(tmp_path):
    path = tmp_path / "airline" / airline.FILE
    months = airline.load_airline(tmp_path).months
    for values, state in ((airline.PASSENGERS, "published"), (np.arange(144), "own"), (["much"] * 144, "damaged")):
        lines = [f"{month},{value}" for month, value in zip(months, values)]
        put(path, "\n".join(["Month,Passengers", *lines]).encode())
        assert states(tmp_path)["airline passengers"] == state

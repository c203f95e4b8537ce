"""What is in the data directory, without fetching anything: for whoever wonders why a run says "stand-in data"."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinygrad_edu.data import airline, cifar10, mnist, text
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import data_directory, find_file


@dataclass(frozen=True)
class Holding:
    """One data set, and how much of it is there.

    Attributes
    ----------
    name : str
    state : str
        "published" (complete, and the publisher's as far as its checksum is known), "own" (complete, but other data in
        the same format), "missing", or "damaged" (what is there cannot be used, and a loader would say so).
    folder : Path
        Where its files belong.
    error : str
        What is wrong with a damaged one, in the words of its loader.
    loader : str
        The function of `tinygrad_edu.data` that reads it, and fetches what is missing.
    source : str
        Where it can be had; empty for what needs no download.
    """

    name: str
    state: str
    folder: Path
    error: str
    loader: str
    source: str


def inventory(data_dir: str | Path | None = None) -> list[Holding]:
    """Every data set, read as its loader reads it; DataError where the data directory itself cannot be used."""
    root = data_directory(data_dir)
    return [
        _holding("MNIST", "load_mnist", mnist.MIRRORS[0], root / "mnist", _mnist),
        _holding("CIFAR-10", "load_cifar10", cifar10.MIRRORS[0] + cifar10.ARCHIVE, root / "cifar10", _cifar10),
        _holding("tiny Shakespeare", "load_shakespeare", text.MIRRORS[0], root / "shakespeare", _shakespeare),
        _holding("airline passengers", "load_airline", "", root / "airline", _airline),
    ]


def _holding(name: str, loader: str, source: str, folder: Path, state: Callable[[Path], str]) -> Holding:
    try:
        return Holding(name, state(folder), folder, "", loader, source)
    except (DataError, OSError) as error:
        return Holding(name, "damaged", folder, str(error), loader, source)


def _mnist(folder: Path) -> str:
    paths = {name: find_file(folder, [f"{name}.gz", name]) for name in mnist.FILES}
    if None in paths.values():
        return "missing"
    return "published" if mnist.load_mnist(folder.parent, "real").name == "MNIST" else "own"


def _cifar10(folder: Path) -> str:
    names = (*cifar10.TRAIN_FILES, cifar10.TEST_FILE)
    if any(os.path.exists(place / name) for place in (folder, folder / cifar10.FOLDER) for name in names):
        cifar10.load_cifar10(folder.parent, "real")
        return "published"
    archive = find_file(folder, [cifar10.ARCHIVE])  # not unpacked yet: the loader does that
    if archive is None:
        return "missing"
    cifar10.check_archive(archive)
    return "published"


def _shakespeare(folder: Path) -> str:
    if not find_file(folder, [text.FILE]):
        return "missing"
    return "published" if text.load_shakespeare(folder.parent, "real").name == "tiny Shakespeare" else "own"


def _airline(folder: Path) -> str:
    """Never missing: the numbers are in the package as well."""
    if not find_file(folder, [airline.FILE]):
        return "published"
    return "own" if airline.load_airline(folder.parent).name == "own series" else "published"

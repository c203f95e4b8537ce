"""Data files and checkpoints spoilt in thousands of ways: loaded, or refused in a sentence that names the file.

`PYTHONPATH=tests python -m proof.mutated` spoils 10,000 files, each from a seed of its own, and reads each one as its
users do, in a forked process that may take no more memory than such a file could hold, 10 seconds, and 16 MiB of disk.
What loads was valid still: nothing in an IDX file says that a pixel was changed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gzip
import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import numpy as np
from data_files import TRAIN_IMAGES, TRAIN_LABELS, mnist_files, write_mnist

import models.run
from models import airline_lstm
from proof import spoiling
from proof.guarded import outcome
from proof.section import Section, conclude
from tinygrad_edu.data import (
    DataError,
    airline,
    cifar10,
    download,
    files,
    load_airline,
    load_cifar10,
    load_mnist,
    load_shakespeare,
    mnist,
)
from tinygrad_edu.data import text as shakespeare
from tinygrad_edu.data.idx import read_idx
from tinygrad_edu.optim import Adam
from tinygrad_edu.training import CheckpointError, load_checkpoint, load_weights, read_weights

CASES = 10_000
FEW = 100  # files of a format; for fewer, what is no file is tried with one of the calls alone
RECORDS = 8  # in a file of the tiny CIFAR-10
BASE, COPIES = 2**24, 10  # bytes for any file, and times that its content may be in memory, as bytes, text and numbers
LARGEST = 2**23  # bytes of content that a packed file here may be taken to have; the one without end has 268 MB


class ResumedError(Exception):
    """The checkpoint was taken; here the training would go on."""


@dataclass(frozen=True)
class Format:
    """Files of one format: their share of the cases, how they are spoilt, and how they are read.

    `where` is the file's place in the data directory, which the `calls` take.
    """

    name: str
    share: int
    where: str
    good: bytes
    change: Callable[[bytes, Random], bytes]
    calls: tuple[Callable[[Path], Any], ...]
    documented: type[Exception] = DataError
    packed: bool = False


def prove(cases: int = CASES, seed: int = 0, only: Sequence[str] = ()) -> Section:
    """Spoil `cases` files of all formats, or of some alone, and put things that are no files in their places."""
    figures: dict[str, int | float | str] = {}
    bad: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder, _small_world():
        formats = [format for format in _formats(Path(folder)) if format.name in only or not only]
        whole = sum(format.share for format in formats)
        for format in formats:
            root = Path(folder) / format.name.replace(" ", "-")
            counts: collections.Counter[str] = collections.Counter()
            for label, result in _results(format, root, cases * format.share // whole, seed):
                kind = result.partition(":")[0]
                counts[kind] += 1
                if kind not in ("loaded", "refused"):
                    bad[kind] += 1
                    failures.append(f"{format.name}, {label}: {result:.300}")
            figures[f"{format.name}: files"] = counts.total()
            figures[f"{format.name}: valid still, and loaded"] = counts["loaded"]
            figures[f"{format.name}: refused"] = counts["refused"]
    figures = {"files in all": sum(n for name, n in figures.items() if name.endswith(": files")), **figures}
    for kind in ("crash", "hang", "over memory", "bare exception", "left behind"):
        figures[f"files that ended in: {kind}"] = bad[kind]
    return Section("mutated", "Mutated files", figures, failures, whole=cases >= CASES and not only)


def _results(format: Format, root: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Every case, by what it can be repeated with, and what became of it; the whole file first, which must load."""
    path = root / format.where
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, call in enumerate(format.calls if count >= FEW else format.calls[-1:]):
        path.write_bytes(format.good)
        call(root)  # here, so that what is imported late is there before memory is counted
        _tidy(path)
        path.write_bytes(format.good)
        if (result := _tried(format, root, path, call)) != "loaded":
            yield f"call {number} of the whole file", f"bare exception: not loaded, but {result}"
        for name, make in IN_PLACE_OF_A_FILE.items():
            path.unlink()
            make(path)
            yield f"call {number} of {name}", _tried(format, root, path, call)
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            path.write_bytes(b"")
    for case in range(count):
        chance = Random(f"{seed} {format.name} {case}")
        change = spoiling.spoil if chance.random() < 0.4 else format.change
        path.write_bytes(change(format.good, chance))
        yield f"case {case} of seed {seed}", _tried(format, root, path, chance.choice(format.calls))


def _tried(format: Format, root: Path, path: Path, call: Callable[[Path], Any]) -> str:
    size = path.stat().st_size if path.is_file() and path.lstat().st_blocks else 0
    holds = min(files.EXPANSION * size, LARGEST) if format.packed else size
    result = outcome(lambda: call(root), format.documented, str(root), BASE + COPIES * holds)
    left = _tidy(path)
    return f"left behind: {left}, {result}" if left else result


def _tidy(path: Path) -> list[str]:
    """Remove what a call made beside the file, and return what it should not have left: temporary files."""
    left = [other.name for other in path.parent.iterdir() if other.name.endswith(".part")]
    for name in (*left, cifar10.FOLDER):
        if path.name == cifar10.ARCHIVE or name in left:
            shutil.rmtree(path.parent / name, ignore_errors=True)
    return left


IN_PLACE_OF_A_FILE: dict[str, Callable[[Path], Any]] = {
    "an empty file": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a file that cannot be read": lambda path: path.symlink_to("/proc/self/mem"),
    "a terabyte that is not there": lambda path: (path.touch(), os.truncate(path, 2**40)),
}


# --- the formats, and how they are read ---


@contextlib.contextmanager
def _small_world() -> Iterator[None]:
    """A tiny CIFAR-10, no mirrors, and a script without its pictures and without its words."""
    with contextlib.ExitStack() as patches:
        mirrors = (*mnist.MIRRORS, *cifar10.MIRRORS, *shakespeare.MIRRORS)
        silent = {urlsplit(mirror).netloc: (0.0, "there is no network in a test") for mirror in mirrors}
        patches.enter_context(mock.patch.object(download, "_silent_hosts", silent))
        patches.enter_context(mock.patch.object(cifar10, "RECORDS", RECORDS))
        patches.enter_context(mock.patch.object(airline_lstm, "draw"))
        patches.enter_context(contextlib.redirect_stdout(io.StringIO()))
        yield


def _formats(folder: Path) -> list[Format]:
    images, labels = mnist_files()[TRAIN_IMAGES], mnist_files()[TRAIN_LABELS]
    for name in ("IDX", "IDX-gzip"):  # the other three files of the four
        (write_mnist(folder / name, packed=False) / TRAIN_IMAGES).unlink()
    batch = _cifar_batch()
    (folder / "CIFAR-batches" / "cifar10").mkdir(parents=True)
    for name in (*cifar10.TRAIN_FILES[1:], cifar10.TEST_FILE):
        (folder / "CIFAR-batches" / "cifar10" / name).write_bytes(batch)
    series, sentences = _airline_csv(), shakespeare.own_source_code().text[:5000].encode()
    checkpoint, weights = _trained(folder / "run")

    def idx_calls(name):
        return (lambda root: read_idx(root / "mnist" / name, 3), lambda root: load_mnist(root, "real"))

    first = cifar10.TRAIN_FILES[0]
    batch_calls = (
        lambda root: cifar10.read_batches([root / "cifar10" / first]),
        lambda root: load_cifar10(root, "real"),
    )
    weight_calls = (lambda root: read_weights(root / "file"), lambda root: load_weights(root / "file", _network()))
    state_calls = (lambda root: read_weights(root / "file"), _load_checkpoint, _resume)
    pack = spoiling.packed
    return [
        Format("IDX", 1300, f"mnist/{TRAIN_IMAGES}", images, spoiling.idx, idx_calls(TRAIN_IMAGES)),
        Format("IDX labels", 300, "labels", labels, spoiling.idx, (lambda root: read_idx(root / "labels", 1),)),
        Format(
            *("IDX gzip", 1400, f"mnist/{TRAIN_IMAGES}.gz", gzip.compress(images)),
            *(pack(spoiling.idx), idx_calls(f"{TRAIN_IMAGES}.gz")),
            packed=True,
        ),
        Format("CIFAR batches", 1000, f"cifar10/{first}", batch, spoiling.cifar, batch_calls),
        Format(
            *("CIFAR archive", 2000, f"cifar10/{cifar10.ARCHIVE}", _cifar_archive(batch)),
            *(pack(spoiling.tar), (_unpack, _load_as_published)),
            packed=True,
        ),
        Format("CSV", 1500, f"airline/{airline.FILE}", series, spoiling.csv, (load_airline,)),
        Format("text", 1000, f"shakespeare/{shakespeare.FILE}", sentences, spoiling.text, (_load_text,)),
        Format("weights", 700, "file", weights, spoiling.safetensors, weight_calls, CheckpointError),
        Format("checkpoints", 800, "file", checkpoint, spoiling.safetensors, state_calls, CheckpointError),
    ]


def _airline_csv() -> bytes:
    months = (f"{1949 + k // 12}-{k % 12 + 1:02}" for k in range(airline.MONTHS))
    rows = (f'"{month}",{value}' for month, value in zip(months, airline.PASSENGERS, strict=True))
    return "\r\n".join(('"Month","Passengers"', *rows)).encode()


def _cifar_batch() -> bytes:
    table = np.random.default_rng(0).integers(256, size=(RECORDS, cifar10.RECORD)).astype(np.uint8)
    table[:, 0] %= 10
    return table.tobytes()


def _cifar_archive(batch: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE, "readme.html"):
            info = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            info.size = len(batch)
            archive.addfile(info, io.BytesIO(batch))
    return out.getvalue()


def _unpack(root: Path) -> None:
    """Without the checksum, which no spoilt archive passes."""
    cifar10.unpack(root / "cifar10" / cifar10.ARCHIVE, root / "cifar10" / cifar10.FOLDER)


def _load_as_published(root: Path) -> None:
    """As if the publisher's archive were this one."""
    archive = root / "cifar10" / cifar10.ARCHIVE
    few = archive.is_file() and 0 < archive.stat().st_size < 2**24
    md5 = hashlib.md5(archive.read_bytes()).hexdigest() if few else cifar10.ARCHIVE_MD5
    with mock.patch.object(cifar10, "ARCHIVE_MD5", md5):
        load_cifar10(root, "real")


def _load_text(root: Path) -> None:
    load_shakespeare(root, "real")


def _network() -> airline_lstm.AirlineNetwork:
    return airline_lstm.AirlineNetwork(1)


def _trained(out: Path) -> tuple[bytes, bytes]:
    """The checkpoint and the weights that a script leaves."""
    airline_lstm.main.__wrapped__(["--epochs", "1", "--no-progress", "--out", str(out), "--data-dir", str(out.parent)])
    return (out / "checkpoint.safetensors").read_bytes(), (out / "weights.safetensors").read_bytes()


def _load_checkpoint(root: Path) -> None:
    model = _network()
    load_checkpoint(root / "file", model, Adam(model.parameters()))


def _resume(root: Path) -> None:
    """As the script does; "of another run" is a wrong flag's message, and as good."""
    out = tempfile.mkdtemp(dir=root)  # each its own: a run keeps others out of its folder
    flags = ["--epochs", "2", "--no-progress", "--out", out, "--data-dir", str(root), "--resume", str(root / "file")]
    with mock.patch.object(models.run, "fit", side_effect=ResumedError), contextlib.suppress(ResumedError):
        try:
            airline_lstm.main.__wrapped__(flags)
        except ValueError as error:
            if "is of another run" not in str(error):
                raise
            raise CheckpointError(str(error)) from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES, help=f"files to spoil, of all formats ({CASES:,})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), metavar="FORMAT", help="of these formats alone")
    options = parser.parse_args()
    started = time.perf_counter()
    section = prove(options.cases, options.seed, options.only)
    sys.exit(conclude(section, time.perf_counter() - started))


if __name__ == "__main__":
    main()

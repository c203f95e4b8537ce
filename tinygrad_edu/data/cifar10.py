"""CIFAR-10: 50,000 + 10,000 photographs of 32 x 32 colour pixels, in ten classes.

The binary version is five training files and a test file, each 10,000 records of 3073 bytes behind each other:

    byte 0           the label, 0 to 9
    byte 1-1024      the red of all pixels, row by row
    byte 1025-2048   the green
    byte 2049-3072   the blue

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto, 2009.
"""

import contextlib
import functools
import os
import sys
from pathlib import Path

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.data.archive import unpack as unpack_archive
from tinygrad_edu.data.download import download
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import check_hash, data_directory, find_file, open_data
from tinygrad_edu.data.mnist import SOURCES, ImageData
from tinygrad_edu.data.synthetic_images import CLASS_NAMES as SYNTHETIC_NAMES
from tinygrad_edu.data.synthetic_images import synthetic_images
from tinygrad_edu.runtime.share import draw_rows

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
LARGEST_ARCHIVE = 2**28  # bytes; the published one has 170 MB
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
FOLDER = "cifar-10-batches-bin"  # what the archive unpacks to
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
RECORDS = 10_000  # images in a file
RECORD = 1 + 3 * 32 * 32  # bytes of an image with its label


def load_cifar10(
    data_dir: str | Path | None = None, source: str = "auto", *, progress: bool | None = None
) -> ImageData:
    """Load CIFAR-10 from local files, from the network, or a stand-in for it.

    Parameters
    ----------
    data_dir : str or Path, optional
        The data directory. In its folder `cifar10` are the six files, or a folder `cifar-10-batches-bin` with them, or
        the archive as published, which is known by its checksum. If none is there, it is downloaded and unpacked to
        there. By default $TINYGRAD_EDU_DATA, else a folder in the user's cache.
    source : {"auto", "real", "synthetic"}
        As for `load_mnist`.
    progress : bool, optional
        Show a progress bar for a download. By default only where stderr is a terminal.

    Returns
    -------
    ImageData
        Train (50000, 32, 32, 3) and test (10000, 32, 32, 3), uint8, in the order of the files; 5,000 and 1,000 if
        synthetic.

    Raises
    ------
    DataError
        The data directory does not exist; a local file is damaged, or the archive is not the publisher's; or, for
        "real", there are no files and the download fails.
    ValueError
        An unknown `source`.
    """
    if source not in SOURCES:
        raise ValueError(f"load_cifar10: source must be one of {', '.join(SOURCES)}, not {source!r}")
    if source == "synthetic":
        return _stand_in()
    folder = data_directory(data_dir) / "cifar10"
    found, files = "local", _find(folder)
    if files is None and (archive := find_file(folder, [ARCHIVE])):
        check_archive(archive)
        unpack(archive, folder / FOLDER)
        files = folder / FOLDER
    if files is None:
        try:
            _download(folder, progress)
        except DataError as error:
            if source == "real":
                raise DataError(
                    f"{error}\nCIFAR-10 needs six files in {folder / FOLDER}: {', '.join((*TRAIN_FILES, TEST_FILE))}"
                ) from None
            print(f"CIFAR-10: using generated stand-in images; {str(error).splitlines()[0]}", file=sys.stderr)
            return _stand_in()
        found, files = "download", folder / FOLDER
    train = read_batches([files / name for name in TRAIN_FILES])
    test = read_batches([files / TEST_FILE])
    return ImageData("CIFAR-10", found, *train, *test, CLASS_NAMES)


def read_batches(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Read files of 10,000 records each: images (N, 32, 32, 3) uint8 and labels (N,) int64.

    One file at a time into its place, so that never more than one file's bytes are held beside the result.
    """
    images = np.empty((len(paths) * RECORDS, 32, 32, 3), np.uint8)
    labels = np.empty(len(images), np.int64)
    for i, path in enumerate(paths):
        with open_data(path) as (file, size):
            content = file.read(RECORDS * RECORD)
        if not len(content) == size == RECORDS * RECORD:
            raise DataError(
                f"{path}: expected {RECORDS:,} records of {RECORD} bytes, {RECORDS * RECORD:,} in all; the file "
                f"has {size:,}. Fetch it again (the binary version of CIFAR-10, {ARCHIVE})"
            )
        records = _records(content, path)
        part = slice(i * RECORDS, (i + 1) * RECORDS)
        labels[part] = records[:, 0]
        images[part] = records[:, 1:].reshape(RECORDS, 3, 32, 32).transpose(0, 2, 3, 1)  # channels last
    return images, labels


def _records(content: bytes, path: Path) -> np.ndarray:
    """The records (N, 3073) of a file, whose labels must be those of ten classes."""
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(CLASS_NAMES))
    if len(wrong):
        raise DataError(
            f"{path}: labels must be 0 to 9, but that of record {wrong[0]:,} is {records[wrong[0], 0]} "
            f"({len(wrong):,} such labels); is this the binary version of CIFAR-10?"
        )
    return records


def unpack(archive: Path, folder: Path) -> None:
    """Take the six files out of the archive into `folder`, see `data/archive.py`; DataError for any other archive."""
    sizes = dict.fromkeys((*TRAIN_FILES, TEST_FILE), RECORDS * RECORD)
    unpack_archive(archive, folder, sizes, lambda name, content: _records(content, archive / name))


def augment(images: np.ndarray, rng: np.random.Generator, shift: int = 4, flip: bool = True) -> np.ndarray:
    """Move every image by up to `shift` pixels in both directions, and mirror half of them, left to right.

    A cat is a cat wherever it stands and whichever way it looks: a network that sees each image in ever new places
    cannot learn it by heart. What moves in from outside is black.

    Parameters
    ----------
    images : array (N, H, W, C)
        A batch, of any dtype.
    rng : numpy.random.Generator
    shift : int
        At most this many pixels; 0 for none.
    flip : bool
        Whether to mirror.

    Returns
    -------
    array (N, H, W, C)
        A new array of the same dtype.
    """
    shift, flip = checks.whole("augment", "shift", shift), checks.flag("augment", "flip", flip)
    images, rng = checks.numbers("augment", "images", images), checks.generator("augment", "rng", rng)
    if images.ndim != 4 or 0 in images.shape:
        checks.refuse("augment", "images", "of shape (N, H, W, C), none of them 0", images.shape)
    N, H, W, C = images.shape
    if N * (H + 2 * shift) * (W + 2 * shift) * C > checks.MOST_NUMBERS:
        checks.refuse("augment", "shift", "a number of pixels that fits into a computer", shift)
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    row, column = draw_rows(lambda rows: rng.integers(2 * shift + 1, size=(2, *rows)).T, (N,)).T
    # All (2 shift + 1)^2 places of an H x W window, without a copy; then each image takes one.
    windows = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(1, 2))
    moved = windows[np.arange(N), row, column].transpose(0, 2, 3, 1)  # (N, H, W, C)
    if flip:
        mirrored = draw_rows(rng.random, (N,)) < 0.5
        moved[mirrored] = moved[mirrored, :, ::-1]
    return np.ascontiguousarray(moved)


def _find(folder: Path) -> Path | None:
    """The folder with the files: this one or the one that the archive makes. None if not one of them is there."""
    for place in (folder / FOLDER, folder):
        there = [name for name in (*TRAIN_FILES, TEST_FILE) if os.path.exists(place / name)]
        if there:
            missing = sorted({*TRAIN_FILES, TEST_FILE} - set(there))
            if missing:
                raise DataError(f"{place}: expected six files, {', '.join(missing)} missing; fetch {ARCHIVE} again")
            return place
    return None


def check_archive(archive: Path) -> None:
    """DataError unless this is the archive as published: its files can be changed, and are read, once unpacked."""
    try:
        check_hash(archive, ARCHIVE_MD5, "md5", largest=LARGEST_ARCHIVE)
    except DataError as error:
        raise DataError(
            f"{error}. This is not the archive that was published: delete it, and it is fetched again; files of your "
            f"own are read without a checksum where they lie unpacked in {archive.parent / FOLDER}"
        ) from None


def _download(folder: Path, progress: bool | None) -> None:
    check = functools.partial(check_hash, expected=ARCHIVE_MD5, algorithm="md5")
    mirrors = [mirror + ARCHIVE for mirror in MIRRORS]
    archive = download(ARCHIVE, mirrors, folder, check, progress, largest=LARGEST_ARCHIVE)
    unpack(archive, folder / FOLDER)
    with contextlib.suppress(OSError):
        archive.unlink()  # 170 MB that nobody needs any more


def _stand_in() -> ImageData:
    return ImageData("synthetic images", "synthetic", *synthetic_images(), SYNTHETIC_NAMES)

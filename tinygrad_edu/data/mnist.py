"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 grey pixels.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998.
"""

import functools
import hashlib
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygrad_edu.data.download import download
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import check_hash, data_directory, find_file
from tinygrad_edu.data.idx import UNSIGNED_BYTE, read_idx
from tinygrad_edu.data.synthetic import synthetic_digits

SOURCES = ("auto", "real", "synthetic")
CLASS_NAMES = tuple("0123456789")
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
# SHA-256 of the unpacked files; on the mirrors and on disk each has .gz behind its name.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LARGEST = 16 + 60_000 * 28 * 28  # bytes of the largest of the four, unpacked


@dataclass(frozen=True, eq=False)
class ImageData:
    """Labelled images, split into a training and a test set.

    Attributes
    ----------
    name : str
        What the pictures are, as a table should call them: "MNIST", or "own images" for a user's files of others in its
        format, such as Fashion-MNIST, whose files have the same names and sizes.
    source : str
        "local" (the files were there), "download" (at least one was fetched just now) or "synthetic" (stand-in
        data: a result on them says nothing about the real ones).
    train_images, test_images : array (N, H, W) or (N, H, W, C), uint8
        Pixels from 0 to 255, as stored. Divide by 255 batch by batch: all at once takes four times the memory.
    train_labels, test_labels : array (N,), int64
        The class of each image, an index into `class_names`. int64 is what NumPy indexes with.
    class_names : tuple of str
        One name for each class.
    """

    name: str
    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]


def load_mnist(data_dir: str | Path | None = None, source: str = "auto", *, progress: bool | None = None) -> ImageData:
    """Load MNIST from local files, from the network, or a stand-in for it.

    Parameters
    ----------
    data_dir : str or Path, optional
        The data directory, with the four files in its folder `mnist`, compressed (.gz) or not. Missing ones are
        downloaded to there. By default $TINYGRAD_EDU_DATA, else a folder in the user's cache.
    source : {"auto", "real", "synthetic"}
        "real": local files, else a download, else an error. "auto": the same, but generated digits in the place of
        the error, which is announced on stderr. "synthetic": generated digits at once.
    progress : bool, optional
        Show a progress bar for a download. By default only where stderr is a terminal.

    Returns
    -------
    ImageData
        Train (60000, 28, 28) and test (10000, 28, 28), in the order of the files; 6,000 and 1,000 if synthetic.

    Raises
    ------
    DataError
        The data directory does not exist; a local file is damaged (for "auto" too: who put a file there wants it
        used); or, for "real", a file is missing and no mirror gives it.
    ValueError
        An unknown `source`.
    """
    if source not in SOURCES:
        raise ValueError(f"load_mnist: source must be one of {', '.join(SOURCES)}, not {source!r}")
    if source == "synthetic":
        return _stand_in()
    folder = data_directory(data_dir) / "mnist"
    # All local files are read before the first download, so that a damaged one is reported whatever the network does.
    arrays = {name: _read(path) for name in FILES if (path := find_file(folder, [f"{name}.gz", name]))}
    missing = [name for name in FILES if name not in arrays]
    try:
        paths = {name: _download(name, folder, progress) for name in missing}
    except DataError as error:
        if source == "real":
            raise DataError(
                f"{error}\nMNIST needs four files in {folder}: {', '.join(f'{n}.gz' for n in FILES)}"
            ) from None  # the message holds all that the first one said
        print(f"MNIST: using generated stand-in digits; {str(error).splitlines()[0]}", file=sys.stderr)
        return _stand_in()
    arrays |= {name: _read(path) for name, path in paths.items()}
    return ImageData(
        "MNIST" if all(_is_published(name, arrays[name]) for name in FILES) else "own images",
        "download" if missing else "local",
        *_matched(arrays, folder, "train"),
        *_matched(arrays, folder, "t10k"),
        CLASS_NAMES,
    )


def _stand_in() -> ImageData:
    return ImageData("synthetic digits", "synthetic", *synthetic_digits(), CLASS_NAMES)


def _download(name: str, folder: Path, progress: bool | None) -> Path:
    check = functools.partial(check_hash, expected=FILES[name], unpack=True, largest=LARGEST)
    mirrors = [f"{mirror}{name}.gz" for mirror in MIRRORS]
    return download(f"{name}.gz", mirrors, folder, check, progress, largest=LARGEST)


def _read(path: Path) -> np.ndarray:
    """Read one of the four files: images (N, 28, 28) uint8, or labels (N,) int64."""
    if "images" in path.name:
        images = read_idx(path, dimensions=3)
        if images.shape[1:] != (28, 28):
            raise DataError(f"{path}: expected images of 28 x 28 pixels, came {images.shape[1]} x {images.shape[2]}")
        return images
    labels = read_idx(path, dimensions=1)
    wrong = np.flatnonzero(labels >= len(CLASS_NAMES))
    if len(wrong):
        raise DataError(
            f"{path}: labels must be 0 to 9, but label {wrong[0]:,} is {labels[wrong[0]]} "
            f"({len(wrong):,} such labels); fetch the file again"
        )
    return labels.astype(np.int64)


def _is_published(name: str, array: np.ndarray) -> bool:
    """Whether these are the publisher's images or labels: those of a file in IDX format with the known checksum."""
    digest = hashlib.sha256(struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape))
    digest.update(array.astype(np.uint8, copy=False).data)
    return digest.hexdigest() == FILES[name]


def _matched(arrays: dict[str, np.ndarray], folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of one part ("train" or "t10k"), which must be equally many."""
    images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
    if len(images) != len(labels):
        raise DataError(
            f"{folder}: {part}-images has {len(images):,} images, but {part}-labels has {len(labels):,} labels; "
            "do both files come from the same data set?"
        )
    return images, labels

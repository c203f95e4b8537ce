"""Where data files are, and how they are read: only plain files, and never more of one than it should hold.

All data sets lie in one data directory, each in a folder of its own, in the formats of their publishers:

    DIRECTORY/mnist/train-images-idx3-ubyte.gz  ...

A loader looks there first. What is missing is downloaded to the same place, see `download`.
"""

import contextlib
import gzip
import hashlib
import os
import shutil
import stat
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pooch

from tinygrad_edu.data.errors import DataError

ENVIRONMENT_VARIABLE = "TINYGRAD_EDU_DATA"
LARGEST = 2**30  # bytes that any file of ours may have, unpacked; MNIST's largest has 47 MB
EXPANSION = 1032  # bytes at most that deflate, which gzip uses, makes of one: 258 bytes of two bits
STALE = 600.0  # seconds after which nobody is writing a temporary file any more


def data_directory(path: str | Path | None = None) -> Path:
    """Return the data directory: `path`, else $TINYGRAD_EDU_DATA, else a folder in the user's cache.

    Raises
    ------
    DataError
        A directory was asked for, by argument or environment, and does not exist. (The cache folder need not: a
        download creates it.)
    """
    if path is not None:
        return _existing(path, "the data directory")
    path = os.environ.get(ENVIRONMENT_VARIABLE)
    if path:
        return _existing(path, f"the data directory in ${ENVIRONMENT_VARIABLE}")
    return Path(pooch.os_cache("tinygrad_edu"))


def _existing(path: str | Path, what: str) -> Path:
    directory = Path(path).expanduser()
    # Path("") is the current directory, which is not what an unset shell variable was meant to say.
    if path == "" or not directory.is_dir():
        state = "is not a directory" if directory.exists() and path != "" else "does not exist"
        raise DataError(f"{what}, '{path}', {state}; create it, or leave it out to use the cache folder")
    return directory


def find_file(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of `names` that is in `folder`, or None."""
    for name in names:
        if os.path.exists(folder / name):  # where Path.exists raises (a folder without permission), this says no
            return folder / name
    return None


@contextlib.contextmanager
def open_data(path: Path, packed: bool = False) -> Iterator[tuple[BinaryIO, int]]:
    """Open a plain file for reading, and say how many bytes it can hold at most: no header of it can claim more.

    Parameters
    ----------
    path : Path
    packed : bool
        Whether it is a gzip file, of which the content is read.

    Raises
    ------
    DataError
        Names the file: it is missing, a folder, a pipe or a device (which could be read, or waited for, without end),
        or reading it fails; for a packed one, also where it is no gzip file, cut off or damaged.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: cannot be read (it is a pipe or a device); put the file itself there")
            if packed:
                with gzip.GzipFile(fileobj=file, mode="rb") as content:
                    yield cast(BinaryIO, content), EXPANSION * status.st_size
            else:
                yield file, status.st_size
    except gzip.BadGzipFile as error:
        raise DataError(f"{path}: not a valid gzip file ({error}); fetch it again") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is cut off or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for somebody who writes to it


def read_text(path: Path, largest: int = LARGEST) -> str:
    """Read a text file in UTF-8, with any line ends and with or without a byte order mark; lines end in "\\n" then.

    DataError names the file: it cannot be read, has more than `largest` bytes, or is no text in UTF-8.
    """
    with open_data(path) as (file, size):
        if size > largest:
            raise DataError(f"{path}: expected at most {largest:,} bytes, the file has {size:,}; is it the right one?")
        content = file.read(size)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {error.start:,} is {content[error.start]:#04x}"
        raise DataError(f"{path}: cannot be read as UTF-8 text: {at}; save it in UTF-8, or fetch it again") from None
    if "\0" in text:
        raise DataError(f"{path}: cannot be read as UTF-8 text: it has NUL characters; is it in UTF-16, or no text?")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_hash(
    path: Path, expected: str, algorithm: str = "sha256", unpack: bool = False, largest: int = LARGEST
) -> None:
    """Raise DataError unless the file's checksum is `expected`, in hexadecimal digits.

    With `unpack` the checksum is that of the gzip file's content, of which no more than `largest` bytes are looked at.
    The same content can be compressed in many ways, so mirrors may differ in their bytes and still hold the same data.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open_data(path, packed=unpack) as (file, most):
        size = 0 if unpack else most  # known before anything is read, or only as it comes
        while size <= largest and (piece := file.read(2**20)):
            digest.update(piece)
            size = max(size, file.tell())
        if size > largest:
            raise DataError(f"{path}: too large: it holds more than {largest:,} bytes")
    if digest.hexdigest() != expected:
        raise DataError(f"{path}: wrong checksum: expected {algorithm} {expected}, came {digest.hexdigest()}")


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove the temporary files and folders of `name` that a process left behind when it was killed."""
    for path in folder.glob(f".{name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime < STALE:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

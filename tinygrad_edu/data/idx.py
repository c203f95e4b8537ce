"""The IDX format, in which MNIST is published.

An IDX file is one array behind a short header, everything big-endian:

    byte 0-1      0, 0
    byte 2        type of the items; 8 means unsigned byte, the only one that MNIST uses
    byte 3        number of dimensions d: 3 for images (count, height, width), 1 for labels (count)
    4 d bytes     the d sizes, 32 bits each
    the rest      the items, last dimension fastest, as in NumPy

Bytes 0 to 3 together are the file's magic number: 2051 (0x803) for images, 2049 (0x801) for labels.
Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import LARGEST, open_data

UNSIGNED_BYTE = 8
KINDS = {1: "a label file", 3: "an image file"}
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, plain or gzip-compressed (by its ending, .gz).

    The header is checked against `dimensions` and against what a file of its size can hold, and the length of the data
    against the header, before any array is made. A compressed file is never unpacked further than one byte beyond what
    its header declares.

    Parameters
    ----------
    path : str or Path
        The file.
    dimensions : int
        Dimensions that the file must have: 3 for images, 1 for labels.

    Returns
    -------
    array, uint8
        Of the sizes in the header: images (N, H, W), labels (N,).

    Raises
    ------
    DataError
        The file is missing or unreadable, not gzip though its name says so or the reverse, not IDX, of other
        dimensions (an image file in the place of a label file), empty, damaged, too short or too long.
    """
    path = Path(path)
    with open_data(path, packed=path.suffix == ".gz") as (file, most):
        shape = _read_header(file, path, dimensions)
        size = math.prod(shape)
        sizes = " x ".join(map(str, shape))
        if size > min(most, LARGEST):
            raise DataError(
                f"{path}: the header declares {sizes} = {size:,} bytes, more than the {min(most, LARGEST):,} that this "
                "file can hold; fetch it again"
            )
        data = file.read(size + 1)  # one more than declared: enough to see that there is more
    if len(data) != size:
        came = f"only {len(data):,}: the file is cut off" if len(data) < size else "more"
        raise DataError(f"{path}: the header declares {sizes} = {size:,} bytes, but there are {came}; fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()  # a copy, since bytes would make it read-only


def _read_header(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    """Return the sizes that the header declares, after checking every field of it."""
    magic = _read_exactly(file, 4, path)
    _check_magic(magic, path, dimensions)
    shape = struct.unpack(f">{dimensions}I", _read_exactly(file, 4 * dimensions, path))
    if 0 in shape:
        raise DataError(f"{path}: the header declares an empty array, sizes {shape}; fetch the file again")
    return shape


def _read_exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise DataError(f"{path}: the file ends within its header, so it is cut off; fetch it again")
    return data


def _check_magic(magic: bytes, path: Path, dimensions: int) -> None:
    """Say precisely what is wrong with the first four bytes: the likely mistakes have different cures."""
    expected = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if magic == expected:
        return
    numbers = f"expected magic number {int.from_bytes(expected):#010x}, came {int.from_bytes(magic):#010x}"
    if magic.startswith(GZIP_MAGIC):
        raise DataError(f"{path}: {numbers}: this is a gzip file; let its name end in .gz, or unpack it")
    if magic[:3] == expected[:3]:
        looks = KINDS.get(magic[3], f"a file of {magic[3]} dimensions")
        wanted = KINDS.get(dimensions, f"a file of {dimensions} dimensions")
        raise DataError(f"{path}: {numbers}: this looks like {looks}, not {wanted}; were two files swapped?")
    raise DataError(f"{path}: {numbers}: not an IDX file of unsigned bytes; fetch it again")

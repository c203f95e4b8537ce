"""IDX files: what is right is read exactly, what is wrong is refused before an array is made."""

import gzip

import numpy as np
import pytest
from data_files import idx_bytes

from tinygrad_edu.data import DataError, idx
from tinygrad_edu.data.idx import read_idx

IMAGES = np.random.default_rng(0).integers(256, size=(5, 4, 3)).astype(np.uint8)
LABELS = np.arange(5, dtype=np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(content, name="file"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("packed", [False, True])
def test_round_trip(write, array, packed):
    content = idx_bytes(array)
    path = write(gzip.compress(content), "file.gz") if packed else write(content)
    got = read_idx(str(path), array.ndim)
    np.testing.assert_array_equal(got, array)
    assert got.dtype == np.uint8
    assert got.flags.writeable


def refused(path, dimensions=3):
    """The message of the DataError, which must name the file."""
    with pytest.raises(DataError) as caught:
        read_idx(path, dimensions)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_missing_file(tmp_path):
    assert "No such file" in refused(tmp_path / "nothing.gz")


def test_a_folder_in_its_place(tmp_path):
    assert "cannot be read" in refused(tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 4, 10, 15])
def test_cut_off_in_the_header(write, keep):
    assert "ends within its header" in refused(write(idx_bytes(IMAGES)[:keep]))


@pytest.mark.parametrize("packed", [False, True])
def test_cut_off_data(write, packed):
    content = idx_bytes(IMAGES)[:-1]
    path = write(gzip.compress(content), "file.gz") if packed else write(content)
    message = refused(path)
    assert "5 x 4 x 3 = 60 bytes, but there are only 59" in message


@pytest.mark.parametrize("packed", [False, True])
def test_trailing_bytes(write, packed):
    content = idx_bytes(IMAGES) + b"\0"
    path = write(gzip.compress(content), "file.gz") if packed else write(content)
    assert "60 bytes, but there are more" in refused(path)


def test_labels_where_images_belong(write):
    message = refused(write(idx_bytes(LABELS)), 3)
    assert "looks like a label file, not an image file" in message
    assert "0x00000803" in message
    assert "0x00000801" in message


def test_images_where_labels_belong(write):
    assert "looks like an image file, not a label file" in refused(write(idx_bytes(IMAGES)), 1)


def test_other_number_of_dimensions(write):
    assert "file of 2 dimensions" in refused(write(idx_bytes(IMAGES[0])))


def test_other_item_type(write):
    assert "0x00000d03" in refused(write(idx_bytes(IMAGES, magic=0x0D03)))


def test_not_idx_at_all(write):
    assert "not an IDX file" in refused(write(b"<!DOCTYPE html><html>not found</html>"))


def test_no_items(write):
    assert "empty" in refused(write(idx_bytes(np.zeros((0, 28, 28)))))


def test_gz_that_is_not_gz(write):
    assert "not a valid gzip file" in refused(write(idx_bytes(IMAGES), "file.gz"))


def test_empty_gz(write):
    assert "cut off" in refused(write(b"", "file.gz"))


def test_gzip_without_the_ending(write):
    assert "let its name end in .gz" in refused(write(gzip.compress(idx_bytes(IMAGES)), "file"))


def test_truncated_gzip(write):
    packed = gzip.compress(idx_bytes(IMAGES))
    for keep in (5, len(packed) // 2, len(packed) - 1):  # in its header, in its data, in its checksum
        assert "cut off or damaged" in refused(write(packed[:keep], "file.gz"))


def test_every_flipped_byte_of_a_gzip_is_noticed(write):
    packed = gzip.compress(idx_bytes(IMAGES), mtime=0)
    # Bytes 4 to 9 of the gzip header (time, flags, system) mean nothing for the content; flag bits in byte 3 may.
    for place in range(10, len(packed)):
        damaged = packed[:place] + bytes([packed[place] ^ 0xFF]) + packed[place + 1 :]
        refused(write(damaged, "file.gz"))


def test_an_absurd_header_is_refused_before_memory_is_taken(write, monkeypatch):
    assert "more than the 76 that this file can hold" in refused(write(idx_bytes(IMAGES, declared=(2**32 - 1,) * 3)))
    packed = write(gzip.compress(idx_bytes(IMAGES, declared=(1000, 1000, 1000))), "file.gz")
    most = 1032 * packed.stat().st_size
    assert f"more than the {most:,} that this file can hold" in refused(packed)
    monkeypatch.setattr(idx, "LARGEST", 59)
    assert "60 bytes, more than the 59" in refused(write(idx_bytes(IMAGES)))


def test_a_bomb_is_not_unpacked(write, monkeypatch):
    # 5 declared bytes, then 50 MB of zeros: only the declared ones and one more may be read.
    unpacked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, n: unpacked.append(read(file, n)) or unpacked[-1])
    path = write(gzip.compress(idx_bytes(np.zeros(50_000_000, np.uint8), declared=(5,)), 1), "file.gz")
    assert "there are more" in refused(path, 1)
    assert sum(map(len, unpacked)) == 4 + 4 + 6


def test_no_array_is_made_of_a_bad_file(write, monkeypatch):
    def refuse(*_):
        raise AssertionError("an array was made before the file was checked")

    monkeypatch.setattr(idx.np, "frombuffer", refuse)
    refused(write(idx_bytes(IMAGES)[:-1]))
    refused(write(idx_bytes(LABELS)))
    refused(write(idx_bytes(IMAGES, declared=(6, 4, 3))))

"""CIFAR-10: files, archive, download, stand-in; every way in which they can be wrong; augmentation."""

import gzip
import hashlib
import io
import os
import re
import socket
import tarfile

import numpy as np
import pytest
from data_files import Server

from tinygrad_edu.data import DataError, augment, cifar10, load_cifar10
from tinygrad_edu.data import download as downloads

REAL = os.environ.get("TINYGRAD_EDU_DATA")  # read at import, since the fixture below hides it
NAMES = (*cifar10.TRAIN_FILES, cifar10.TEST_FILE)
RECORDS = 20  # in a file of the tiny CIFAR-10


@pytest.fixture(autouse=True)
def tiny_and_alone(monkeypatch, request):
    """Files of 20 records; a port where nobody listens instead of the mirror; nothing remembered from another test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(cifar10, "MIRRORS", (f"http://127.0.0.1:{port}/",))
    monkeypatch.setattr(downloads, "_silent_hosts", {})
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("TINYGRAD_EDU_DATA", raising=False)
    if request.function is not test_the_real_files:
        monkeypatch.setattr(cifar10, "RECORDS", RECORDS)


def records(seed):
    """Bytes of one file: label, then red, green and blue planes."""
    rng = np.random.default_rng(seed)
    table = rng.integers(256, size=(RECORDS, cifar10.RECORD)).astype(np.uint8)
    table[:, 0] = np.arange(RECORDS) % 10
    return table


def write(folder, names=NAMES):
    folder.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        if name in names:
            (folder / name).write_bytes(records(seed).tobytes())


def archive(members=None):
    """The bytes of a .tar.gz; by default of all six files, as published."""
    if members is None:
        members = [(f"{cifar10.FOLDER}/{name}", records(seed).tobytes()) for seed, name in enumerate(NAMES)]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def place(tmp_path, monkeypatch):
    def place(content):
        """Put an archive where the published one belongs, and let it pass for that; returns its folder."""
        folder = tmp_path / "cifar10"
        folder.mkdir()
        (folder / cifar10.ARCHIVE).write_bytes(content)
        monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(content).hexdigest())
        return folder

    return place


def check(data, source):
    assert (data.name, data.source) == ("CIFAR-10", source)
    assert data.train_images.shape == (5 * RECORDS, 32, 32, 3)
    assert data.test_images.shape == (RECORDS, 32, 32, 3)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64
    second = records(1)  # the first record of the second file is image 20; green is channel 1
    np.testing.assert_array_equal(data.train_images[RECORDS, :, :, 1], second[0, 1025:2049].reshape(32, 32))
    np.testing.assert_array_equal(data.test_labels, np.arange(RECORDS) % 10)
    assert data.class_names[3] == "cat"


# ---- what works


@pytest.mark.parametrize("folder", ["cifar10", f"cifar10/{cifar10.FOLDER}"])
@pytest.mark.parametrize("source", ["auto", "real"])
def test_local_files(tmp_path, folder, source, capsys):
    write(tmp_path / folder)
    check(load_cifar10(tmp_path, source), "local")
    assert capsys.readouterr() == ("", "")


def test_a_local_archive(tmp_path, place):
    folder = place(archive())
    check(load_cifar10(tmp_path, "real"), "local")
    assert sorted(path.name for path in folder.iterdir()) == [cifar10.FOLDER, cifar10.ARCHIVE]


def test_download_then_local(tmp_path, monkeypatch):
    content = archive()
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(content).hexdigest())
    with Server({f"/{cifar10.ARCHIVE}": content}) as server:
        monkeypatch.setattr(cifar10, "MIRRORS", (server.url,))
        check(load_cifar10(tmp_path, "real"), "download")
        check(load_cifar10(tmp_path, "real"), "local")
        assert server.asked == [f"/{cifar10.ARCHIVE}"]
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == [cifar10.FOLDER]


def test_synthetic(capsys):
    data = load_cifar10(source="synthetic")
    assert (data.name, data.source) == ("synthetic images", "synthetic")
    assert data.train_images.shape == (5000, 32, 32, 3)
    assert data.train_images.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(data.train_labels), [500] * 10)
    assert len(data.class_names) == 10
    again = load_cifar10(source="synthetic")
    np.testing.assert_array_equal(data.train_images, again.train_images)
    assert capsys.readouterr() == ("", "")


def test_auto_falls_back_and_says_so_in_one_line(tmp_path, capsys):
    assert load_cifar10(tmp_path).source == "synthetic"
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "stand-in" in err
    assert list(tmp_path.rglob("*.bin")) == []


# ---- what does not


def test_real_names_url_file_and_place(tmp_path):
    with pytest.raises(DataError) as caught:
        load_cifar10(tmp_path, "real")
    message = str(caught.value)
    assert cifar10.MIRRORS[0] + cifar10.ARCHIVE in message
    assert str(tmp_path / "cifar10" / cifar10.FOLDER) in message
    assert all(name in message for name in NAMES)


def test_unknown_source():
    with pytest.raises(ValueError, match="auto, real, synthetic, not 'fake'"):
        load_cifar10(source="fake")


def test_a_directory_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_cifar10(tmp_path / "nowhere")


@pytest.mark.parametrize("source", ["auto", "real"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda content: content[:-1],
            rf"data_batch_2.bin: expected {RECORDS} records .* {RECORDS * 3073:,} in all; .*",
        ),
        (lambda content: content + b"0", "data_batch_2.bin: expected"),
        (lambda content: b"", "the file has 0"),
        (lambda content: content[:3073] + b"\x0a" + content[3074:], "0 to 9, but that of record 1 is 10 .*1 such"),
    ],
)
def test_a_damaged_local_file_is_an_error_for_auto_too(tmp_path, source, damage, message):
    write(tmp_path / "cifar10")
    path = tmp_path / "cifar10" / "data_batch_2.bin"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        load_cifar10(tmp_path, source)


def test_a_missing_file_among_the_six(tmp_path):
    write(tmp_path / "cifar10", NAMES[:-1])
    with pytest.raises(DataError, match=r"expected six files, test_batch\.bin missing"):
        load_cifar10(tmp_path)


def test_a_damaged_archive(tmp_path, place):
    folder = place(archive()[:-2000])
    with pytest.raises(DataError, match=f"{cifar10.ARCHIVE}: the gzip file is cut off or damaged .*; fetch it again"):
        load_cifar10(tmp_path)
    assert [path.name for path in folder.iterdir()] == [cifar10.ARCHIVE]


def test_no_archive_at_all(tmp_path, place):
    place(b"<html>not found</html>")
    with pytest.raises(DataError, match="not a valid gzip file"):
        load_cifar10(tmp_path)


def test_an_archive_without_a_file(tmp_path, place):
    place(archive([(f"{cifar10.FOLDER}/{NAMES[0]}", records(0).tobytes())]))
    with pytest.raises(DataError, match=r"expected data_batch_2.bin, .* in the archive, which are missing"):
        load_cifar10(tmp_path)


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "member",
    [
        "../escaped.bin",
        f"{cifar10.FOLDER}/../../../escaped.bin",
        "/tmp/escaped.bin",
        link(f"{cifar10.FOLDER}/data_batch_1.bin", "/etc/passwd", tarfile.SYMTYPE),
        link(f"{cifar10.FOLDER}/data_batch_1.bin", "../../escaped.bin", tarfile.LNKTYPE),
    ],
)
def test_an_archive_member_that_climbs_out_of_its_folder(tmp_path, place, member):
    good = [(f"{cifar10.FOLDER}/{name}", records(seed).tobytes()) for seed, name in enumerate(NAMES)]
    place(archive([*good, (member, b"")]))
    with pytest.raises(DataError, match="leads out of its folder or is no plain file; nothing was unpacked"):
        load_cifar10(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [cifar10.ARCHIVE]


def tar_gz(*blocks):
    return gzip.compress(b"".join(block.ljust(-(-len(block) // 512) * 512, b"\0") for block in blocks))


def header(name, size, kind=b"0"):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse_header(size):
    """A file with holes, in GNU's old form: 512 bytes in the archive, `size` when it is written."""
    info = bytearray(header(f"{cifar10.FOLDER}/data_batch_1.bin", 0, tarfile.GNUTYPE_SPARSE))
    info[386:410] = b"%011o\0%011o\0" % (size - 1, 0)  # the only piece: nothing, at the end
    info[483:495] = b"%011o\0" % size
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    return bytes(info)


FIRST = f"{cifar10.FOLDER}/data_batch_1.bin"
ZEROS = gzip.compress(bytes(2**20))
HARMFUL = {
    "a sparse file of 3 GB": (tar_gz(sparse_header(3 * 10**9), bytes(9000)), "is no plain file"),
    "2 GB of zeros in a file": (
        gzip.compress(header(FIRST, 2**31)) + ZEROS * 20,
        "in data_batch_1.bin, came 2,147,483,648",
    ),
    "zeros in another file": (gzip.compress(header("x", 2**31)) + ZEROS * 20, "unpacks to more than"),
    "a name of 1 GB": (gzip.compress(header("x", 2**30, b"L")) + ZEROS * 20, "a header in it is too long"),
    "names of names": (tar_gz(*[header("x", 1, b"L"), b"x"] * 1000), "a header in it is too long"),
    "pax headers that are none": (tar_gz(header("x", 20, b"x"), b"x path=y\n"), "not a whole archive"),
    "a file twice": (tar_gz(*[header(FIRST, 61460), bytes(61460)] * 2), "data_batch_1.bin is in the archive twice"),
    "a file of a negative size": (tar_gz(header("x", -1024)), "not a whole archive"),
    "a pipe": (tar_gz(header(FIRST, 0, tarfile.FIFOTYPE)), "is no plain file"),
    "a label of 11": (
        tar_gz(header(FIRST, 61460), b"\x0b" * 61460),
        f"{cifar10.ARCHIVE}/data_batch_1.bin: labels must be",
    ),
    "a tar that ends": (tar_gz(header(FIRST, 61460), bytes(512)), "it ends within a file"),
    "no tar": (gzip.compress(b"half" * 1000), "not a whole archive"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_an_archive_made_to_do_harm_leaves_nothing(tmp_path, place, case):
    content, message = HARMFUL[case]
    folder = place(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_cifar10(tmp_path)
    assert cifar10.ARCHIVE in str(caught.value)
    assert [path.name for path in folder.iterdir()] == [cifar10.ARCHIVE]


def test_an_archive_is_read_to_its_end_where_its_checksum_is(tmp_path, place):
    content = bytearray(archive())
    content[-8] ^= 1
    place(bytes(content))
    with pytest.raises(DataError, match=r"not a valid gzip file \(CRC check failed"):
        load_cifar10(tmp_path)


def test_a_local_archive_that_is_not_the_publishers(tmp_path):
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / cifar10.ARCHIVE).write_bytes(archive())
    with pytest.raises(
        DataError, match=r"wrong checksum: expected md5 c32a.*files of your own .* where they lie unpacked"
    ):
        load_cifar10(tmp_path)
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == [cifar10.ARCHIVE]


def test_a_folder_that_cannot_be_made(tmp_path, place):
    folder = place(archive())
    (folder / cifar10.FOLDER).write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=r"could not unpack .* Not a directory"):
        load_cifar10(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [cifar10.FOLDER, cifar10.ARCHIVE]


def test_a_wrong_checksum(tmp_path, monkeypatch):
    content = archive()
    with Server({f"/{cifar10.ARCHIVE}": content}) as server:
        monkeypatch.setattr(cifar10, "MIRRORS", (server.url,))
        with pytest.raises(DataError) as caught:
            load_cifar10(tmp_path, "real")
    assert cifar10.ARCHIVE_MD5 in str(caught.value)
    assert hashlib.md5(content).hexdigest() in str(caught.value)
    assert list((tmp_path / "cifar10").iterdir()) == []


# ---- augmentation


def test_augmentation_moves_and_mirrors_whole_images():
    images = np.random.default_rng(0).integers(1, 256, size=(60, 6, 5, 3)).astype(np.uint8)
    before = images.copy()
    moved = augment(images, np.random.default_rng(1), shift=2)
    assert (moved.shape, moved.dtype) == (images.shape, np.uint8)
    np.testing.assert_array_equal(images, before)
    kinds = set()
    for image, new in zip(images, moved):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        found = [
            (row, column, flip)
            for row in range(5)
            for column in range(5)
            for flip in (1, -1)
            if np.array_equal(padded[row : row + 6, column : column + 5][:, ::flip], new)
        ]
        assert len(found) == 1
        kinds.update(found)
    assert {flip for *_, flip in kinds} == {1, -1}
    assert len({place[:2] for place in kinds}) > 15


def test_augmentation_off():
    images = np.ones((3, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(augment(images, np.random.default_rng(0), shift=0, flip=False), images)
    with pytest.raises(ValueError, match="shift must be a whole number >= 0"):
        augment(images, np.random.default_rng(0), shift=-1)


# ---- the real thing


@pytest.mark.skipif(not REAL, reason="TINYGRAD_EDU_DATA is not set")
def test_the_real_files():
    data = load_cifar10(REAL, "real")
    assert data.train_images.shape == (50_000, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    np.testing.assert_array_equal(np.bincount(data.train_labels), [5000] * 10)
    np.testing.assert_array_equal(np.bincount(data.test_labels), [1000] * 10)

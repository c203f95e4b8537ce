"""Where files are, how they are read, and their checksums."""

import gzip
import os
import sys
from functools import partial

import pytest
from data_files import sha256

from tinygrad_edu.data import DataError, files
from tinygrad_edu.data.files import check_hash, data_directory, open_data, read_text

CONTENT = bytes(range(256)) * 1000
WRONG = b"not the file you are looking for"
check = partial(check_hash, expected=sha256(CONTENT))


# ---- the data directory


def test_the_argument_comes_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "argument").mkdir()
    (tmp_path / "environment").mkdir()
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path / "environment"))
    assert data_directory(tmp_path / "argument") == tmp_path / "argument"
    assert data_directory() == tmp_path / "environment"


@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_folder_need_not_exist(tmp_path, monkeypatch, value):
    monkeypatch.delenv("TINYGRAD_EDU_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("TINYGRAD_EDU_DATA", value)
    monkeypatch.setattr(files.pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    assert data_directory() == tmp_path / "cache" / "tinygrad_edu"
    assert not (tmp_path / "cache").exists()


def test_a_directory_that_was_asked_for_must_exist(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"nowhere', does not exist; create it"):
        data_directory(tmp_path / "nowhere")
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"\$TINYGRAD_EDU_DATA, .*nowhere', does not exist"):
        data_directory()


def test_a_file_is_not_a_directory(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="is not a directory"):
        data_directory(tmp_path / "file")


def test_an_empty_argument_is_not_the_current_directory():
    with pytest.raises(DataError, match="does not exist"):
        data_directory("")


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_directory("~") == tmp_path


# ---- checksums


def test_wrong_hash_names_both(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(WRONG)
    with pytest.raises(DataError, match=f"expected sha256 {sha256(CONTENT)}, came {sha256(WRONG)}"):
        check(path)


def test_hash_of_the_unpacked_content_does_not_depend_on_the_packing(tmp_path):
    for level in (1, 9):
        (tmp_path / "file").write_bytes(gzip.compress(CONTENT, level))
        check_hash(tmp_path / "file", sha256(CONTENT), unpack=True)


@pytest.mark.parametrize("damage", [lambda packed: CONTENT, lambda packed: packed[:-20], lambda packed: packed[:5]])
def test_hash_of_something_that_cannot_be_unpacked(tmp_path, damage):
    (tmp_path / "file").write_bytes(damage(gzip.compress(CONTENT)))
    with pytest.raises(DataError, match=r"file: (not a valid gzip file|the gzip file is cut off or damaged)"):
        check_hash(tmp_path / "file", sha256(CONTENT), unpack=True)


def test_a_gzip_that_expands_without_end_is_looked_at_no_further_than_it_may_be(tmp_path):
    (tmp_path / "file").write_bytes(gzip.compress(bytes(10_000_000), 1))
    with pytest.raises(DataError, match="file: too large: it holds more than 5,000,000 bytes"):
        check_hash(tmp_path / "file", sha256(CONTENT), unpack=True, largest=5_000_000)
    os.truncate(tmp_path / "file", 2**40)  # a terabyte of nothing: not read at all
    with pytest.raises(DataError, match="file: too large: it holds more than 5,000,000 bytes"):
        check_hash(tmp_path / "file", sha256(CONTENT), largest=5_000_000)


def test_md5(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    check_hash(tmp_path / "file", "d41d8cd98f00b204e9800998ecf8427e", "md5")


# ---- what is no plain file, or no text


NO_FILES = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.skipif(sys.platform != "linux", reason="pipes and devices as Linux has them")
@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("read", [read_text, check, lambda path: open_data(path, packed=True).__enter__()])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path, what, read):
    NO_FILES[what](tmp_path / "file")
    with pytest.raises(DataError, match="file: cannot be read"):
        read(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="a file of Linux")
def test_a_disk_that_fails_is_told(tmp_path):
    (tmp_path / "file").symlink_to("/proc/self/mem")  # whose first byte nobody may read
    with pytest.raises(DataError, match=r"file: cannot be read \(Input/output error\)"):
        check(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Zürich".encode("latin-1"), "cannot be read as UTF-8 text: byte 1 is 0xfc; save it in UTF-8"),
        ("Zurich".encode("utf-16-le"), "it has NUL characters; is it in UTF-16, or no text"),
        (b"x" * 101, "expected at most 100 bytes, the file has 101"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match=f"file: {message}|file: .*{message}"):
        read_text(tmp_path / "file", 100)


def test_a_text_of_any_system_is_the_same_text(tmp_path):
    for content in (b"a\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\nb\n"):
        (tmp_path / "file").write_bytes(content)
        assert read_text(tmp_path / "file") == "a\nb\n"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    for name in (".set.1.part", ".set.2.part", ".set.new.part", ".other.1.part", "set"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"")
        if "new" not in name:
            os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".set.3.part").symlink_to(tmp_path / "set")
    os.utime(tmp_path / ".set.3.part", (0, 0), follow_symlinks=False)
    files.remove_leftovers(tmp_path, "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.1.part", ".set.new.part", "set"]
    assert (tmp_path / "set" / "file").exists()

"""A file is there whole, or it is as it was."""

import os

import pytest

from tinygrad_edu.files import write_whole


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half of the ne")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_whole(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "old"


def test_a_written_file_is_there_under_its_name_alone_and_readable_as_any_other(tmp_path):
    path = tmp_path / "made" / "on" / "the way.txt"

    def write(temporary):
        temporary.write_text("new")
        temporary.chmod(0o600)  # as safetensors leaves its files

    write_whole(path, write)
    plain = tmp_path / "plain"
    plain.touch()
    assert [file.name for file in path.parent.iterdir()] == ["the way.txt"]
    assert path.read_text() == "new"
    assert path.stat().st_mode == plain.stat().st_mode or os.name == "nt"

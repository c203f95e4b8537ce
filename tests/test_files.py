"""A file is there whole, or it is as it was; what a killed write leaves is removed, and no link is followed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu import files
from tinygrad_edu.files import MACHINE, remove_leftovers, write_whole

no_windows = pytest.mark.skipif(os.name == "nt", reason="there are no such limits on this system")


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_written_file_is_there_under_its_name_alone_and_readable_as_any_other(tmp_path):
    path = tmp_path / "made" / "on" / "the way.txt"
    write_whole(path, "new, and in UTF-8: ü")
    plain = tmp_path / "plain"
    plain.touch()
    assert names(path.parent) == ["the way.txt"]
    assert path.read_bytes() == b"new, and in UTF-8: \xc3\xbc"
    assert path.stat().st_mode == plain.stat().st_mode or os.name == "nt"
    write_whole(path, b"newer", keep=path.with_name("old"))
    assert (path.read_bytes(), path.with_name("old").read_text()) == (b"newer", "new, and in UTF-8: ü")
    assert names(path.parent) == ["old", "the way.txt"]


def run(code, path, within=()):
    """The lines that a program printed that writes `path`, as an argument of the command `within`."""
    code = f"import os, sys\nfrom pathlib import Path\nfrom tinygrad_edu.files import write_whole\n{code}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*within, sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return (done.stdout + done.stderr).splitlines()


def on_a_disk_of_its_own(*options):
    """A command that runs another one with /mnt on a new disk; None where this user may mount none."""
    mount = f'mount -t tmpfs -o {",".join(options)} none /mnt && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    try:
        works = sys.platform == "linux" and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    return command if works else None


SMALL, READ_ONLY = on_a_disk_of_its_own("size=64k"), on_a_disk_of_its_own("ro")

TOO_LARGE = """
import resource
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
try:
    write_whole(Path(sys.argv[1]), "x" * 5000)
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)  # what measures coverage writes its file at the end
"""


@no_windows
def test_a_file_that_cannot_be_written_whole_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    assert run(TOO_LARGE, path) == [f"[Errno 27] File too large; the file is as it was before: '{path}'"]
    assert names(tmp_path) == ["page.html"]
    assert path.read_text() == "old"


FULL = """
path = Path(sys.argv[1])
path.write_text("old")
try:
    write_whole(path, b"x" * 200_000)
except OSError as error:
    print(error)
print(path.read_text(), *[file.name for file in path.parent.iterdir()])
"""


@pytest.mark.skipif(SMALL is None, reason="needs a user who may mount a small disk")
def test_a_full_disk():
    message = "[Errno 28] No space left on device; the file is as it was before: '/mnt/weights'"
    assert run(FULL, "/mnt/weights", SMALL) == [message, "old weights"]


@pytest.mark.skipif(READ_ONLY is None, reason="needs a user who may mount a read-only disk")
def test_a_read_only_disk():
    lines = run("write_whole(Path(sys.argv[1]), 'text')", "/mnt/weights", READ_ONLY)
    assert lines[-1] == "OSError: [Errno 30] Read-only file system; the file is as it was before: '/mnt/weights'"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(OSError, match=r"the file is as it was before.*runs.weights"):
        write_whole(tmp_path / "runs" / "weights", "text")


@pytest.mark.parametrize("path", [Path(""), Path("/")])
def test_a_folder_in_the_place_of_the_file_is_named(path):
    with pytest.raises(IsADirectoryError, match="a folder, where a file is to be written"):
        write_whole(path, "text")


def test_ctrl_c_within_a_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def interrupted(file):
        raise KeyboardInterrupt

    (tmp_path / "weights").write_text("old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "weights", "new")
    assert names(tmp_path) == ["weights"]
    assert (tmp_path / "weights").read_text() == "old"


# --- what killed writes leave ---

KILLED = """
import signal
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # when the content is there and its name is not
write_whole(Path(sys.argv[1]), "half")
"""


@no_windows
def test_the_next_write_removes_what_a_killed_one_left_and_no_more(tmp_path):
    path = tmp_path / "weights"
    run(KILLED, path)
    (left,) = names(tmp_path)
    assert left.startswith(".weights.")
    other_file = tmp_path / left.replace(".weights.", ".page.")
    elsewhere = tmp_path / left.replace(MACHINE, "another_machine")
    alive = tmp_path / f".weights.{MACHINE}-{os.getpid()}-0123abcd.part"
    mine = tmp_path / ".weights.mine.part"
    for file in (other_file, elsewhere, alive, mine):
        file.touch()
    write_whole(path, "whole")
    assert names(tmp_path) == sorted(["weights", other_file.name, elsewhere.name, alive.name, mine.name])
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(["weights", elsewhere.name, alive.name, mine.name])
    remove_leftovers(tmp_path, alone=True)
    assert names(tmp_path) == ["weights"]


@pytest.mark.parametrize("system", ["nt", "posix"])
def test_a_process_that_cannot_be_asked_counts_as_alive(tmp_path, monkeypatch, system):
    """It is somebody else's; or the system is Windows, where the question would be Ctrl-C."""

    def refused(process, signal):
        assert system == "posix"
        raise PermissionError

    left = tmp_path / f".weights.{MACHINE}-1-0123abcd.part"
    left.touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refused)
        patch.setattr(os, "name", system)
        remove_leftovers(tmp_path)
    assert names(tmp_path) == [left.name]


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs symbolic links")
def test_a_link_planted_at_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    """Whoever may write into a shared folder could else have any file of ours overwritten."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "0123abcd")  # as if it could be guessed
    (tmp_path / f".weights.{MACHINE}-{os.getpid()}-0123abcd.part").symlink_to(precious)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "weights", "new")
    assert precious.read_text() == "precious"


def test_two_writes_never_share_a_temporary_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Path, "replace", lambda self, target: seen.append(self))
    for _ in range(2):
        write_whole(tmp_path / "weights", "new")
    assert seen[0] != seen[1]


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    """After a power cut the name must not stand for a file whose content never got to the disk."""
    order, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("sync"), sync(file)))
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("rename"), replace(self, target)))
    write_whole(tmp_path / "weights", "new")
    assert order == ["sync", "rename", "sync"]

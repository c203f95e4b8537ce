"""How a file is written so that nobody ever sees half of it, and what a killed write leaves is removed."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import secrets
from pathlib import Path

MACHINE = re.sub(r"\W", "_", platform.node())


def write_whole(path: Path, content: str | bytes, keep: Path | None = None) -> None:
    """Write a new file beside `path`, then give it that name; text as UTF-8.

    Renaming is a single step for the operating system: after a crash, a full disk or a power cut there is the old file
    or the new one, whole. With `keep`, the old one stays under that name. The folder is made when it is missing.

    Raises OSError, naming `path`, where it cannot be written; then what was there is as it was, and nothing is left.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, "a folder, where a file is to be written", str(path))
    # A name that nobody can know before, and mode "x", which opens no file and follows no link that is there already.
    part = path.with_name(f".{path.name}.{MACHINE}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, path.name)
        with part.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # or the name may reach the disk before the content: after a power cut, no file
        if keep and path.exists():
            path.replace(keep)
        part.replace(path)
        _sync_names(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # it may not even exist
            part.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror}; the file is as it was before", str(path)) from None
        raise


def remove_leftovers(folder: Path, name: str = "", alone: bool = False) -> None:
    """Remove what killed writes left in a folder: of the file `name`, or of all.

    On a shared file system another machine may be writing. So only that is removed which a process of this machine
    left, and is gone; with `alone`, when nobody else can be writing into this folder, everything.
    """
    for part in folder.glob(".*.part"):
        made = re.fullmatch(r"\.(.+)\.(\w*)-(\d+)-[0-9a-f]{8}\.part", part.name)
        abandoned = made is not None and made[2] == MACHINE and _is_gone(int(made[3]))
        if (alone or abandoned) and (not name or (made is not None and made[1] == name)):
            with contextlib.suppress(OSError):  # removed by another process meanwhile
                part.unlink()


def _is_gone(process: int) -> bool:
    if os.name == "nt":  # where signal 0 is no question, but Ctrl-C
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # it is somebody else's
        return False
    return False


def _sync_names(folder: Path) -> None:
    """Bring a rename to the disk, so that what is written next cannot get there before it."""
    with contextlib.suppress(OSError):  # some systems cannot, and the file is whole all the same
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""One run a folder: others are kept out while it lasts."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TextIO

from tinygrad_edu.files import remove_leftovers

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def lock_folder(out: Path) -> TextIO:
    """Make the folder, and keep other runs out of it while the returned file is open; ValueError says who is there.

    The lock is the system's: it ends with the process, however that ends. Where there is none (on Windows, and on some
    network file systems), nobody is kept out. What killed runs left half written is removed.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)  # now, not after an hour of training
        # Of a link, what it points to would be emptied below.
        follow_none = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        file = os.fdopen(os.open(out / ".lock", follow_none, 0o666), "r+", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--out {out}: cannot write into this folder ({error.strerror}); name another") from None
    ours = False
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
    except BlockingIOError:
        who = file.read().strip() or "unknown"
        file.close()
        raise ValueError(f"--out {out}: another run, process {who}, is writing there; name another folder") from None
    except OSError:  # a file system without locks
        pass
    file.truncate(0)
    file.write(f"{os.getpid()} on {platform.node()}\n")
    file.flush()
    remove_leftovers(out, alone=ours)
    return file

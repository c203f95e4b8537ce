"""One run a folder: others are kept out while it lasts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def lock_folder(out: Path) -> TextIO:
    """Make the folder, and keep other runs out of it while the returned file is open; ValueError says who is there.

    The lock is the system's: it ends with the process, however that ends. Where there is none (not on Linux or macOS),
    nobody is kept out.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)  # now, not after an hour of training
        file = (out / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--out {out}: cannot write into this folder ({error.strerror}); name another") from None
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        who = file.read().strip() or "unknown"
        file.close()
        raise ValueError(f"--out {out}: another run, process {who}, is writing there; name another folder") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file

"""How a file is written so that nobody ever sees half of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file of a temporary name beside `path`, then give it that name.

    Renaming is a single step for the operating system: after a crash, or an error in `write`, there is the old file or
    the new one, whole. The folder is made when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        umask = os.umask(0)  # it can only be read by setting it
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # like any new file; safetensors makes its own readable to nobody else
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # gone already when the rename succeeded

"""Look at the learner's folder again and again, and say which files have been written since."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS = 0.5  # between two looks


def changes(folder: Path, wait: Callable[[float], None] = time.sleep) -> Iterator[Path]:
    """Each file of an exercise whenever it is saved, without an end."""
    seen = versions(folder)
    while True:
        wait(SECONDS)
        now = versions(folder)
        yield from (path for path, version in now.items() if seen.get(path) != version)
        seen = now


def versions(folder: Path) -> dict[Path, tuple[int, int]]:
    """(time of the last change, size) of every answer. A file that goes while we look is none."""
    found = {}
    for path in sorted(folder.glob("e*_*.py")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found[path] = status.st_mtime_ns, status.st_size
    return found

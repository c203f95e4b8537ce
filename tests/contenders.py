"""The contenders of all rows that need one package, against ours: `python -m contenders PACKAGE`.

They share a process, unlike in a benchmark, since importing the package is most of what such a check takes. Prints the
largest difference of gradients of each row as JSON; a contender that disagrees or fails ends the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from benchmarks import sizes, tape
from benchmarks.architectures import rows as architectures
from benchmarks.architectures import yolo
from benchmarks.contender import Row
from benchmarks.harness import compare_gradients
from benchmarks.practicals import rows as practicals
from benchmarks.practicals.problems import AlexNet

# Of the operations that are measured at several sizes, the smallest.
ROWS = [*practicals.ROWS, *architectures.ROWS, tape.ROW, *(one.rows[min(one.rows)] for one in sizes.SERIES)]
FEW_IMAGES = 8  # for a step of the image networks: `python -m benchmarks` takes whole batches


def rows_with(package: str | None) -> Iterator[tuple[Row, list[str]]]:
    """The rows that have contenders which require this package (None: nothing but NumPy), and the names of these."""
    for row in ROWS:
        names = [name for name, kind in row.contenders.items() if name != "ours" and kind.requires == package]
        if names:
            yield row, names


def differences(package: str | None) -> dict[str, float | None]:
    """Row -> the largest difference of gradients between ours and the contenders that require this package."""
    AlexNet.BATCH = yolo.BATCH = FEW_IMAGES
    found = {}
    for row, names in rows_with(package):
        contenders = {name: row.contenders[name](row.seed) for name in ("ours", *names)}
        gradients = {name: contender.gradients() for name, contender in contenders.items()}
        found[row.name] = compare_gradients(gradients, row.tolerance)
        for contender in contenders.values():
            contender.time_steps(1)
    return found


if __name__ == "__main__":
    print(json.dumps(differences(sys.argv[1] or None)))

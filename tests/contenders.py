"""The contenders of all practicals that need one package, against ours: `python -m contenders PACKAGE`.

They share a process, unlike in a benchmark, since importing the package is most of what such a check takes. Prints the
largest difference of gradients of each row as JSON; a contender that disagrees or fails ends the process.
"""

from __future__ import annotations

import json
import sys

from benchmarks.harness import compare_gradients
from benchmarks.practicals.rows import ROWS


def differences(package: str | None) -> dict[str, float | None]:
    """Row -> the largest difference of gradients between ours and the contenders that require this package."""
    found = {}
    for row in ROWS:
        chosen = {name: kind for name, kind in row.contenders.items() if name == "ours" or kind.requires == package}
        contenders = {name: kind(row.seed) for name, kind in chosen.items()}
        gradients = {name: contender.gradients() for name, contender in contenders.items()}
        found[row.name] = compare_gradients(gradients, row.tolerance)
        for contender in contenders.values():
            contender.time_steps(1)
    return found


if __name__ == "__main__":
    print(json.dumps(differences(sys.argv[1] or None)))

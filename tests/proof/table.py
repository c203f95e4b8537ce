"""Every exported operation, and every twin in the textbook, against finite differences: the table of `gradcheck`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from typing import Any

from proof.section import Section, conclude
from tinygrad_edu import ops, textbook
from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.gradcheck.cases import CASES


def prove() -> Section:
    """The cases of the table once more, and what they counted."""
    figures: dict[str, Any] = {"operations": len(ops.__all__), "twins in the textbook": len(textbook.TWINS)}
    figures |= {"cases": 0, "derivatives compared": 0}
    worst, failures = 0.0, []
    checks = [(name, contextlib.nullcontext) for name in sorted(ops.__all__)]
    checks += [(name, textbook.instead) for name in sorted(textbook.TWINS)]
    for name, storey in checks:
        if not CASES.get(name):
            failures.append(f"{name}: exported, but has no case")
        for case in CASES.get(name, []):
            figures["cases"] += 1
            try:
                with storey():
                    result = gradcheck(case.function, *case.inputs)
            except GradientError as error:
                failures.append(f"{name}: {error}")
            else:
                figures["derivatives compared"] += result.entries
                worst = max(worst, result.relative)
    figures["wrong"] = len(failures)
    return Section(
        "table", "Every operation's gradient", figures | {"largest relative error": f"{worst:.1e}"}, failures
    )


def main() -> None:
    argparse.ArgumentParser(prog="python -m proof.table", description=__doc__).parse_args()
    start = time.perf_counter()
    sys.exit(conclude(prove(), time.perf_counter() - start))


if __name__ == "__main__":
    main()

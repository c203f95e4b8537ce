"""`python -m tinygrad_edu.gradcheck`: every exported operation against finite differences, in one table.

With `--zoo`, the other way round: operations that are wrong, and which check catches which. Exit status 1 when a
gradient is wrong or an operation has no case, or when a mistake of the zoo is not caught.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

from tinygrad_edu import ops, textbook
from tinygrad_edu.gradcheck.cases import CASES, Case
from tinygrad_edu.gradcheck.check import gradcheck
from tinygrad_edu.gradcheck.evaluation import GradientError
from tinygrad_edu.gradcheck.zoo.matrix import print_zoo


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinygrad_edu.gradcheck", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="OP", help="check only these operations")
    parser.add_argument("--zoo", action="store_true", help="the mistakes that checks must catch, and which check does")
    options = parser.parse_args(arguments)
    if options.zoo and options.names:
        parser.error("--zoo takes no operations: it checks the wrong ones of its own")
    if options.zoo:
        return print_zoo()
    names = options.names or sorted(ops.__all__)
    unknown = sorted(set(names) - set(ops.__all__))
    if unknown:
        parser.error(f"unknown operation {', '.join(unknown)}; there are: {', '.join(sorted(ops.__all__))}")

    start = time.perf_counter()
    print(f"{'op':<34}{'cases':>6}{'off kink':>10}{'entries':>9}{'worst error':>13}  verdict")
    reports = []
    twins = [name for name in names if name in textbook.TWINS]
    for name, storey in [(name, "") for name in names] + [(name, "textbook.") for name in twins]:
        with textbook.instead() if storey else contextlib.nullcontext():
            line, report = check_op(name, CASES.get(name, []), storey)
        print(line, flush=True)
        if report:
            reports.append(report)
    count = f"{len(names)} operations and {len(twins)} twins in the textbook"
    print(f"{count}, {len(reports)} failed, {time.perf_counter() - start:.1f} s")
    for report in reports:
        print(f"\n{report}")
    return 1 if reports else 0


def check_op(name: str, cases: list[Case], storey: str = "") -> tuple[str, str]:
    """One line of the table, and the report of the first failure ("" when all is well).

    "off kink" counts the cases that were checked beside their inputs, since the function has a kink there.
    """
    entries, moved, worst = 0, 0, 0.0
    report = "" if cases else f"{name}: exported, but has no case in tinygrad_edu/gradcheck/cases.py"
    for number, case in enumerate(cases):
        try:
            result = gradcheck(case.function, *case.inputs)
        except GradientError as error:
            report = f"{storey}{name}, case {number}: {error}"
            break
        entries, worst = entries + result.entries, max(worst, result.relative)
        moved += result.moved > 0
    verdict = "FAILED" if report else "ok"
    return f"{storey + name:<34}{len(cases):>6}{moved:>10}{entries:>9}{worst:>13.1e}  {verdict}", report


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)  # as a shell reports Ctrl-C

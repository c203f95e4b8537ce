"""`python -m tinygrad_edu.gradcheck`: every exported operation against finite differences, in one table.

Exit status 1 when a gradient is wrong or an operation has no case.
"""

from __future__ import annotations

import argparse
import sys
import time

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.cases import CASES, Case
from tinygrad_edu.gradcheck.check import GradientError, gradcheck


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinygrad_edu.gradcheck", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="OP", help="check only these operations")
    names = parser.parse_args(arguments).names or sorted(ops.__all__)
    unknown = sorted(set(names) - set(ops.__all__))
    if unknown:
        parser.error(f"unknown operation {', '.join(unknown)}; there are: {', '.join(sorted(ops.__all__))}")

    start = time.perf_counter()
    print(f"{'op':<24}{'cases':>6}{'entries':>9}{'worst error':>13}  verdict")
    reports = []
    for name in names:
        line, report = check_op(name, CASES.get(name, []))
        print(line, flush=True)
        if report:
            reports.append(report)
    print(f"{len(names)} operations, {len(reports)} failed, {time.perf_counter() - start:.1f} s")
    for report in reports:
        print(f"\n{report}")
    return 1 if reports else 0


def check_op(name: str, cases: list[Case]) -> tuple[str, str]:
    """One line of the table, and the report of the first failure ("" when all is well)."""
    entries, worst = 0, 0.0
    report = "" if cases else f"{name}: exported, but has no case in tinygrad_edu/gradcheck/cases.py"
    for number, case in enumerate(cases):
        try:
            result = gradcheck(case.function, *case.inputs)
        except GradientError as error:
            report = f"{name}, case {number}: {error}"
            break
        entries, worst = entries + result.entries, max(worst, result.relative)
    verdict = "FAILED" if report else "ok"
    return f"{name:<24}{len(cases):>6}{entries:>9}{worst:>13.1e}  {verdict}", report


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)  # as a shell reports Ctrl-C

"""Which lines and branches of tinygrad_edu the test suite runs: `python -m proof.covered`, with the extra `proof`.

What no test runs is named, with the reason where it cannot be: `uncovered.toml` lists these reasons, by function.
Measured with every extra that is installed; without them, more is not run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from proof.section import FOLDER, ROOT, Section, conclude

WANTED = 97.0  # percent, of lines and of branches
DATA = FOLDER / "coverage.data"
DURATIONS = FOLDER / "coverage.xml"
REASONS = Path(__file__).with_name("uncovered.toml")


def measure(processes: int, tests: list[str]) -> None:
    """Run the suite under coverage, with the processes it starts: DATA gets each line's tests, DURATIONS their time."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    coverage("erase")
    arguments = [
        "-n",
        str(processes),
        "-p",
        "no:cacheprovider",
        "-p",
        "proof.contexts",
        f"--junitxml={DURATIONS}",
        *tests,
    ]
    coverage("run", "-m", "pytest", *arguments)
    coverage("combine", "--quiet")


def coverage(*arguments: str) -> None:
    """Run the coverage tool on our data file; the package is this tree's, not one that is installed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": path, "COVERAGE_FILE": str(DATA)}
    done = subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, env=environment)
    if done.returncode:
        raise SystemExit(f"coverage {arguments[0]} ended with status {done.returncode}")


def report() -> dict[str, Any]:
    """Coverage's own report, read back."""
    file = FOLDER / "coverage.json"
    coverage("json", "--quiet", "-o", str(file))
    return json.loads(file.read_text(encoding="utf-8"))


def gaps(files: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    """(file, function) -> what was not run in it: "12", "14-17", or "20->23" for a branch."""
    found = {}
    for file, facts in files.items():
        for function, part in facts["functions"].items():
            lines = ranges(part["missing_lines"])
            # A branch from or to a line that was not run tells nothing new; one to a negative number is the end.
            branches = [
                f"{start}->{end if end > 0 else 'end'}"
                for start, end in part["missing_branches"]
                if start not in part["missing_lines"] and end not in part["missing_lines"]
            ]
            if lines or branches:
                found[file, function or "(module)"] = lines + branches
    return found


def ranges(numbers: list[int]) -> list[str]:
    """Sorted numbers, neighbours joined: [1, 2, 3, 7] -> ["1-3", "7"]."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in found]


def reasons(missing: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(file, function) -> why it cannot be run here, from the reviewed list; without a function, for a whole file."""
    listed = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("gap", [])
    why = {(entry["file"], entry.get("function")): entry["why"] for entry in listed}
    found = {(file, function): why.get((file, function)) or why.get((file, None)) for file, function in missing}
    return {gap: reason for gap, reason in found.items() if reason}


def prove(processes: int = 2, tests: list[str] | None = None) -> Section:
    measure(processes, tests or [])
    facts = report()
    totals = facts["totals"]
    lines = 100 * totals["covered_lines"] / totals["num_statements"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    missing = gaps(facts["files"])
    why = reasons(missing)
    table = ["| not run | lines, branches | why |", "| --- | --- | --- |"]
    for (file, function), where in missing.items():
        table.append(f"| {file}, {function} | {', '.join(where)} | {why.get((file, function), '')} |")
    failures = [
        f"{what}: {percent:.2f} percent, below {WANTED:.0f}"
        for what, percent in (("lines", lines), ("branches", branches))
        if percent < WANTED
    ]
    failures += [
        f"{file}:{', '.join(where)} in {function}: no test runs it, and no reason is listed"
        for (file, function), where in missing.items()
        if (file, function) not in why
    ]
    return Section(
        "covered",
        "What the tests run",
        {
            "lines of tinygrad_edu": totals["num_statements"],
            "lines run, percent": round(lines, 2),
            "branches": totals["num_branches"],
            "branches run, percent": round(branches, 2),
            "functions with something not run": len(missing),
        },
        failures,
        whole=not tests,
        details="\n".join(table),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proof.covered", description=__doc__.partition(":")[0])
    parser.add_argument("--processes", type=int, default=2, help="processes that run the tests (2)")
    parser.add_argument("tests", nargs="*", help="these tests alone")
    options = parser.parse_args()
    start = time.perf_counter()
    section = prove(options.processes, options.tests)
    sys.exit(conclude(section, time.perf_counter() - start))


if __name__ == "__main__":
    main()

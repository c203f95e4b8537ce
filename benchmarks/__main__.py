"""The command line: `python -m benchmarks --help`."""

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report, results
from benchmarks.groups import GROUPS, Group
from benchmarks.harness import measure_together

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None, groups: Sequence[Group] = GROUPS) -> int:
    """Measure, print the table, and return the exit status: 1 if a row failed."""
    flags = parse(arguments, groups)
    environment = report.environment(flags.threads)
    for name, value in environment.items():
        print(f"{name + ':':9} {value}")
    print(f"{'rounds:':9} {flags.rounds}, interleaved; a figure is the median step of a round\n", flush=True)

    measured = {}
    for group in chosen(groups, flags.only, everything=flags.results is not None):
        together = itertools.groupby(group.rows, key=lambda row: row.series or row.name)
        measured[group.name] = [
            result
            for _, rows in together
            for result in measure_together(list(rows), flags.rounds, flags.threads, _show_progress)
        ]
    _show_progress("")
    everything = [result for of_group in measured.values() for result in of_group]
    print(report.table(everything))
    if flags.json:
        figures = {"environment": environment, "rounds": flags.rounds, "rows": report.as_json(everything)}
        flags.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if flags.results:
        print(f"\nwritten: {results.write(flags.results, environment, flags.rounds, groups, measured)}")
    return 1 if any(result.failure for result in everything) else 0


def chosen(groups: Sequence[Group], names: Sequence[str] | None, everything: bool) -> list[Group]:
    """The groups to measure, reduced to the rows that are named; without names those of a default run, or all."""
    if not names:
        return [group for group in groups if group.by_default or everything]
    reduced = []
    for group in groups:
        rows = [row for row in group.rows if row.name in names or group.name in names]
        if rows:
            reduced.append(dataclasses.replace(group, rows=rows))
    return reduced


def parse(arguments: Sequence[str] | None, groups: Sequence[Group]) -> argparse.Namespace:
    """The flags; a wrong one is explained before anything is measured, and the status is 2."""
    names = [group.name for group in groups] + [row.name for group in groups for row in group.rows]
    listed = ", ".join(dict.fromkeys(name for name in names if not name.startswith(("scaling-", "textbook-"))))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Times ours side by side with others.")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help=f"one row, or all of a group (repeatable): {listed}"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=int, help=f"rounds of each contender (10; {results.FULL_RUN} with --results)"
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=int,
        default=report.available_cores(),
        help="threads of each contender (default: all cores)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure to this file too")
    parser.add_argument(
        "--results",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        const=HERE,
        help=f"measure every row, and write {results.FILE} and its figures into this folder (the benchmarks' own)",
    )
    flags = parser.parse_args(arguments)
    for name in flags.only or []:
        if name not in names:
            parser.error(f"--only {name}: no such row; there are {listed}")
    if flags.rounds is None:
        flags.rounds = results.FULL_RUN if flags.results else 10
    if flags.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {flags.rounds}")
    if flags.threads < 1:
        parser.error(f"--threads must be at least 1, got {flags.threads}")
    if flags.json and (flags.json.is_dir() or not flags.json.parent.is_dir()):
        parser.error(f"--json {flags.json}: not a file name in an existing folder")
    if flags.results and not flags.results.is_dir():
        parser.error(f"--results {flags.results}: not an existing folder")
    return flags


def _show_progress(text: str) -> None:
    """Overwrite one line on stderr, where a person is watching."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)  # as a shell reports Ctrl-C

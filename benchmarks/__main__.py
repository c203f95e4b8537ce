"""The command line: `python -m benchmarks --help`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import import_time, mini_alexnet, recurrent, report, softmax_regression, tape, textbook
from benchmarks.contender import Row
from benchmarks.harness import measure

ROWS = (softmax_regression.ROW, mini_alexnet.ROW, *recurrent.ROWS, tape.ROW, import_time.ROW)
ON_REQUEST = {"textbook": textbook.ROWS}  # many rows under one name, which run when `--only` names it


def main(arguments: Sequence[str] | None = None, rows: Sequence[Row] = ROWS) -> int:
    """Measure, print the table, and return the exit status: 1 if a row failed."""
    flags = parse(arguments, rows)
    environment = report.environment(flags.threads)
    for name, value in environment.items():
        print(f"{name + ':':9} {value}")
    print(f"{'rounds:':9} {flags.rounds}, interleaved; a figure is the median step of a round\n", flush=True)

    chosen = [row for row in rows if not flags.only or row.name in flags.only]
    chosen += [row for name, group in ON_REQUEST.items() if name in (flags.only or []) for row in group]
    results = [measure(row, flags.rounds, flags.threads, progress=_show_progress) for row in chosen]
    _show_progress("")
    print(report.table(results))
    if flags.json:
        figures = {"environment": environment, "rounds": flags.rounds, "rows": report.as_json(results)}
        flags.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if any(result.failure for result in results) else 0


def parse(arguments: Sequence[str] | None, rows: Sequence[Row]) -> argparse.Namespace:
    """The flags; a wrong one is explained before anything is measured, and the status is 2."""
    names = [*(row.name for row in rows), *ON_REQUEST]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Times ours side by side with others.")
    parser.add_argument("--only", metavar="NAME", action="append", help=f"one row (repeatable): {', '.join(names)}")
    parser.add_argument("--rounds", metavar="N", type=int, default=10, help="rounds of each contender (default: 10)")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=int,
        default=report.available_cores(),
        help="threads of each contender (default: all cores)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure to this file too")
    flags = parser.parse_args(arguments)
    for name in flags.only or []:
        if name not in names:
            parser.error(f"--only {name}: no such row; there are {', '.join(names)}")
    if flags.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {flags.rounds}")
    if flags.threads < 1:
        parser.error(f"--threads must be at least 1, got {flags.threads}")
    if flags.json and (flags.json.is_dir() or not flags.json.parent.is_dir()):
        parser.error(f"--json {flags.json}: not a file name in an existing folder")
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

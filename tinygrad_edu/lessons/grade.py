"""A table of many learners' folders: who has solved what.

Every answer runs in a process of its own, with the rights of whoever asks. That keeps answers apart, and ends those
that hang; who grades strangers does it in a container.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tinygrad_edu.lessons.exercise import Exercise
from tinygrad_edu.lessons.folder import state
from tinygrad_edu.lessons.judge import Outcome, judge

Judge = Callable[[str, Path], Outcome]
AT_ONCE = 2  # checks side by side; each is a process of its own


def check_all(exercises: Sequence[Exercise], folder: Path, judge: Judge = judge) -> list[Outcome]:
    """All of one folder. Files that are missing, or as they were given out, need no process."""

    def one(exercise: Exercise) -> Outcome:
        known = state(exercise, folder)
        if known:
            return Outcome(exercise.number, "missing" if known == "not started" else "not written", known)
        return judge(exercise.number, folder / exercise.file)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, exercises))


def rows(folders: Sequence[Path], exercises: Sequence[Exercise], judge: Judge = judge) -> list[list[str]]:
    """The table: a head, and a row for each folder, "-" where nothing was written."""
    table = [["learner", *(exercise.number for exercise in exercises), "passed"]]
    for folder in folders:
        outcomes = check_all(exercises, folder, judge)
        marks = ["-" if outcome.status in ("missing", "not written") else outcome.status for outcome in outcomes]
        passed = sum(outcome.passed for outcome in outcomes)
        table.append([str(folder), *marks, f"{passed} of {len(outcomes)}"])
    return table


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest entry."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in table)


def as_csv(table: Sequence[Sequence[str]]) -> str:
    """For a spreadsheet; a name that begins like a formula is written with an apostrophe, which makes it text."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([f"'{text}" if text[:1] in ("=", "+", "@") else text for text in row] for row in table)
    return file.getvalue()

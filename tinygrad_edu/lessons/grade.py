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
REASON = 160  # characters of one, at most
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
    """The table: a head, and a row for each folder, "-" where nothing was written; last, why others did not pass."""
    table = [["learner", *(exercise.number for exercise in exercises), "passed", "reasons"]]
    for folder in folders:
        outcomes = check_all(exercises, folder, judge)
        marks = ["-" if outcome.status in ("missing", "not written") else outcome.status for outcome in outcomes]
        passed = sum(outcome.passed for outcome in outcomes)
        failed = [outcome for outcome, mark in zip(outcomes, marks) if mark not in ("-", "passed")]
        reasons = " | ".join(f"{outcome.number}: {reason(outcome)}" for outcome in failed)
        table.append([str(folder), *marks, f"{passed} of {len(outcomes)}", reasons])
    return table


def reason(outcome: Outcome) -> str:
    """Why it did not pass, in one line: what is said first, or where it happened and what."""
    lines = [line for line in outcome.says.splitlines() if line.strip() and not line.startswith(" ")]  # no code
    lines = lines or [outcome.status]
    text = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= REASON else f"{text[: REASON - 3]}..."


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest entry, without the reasons, which are long."""
    table = [row[:-1] for row in table]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in table)


def as_csv(table: Sequence[Sequence[str]]) -> str:
    """For a spreadsheet; a name that begins like a formula is written with an apostrophe, which makes it text."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([f"'{text}" if text[:1] in ("=", "+", "@") else text for text in row] for row in table)
    return file.getvalue()

"""Where files are: the lessons' own, and the learner's folder, which is the only state there is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tinygrad_edu.lessons.exercise import Exercise

HERE = Path(__file__).parent
DEFAULT = Path("my_lessons")


def text_of(lesson: int) -> Path:
    """The file of a lesson's text; ValueError where there is none."""
    path = HERE / f"lesson_{lesson}.py"
    if not path.exists():
        raise ValueError(f"there is no lesson {lesson}")
    return path


def title_of(lesson: int) -> str:
    """Its first heading, "Lesson 1: ..."."""
    heading = re.search(r"^# # (.*)$", text_of(lesson).read_text(encoding="utf-8"), re.MULTILINE)
    assert heading, f"lesson {lesson} has no title"
    return heading[1]


def original(exercise: Exercise) -> Path:
    return HERE / "exercises" / exercise.file


def solution(exercise: Exercise) -> Path:
    return HERE / "solutions" / exercise.file


def start(exercises: Sequence[Exercise], folder: Path) -> list[tuple[Path, bool]]:
    """Copy their files into the folder. Returns (file, whether it is new); what is there stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for exercise in exercises:
        path = folder / exercise.file
        new = not path.exists()
        if new:
            with original(exercise).open("rb") as source, path.open("xb") as copy:  # "x": never over another file
                shutil.copyfileobj(source, copy)
        files.append((path, new))
    return files


def state(exercise: Exercise, folder: Path) -> str:
    """ "" where there is something to check; "not started", or "started": the file is as it was given out."""
    path = folder / exercise.file
    if not path.is_file():
        return "not started"
    return "started" if path.read_bytes() == original(exercise).read_bytes() else ""

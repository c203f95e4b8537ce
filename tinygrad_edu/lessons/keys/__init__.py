"""The exercises of each lesson, `lesson_1.EXERCISES` and so on: what is right, which mistakes are known, the hints."""

from __future__ import annotations

import importlib
from pathlib import Path

from tinygrad_edu.lessons.exercise import Exercise


def exercises_of(lesson: int) -> tuple[Exercise, ...]:
    """The exercises of one lesson. Only its own key is read: a check needs no other."""
    return importlib.import_module(f"{__name__}.lesson_{lesson}").EXERCISES


def lessons() -> list[int]:
    return sorted(int(path.stem.removeprefix("lesson_")) for path in Path(__file__).parent.glob("lesson_*.py"))


def all_exercises() -> list[Exercise]:
    return [exercise for lesson in lessons() for exercise in exercises_of(lesson)]


def one_exercise(number: str) -> Exercise:
    """The exercise of that number, "3.2"; ValueError where there is none."""
    lesson = number.partition(".")[0]
    found = exercises_of(int(lesson)) if lesson.isdecimal() and int(lesson) in lessons() else ()
    for exercise in found:
        if exercise.number == number:
            return exercise
    raise ValueError(f"there is no exercise {number}; `python -m tinygrad_edu.lessons list` shows all")

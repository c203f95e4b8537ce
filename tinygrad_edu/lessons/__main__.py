"""Lessons with exercises: `list` shows them, `start 1` puts the first into your folder, `check 1` says how you did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tinygrad_edu.files import write_whole
from tinygrad_edu.lessons import folder as folders
from tinygrad_edu.lessons.exercise import Exercise
from tinygrad_edu.lessons.grade import as_csv, as_text, check_all, rows
from tinygrad_edu.lessons.judge import SECONDS, Outcome, judge
from tinygrad_edu.lessons.keys import all_exercises, one_exercise
from tinygrad_edu.lessons.notebook import lesson_cells
from tinygrad_edu.lessons.watch import changes
from tinygrad_edu.notebook import save_notebook

MARKS = {"passed": "done", "missing": "not started", "not written": "started"}


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        return int(options.run(options))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tinygrad_edu.lessons", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, name: str, help: str, own_folder: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        if own_folder:
            sub.add_argument(
                "--folder", type=Path, default=folders.DEFAULT, help=f"where your answers are ({folders.DEFAULT})"
            )
        return sub

    command(print_list, "list", "all lessons and exercises, and which are done")
    for run, name, help in (
        (start, "start", "copy the exercises of a lesson, or one, into your folder; never over a file that is there"),
        (check, "check", "check your answers to a lesson, or to one exercise"),
    ):
        command(run, name, help).add_argument("which", metavar="LESSON", help="a lesson or an exercise: 3, or 3.2")
    command(watch, "watch", "check every answer whenever you save it, until Ctrl-C")
    sub = command(hint, "hint", "a hint; each step says more", own_folder=False)
    sub.add_argument("which", metavar="EXERCISE", help="such as 3.2")
    sub.add_argument("step", nargs="?", type=int, default=1, choices=(1, 2, 3), help="which of three (1)")
    sub = command(solution, "solution", "a solution, after a question", own_folder=False)
    sub.add_argument("which", metavar="EXERCISE", help="such as 3.2")
    sub = command(write_notebook, "notebook", "write a lesson as a notebook", own_folder=False)
    sub.add_argument("which", metavar="LESSON", help="a lesson: 3")
    sub.add_argument("out", metavar="OUT.ipynb", type=Path)
    sub = command(grade, "grade", "for teachers: a table of many learners' folders", own_folder=False)
    sub.epilog = (
        "Each answer runs in a process with limits of time and memory, as you: that is no sandbox for strangers."
    )
    sub.add_argument("learners", metavar="FOLDER", nargs="+", type=Path)
    sub.add_argument(
        "--csv",
        metavar="FILE",
        type=Path,
        help="write the table into this file as well, with a reason for each failure",
    )
    return parser.parse_args(arguments)


def chosen(which: str) -> list[Exercise]:
    """The exercises that "3" or "3.2" names."""
    exercises = all_exercises()
    found = [e for e in exercises if which in (e.number, str(e.lesson))]
    if not found:
        names = ", ".join(exercise.number for exercise in exercises)
        raise ValueError(f"there is no lesson or exercise {which}; there are: {names}")
    return found


def one(which: str) -> Exercise:
    if "." not in which:
        raise ValueError(f"name one exercise of lesson {which}: {', '.join(e.number for e in chosen(which))}")
    return one_exercise(which)


# --- the commands ---


def print_list(options: argparse.Namespace) -> int:
    exercises = all_exercises()
    outcomes = check_all(exercises, options.folder)
    lesson = 0
    for exercise, outcome in zip(exercises, outcomes):
        if exercise.lesson != lesson:
            lesson = exercise.lesson
            print(f"{folders.title_of(lesson)}    {folders.text_of(lesson)}")
        print(f"  {exercise.number}  {MARKS.get(outcome.status, 'not yet right'):<14}{exercise.title}")
    print(f"{sum(outcome.passed for outcome in outcomes)} of {len(outcomes)} done, in {options.folder}")
    return 0


def start(options: argparse.Namespace) -> int:
    exercises = chosen(options.which)
    for path, new in folders.start(exercises, options.folder):
        print(f"{path}: {'for you to write' if new else 'is there already, left as it is'}")
    text = folders.text_of(exercises[0].lesson)
    print(f"to read first: {text}")
    print(f"it runs as a script, and draws into runs/lessons/: {Path(sys.executable).name} {text}")
    print(f"when you have written it: python -m tinygrad_edu.lessons check {options.which}")
    return 0


def check(options: argparse.Namespace) -> int:
    outcomes = []
    for exercise in chosen(options.which):
        outcomes.append(judge(exercise.number, options.folder / exercise.file))
        report(exercise, outcomes[-1])
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def report(exercise: Exercise, outcome: Outcome) -> None:
    mark = "passed" if outcome.passed else "not yet"
    print(printable(f"{exercise.number} {mark}: {exercise.title}"))
    print(printable(indented(outcome.says)))
    if outcome.printed.strip():
        print(printable(f"  your answer printed:\n{indented(outcome.printed.rstrip(), '  | ')}"))
    if outcome.status in ("wrong", "error"):
        print(f"  python -m tinygrad_edu.lessons hint {exercise.number}")
    sys.stdout.flush()


def indented(text: str, by: str = "  ") -> str:
    return "\n".join(by + line for line in text.splitlines())


def printable(text: str) -> str:
    """Without what would steer the terminal, or cannot be written to it."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    return text.encode(encoding, "replace").decode(encoding)


def watch(options: argparse.Namespace) -> int:
    by_file = {exercise.file: exercise for exercise in all_exercises()}
    print(f"watching {options.folder}, until Ctrl-C (start LESSON, in another terminal, puts exercises there)")
    sys.stdout.flush()
    for path in changes(options.folder):
        if path.name in by_file:
            report(by_file[path.name], judge(by_file[path.name].number, path, SECONDS))
    return 0


def hint(options: argparse.Namespace) -> int:
    exercise = one(options.which)
    print(exercise.hints[options.step - 1])
    if options.step < 3:
        print(f"(more: python -m tinygrad_edu.lessons hint {exercise.number} {options.step + 1})")
    return 0


def solution(options: argparse.Namespace) -> int:
    exercise = one(options.which)
    try:
        answer = input(f"Show the solution of {exercise.number}? What you find yourself, you keep. [y/N] ")
    except EOFError:
        answer = ""
        print()
    if answer.strip().lower() not in ("y", "yes"):
        print(f"Then not. A hint: python -m tinygrad_edu.lessons hint {exercise.number}")
        return 1
    print(folders.solution(exercise).read_text(encoding="utf-8"), end="")
    return 0


def write_notebook(options: argparse.Namespace) -> int:
    if not options.which.isdecimal():
        raise ValueError(f"name a lesson, such as 3; got {options.which}")
    lesson = int(options.which)
    folders.text_of(lesson)  # an error where there is none
    save_notebook(options.out, lesson_cells(lesson, chosen(options.which)))
    print(f"{options.out}: to open with Jupyter")
    return 0


def grade(options: argparse.Namespace) -> int:
    missing = [str(path) for path in options.learners if not path.is_dir()]
    if missing:
        raise ValueError(f"no folder: {', '.join(missing)}")
    table = rows(options.learners, all_exercises())
    print(printable(as_text(table)))
    if options.csv:
        write_whole(options.csv, as_csv(table))
        print(f"written to {options.csv}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

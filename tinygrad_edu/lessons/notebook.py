"""A lesson as a notebook: its text in cells, then its exercises, each with a cell that checks it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tinygrad_edu.lessons.exercise import Exercise
from tinygrad_edu.lessons.folder import original, text_of
from tinygrad_edu.notebook import Cell


def lesson_cells(lesson: int, exercises: Sequence[Exercise]) -> list[Cell]:
    """The whole notebook. Its checks run in its own kernel, see `lessons.check`."""
    cells = percent_cells(text_of(lesson).read_text(encoding="utf-8"))
    for exercise in exercises:
        cells += exercise_cells(exercise, original(exercise).read_text(encoding="utf-8"))
    return cells


def exercise_cells(exercise: Exercise, source: str) -> list[Cell]:
    """The task as text, the function to write, and the check."""
    tree = ast.parse(source)
    task = ast.get_docstring(tree) or ""
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :]).strip("\n")
    check = f'from tinygrad_edu.lessons import check\n\ncheck("{exercise.number}", {exercise.function})'
    return [Cell("markdown", f"## {task}"), Cell("code", code), Cell("code", check)]


def percent_cells(script: str) -> list[Cell]:
    """The cells of a script: each begins with a line `# %%`, a text's with `# %% [markdown]`, in comments."""
    cells: list[Cell] = []
    kind, lines = "code", list[str]()

    def close() -> None:
        source = "\n".join(lines).strip("\n")
        if source.strip():
            cells.append(Cell(kind, source))

    for line in script.splitlines():
        if line.startswith("# %%"):
            close()
            kind, lines = "markdown" if "[markdown]" in line else "code", []
        else:
            lines.append(line.removeprefix("#").removeprefix(" ") if kind == "markdown" else line)
    close()
    return cells

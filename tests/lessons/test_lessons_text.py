"""Every lesson runs, from a shell and as a notebook, prints, and shows the pictures that it saves."""

import runpy
from pathlib import Path

import pytest

from tinygrad_edu import lessons
from tinygrad_edu.lessons.keys import exercises_of
from tinygrad_edu.lessons.keys import lessons as numbers
from tinygrad_edu.lessons.notebook import lesson_cells, percent_cells
from tinygrad_edu.notebook import save_notebook

PACKAGE = Path(lessons.__file__).parent
TEXTS = sorted(PACKAGE.glob("lesson_*.py"))
every = pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)


@every
def test_a_lesson_runs_as_a_notebook_and_shows_its_pictures(text, tmp_path, kernel):
    path = tmp_path / "lesson.ipynb"
    lesson = int(text.stem.removeprefix("lesson_"))
    exercises = exercises_of(lesson) if lesson in numbers() else ()
    save_notebook(path, lesson_cells(lesson, exercises))
    outputs = kernel.execute(path)
    assert outputs.text.strip()
    assert all(
        f"{exercise.number} not yet: {exercise.function}() is not written yet" in outputs.text for exercise in exercises
    )
    saved = list((tmp_path / "runs" / "lessons").glob(f"{text.stem}*.png"))
    assert outputs.pictures == len(saved) >= 1


@every
def test_a_lesson_runs_as_a_script(text, tmp_path, monkeypatch, capsys, coarse_pictures):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(text), run_name="__main__")
    assert capsys.readouterr().out.strip()
    assert list((tmp_path / "runs" / "lessons").glob(f"{text.stem}*.png"))


@every
def test_a_lesson_is_a_title_text_and_code_of_150_lines(text):
    source = text.read_text(encoding="utf-8")
    first, *rest = percent_cells(source)
    assert first.kind == "markdown"
    assert first.source.startswith(f"# Lesson {text.stem.removeprefix('lesson_')}: ")
    assert {cell.kind for cell in rest} == {"markdown", "code"}
    assert len(source.splitlines()) <= 150


def test_each_key_has_its_lesson():
    assert {f"lesson_{number}" for number in numbers()} <= {path.stem for path in TEXTS}

"""`python -m tinygrad_edu.lessons`: what each command prints, writes and leaves alone."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu.lessons import __main__ as command
from tinygrad_edu.lessons import check, folder, grade, notebook
from tinygrad_edu.lessons.judge import Outcome
from tinygrad_edu.lessons.keys import all_exercises, exercises_of
from tinygrad_edu.lessons.notebook import percent_cells
from tinygrad_edu.lessons.watch import changes, versions
from tinygrad_edu.notebook import Cell, save_notebook

EXERCISE = exercises_of(1)[0]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = command.main(list(arguments))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def solve(path, exercise=EXERCISE):
    path.mkdir(exist_ok=True)
    (path / exercise.file).write_bytes(folder.solution(exercise).read_bytes())


def test_start_copies_and_never_overwrites(run):
    status, out, _ = run("start", "1.1")
    assert status == 0
    assert "e1_1.py: for you to write\n" in out
    assert "lesson_1.py\n" in out
    assert "lessons check 1.1" in out
    mine = Path("my_lessons/e1_1.py")
    assert mine.read_bytes() == folder.original(EXERCISE).read_bytes()
    mine.write_text("mine")
    status, out, _ = run("start", "1")
    assert status == 0
    assert "e1_1.py: is there already, left as it is" in out
    assert mine.read_text() == "mine"


def test_check_says_what_is_missing_then_what_is_wrong_then_that_it_is_right(run):
    assert run("check", "1.1")[0] == 1
    run("start", "1.1")
    status, out, _ = run("check", "1.1")
    assert status == 1
    assert "1.1 not yet: the backward of y = a * b\n  mul_backward() is not written yet\n" in out
    Path("my_lessons/e1_1.py").write_text("def mul_backward(G, a, b):\n    print('\\x1b[2J', a)\n    return b, a\n")
    status, out, _ = run("check", "1.1")
    assert status == 1
    assert "  known mistake: these are dy/da and dy/db" in out
    assert "  your answer printed:\n  | ?[2J [" in out  # nothing steers the terminal
    assert "hint 1.1" in out
    solve(Path("my_lessons"))
    status, out, _ = run("check", "1.1")
    assert status == 0
    assert out.startswith("1.1 passed: the backward of y = a * b\n  right: 9 random gradients G on 3 cases")


def test_list_takes_its_state_from_the_files_alone(run):
    run("start", "1.1")
    status, out, _ = run("list")
    assert status == 0
    assert "1.1  started" in out
    solve(Path("my_lessons"))
    status, out, _ = run("list")
    assert "1.1  done" in out
    assert f"1 of {len(all_exercises())} done" in out
    Path("my_lessons/e1_1.py").write_text("def mul_backward(G, a, b):\n    return b, a\n")
    assert "1.1  not yet right" in run("list")[1]
    Path("my_lessons/e1_1.py").unlink()
    assert "1.1  not started" in run("list")[1]


def test_hints_come_in_three_steps(run):
    for step in (1, 2, 3):
        status, out, _ = run("hint", "1.1", str(step))
        assert status == 0
        assert out.startswith(EXERCISE.hints[step - 1])
        assert (f"hint 1.1 {step + 1}" in out) == (step < 3)


@pytest.mark.parametrize(("answer", "shown"), [("y", True), ("", False), ("n", False), (EOFError, False)])
def test_a_solution_is_shown_after_a_question_alone(run, monkeypatch, answer, shown):
    def asked(question):
        assert "Show the solution of 1.1?" in question
        if answer is EOFError:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", asked)
    status, out, _ = run("solution", "1.1")
    assert status == (0 if shown else 1)
    assert ("return G * b, G * a" in out) == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "1.99"], "there is no lesson or exercise 1.99; there are: 1.1"),
        (["start", "x"], "there is no lesson or exercise x"),
        (["hint", "1"], "name one exercise of lesson 1: 1.1"),
        (["notebook", "99", "l.ipynb"], "there is no lesson 99"),
        (["notebook", "1.1", "l.ipynb"], "name a lesson, such as 3; got 1.1"),
        (["notebook", "1", "l.txt"], "a notebook's name ends in .ipynb, got 'l.txt'"),
        (["grade", "nobody"], "no folder: nobody"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_status_2(run, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


# --- watch ------------------------------------------------------------------------------------------------------------


def test_changes_are_the_answers_that_were_saved(tmp_path):
    def wait(seconds):
        next(saved)

    def saves():
        (tmp_path / "e1_1.py").write_text("longer than before")
        (tmp_path / "notes.txt").write_text("no answer")
        yield
        yield  # nothing was saved
        (tmp_path / "e1_2.py").write_text("new")
        yield
        raise KeyboardInterrupt

    (tmp_path / "e1_1.py").write_text("before")
    saved = saves()
    changed = changes(tmp_path, wait)
    assert [next(changed).name, next(changed).name] == ["e1_1.py", "e1_2.py"]
    with pytest.raises(KeyboardInterrupt):
        next(changed)


def test_watch_checks_what_was_saved_until_ctrl_c(run, monkeypatch):
    def saved(folder):
        yield folder / "e1_1.py"
        yield folder / "e99_1.py"  # of no exercise
        raise KeyboardInterrupt

    solve(Path("my_lessons"))
    monkeypatch.setattr(command, "changes", saved)
    status, out, err = run("watch")
    assert (status, err) == (130, "\ninterrupted\n")
    assert out.count("1.1 passed") == 1


# --- grade ------------------------------------------------------------------------------------------------------------


def test_grade_prints_a_table_and_writes_it(run, monkeypatch):
    monkeypatch.setattr(command, "all_exercises", lambda: [EXERCISE])
    solve(Path("ada"))
    Path("=1+1").mkdir()
    Path("carl").mkdir()
    Path("carl/e1_1.py").write_text("def mul_backward(G, a, b):\n    while True: raise SystemExit\n")
    status, out, _ = run("grade", "ada", "=1+1", "carl", "--csv", "grades.csv")
    assert status == 0
    assert out.splitlines() == [
        *("learner  1.1     passed", "ada      passed  1 of 1", "=1+1     -       0 of 1", "carl     error   0 of 1"),
        "written to grades.csv",
    ]
    with open("grades.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["learner", "1.1", "passed", "reasons"],
            ["ada", "passed", "1 of 1", ""],
            ["'=1+1", "-", "0 of 1", ""],
            [
                *("carl", "error", "0 of 1"),
                "1.1: e1_1.py, line 2, in mul_backward: your answer ends the program (sys.exit), "
                "instead of returning something",
            ],
        ]


def test_one_learners_answer_does_not_change_anothers_mark(tmp_path):
    judged = []

    def judge(number, path):
        judged.append(path)
        return Outcome(number, "passed" if path.parent.name == "ada" else "wrong", "")

    for name in ("ada", "carl"):
        solve(tmp_path / name)
    table = grade.rows([tmp_path / "ada", tmp_path / "carl"], [EXERCISE], judge)
    assert [row[-2] for row in table[1:]] == ["1 of 1", "0 of 1"]
    assert judged == [tmp_path / "ada" / "e1_1.py", tmp_path / "carl" / "e1_1.py"]


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("known mistake: G is missing", "known mistake: G is missing"),
        ('2 of 3 are caught; "exp" slips, softly\nalso through: relu', '2 of 3 are caught; "exp" slips, softly'),
        (
            "e1_1.py, line 3: this is not Python: invalid syntax\n    x = = 1",
            "e1_1.py, line 3: this is not Python: inv",
        ),
        ("e1_1.py, line 2, in f:\n    1 / 0\nZeroDivisionError: by zero\nnote", "e1_1.py, line 2, in f: ZeroDivisionE"),
        ("ValueError: \x1b[31m\tred", "ValueError:  [31m red"),
        ("ValueError: " + "x" * 5000, "ValueError: xxx"),
    ],
)
def test_a_reason_is_one_short_line_also_in_the_table(says, reason, tmp_path):
    solve(tmp_path)
    table = grade.rows([tmp_path], [EXERCISE], lambda number, path: Outcome(number, "wrong", says))
    (read,) = list(csv.DictReader(io.StringIO(grade.as_csv(table))))
    assert read["reasons"].startswith(f"1.1: {reason}")
    assert read["reasons"].isprintable()
    assert len(read["reasons"]) <= 5 + grade.REASON
    assert says.splitlines()[-1] == says or says.splitlines()[-1] not in read["reasons"]


# --- notebooks --------------------------------------------------------------------------------------------------------

SCRIPT = """# %% [markdown]
# # A title
#
# Text with $x^2$.

# %%
x = 1  # %% is no mark here


def f():
    return x


# %%

# %% [markdown]
# - a list
#   of lines
"""


def test_percent_format_becomes_cells():
    assert percent_cells(SCRIPT) == [
        Cell("markdown", "# A title\n\nText with $x^2$."),
        Cell("code", "x = 1  # %% is no mark here\n\n\ndef f():\n    return x"),
        Cell("markdown", "- a list\n  of lines"),
    ]


def test_a_notebook_is_valid_and_overwrites_nothing(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="needs the extra 'notebook'")
    path = tmp_path / "l.ipynb"
    save_notebook(path, percent_cells(SCRIPT))
    nbformat.validate(nbformat.read(path, as_version=4))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"there is a file .* already"):
        save_notebook(path, [])
    assert path.read_bytes() == before


def test_the_command_writes_a_lesson(run, monkeypatch, tmp_path):
    (tmp_path / "lesson_1.py").write_text(SCRIPT)
    monkeypatch.setattr(notebook, "text_of", lambda lesson: tmp_path / f"lesson_{lesson}.py")
    monkeypatch.setattr(command, "chosen", lambda which: [EXERCISE])
    status, out, _ = run("notebook", "1", "l.ipynb")
    assert (status, out) == (0, "l.ipynb: to open with Jupyter\n")
    cells = json.loads(Path("l.ipynb").read_text())["cells"]
    kinds = ["markdown", "code", "markdown", "markdown", "code", "code"]
    assert [cell["cell_type"] for cell in cells] == kinds
    task, code, check = (cell["source"] for cell in cells[3:])
    assert task.startswith("## Exercise 1.1: the backward of y = a * b")
    assert code.startswith("def mul_backward(G, a, b):")
    assert check.endswith('check("1.1", mul_backward)')


def test_a_notebook_checks_in_its_own_kernel(capsys):
    def mul_backward(G, a, b):
        raise NotImplementedError

    check("1.1", mul_backward)
    check("1.1", lambda G, a, b: (b, a))
    check("1.1", lambda G, a, b: (G * b, G * a))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1.1 not yet: mul_backward() is not written yet"
    assert lines[1].startswith("1.1 not yet: known mistake: these are dy/da and dy/db")
    assert lines[2].startswith("1.1 passed: right: 9 random gradients")
    with pytest.raises(ValueError, match="there is no exercise 99"):
        check("99.1", mul_backward)


def test_a_file_that_goes_while_it_is_looked_at_is_none(tmp_path):
    (tmp_path / "e1_1.py").symlink_to("gone")
    assert versions(tmp_path) == {}


def test_it_is_a_program_and_a_table_is_printed_alone(tmp_path):
    program = [sys.executable, "-m", "tinygrad_edu.lessons", "grade", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "0 of 23" in output.stdout
    assert list(tmp_path.iterdir()) == []

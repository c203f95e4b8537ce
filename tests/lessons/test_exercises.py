"""Every exercise: untouched it fails, its solution passes, each wrong answer gets its own diagnosis."""

import functools
import re
from pathlib import Path

import pytest

from tinygrad_edu import lessons
from tinygrad_edu.lessons import gold
from tinygrad_edu.lessons.exercise import Gold
from tinygrad_edu.lessons.keys import all_exercises, one_exercise
from tinygrad_edu.lessons.verdict import verdict_on

PACKAGE = Path(lessons.__file__).parent
WRONG = Path(__file__).parent / "wrong"
EXERCISES = all_exercises()
every = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)


def functions(path):
    """What a file defines, by name."""
    names = {"__name__": path.stem}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
    return names


def wrong_answers():
    """(exercise, function) of all, as parameters."""
    found = []
    for exercise in EXERCISES:
        path = WRONG / exercise.file
        for name, function in functions(path).items() if path.exists() else ():
            if name.startswith(f"{exercise.function}_"):
                found.append(pytest.param(exercise, function, id=f"{exercise.number}-{name}"))
    return found


WRONG_ANSWERS = wrong_answers()


@functools.cache
def said_of(number, written):
    """The verdict on a wrong answer, for the two tests that look at it."""
    return verdict_on(one_exercise(number), written)


@every
def test_the_untouched_file_fails(exercise):
    with pytest.raises(NotImplementedError):
        verdict_on(exercise, functions(PACKAGE / "exercises" / exercise.file)[exercise.function])


@every
def test_the_solution_passes(exercise):
    found = verdict_on(exercise, functions(PACKAGE / "solutions" / exercise.file)[exercise.function])
    assert found.passed, found.says
    assert found.says.startswith("right")


@pytest.mark.parametrize(("exercise", "written"), WRONG_ANSWERS)
def test_a_wrong_answer_gets_its_diagnosis(exercise, written):
    found = said_of(exercise.number, written)
    assert not found.passed
    assert re.search(written.__doc__, found.says, re.DOTALL), found.says


@every
def test_each_known_mistake_is_wrong_and_told_as_what_it_is(exercise):
    for wrong in exercise.wrong if isinstance(exercise, Gold) else ():
        found = verdict_on(exercise, wrong.answer)
        assert not found.passed
        assert found.says == f"known mistake: {wrong.says}"


@every
def test_there_are_three_wrong_answers_each_with_a_diagnosis_of_its_own(exercise):
    says = [said_of(exercise.number, case.values[1]).says for case in WRONG_ANSWERS if case.values[0] is exercise]
    assert len(says) >= 3
    assert len(set(says)) == len(says)


@every
def test_the_slopes_of_the_values_confirm_what_is_taken_for_right(exercise):
    if isinstance(exercise, Gold) and exercise.forward:
        assert gold.confirmed(exercise) > 0


@every
def test_a_file_tells_the_task_and_gives_nothing_away(exercise):
    source = (PACKAGE / "exercises" / exercise.file).read_text(encoding="utf-8")
    assert source.startswith(f'"""Exercise {exercise.number}: ')
    assert "raise NotImplementedError" in source
    assert len(exercise.hints) == 3


def test_numbers_count_up_and_files_belong_to_exercises():
    numbers = [tuple(map(int, exercise.number.split("."))) for exercise in EXERCISES]
    assert numbers == sorted(set(numbers))
    wanted = {exercise.file for exercise in EXERCISES}
    for folder in (PACKAGE / "exercises", PACKAGE / "solutions", WRONG):
        assert {path.name for path in folder.glob("e*.py")} == wanted


def test_an_exercise_is_found_by_its_number_alone():
    assert one_exercise("1.3").title == "the walk over the tape"
    with pytest.raises(ValueError, match=r"there is no exercise 1\.9; .* shows all"):
        one_exercise("1.9")


@pytest.mark.parametrize(
    ("walk", "message"),
    [
        (lambda node, G: None, r"walk\(\) must return a dict, node -> gradient; it returned None"),
        (lambda node, G: {node: G}, r"walk\(\) gave no gradient for the leaf a"),
    ],
)
def test_a_walk_returns_the_gradients_of_the_leaves(walk, message):
    with pytest.raises((TypeError, KeyError), match=message):
        verdict_on(one_exercise("1.3"), walk)


def test_a_check_that_calls_dropout_twice_is_told_why_that_tells_nothing():
    def check_dropout(operation, x):
        return bool((operation(x).data == operation(x).data).all())

    with pytest.raises(ValueError, match="called a second time, dropout draws another mask"):
        verdict_on(one_exercise("5.3"), check_dropout)


def test_a_mistake_that_cannot_be_made_for_every_shape_is_no_obstacle():
    found = verdict_on(one_exercise("3.1"), lambda G, A, B: (2 * G @ B.T, A.T @ G))
    assert "off by a factor: it is 2 times what is right" in found.says

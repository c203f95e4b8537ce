"""What a wrong backward is told: each kind of mistake, on an operation that no exercise has."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.lessons import gold
from tinygrad_edu.lessons.exercise import Gold, Wrong, case

MEAN = Gold(
    number="9.1",
    title="the mean of each column's squares, and a product with b",
    function="answer",
    forward=lambda x, b: (x * x).mean(axis=0) * b,
    cases=(case((3, 3), (3,)), case((5, 3), (3,)), case((2, 4), (4,))),
    wrong=(
        Wrong("the 2 of the square is lost", lambda G, x, b: (x * G * b / len(x), G * (x * x).mean(axis=0))),
        Wrong("the sum over the rows is missing", lambda G, x, b: (2 * x * G * b / len(x), G * x * x / len(x))),
    ),
    hints=("", "", ""),
)


def dx(G, x, b):
    return 2 * x * G * b / len(x)


def db(G, x, b):
    return G * (x * x).mean(axis=0)


def says(first=dx, second=db, exercise=MEAN):
    verdict = gold.check(exercise, lambda G, x, b: (first(G, x, b), second(G, x, b)))
    assert verdict.passed == verdict.says.startswith("right:")
    return verdict.says


def test_a_right_answer_is_told_what_was_tried():
    assert says() == (
        "right: 9 random gradients G on 3 cases that your file does not show, against the tape, and against the slopes "
        "of the values"
    )


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda G, x, b: -dx(G, x, b), "dL/dx is right but for its sign"),
        (lambda G, x, b: 4 * dx(G, x, b), "dL/dx is off by a factor: it is 4 times what is right"),
        (lambda G, x, b: 0 * x, "dL/dx is zero everywhere"),
        (lambda G, x, b: 2 * x * G * b, "dL/dx is too large by the length of axis 0 of input 1, 3 in inputs"),
        (lambda G, x, b: dx(G, x, b) / len(x), "dL/dx is too small by the length of axis 0 of input 1"),
        (lambda G, x, b: dx(1, x, b), "dL/dx is the same for every G: by the chain rule, G must be multiplied in"),
        (lambda G, x, b: dx(G, x, b) + (x > 1.2), "dL/dx is wrong in "),
        (lambda G, x, b: dx(G, x, b) * np.sign(x), "dL/dx is wrong in 9 of 9 trials, first with inputs "),
        (lambda G, x, b: dx(G, x, b)[0], "dL/dx must have shape (3, 3), it has (3,); with inputs (3, 3), (3,): it was"),
        (lambda G, x, b: dx(G, x, b)[None], "a sum over the axes along which it was repeated is missing"),
        (lambda G, x, b: dx(G, x, b).T, "must have shape (5, 3), it has (3, 5); with inputs (5, 3), (3,): it is the"),
        (lambda G, x, b: np.where(x > 0, dx(G, x, b), np.nan), "of its 9 entries are not a number (NaN)"),
        (lambda G, x, b: dx(G, x, b).astype(np.float32), "was given float64 and returned float32"),
        (lambda G, x, b: Tensor(dx(G, x, b)), "returned a Tensor; the gradient is to be computed with arrays"),
        (lambda G, x, b: "the gradient", "must return a tuple of 2 arrays; there is 'the gradient' in its place"),
        (lambda G, x, b: None, "must return a tuple of 2 arrays; there is None in its place"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_gradient_is_told(wrong, diagnosis):
    text = says(first=wrong)
    assert diagnosis in text
    assert text.endswith("(dL/db: right)") == text.startswith("dL/dx is")


def test_a_transposed_gradient_is_seen_where_it_is_square():
    square = Gold(
        number="9.2", title="", function="f", forward=lambda x: x * Tensor(np.arange(9.0).reshape(3, 3)),
        cases=(case((3, 3)),), wrong=(), hints=("", "", ""),
    )  # fmt: skip
    verdict = gold.check(square, lambda G, x: (G * np.arange(9.0).reshape(3, 3)).T)
    assert verdict.says == "dL/dx is the right one transposed, where it is square"


@pytest.mark.parametrize(
    ("returned", "diagnosis"),
    [
        (None, "answer() returned None; it must return a tuple of 2 arrays: is there a `return`?"),
        (np.zeros(3), "answer() must return a tuple of 2 arrays; it returned an array (3,)"),
        ((1, 2, 3), "answer() must return a tuple of 2 arrays; it returned (1, 2, 3)"),
    ],
)
def test_what_is_no_pair_of_arrays(returned, diagnosis):
    assert gold.check(MEAN, lambda G, x, b: returned).says == diagnosis


def test_a_known_mistake_comes_before_guesses_and_before_shapes():
    assert says(first=lambda G, x, b: dx(G, x, b) / 2) == "known mistake: the 2 of the square is lost"
    assert says(second=lambda G, x, b: G * x * x / len(x)) == "known mistake: the sum over the rows is missing"


@pytest.mark.parametrize("name", ["G", "x", "b"])
def test_writing_into_an_argument_is_told(name):
    def answer(G, x, b):
        result = dx(G, x, b), db(G, x, b)
        {"G": G, "x": x, "b": b}[name][...] = 0
        return result

    assert gold.check(MEAN, answer).says.startswith(f"your function wrote into {name}, ")


def test_an_answer_that_remembers_is_wrong_the_second_time():
    calls = []

    def answer(G, x, b):
        calls.append(1)
        return dx(G, x, b) * (len(calls) <= 9), db(G, x, b)

    assert gold.check(MEAN, answer).says.startswith("right the first time; called again")


def test_what_an_answer_raises_says_what_it_was_called_with():
    with pytest.raises(ZeroDivisionError) as error:
        gold.check(MEAN, lambda G, x, b: 1 // 0)
    assert error.value.__notes__ == ["called with G (3,), inputs (3, 3), (3,)"]


def test_at_a_kink_the_tape_alone_is_asked():
    relu = Gold(
        number="9.3", title="", function="f", forward=ops.relu, cases=(case((4,)), case([0.0, 1.0])),
        wrong=(), hints=("", "", ""),
    )  # fmt: skip
    verdict = gold.check(relu, lambda G, x: G * (x > 0))
    assert verdict.passed
    assert verdict.says.endswith("the slopes of the values in 1 of them, there is a kink in the others")


def test_options_are_handed_over_by_name_and_each_call_has_a_fresh_generator():
    def forward(x, rng, scale):
        return x * Tensor(scale * rng.normal(size=x.shape))

    drawn = Gold(
        number="9.4", title="", function="f", forward=forward, wrong=(), hints=("", "", ""),
        cases=(case((3,), rng=np.random.default_rng(3), scale=2.0),),
    )  # fmt: skip
    assert gold.check(drawn, lambda G, x, rng, scale: G * scale * rng.normal(size=x.shape)).passed


def test_an_exercise_without_a_gradient_is_held_against_what_is_right():
    order = Gold(
        number="9.5", title="", function="f", right=lambda x: x[::-1], cases=(case((3,)),), wrong=(), hints=("", "", "")
    )
    verdict = gold.check(order, lambda x: x[::-1])
    assert (verdict.passed, verdict.says) == (True, "right, on 1 case that your file does not show")
    assert "the result is wrong in 1 of 1 trials" in gold.check(order, lambda x: x).says


def test_a_mean_in_place_of_a_sum_is_told_as_such():
    text = says(lambda G, x, b: dx(G, x, b) / len(x))
    assert "too small by the length of axis 0 of input 1" in text
    assert "has a sum become a mean?" in text


def test_a_mean_over_another_axis_is_told_by_that_axis():
    """The lengths of axis 1 of x and of b are alike; x comes first, and its axis 0 does not fit."""
    assert "dL/db is too small by the length of axis 1 of input 1" in says(second=lambda G, x, b: db(G, x, b) / len(b))
    inner = Gold(
        number="9.6", title="", function="f", forward=lambda x, b: x.sum() * b, wrong=(), hints=("", "", ""),
        cases=(case((2,), (3,)), case((2,), (5,))),
    )  # fmt: skip
    text = gold.check(inner, lambda G, x, b: (np.full(2, (G * b).sum()), len(b) * G * x.sum())).says
    assert text.startswith("dL/db is too large by the length of axis 0 of input 2, 3 in inputs (2,), (3,)")


def test_factors_that_are_the_length_of_nothing_are_told_by_the_worst_entry():
    factors = {(3, 3): 1.5, (5, 3): 7.0, (2, 4): 1.5}
    text = says(first=lambda G, x, b: factors[x.shape] * dx(G, x, b))
    assert text.startswith("dL/dx is wrong in 9 of 9 trials, first with inputs (3, 3), (3,); there, 9 of 9 entries are")


def test_as_many_numbers_in_another_shape_are_no_sum_too_few():
    text = says(lambda G, x, b: dx(G, x, b).reshape(-1))
    assert text == "dL/dx must have shape (3, 3), it has (9,); with inputs (3, 3), (3,)"

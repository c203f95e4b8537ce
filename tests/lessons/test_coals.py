"""What a learner's check is told that judges operations wrongly."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.gradcheck.zoo import ZOO
from tinygrad_edu.lessons import coals
from tinygrad_edu.lessons.exercise import Coals
from tinygrad_edu.lessons.keys import all_exercises

BY_NAME = {mistake.name: mistake for mistake in ZOO}
X = np.array([0.5, -1.0, 2.0])
EXP = Coals(
    number="9.9",
    title="a check of exp",
    function="is_right",
    right=((ops.exp, (X,)), (lambda x: x.exp(), (X,))),
    wrong=(
        *(BY_NAME["exp: divides by G"], BY_NAME["exp: forgets G"]),
        BY_NAME["relu: lets positive gradients through alone"],
    ),
    hints=("", "", ""),
)  # fmt: skip


def slope_is_right(operation, x, G):
    """Whether the gradient for this G is that of central differences."""
    leaf = Tensor(x, requires_grad=True)
    operation(leaf).backward(G)
    h = 1e-6
    slope = (operation(Tensor(x + h)).data - operation(Tensor(x - h)).data) / (2 * h)  # entry by entry
    return np.allclose(leaf.grad, G * slope, rtol=1e-5)


def says(check):
    verdict = coals.check(EXP, check)
    assert verdict.passed == verdict.says.startswith("right:")
    return verdict.says


def random_G(operation, x):
    return slope_is_right(operation, x, np.random.default_rng(0).normal(size=x.shape))


def test_a_good_check_passes():
    assert says(random_G) == "right: 2 right operations accepted, 3 wrong ones rejected"


@pytest.mark.parametrize("error", [AssertionError, GradientError, RuntimeError])
def test_a_check_may_say_no_by_raising(error):
    def check(operation, x):
        if not random_G(operation, x):
            raise error
        return True

    assert says(check).startswith("right:")


def test_gradcheck_itself_would_pass():
    def check(operation, x):
        gradcheck(operation, x)
        return True

    assert says(check).startswith("right:")


def test_what_slips_through_is_named_with_its_story():
    text = says(lambda operation, x: slope_is_right(operation, x, np.ones_like(x)))
    assert text.startswith("0 of 3 wrong operations are caught") or text.startswith("your check accepts everything")
    assert "exp: divides by G. The chain rule multiplies by G, the backward divides by it." in text
    only_first = says(lambda operation, x: random_G(operation, x) or operation is EXP.wrong[0].function)
    assert only_first.startswith("2 of 3 wrong operations are caught; this one slips through: exp: divides by G.")
    assert "also through" not in only_first
    two = says(lambda operation, x: random_G(operation, x) or operation is not EXP.wrong[0].function)
    assert "1 of 3 wrong operations are caught; this one slips through: exp: forgets G." in two
    assert two.endswith("also through: relu: lets positive gradients through alone")


def test_a_check_that_says_always_the_same():
    assert says(lambda operation, x: True).startswith("your check accepts everything, also exp: divides by G.")
    assert says(lambda operation, x: False) == "your check rejects everything, the right operations as well"


def test_a_right_operation_that_is_refused_is_named():
    text = says(lambda operation, x: random_G(operation, x) and operation is not ops.exp)
    assert text == "your check rejects exp() of the package, whose backward is right; inputs (3,)"
    text = says(lambda operation, x: random_G(operation, x) and operation is ops.exp)
    assert text == "your check rejects an operation of the package, whose backward is right; inputs (3,)"


@pytest.mark.parametrize(
    ("returned", "diagnosis"),
    [
        (None, "is_right() must return True or False; it returned None: is there a `return`?"),
        (0.5, "is_right() must return True or False; it returned 0.5"),
        (np.array([True, False]), "is_right() must return True or False; it returned array"),
    ],
)
def test_an_answer_is_yes_or_no(returned, diagnosis):
    assert coals.check(EXP, lambda operation, x: returned).says.startswith(diagnosis)


@pytest.mark.parametrize("error", [NotImplementedError, RecursionError, TypeError])
def test_other_errors_are_the_learners(error):
    def check(operation, x):
        if not random_G(operation, x):
            raise error
        return True

    with pytest.raises(error):
        coals.check(EXP, check)


def test_a_check_gets_arrays_of_its_own():
    def check(operation, x):
        verdict = random_G(operation, x)
        x[...] = 0
        return verdict

    before = [x.copy() for mistake in EXP.wrong for x in mistake.inputs]
    assert says(check).startswith("right:")
    assert all(map(np.array_equal, before, (x for mistake in EXP.wrong for x in mistake.inputs)))


def test_an_answer_to_a_wrong_operation_is_yes_or_no_as_well():
    verdicts = iter([True, True])
    text = coals.check(EXP, lambda operation, x: next(verdicts, None)).says
    assert text == "is_right() must return True or False; it returned None: is there a `return`?"


def test_every_wrong_operation_of_the_lessons_is_in_the_zoo():
    for exercise in all_exercises():
        if isinstance(exercise, Coals):
            assert all(BY_NAME.get(mistake.name) is mistake for mistake in exercise.wrong), exercise.number

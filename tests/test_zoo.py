"""The zoo of wrong backwards: each forward is right, each right twin passes every check, each mistake is found."""

import ast
import inspect
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from proof import zoo as proof

from tinygrad_edu import Tensor
from tinygrad_edu.gradcheck import GradientError, __main__, gradcheck
from tinygrad_edu.gradcheck.other_checks import OTHER_CHECKS, central_differences
from tinygrad_edu.gradcheck.zoo import BEYOND, THEMES, ZOO, matrix
from tinygrad_edu.gradcheck.zoo.mistake import Mistake

BY_NAME = {mistake.name: mistake for mistake in ZOO + BEYOND}
# At a kink no difference quotient is the derivative, so that plain checks refuse the right operation, too.
AT_A_KINK = {
    "maximum: ties are paid twice",
    "relu: slope 7 at 0",
    "abs: not a number at 0",
    "max: every one of equal maxima gets the whole gradient",
    "max_pool1d: equal maxima are all paid",
}
LARGE = "square_sum: the last of 40,000 entries gets nothing"  # 80,000 calls for the Jacobian: in the command alone


def every(mistakes):
    return pytest.mark.parametrize("mistake", mistakes, ids=lambda mistake: mistake.name)


def values(f, inputs):
    outputs = f(*[Tensor(x.copy(), requires_grad=True) for x in inputs])
    return [y.data for y in (outputs if isinstance(outputs, tuple) else (outputs,))]


@every(ZOO + BEYOND)
def test_the_forward_is_that_of_the_right_operation(mistake):
    wrong, right = values(mistake.function, mistake.inputs), values(mistake.right, mistake.inputs)
    assert [y.shape for y in wrong] == [y.shape for y in right]
    for a, b in zip(wrong, right):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@every(ZOO)
def test_gradcheck_accepts_the_right_operation(mistake):
    gradcheck(mistake.right, *mistake.inputs)


@every(ZOO)
def test_gradcheck_catches_the_mistake(mistake):
    with pytest.raises(GradientError, match="rule '"):
        gradcheck(mistake.function, *mistake.inputs)


@every([mistake for mistake in ZOO if mistake.name != LARGE])
def test_the_other_checks_accept_the_right_operation(mistake):
    with np.errstate(all="ignore"):
        J = central_differences(mistake.right, mistake.inputs)
    accepted = {name: check(mistake.right, mistake.inputs, J) for name, check in OTHER_CHECKS.items()}
    assert all(accepted.values()) or mistake.name in AT_A_KINK, accepted


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("softmax: gradient zero", "--xxx"),
        ("exp: divides by G", "--xxx"),
        ("relu: lets positive gradients through alone", "--x-x"),
        ("cumsum: not reversed", "x-xxx"),
        ("sub: both operands get + G", "xxxxx"),
        ("add: the bias's gradient keeps the axis that was summed", "xxxxx"),  # the walk refuses the shape
        ("mul: clips G to 5", "-----"),
        ("relu: slope 7 at 0", "?????"),
    ],
)
def test_what_each_check_sees(name, marks):
    assert "".join(matrix.marks(BY_NAME[name]).values()) == marks


# --- what no check at one point can see: what the remedy says finds it ------------------------------------------------


def remedied(name, f, *inputs):
    mistake = BY_NAME[name]
    gradcheck(mistake.function, *mistake.inputs)
    gradcheck(mistake.right, *mistake.inputs)
    with pytest.raises(GradientError):
        gradcheck(f, *inputs)


def test_a_mistake_far_out_is_seen_far_out():
    name = "exp: wrong for large inputs alone"
    remedied(name, BY_NAME[name].function, np.array([-11.0, 0.0, 11.0]))


def test_a_mistake_of_the_thousandth_call_is_seen_with_the_old_layer():
    name = "relu: wrong after a thousand calls"
    (x,) = BY_NAME[name].inputs
    layer = BY_NAME[name].function
    for _ in range(1001):
        layer(Tensor(-x))
    remedied(name, layer, x)


def test_a_mistake_of_large_arrays_is_seen_with_one():
    name = "square: wrong for more than 4,096 numbers"
    remedied(name, BY_NAME[name].function, np.random.default_rng(0).normal(size=5000))


def test_a_mistake_of_another_setting_is_seen_with_it():
    name = "mean: wrong with another setting"
    f = BY_NAME[name].function
    remedied(name, lambda x: f(x, keepdims=True), *BY_NAME[name].inputs)


def test_a_mistake_of_float32_is_seen_beside_float64():
    mistake = BY_NAME["square: wrong in float32 alone"]
    gradcheck(mistake.function, *mistake.inputs)
    gradients = []
    for dtype in (np.float32, np.float64):
        x = Tensor(mistake.inputs[0].astype(dtype), requires_grad=True)
        mistake.function(x).sum().backward()
        gradients.append(x.grad)
    assert not np.allclose(*gradients, rtol=1e-5)


# --- each can be shown by itself --------------------------------------------------------------------------------------


def test_names_tell_mistakes_apart_and_begin_with_the_operation():
    assert len(BY_NAME) == len(ZOO) + len(BEYOND)
    for mistake in ZOO + BEYOND:
        assert mistake.operation.isidentifier(), mistake.name
        assert len(mistake.name) <= 58, mistake.name  # its column in the table
        assert mistake.story.endswith(".")
        assert bool(mistake.remedy) == (mistake in BEYOND)


def test_no_mistake_is_left_out():
    decorated = sum(inspect.getsource(theme).count("\n@mistake(") for theme in THEMES)
    assert decorated == len(ZOO) >= 60


@every(ZOO + BEYOND)
def test_the_source_is_the_code_alone_under_the_operations_name(mistake):
    (definition,) = ast.parse(mistake.source()).body
    assert definition.name == mistake.operation
    assert "#" not in mistake.source()  # no comment that gives it away
    names = dict(vars(sys.modules[mistake.written.__module__]))
    exec(mistake.source(), names)
    written = replace(mistake, written=names[mistake.operation])
    for a, b in zip(values(written.function, mistake.inputs), values(mistake.right, mistake.inputs)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_a_layer_is_new_each_time():
    assert (
        BY_NAME["relu: keeps the mask of its first call"].function
        is not BY_NAME["relu: keeps the mask of its first call"].function
    )


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_zoo(monkeypatch):
    def put(*mistakes):
        monkeypatch.setattr(matrix, "ZOO", list(mistakes))
        monkeypatch.setattr(proof, "ZOO", list(mistakes))

    return put


SOFTMAX = BY_NAME["softmax: gradient zero"]


def test_the_command_prints_the_table_and_succeeds(small_zoo, capsys):
    small_zoo(SOFTMAX, BY_NAME["softmax: the diagonal of the Jacobian alone"])
    assert __main__.main(["--zoo"]) == 0
    out = capsys.readouterr().out
    assert out.count("\nlosses\n") == 1  # the theme, over both
    assert max(map(len, out.splitlines())) <= 120
    assert re.search(r"softmax: gradient zero +- +- +x +x +x  equal", out)
    assert re.search(r"relu: wrong after a thousand calls .*-\n    Check once more at the end", out)
    assert re.search(r"mistakes +2\n", out)
    assert re.search(r"caught by sum of outputs +1\n", out)
    assert re.search(r"caught by gradcheck +2\n", out)


def test_a_mistake_that_is_missed_and_a_right_operation_that_is_refused_are_failures(small_zoo, capsys):
    missed = Mistake("softmax: right", "Nothing is wrong.", SOFTMAX.right, SOFTMAX.inputs, SOFTMAX.right)
    refused = Mistake("softmax: no right one", "Both are wrong.", SOFTMAX.written, SOFTMAX.inputs, SOFTMAX.written)
    small_zoo(missed, refused)
    assert __main__.main(["--zoo"]) == 1
    out = capsys.readouterr().out
    assert "missed by gradcheck: softmax: right" in out
    assert "refused, and right (softmax: no right one): rule 'equal'" in out
    assert len(proof.prove().failures) == 2


def test_the_zoo_takes_no_operations(capsys):
    with pytest.raises(SystemExit) as exit:
        __main__.main(["--zoo", "exp"])
    assert exit.value.code == 2
    assert "--zoo takes no operations" in capsys.readouterr().err


def test_the_section_of_the_proof(small_zoo):
    small_zoo(SOFTMAX)
    section = proof.prove()
    assert section.figures["mistakes"] == section.figures["caught by gradcheck"] == 1
    assert section.failures == []
    assert "| softmax: gradient zero | - | - | x | x | x | equal |" in section.details
    assert all(mistake.remedy in section.details for mistake in BEYOND)

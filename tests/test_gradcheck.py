"""The checker is checked: wrong gradients of every kind are planted, and must be found under the right name."""

import inspect
import pkgutil
import re
import runpy
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from planted import caught, op

import tinygrad_edu.gradcheck as package
from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.gradcheck import CheckResult, GradientError, __main__, gradcheck
from tinygrad_edu.gradcheck.cases import CASES
from tinygrad_edu.gradcheck.check import FULL_JACOBIAN
from tinygrad_edu.gradcheck.comparison import DIRECTIONS
from tinygrad_edu.ops.support import record_many, unbroadcast
from tinygrad_edu.tensor import record

PREFIX = package.__name__ + "."
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


def mul(dA, dB):
    return op(lambda A, B: A * B, dA, dB)


RIGHT = (lambda G, A, B: G * B, lambda G, A, B: G * A)


def test_a_right_gradient_passes_and_says_how_well():
    result = gradcheck(mul(*RIGHT), X, Y)
    assert isinstance(result, CheckResult)
    assert result.entries == 2 * 13 * 12  # 12 outputs and the random v, 12 entries of each input
    assert 0 <= result.relative < 1e-9
    assert 0 <= result.absolute < 1e-9


# --- wrong numbers ---------------------------------------------------------------------------------------------------


def test_a_wrong_factor_that_only_single_entries_show():
    """Half of the slopes are 1e-8: in a random direction through all, nobody sees that they are wrong."""
    C = np.tile([1.0, 1e-8], 75)
    assert C.size**2 > FULL_JACOBIAN
    x = RNG.normal(size=C.size)
    gradcheck(op(lambda A: A * C, lambda G, A: G * C), x)
    report = caught("equal", op(lambda A: A * C, lambda G, A: G * np.where(C < 1, 3 * C, C)), x)
    worst = int(re.search(r"worst at \(0, (\d+)\)", report)[1])
    assert worst >= DIRECTIONS


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0, 1 + 1e-5])
def test_a_wrong_factor(factor):
    report = caught("equal", mul(lambda G, A, B: factor * G * B, RIGHT[1]), X, Y)
    assert "input 0 of shape (3, 4)" in report


def test_the_report_names_the_worst_entry_both_values_and_both_errors():
    def f(x):
        def backward(G):
            D = 3.0 * G
            D[1] += G[1]
            return (D,)

        return record(3.0 * x.data, (x,), backward)

    report = caught("equal", f, np.array([1.0, 2.0, 3.0]))
    assert "f, input 0 of shape (3,)" in report
    assert re.search(r"2 of 12 derivatives are wrong", report)  # in the row of the output, and in that of v
    assert re.search(r"worst at \(1, 1\)", report)
    assert re.search(r"analytic +4\.0+e\+00", report)
    assert re.search(r"numeric +3\.0+\d*e\+00|numeric +2\.9", report)
    assert re.search(r"absolute error +1\.0+e\+00", report)
    assert re.search(r"relative error +2\.5+\d*e-01", report)


def test_a_forgotten_sum_over_a_broadcast_axis_that_keeps_the_shape():
    def add(a, b):
        def backward(G):
            return G, G[:1]  # of the sum over the rows, only the first

        return record(a.data + b.data, (a, b), backward)

    assert "input 1" in caught("equal", add, X, Y[:1])


def test_a_forgotten_sum_that_changes_the_shape():
    caught("shape", op(lambda A, B: A + B, lambda G, A, B: G, lambda G, A, B: G), X, Y[:1])


def test_a_softmax_whose_gradient_is_zero_passes_with_ones_but_not_here():
    def softmax(x):
        E = np.exp(x.data)
        return record(E / E.sum(axis=-1, keepdims=True), (x,), lambda G: (0.0 * G,))

    x = Tensor(X, requires_grad=True)
    ops.softmax(x).backward(np.ones_like(X))
    np.testing.assert_allclose(x.grad, 0.0, atol=1e-15)  # so that all ones could not tell
    caught("equal", softmax, X)
    caught("equal", softmax, RNG.normal(size=(200, 200)))  # nor where only directions are compared


def test_assignment_in_place_of_addition_with_repeated_indices():
    ids = np.array([0, 2, 2])

    def embedding(table):
        def backward(G):
            D = np.zeros_like(table.data)
            D[ids] = G
            return (D,)

        return record(table.data[ids], (table,), backward)

    caught("equal", embedding, X)


@pytest.mark.parametrize("shape", [(3, 4), (300, 400)])
def test_an_error_in_one_entry(shape):
    x, w = RNG.normal(size=shape), RNG.normal(size=shape)
    spot = (1, 2)

    def wrong(G, A):
        D = G * w
        D[spot] *= 1.01
        return D

    assert "derivatives are wrong" in caught("equal", op(lambda A: A * w, wrong), x)


def test_a_gradient_right_for_one_input_only():
    assert "input 1" in caught("equal", mul(RIGHT[0], lambda G, A, B: G * B), X, Y)
    assert "input 0" in caught("equal", mul(lambda G, A, B: G * A, RIGHT[1]), X, Y)
    assert "input 1" in caught("equal", mul(RIGHT[0], lambda G, A, B: None), X, Y)


def test_a_gradient_wrong_only_in_a_parameter():
    layer = nn.Linear(4, 2)
    for p in layer.parameters():
        p.data = RNG.normal(size=p.shape)

    def forward(x):
        rows = x @ layer.weight
        return record(
            rows.data + layer.bias.data, (rows, layer.bias), lambda G: (G, unbroadcast(2 * G, layer.bias.shape))
        )

    gradcheck(layer, X, parameters=layer.parameters())
    gradcheck(forward, X, parameters=[layer.weight])
    assert "parameter 1 of shape (2,)" in caught("equal", forward, X, parameters=layer.parameters())


def test_a_wrong_step_deep_inside_a_function():
    wrong = op(np.tanh, lambda G, A: G * (1 - np.tanh(A)))
    caught("equal", lambda x: (wrong(x * 2.0) @ Tensor(Y.T)).exp().sum(), X)


def test_one_of_several_outputs_is_wrong():
    def two(x):
        return x * 2.0, op(lambda A: A * A, lambda G, A: G * A)(x)

    caught("equal", two, X)


def test_a_gradient_that_is_not_a_number():
    caught("equal", op(lambda A: A.copy(), lambda G, A: np.where(G == 0, 0, np.nan)), X)
    caught("linear", op(lambda A: A.copy(), lambda G, A: G * np.nan), X)
    with pytest.raises(ValueError, match="not finite"):  # no derivative to hold the gradient against
        gradcheck(op(lambda A: A * np.nan, lambda G, A: 0 * G), X)


# --- broken rules ----------------------------------------------------------------------------------------------------


def test_a_constant_offset_shows_at_a_zero_gradient():
    caught("linear", op(lambda A: A * 2, lambda G, A: 2 * G + 1e-9), X)


def test_writing_into_the_incoming_gradient():
    def scale(G, A):
        G *= 2.0
        return G

    def clear(G, A):
        D = 2.0 * G
        G[...] = 0.0
        return D

    for write in (scale, clear):
        caught("untouched", op(lambda A: 2.0 * A, write), X)
        caught("untouched", lambda x, write=write: op(lambda A: 2.0 * A, write)(x * 3.0) * 4.0, X)


def test_writing_into_an_input():
    def wipe(G, A):
        D = G * 2 * A
        A += 1.0
        return D

    assert "input 0" in caught("untouched", op(lambda A: A * A, wipe), X)

    def in_place(x):
        x.data *= 1.5
        return x * 1.0

    caught("untouched", in_place, X)


def test_returning_an_input_or_the_result():
    caught("own memory", op(lambda A, B: A + B, lambda G, A, B: A, lambda G, A, B: G), X, Y)
    caught("own memory", op(lambda A: A * 2, lambda G, A: A[::-1]), X)

    def result(x):
        R = np.exp(x.data)
        return record(R, (x,), lambda G: (R,))

    caught("own memory", result, X)


def test_one_new_array_for_two_inputs_breaks_a_rule():
    def add(a, b):
        def backward(G):
            D = G * 1.0
            return D, D

        return record(a.data + b.data, (a, b), backward)

    a, b = Tensor(X, requires_grad=True), Tensor(Y, requires_grad=True)
    also_a = a * 1.0
    (add(a, b) + also_a).sum().backward()
    assert b.grad[0, 0] == 1.0  # the walk adds in place only into sums of its own, so no harm comes of it yet
    caught("own memory", add, X, Y)
    gradcheck(op(lambda A, B: A + B, lambda G, A, B: G, lambda G, A, B: G), X, Y)  # G itself may be handed on


def test_a_buffer_that_is_used_again():
    buffer = np.empty_like(X)
    with pytest.raises(GradientError):
        gradcheck(op(lambda A: A * A, lambda G, A: np.multiply(2 * A, G, out=buffer)), X)


def test_float32_on_the_way_back():
    caught("dtype", op(lambda A: A * 2, lambda G, A: (2 * G).astype(np.float32)), X)
    caught("dtype", lambda x: op(lambda A: A * 2, lambda G, A: (2 * G).astype(np.float32))(x * 1.0) * 1.0, X)


@pytest.mark.parametrize("bend", [lambda D: D[None], lambda D: D.sum(axis=0), lambda D: D.T, lambda D: D[..., :1]])
def test_a_gradient_of_the_wrong_shape(bend):
    caught("shape", op(lambda A: A * 2, lambda G, A: bend(2 * G)), X)


def test_the_wrong_number_of_gradients():
    caught("count", op(lambda A, B: A * B, RIGHT[0]), X, Y)
    caught("count", op(lambda A: A * 2, lambda G, A: 2 * G, lambda G, A: G), X)
    caught("count", op(lambda A: A * 2), X)


def test_broken_rules_in_an_operation_with_several_results():
    def two(*gradients):
        def f(x, y):
            backward = lambda Gs: tuple(g(Gs[0] if Gs[0] is not None else 0 * x.data) for g in gradients)  # noqa: E731
            return record_many([x.data + y.data, x.data * 0.0], (x, y), backward)

        return f

    gradcheck(two(lambda G: 1 * G, lambda G: 1 * G), X, Y)
    caught("count", two(lambda G: 1 * G), X, Y)
    caught("shape", two(lambda G: 1 * G, lambda G: G[0]), X, Y)
    caught("equal", two(lambda G: 1 * G, lambda G: 2 * G), X, Y)


def test_a_function_that_is_not_repeatable():
    rng = np.random.default_rng(0)
    assert "seed its randomness" in caught("repeatable", lambda x: ops.dropout(x, 0.5, rng), X)


def test_a_backward_that_is_not_repeatable():
    rng = np.random.default_rng(0)
    noise = op(lambda A: A * 2, lambda G, A: 2 * G * (1 + 1e-15 * rng.integers(1, 9, G.shape)))
    assert "a second backward" in caught("repeatable", noise, X)


# --- kinks -----------------------------------------------------------------------------------------------------------


def test_a_kink_at_the_inputs_is_moved_away_from():
    for f in (ops.relu, ops.abs, lambda x: ops.maximum(x, 0.0), lambda x: ops.clip(x, 0.0, 1.0), lambda x: x.max()):
        assert gradcheck(f, np.array([0.0, 0.0, -1.0])).moved > 0
        assert gradcheck(f, np.zeros((150, 150))[:, :-10]).moved > 0  # where directions are compared
        assert gradcheck(f, np.array([0.5, -0.5, -1.0])).moved == 0


def test_a_wrong_gradient_is_not_excused_as_a_kink():
    for slope in (0.5, -1.0, 1.001):
        wrong = op(lambda A: np.maximum(A, 0), lambda G, A, slope=slope: G * slope * (A > 0))
        caught("equal", wrong, np.array([0.0, 1.0, -1.0]))
    caught("equal", op(lambda A: np.maximum(A, 0), lambda G, A: G), np.array([0.0, 1.0, -1.0]))
    caught("equal", op(np.abs, lambda G, A: G), X)


def test_a_function_with_a_kink_everywhere_is_reported():
    def saw(x):
        return record(np.abs(np.sin(1e8 * x.data)), (x,), lambda G: (G,))

    with pytest.raises(GradientError, match=r"rule '(smooth|equal)'"):
        gradcheck(saw, X)
    size = abs(X).max() + 1

    def kink_wherever_it_is_asked(x):
        anchor = kink_wherever_it_is_asked.anchor
        if anchor is None or abs(x.data - anchor).max() > 1e-3:
            anchor = kink_wherever_it_is_asked.anchor = x.data.copy()
        return record(size * np.abs(x.data - anchor), (x,), lambda G: (0.0 * G,))

    kink_wherever_it_is_asked.anchor = None
    caught("smooth", kink_wherever_it_is_asked, X)


def test_steep_and_curved_functions_are_no_kinks():
    gradcheck(lambda x: (x * 30.0).tanh(), X)
    gradcheck(lambda x: (x * 10.0).exp(), X)
    gradcheck(lambda x: 1.0 / x, np.array([0.01, 0.1, -0.02]))
    gradcheck(lambda x: x**8, X)


# --- what is refused, and what is restored ---------------------------------------------------------------------------


def test_inputs_that_cannot_be_checked_are_refused_with_a_reason():
    for x in (X.astype(np.float32), Tensor(X.astype(np.float32))):
        with pytest.raises(TypeError, match=r"input 0 .*must be.* of float64, got \w+ of float32.*too few digits"):
            gradcheck(ops.exp, x)
    for x in ([1.0, 2.0], 1.0):
        with pytest.raises(TypeError, match=r"must be an array or tensor of float64, got (list|float)"):
            gradcheck(ops.exp, x)
    with pytest.raises(ValueError, match="input 0 overlaps with itself"):
        gradcheck(ops.exp, np.broadcast_to(X[0], (3, 4)))
    with pytest.raises(ValueError, match="input 0 overlaps with itself"):
        gradcheck(ops.exp, np.lib.stride_tricks.sliding_window_view(X[0].copy(), 2))
    with pytest.raises(ValueError, match="inputs 0 and 1 overlap"):
        gradcheck(ops.add, X, X)
    with pytest.raises(ValueError, match="inputs 0 and 1 overlap"):
        gradcheck(ops.add, X[:2], X[1:])
    gradcheck(ops.add, X[:, ::2], X[:, 1::2])  # neighbours that share nothing
    gradcheck(ops.exp, X[::-1, ::-2])


@pytest.mark.parametrize("rtol", [np.nan, np.inf, -np.inf, -1e-6, 0, 0.0, 1.0, 2, "1e-6", None, [1e-6], 1e-6j])
def test_a_tolerance_that_would_accept_anything_or_nothing_is_refused(rtol):
    wrong = op(lambda A: A * 2, lambda G, A: 7 * G)
    with pytest.raises(ValueError, match=r"rtol must be a number between 0 and 1.*got " + re.escape(repr(rtol))):
        gradcheck(wrong, X, rtol=rtol)
    caught("equal", wrong, X, rtol=np.float32(0.5))


def test_parameters_that_cannot_be_checked_are_refused():
    frozen = nn.Parameter(X.copy())
    frozen.requires_grad = False
    for parameter, error, reason in (
        (X, TypeError, "parameter 1 must be a Tensor that f uses, got ndarray"),
        (frozen, ValueError, r"parameter 1 is frozen \(requires_grad=False\)"),
        (Tensor(X.copy(), requires_grad=True) * 1.0, ValueError, "parameter 1 is the result of mul; .* a leaf"),
    ):
        with pytest.raises(error, match=reason):
            gradcheck(ops.exp, Y, parameters=[nn.Parameter(X.copy()), parameter])


def test_functions_that_cannot_be_checked_are_refused():
    for f in (lambda x: x.astype(np.float32), lambda x: x.data, lambda x: 1.0):
        with pytest.raises(TypeError, match="must return float64 tensors"):
            gradcheck(f, X)


@pytest.mark.parametrize("wrong", [False, True])
def test_inputs_and_parameters_are_as_before_whatever_the_verdict(wrong):
    w = nn.Parameter(np.where(Y > 0, Y, 0.0))  # zeros: at the kink of the maximum, so that other points are tried
    x, values = X.copy(), w.data.copy()
    f = mul(RIGHT[0], lambda G, A, B: 2 * G * A) if wrong else ops.mul
    w.grad = np.ones((3, 4))
    data = w.data
    try:
        gradcheck(lambda x: ops.maximum(f(x, w), 0.0), x, parameters=[w])
    except GradientError:
        assert wrong
    else:
        assert not wrong
    assert w.data is data
    assert np.array_equal(w.data, values)
    assert np.array_equal(x, X)
    assert w.grad is None


def test_a_check_is_the_same_every_time():
    x = RNG.normal(size=(150, 150))
    results = [gradcheck(ops.tanh, x, seed=seed) for seed in (1, 1, 2)]
    assert results[0] == results[1] != results[2]


def test_no_inputs_no_elements_and_constants():
    assert gradcheck(ops.exp, np.zeros((0, 3))).entries == 0
    gradcheck(lambda x: Tensor(np.ones(2)), X)  # a constant has gradient zero
    gradcheck(lambda x: (x * 2.0, Tensor(np.ones(2))), X)
    w = nn.Parameter(X.copy())
    gradcheck(lambda: w * 2.0, parameters=[w])


def test_the_docstring_lists_every_rule_and_every_exception():
    sources = [inspect.getsource(import_module(info.name)) for info in pkgutil.iter_modules(package.__path__, PREFIX)]
    rules = set(re.findall(r"rule '([a-z ]+)'", "".join(sources))) | {"shape", "dtype"}
    assert len(rules) == 14
    assert {rule for rule in rules if f"*{rule}*" not in gradcheck.__doc__} == set()
    raised = set(re.findall(r"raise (\w+)\(", "".join(sources))) - {"NotFinite"}  # a ValueError
    assert raised == {"GradientError", "TypeError", "ValueError"}
    assert raised <= set(inspect.getdoc(gradcheck).splitlines())  # Python 3.13 takes the indent away by itself


# --- the table -------------------------------------------------------------------------------------------------------


def test_every_exported_operation_has_a_case_and_every_case_an_operation():
    assert sorted(CASES) == sorted(ops.__all__)
    assert all(CASES.values())
    assert len(set(ops.__all__)) == len(ops.__all__)


def public_functions():
    """(module, name, function) of everything public that the modules under tinygrad_edu/ops define."""
    for info in pkgutil.walk_packages(ops.__path__, ops.__name__ + "."):
        module = import_module(info.name)
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                yield info.name, name, function


def test_every_public_function_from_tensor_to_tensor_is_exported():
    forgotten = []
    for module, name, function in public_functions():
        signature = inspect.signature(function)
        first = next(iter(signature.parameters.values()), None)
        takes = first is not None and ("Tensor" in str(first.annotation) or "Operand" in str(first.annotation))
        annotation = str(signature.return_annotation)
        gives = "Tensor" in annotation and not any(other in annotation for other in ("Iterator", "Array"))
        if takes and gives and name not in ops.__all__:
            forgotten.append(f"{module}.{name}")
    assert forgotten == []
    assert all(getattr(ops, name).__name__ == name for name in ops.__all__)


@pytest.mark.parametrize("name", sorted(ops.__all__))
def test_every_operation_passes(name):
    for case in CASES[name]:
        assert gradcheck(case.function, *case.inputs).relative < 1e-6


def test_the_command_prints_a_line_for_each_operation(capsys):
    assert __main__.main(["exp", "matmul"]) == 0
    out = capsys.readouterr().out
    assert re.search(
        r"^op +cases +off kink +entries +worst error +verdict\nexp +\d+ +0 +\d+ +\d\.\de-\d\d +ok\nmatmul .* ok\n2 op",
        out,
    )


def test_the_command_says_in_how_many_cases_the_check_moved_off_a_kink(capsys, monkeypatch):
    relu = CASES["relu"][0].__class__
    zeros = [relu(ops.relu, (np.zeros(3),)), relu(ops.relu, (np.ones(3),)), relu(ops.relu, (np.array([0.0, 1.0]),))]
    monkeypatch.setitem(CASES, "relu", zeros)
    assert __main__.main(["relu", "exp"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^relu +3 +2 +\d+ .*ok$", out, re.MULTILINE)
    assert re.search(r"^exp +\d+ +0 +\d+ .*ok$", out, re.MULTILINE)


def test_the_command_fails_when_a_gradient_is_wrong(capsys, monkeypatch):
    wrong = CASES["exp"][0].__class__(mul(lambda G, A, B: 3 * G * B, RIGHT[1]), (X, Y))
    monkeypatch.setitem(CASES, "exp", [*CASES["exp"], wrong])
    assert __main__.main(["exp", "log"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^exp .*FAILED$", out, re.MULTILINE)
    assert re.search(r"^log .*ok$", out, re.MULTILINE)
    assert "1 failed" in out
    assert f"exp, case {len(CASES['exp']) - 1}: rule 'equal'" in out


def test_the_command_ends_without_a_traceback_when_it_is_interrupted(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_edu.gradcheck.check.gradcheck", interrupted)
    monkeypatch.setattr("sys.argv", ["gradcheck", "exp"])
    monkeypatch.delitem(sys.modules, "tinygrad_edu.gradcheck.__main__")  # runpy warns of a module that is there already
    with pytest.raises(SystemExit) as end:
        runpy.run_module("tinygrad_edu.gradcheck", run_name="__main__")
    assert end.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_the_command_fails_when_a_case_is_missing(capsys, monkeypatch):
    monkeypatch.delitem(CASES, "exp")
    assert __main__.main(["exp"]) == 1
    assert "exp: exported, but has no case" in capsys.readouterr().out


def test_the_command_refuses_an_unknown_operation():
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_edu.gradcheck", "expp"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "unknown operation expp" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_function_without_finite_values_is_refused():
    with pytest.raises(ValueError, match="log is not finite at these inputs"):
        gradcheck(ops.log, -np.ones(3))

"""Random programs agree with PyTorch, by the textbook, on the stand-in and in float32; a mistake is found and shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from programs.building import LARGEST, MARGIN, Builder, found_in
from programs.comparison import Mismatch, check, computed
from programs.drawing import NOT_DRAWN, programs
from programs.examining import Tally, examine, names_for
from programs.program import Program, Step, T, run, torch
from programs.rounding import bounds
from programs.script import Way, script
from programs.table import TABLE

from tinygrad_edu import ops, textbook
from tinygrad_edu.backend import array_module
from tinygrad_edu.tensor import record

EXP = ops.exp
ROOT = Path(__file__).resolve().parent.parent
few = settings(max_examples=20, deadline=None, database=None)


@pytest.mark.parametrize("number", range(6))
def test_random_programs_agree(number):
    """150 in all; `python -m proof.programs` compares 10,000."""
    tally = examine(25, number)
    assert tally.failure == ""
    assert tally.compared == 25


def test_random_programs_agree_with_finite_differences():
    tally = examine(15, 100, finite=True)
    assert tally.failure == ""
    assert tally.compared == 15


def test_every_operation_is_drawn_or_left_out_for_a_reason():
    assert sorted([*TABLE, *NOT_DRAWN]) == sorted(ops.__all__)
    for number in (0, 3):
        assert sorted(name for i in range(3) for name in names_for(number + i)) == sorted(TABLE)


@seed(0)
@settings(max_examples=2, deadline=None, database=None)
@given(data=st.data())
def test_one_program_of_all_operations_agrees(data):
    make = Builder(data.draw)
    for name in TABLE:
        arguments, options = TABLE[name].draw(make)
        make.add(name, *arguments, **options)
    program = make.program()
    assert set(program.names) == set(TABLE)
    check(program)


def test_a_tally_keeps_the_largest_share_of_each_way():
    tally = Tally(used={"a": 0.5, "b": 0.1})
    tally.add(Tally(used={"b": 0.2, "c": 0.3}))
    assert tally.used == {"a": 0.5, "b": 0.2, "c": 0.3}


# --- how programs are drawn ---


@few
@given(programs(list(TABLE)))
def test_numbers_stay_small_and_away_from_kinks(program):
    values = [x.data for x in run(program)]
    used = {t for step in program.steps for t in found_in(step.arguments) if step.name != "mul"}  # which scales down
    assert all(np.abs(values[t]).max(initial=0.0) <= LARGEST for t in used)
    for step in program.steps:
        if step.name in ("relu", "abs", "leaky_relu", "elu"):
            assert np.abs(values[step.arguments[0]]).min() > MARGIN
        if step.name in ("maximum", "minimum"):
            assert np.abs(values[step.arguments[0]] - values[step.arguments[1]]).min() > MARGIN


# --- the bound ---


def bound_of(*steps):
    program = Program(list(steps), [T(len(steps) - 1)])
    return bounds(program, computed(program, "", Way()))


def test_the_bound_is_at_least_the_classical_one_of_a_sum_of_products():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    bound = bound_of(Step("leaf", (a, True)), Step("leaf", (b, True)), Step("matmul", (T(0), T(1))))
    assert 50 * (np.abs(a) @ np.abs(b)) < bound.values[2] < 1e4 * 50 * (np.abs(a) @ np.abs(b))


def test_the_bound_grows_where_digits_are_lost_and_only_there():
    def through(large):
        leaf = Step("leaf", (np.array([0.3, 0.4]), True))
        return bound_of(leaf, Step("add", (T(0), large)), Step("sub", (T(1), large)), Step("exp", (T(2),))).values[3]

    assert 1e4 < through(1e6) / through(1.0) < 1e8


# --- what a mistake looks like ---

SOFTMAX = """
from tinygrad_edu import ops
from tinygrad_edu.tensor import record
right = ops.softmax
def softmax(a, axis=-1):
    Y = right(a, axis).data
    return record(Y, (a,), lambda G: (G * Y,))  # without the sum over the other outputs
ops.softmax = softmax
"""
EMBEDDING = """
from tinygrad_edu import textbook
from tinygrad_edu.backend import array_module
from tinygrad_edu.tensor import record
def embedding(table, ids):
    def backward(G):
        D = array_module(G).zeros_like(table.data)
        D[ids] = G  # where it should be added
        return (D,)
    return record(table.data[ids], (table,), backward)
textbook.TWINS["embedding"] = embedding
"""
EINSUM = """
from tinygrad_edu import ops
right = ops.einsum
def einsum(subscripts, a, b):
    if "->" in subscripts:
        raise ValueError("on purpose")
    return right(subscripts, a, b)
ops.einsum = einsum
"""


NEG = """
import numpy as np
from tinygrad_edu import ops
from tinygrad_edu.tensor import record
def neg(a):
    return record(-np.asarray(a.data), (a,), lambda G: (-G,))  # which an array on a GPU refuses
ops.neg = neg
"""


@pytest.mark.parametrize(
    ("name", "mistake", "found"),
    [
        ("softmax", SOFTMAX, "dL/d"),
        ("embedding", EMBEDDING, "the textbook: dL/d"),
        ("einsum", EINSUM, "ValueError: on purpose"),
        ("neg", NEG, "the stand-in: TypeError: "),
    ],
    ids=["softmax", "embedding", "einsum", "neg"],
)
def test_a_mistake_is_found_and_shown_by_a_script_of_few_lines(monkeypatch, name, mistake, found):
    monkeypatch.setattr(ops, name, getattr(ops, name))  # put back afterwards
    monkeypatch.setattr(textbook, "TWINS", dict(textbook.TWINS))
    exec(mistake, {})
    tally = examine(50, next(i for i in range(3) if name in names_for(i)))
    message, text = tally.failure.split("\n\n", 1)
    assert re.search(found, message)
    assert f"ops.{name}(" in text
    assert text.count(" = ") <= 4  # leaves, the operation, and the loss

    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    code = f"""
exec({text!r}, {{}})
print("right", flush=True)
exec({mistake + text!r}, {{}})
print("wrong")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "right\n", done.stderr
    assert done.returncode == 1


def exp_with(slope):
    """An `exp` whose backward multiplies by slope(e^A)."""

    def exp(a):
        Y = array_module(a.data).exp(a.data)
        return record(Y, (a,), lambda G: ((G * slope(Y)).astype(G.dtype),))

    return exp


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        (exp_with(lambda Y: Y * (1 + 1e-9)), "PyTorch or finite differences: dL/d"),
        (exp_with(lambda Y: Y.astype(np.float32)), "PyTorch or finite differences: dL/d"),
        (exp_with(lambda Y: Y.astype(np.float16) if Y.dtype == np.float32 else Y), "float32: dL/d"),
        (lambda a: EXP(a).astype(np.float64), "float32: x1 has dtype float64, expected float32"),
        (lambda a: ops.sum(EXP(a), axis=0), r"x1 has shape \(2,\), expected \(2, 2\)"),
    ],
    ids=["a factor", "float32 inside", "float16 inside float32", "a wider result", "a wrong shape"],
)
def test_small_mistakes_are_above_the_bound(monkeypatch, mistake, found):
    if not torch and "float32: " not in found:
        pytest.skip("finite differences do not resolve that")
    monkeypatch.setattr(ops, "exp", mistake)
    leaf = Step("leaf", (np.array([[0.5, -1.2], [0.3, 1.7]]), True))
    with pytest.raises(Mismatch, match=found):
        check(Program([leaf, Step("exp", (T(0),))], [T(1)]))


@few
@given(programs(list(TABLE)))
def test_a_script_computes_what_the_program_does(program):
    variables = {}
    exec(script(program, Way(), None, []), variables)
    for i, x in enumerate(run(program)):
        np.testing.assert_array_equal(variables[f"x{i}"].data, x.data)

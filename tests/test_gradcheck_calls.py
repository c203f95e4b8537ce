"""What gradcheck varies beside the point: the layout of inputs, G's size, who is frozen, and the order of calls."""

import numpy as np
import pytest
from planted import caught, op

from tinygrad_edu import nn, ops
from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.tensor import record

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
LARGE = RNG.normal(size=(150, 150))  # where directions are compared


def caught_thoroughly(rule, f, *inputs):
    """Found, and by the thorough part alone: it is what other checks miss."""
    gradcheck(f, *inputs, thorough=False)
    return caught(rule, f, *inputs)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda A: not A.flags.c_contiguous,
        lambda A: min(A.strides) < 0,
        lambda A: A.strides[-1] > A.itemsize and not A.flags.f_contiguous,
    ],
)
@pytest.mark.parametrize("x", [X, LARGE])
def test_wrong_for_inputs_that_lie_otherwise(wrong, x):
    double = op(lambda A: 2.0 * A, lambda G, A: G * (4.0 if wrong(A) else 2.0))
    assert "where the inputs lie" in caught_thoroughly("layout", double, x)


def test_entries_read_in_the_order_of_memory():
    cube = op(lambda A: A**3, lambda G, A: G * 3 * A.ravel("K").reshape(A.shape) ** 2)
    caught_thoroughly("layout", cube, X)


@pytest.mark.parametrize("bend", [lambda G: np.clip(G, -5, 5), lambda G: np.where(abs(G) < 1e-7, 0.0, G)])
@pytest.mark.parametrize("x", [X, LARGE])
def test_not_linear_in_g(bend, x):
    caught_thoroughly("linear", op(lambda A: 2.0 * A, lambda G, A: 2.0 * bend(G)), x)


def frozen_mul(wrong):
    """a b, whose gradients are spoiled by `wrong(g)` where the other operand requires none."""

    def mul(a, b):
        def backward(G):
            da, db = G * b.data, G * a.data
            return da if b.requires_grad else wrong(da), db if a.requires_grad else wrong(db)

        return record(a.data * b.data, (a, b), backward)

    return mul


@pytest.mark.parametrize("wrong", [lambda g: None, lambda g: 2.0 * g])
def test_wrong_when_another_input_is_frozen(wrong):
    assert "input 1: with input 0 frozen" in caught_thoroughly("frozen", frozen_mul(wrong), X, Y)
    w = nn.Parameter(Y.copy())
    with pytest.raises(GradientError, match="parameter 0: with input 0 frozen"):
        gradcheck(lambda x: frozen_mul(wrong)(x, w), X, parameters=[w])
    assert w.requires_grad


def test_the_mask_of_the_first_call_used_ever_after():
    for x in (X, LARGE):
        first = []

        def relu(t, first=first):
            first.append(t.data > 0)
            return record(np.maximum(t.data, 0), (t,), lambda G: (G * first[0],))

        assert "have changed places" in caught_thoroughly("order", relu, x)


def test_a_mask_that_the_next_forward_overwrites():
    state = {}

    def relu(x):
        state["mask"] = x.data > 0
        return record(np.maximum(x.data, 0), (x,), lambda G: (G * state["mask"],))

    assert "after another forward" in caught_thoroughly("order", relu, X)
    caught_thoroughly("order", lambda x: relu(x * 2.0).tanh(), X)


def test_an_input_handed_out_where_g_is_one():
    def weighted_sum(x, w):
        def backward(G):
            return w.data if G == 1 else G * w.data, G * x.data

        return record((w.data * x.data).sum(), (x, w), backward)

    caught_thoroughly("own memory", weighted_sum, X, Y)


def test_what_reads_its_inputs_late_is_right():
    gradcheck(lambda x: record(x.data**2, (x,), lambda G: (G * 2 * x.data,)), X)


def test_what_is_not_defined_elsewhere_is_right():
    """The numbers of an input cannot always change places: f may refuse them, or have no finite value."""

    def log_of_first(x):
        if abs(x.data[0] - 1.5) > 0.1:
            raise ValueError("not near 1.5")
        return x.log()

    gradcheck(log_of_first, np.array([1.5, 4.0, 7.0, 9.0]))
    gradcheck(lambda x: ops.log(x + np.array([0.0, 0.0, 3.0, 3.0])), np.array([1.0, 2.0, -1.0, -2.0]))


def test_a_check_that_is_not_thorough_calls_less_often():
    calls = []

    def f(x):
        calls.append(1)
        return x * 2.0

    gradcheck(f, X, thorough=False)
    few = len(calls)
    gradcheck(f, X)
    assert few < len(calls) - few < 3 * few

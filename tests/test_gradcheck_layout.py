"""gradcheck keeps its inputs where they lie, hands over gradients in other layouts, and trusts the first walk only."""

import numpy as np
import pytest
from planted import caught, op

from tinygrad_edu import Tensor, nn
from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.gradcheck.cases import CASES
from tinygrad_edu.gradcheck.layout import OTHER_LAYOUTS, copy_with_strides
from tinygrad_edu.ops.support import record_many
from tinygrad_edu.tensor import record

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))

# --- layouts ---------------------------------------------------------------------------------------------------------

CUBE = RNG.normal(size=(4, 6, 5))
VIEWS = {
    "contiguous": CUBE,
    "Fortran": np.asfortranarray(CUBE),
    "transposed": CUBE.transpose(1, 2, 0),
    "reversed": CUBE[::-1, :, ::-1],
    "gaps": CUBE[::2, 1::3, ::-2],
    "one column": CUBE[1:2, :, 3],
    "a number": np.array(2.0),
    "a number of a matrix": CUBE[1, 2, 3:4].reshape(()),
    "no elements": CUBE[:, :0],
    "a field of a record": np.ones(3, dtype=[("id", "i4"), ("x", "f8")])["x"],
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_copy_lies_in_memory_as_its_original_does(name):
    x = VIEWS[name]
    copy = copy_with_strides(x)
    assert np.array_equal(copy, x)
    assert copy.dtype == x.dtype
    assert not np.shares_memory(copy, x)
    assert copy.strides == x.strides or x.size == 0


@pytest.mark.parametrize("name", ["transposed", "reversed", "gaps"])
def test_a_function_meets_its_inputs_as_they_lie_in_every_call(name):
    met = set()

    def f(x, y):
        met.add((x.data.strides, y.data.strides))
        return x * y

    x = VIEWS[name]
    parameter = nn.Parameter(copy_with_strides(x))
    gradcheck(f, x, np.ones(x.shape), thorough=False)
    assert {strides[0] for strides in met} == {x.strides}
    met.clear()
    gradcheck(lambda y: f(parameter, y), np.ones(x.shape), parameters=[parameter], thorough=False)
    assert {strides[0] for strides in met} == {x.strides}


def test_the_other_layouts_hold_the_same_numbers():
    G = RNG.normal(size=(3, 4, 2))
    strides = {G.strides, *(lay_out(G).strides for lay_out in OTHER_LAYOUTS.values())}
    assert len(strides) == 1 + len(OTHER_LAYOUTS)
    for lay_out in OTHER_LAYOUTS.values():
        for g in (G, G[0, 0], np.array(2.0), G[:0], G.astype(np.longdouble)):
            other = lay_out(g)
            assert isinstance(other, np.ndarray)
            assert other.base is not None  # the walk must not take it for a new array
            assert other.dtype == g.dtype
            assert np.array_equal(other, g)


def doubled_where(condition, function):
    """`function` with a backward that doubles dL/dx where `condition(G, x)`."""

    def broken(*inputs):
        y = function(*inputs)
        right = y._backward
        y._backward = lambda G, xs=y._inputs: tuple(
            g if g is None or not condition(G, x) else 2 * g for g, x in zip(right(G), xs)
        )
        return y

    return broken


def check_all(cases, condition):
    for case in cases:
        gradcheck(doubled_where(condition, case.function), *case.inputs, thorough=False)


def scattered(x):
    return not x.flags.c_contiguous


FAST_ON_CONTIGUOUS = ["softmax", "max_pool2d", "layer_norm", "batch_norm", "linear", "mean", "conv2d"]


@pytest.mark.parametrize("name", FAST_ON_CONTIGUOUS)
def test_the_table_catches_a_backward_that_is_wrong_where_x_is_not_contiguous(name):
    with pytest.raises(GradientError, match="rule 'equal'"):
        check_all(CASES[name], lambda G, x: scattered(x.data))


@pytest.mark.parametrize("name", FAST_ON_CONTIGUOUS)
def test_the_table_catches_a_backward_that_is_wrong_where_g_is_not_contiguous(name):
    with pytest.raises(GradientError, match="rule 'layout'"):
        check_all(CASES[name], lambda G, x: scattered(G))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda G: G.flags.f_contiguous,
        lambda G: min(G.strides) < 0,
        lambda G: min(G.strides) > G.itemsize,
        lambda G: G.strides[0] < 0,
    ],
)
def test_every_layout_of_g_is_tried_at_every_step(wrong):
    double = op(lambda A: 2.0 * A, lambda G, A: G * (4.0 if wrong(G) else 2.0))
    assert "differs by" in caught("layout", double, X)
    caught("layout", lambda x: double(x + 1.0) * 3.0, X)  # G comes from an operation that makes it contiguous
    caught("layout", double, RNG.normal(size=(150, 150)))  # where directions are compared


def test_rounding_in_another_order_is_no_fault():
    big = RNG.normal(size=(300, 200))
    gradcheck(lambda x: (x @ Tensor(big)).softmax().sum(), RNG.normal(size=(5, 300)))  # its gradient cancels to zero
    gradcheck(lambda x: (x @ Tensor(big)) @ Tensor(big.T), RNG.normal(size=(5, 300)))


# --- the first walk --------------------------------------------------------------------------------------------------


def only_at_first(strange):
    """x * 2 with a backward that answers `strange(G)` at the first walk over each tape, and rightly afterwards."""

    def f(x):
        walks = []

        def backward(G):
            walks.append(1)
            return strange(G) if len(walks) == 1 else (2.0 * G,)

        return record(2.0 * x.data, (x,), backward)

    return f


@pytest.mark.parametrize(
    ("rule", "strange"),
    [
        ("repeatable", lambda G: (None,)),
        ("repeatable", lambda G: (0.0 * G,)),
        ("repeatable", lambda G: (2.0 * G * (1 + 1e-15),)),
        ("count", lambda G: None),
        ("count", lambda G: 2.0 * G),
        ("count", lambda G: ()),
        ("dtype", lambda G: (2.0,)),
        ("dtype", lambda G: ([2.0] * 3,)),
        ("shape", lambda G: (2.0 * G[:1],)),
    ],
)
def test_a_first_walk_that_differs_from_the_later_ones(rule, strange):
    caught(rule, only_at_first(strange), X)
    caught(rule, lambda x: only_at_first(strange)(x * 1.0).tanh(), X)
    caught(rule, only_at_first(strange), RNG.normal(size=(150, 150)))


def test_the_gradients_of_the_first_walk_are_the_ones_compared():
    caught("equal", op(lambda A: 2.0 * A, lambda G, A: 3.0 * G), X)
    caught("equal", op(lambda A: 2.0 * A, lambda G, A: None), X)


def both(backward):
    """(x + y, x * 2), with `backward(dL/d first, dL/d second)`; each is None where the loss does not depend on it."""
    return lambda x, y: record_many([x.data + y.data, 2.0 * x.data], (x, y), lambda Gs: backward(*Gs))


def test_several_results_are_walked_together_as_by_a_loss_and_one_by_one():
    def right(G, H):
        zero = np.zeros(X.shape)
        G, H = zero if G is None else G, zero if H is None else H
        return G + 2.0 * H, 1.0 * G

    gradcheck(both(right), X, Y)
    # Two faults that show only when both results have a gradient, and only when one of them has.
    caught("equal", both(lambda G, H: right(G, H) if G is None or H is None else (G + H, 1.0 * G)), X, Y)
    caught("equal", both(lambda G, H: (2.0 * H, None) if G is None else right(G, None)), X, Y)
    caught("equal", both(lambda G, H: right(G, 0.0 * H) if G is None else right(G, H)), X, Y)


def test_results_that_are_inputs_constants_or_the_same_twice():
    gradcheck(lambda x: x, X)
    gradcheck(lambda x, y: (x, y * x, x), X, Y)
    gradcheck(lambda x: (x * 2.0, Tensor(Y)), X)

    def twice(x):
        y = x * x
        return y, y

    gradcheck(twice, X)

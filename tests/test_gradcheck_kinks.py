"""What a backward may choose at a kink, and what it may not."""

import numpy as np
import pytest
from planted import caught, op

from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.gradcheck import gradcheck
from tinygrad_edu.gradcheck.difference import STEP

AT_ZERO = np.array([0.0, 1.0, -1.0])
TIES = np.array([2.0, 0.5, 2.0, 2.0])
SEEDS = range(2)


def relu(slope):
    return op(lambda A: np.maximum(A, 0), lambda G, A: G * np.where(A == 0, slope, A > 0))


def top(share):
    """The maximum of all entries; of n that are equal, each gets `share(n)` if all do, or an array tells whose turn."""

    def gradient(G, A):
        equal = (A.max() == A).astype(float)
        return G * share(equal)

    return op(lambda A: np.array(A.max()), gradient)


def first(equal):
    return np.eye(1, equal.size, int(np.argmax(equal))).reshape(equal.shape)


def middle(which):
    """All entries in order, as np.sort, whose equal ones come in the order of `which`."""

    def gradient(G, A):
        D = np.empty_like(A)
        D[np.lexsort((which[: A.size], A))] = G
        return D

    return op(np.sort, gradient)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("x", [AT_ZERO, np.zeros((3, 2)), np.array(0.0), np.zeros(150)])
def test_the_slopes_of_relu_at_zero(x, seed):
    for slope in (0.0, 0.5, 1.0):
        assert gradcheck(relu(slope), x, seed=seed).moved > 0
    for slope in (7.0, -0.01, 1.001):
        assert "not between them" in caught("kink", relu(slope), x, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("x", [TIES, np.zeros(5), np.array([[1.0, 1.0], [0.0, 1.0]]), np.resize(TIES, 200)])
def test_what_equal_maxima_get_sums_to_one(x, seed):
    for share in (first, lambda equal: equal / equal.sum(), lambda equal: first(equal[::-1])[::-1]):
        if x.ndim == 1:
            gradcheck(top(share), x, seed=seed)
    for factor in (1.0, 0.0, 1.01 / (x == x.max()).sum(), 0.4):
        caught("kink", top(lambda equal, factor=factor: factor * equal), x, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_ties_of_two_inputs(seed):
    def maximum(a_gets, b_gets):
        return op(
            np.maximum,
            lambda G, A, B: G * np.where(A == B, a_gets, A > B),
            lambda G, A, B: G * np.where(A == B, b_gets, B > A),
        )

    def negated(a_gets, b_gets):  # concave: -max(-a, -b)
        return op(
            np.minimum,
            lambda G, A, B: G * np.where(A == B, a_gets, A < B),
            lambda G, A, B: G * np.where(A == B, b_gets, B < A),
        )

    a, b = np.array([1.0, 2.0, 2.0]), np.array([0.0, 2.0, 3.0])
    for f in (maximum, negated):
        for shares in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.25, 0.75)):
            gradcheck(f(*shares), a, b, seed=seed)
        for shares in ((1.0, 1.0), (0.0, 0.0), (0.5, 0.6), (2.0, -1.0)):
            caught("kink", f(*shares), a, b, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_output_may_be_convex_and_another_concave(seed):
    def both(slope):
        W = np.array([[1.0, -1.0], [2.0, -0.5]])
        return op(lambda A: np.abs(A) @ W, lambda G, A: (G @ W.T) * np.where(A == 0, slope, np.sign(A)))

    for slope in (0.0, 1.0, -1.0):
        gradcheck(both(slope), np.zeros((3, 2)), seed=seed)
    for slope in (1.1, -3.0):
        caught("kink", both(slope), np.zeros((3, 2)), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sum_of_kinks_of_both_kinds(seed):
    """|a| - |b|: neither convex nor concave, and each entry has slopes of its own."""
    signs = np.array([1.0, -1.0, 1.0])

    def f(slope):
        return op(lambda A: (signs * abs(A)).sum(), lambda G, A: G * signs * np.where(A == 0, slope, np.sign(A)))

    for slope in (0.0, 1.0, np.array([1.0, -1.0, 0.3])):
        gradcheck(f(slope), np.zeros(3), seed=seed)
    caught("kink", f(1.5), np.zeros(3), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("x", [np.zeros(2), np.zeros(4), np.array([1.0, 1, 0, 1, 2, 1]), np.zeros(30)])
def test_kinks_that_bound_nothing_blame_nobody(x, seed):
    """Sorting: the second of four equal numbers is neither convex nor concave."""
    gradcheck(middle(np.arange(x.size)), x, seed=seed)
    gradcheck(middle(np.random.default_rng(seed).permutation(x.size)), x, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_operations_at_their_kinks(seed):
    zeros = np.zeros((1, 4, 4, 2))
    gradcheck(lambda x: ops.max_pool2d(x, 2), zeros, seed=seed)
    gradcheck(lambda x: ops.leaky_relu(x, 0.1), AT_ZERO, seed=seed)
    gradcheck(lambda x: ops.clip(x, -1.0, 1.0), np.array([-1.0, 1.0, 0.3]), seed=seed)
    gradcheck(ops.abs, AT_ZERO, seed=seed)
    gradcheck(lambda x: ops.max(x, axis=0), np.ones((3, 2)), seed=seed)
    gradcheck(lambda x, y: ops.minimum(x, y), np.ones((3, 2)), np.ones(2), seed=seed)
    gradcheck(lambda x: ops.maximum(1.0 - x, 0.0).sum(), np.ones(3), seed=seed)  # hinge


def test_the_chain_rule_through_kinks_is_no_fault():
    """relu(x) - 0.1 relu(-x) has the slopes 0.1 and 1 at 0, and the gradient 0 there, step by step."""
    gradcheck(lambda x: ops.relu(x) - 0.1 * ops.relu(-x), AT_ZERO)
    layers = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).astype("float64")
    gradcheck(layers, np.zeros((2, 3)), parameters=layers.parameters())
    W = Tensor(np.random.default_rng(0).normal(size=(3, 5)))
    gradcheck(lambda x: ops.max_pool2d(ops.relu(x @ W).reshape(1, 2, 5, 1), 2), np.zeros((2, 3)))


def test_a_kink_beside_the_inputs_bounds_nothing():
    for distance in 2.0**-17 * np.array([0.999, 0.6, 0.3, 0.1, 1e-2, 1e-4]):
        gradcheck(op(np.abs, lambda G, A: G * np.sign(A)), np.array([distance, -distance]))


def test_a_kink_beside_which_all_entries_together_lead_out_of_the_domain_is_moved_away_from():
    """One entry alone may move by the check's step, all of them may not: what lies beside the kink is not known."""
    near = 4 * STEP

    def slope(G, A):
        return G * np.sign(A) + 1e-9 * G.sum() / (A.sum() + near)

    def corner(factor):
        return op(lambda A: abs(A) + 1e-9 * np.log(A.sum() + near), lambda G, A: factor * slope(G, A))

    assert gradcheck(corner(1), np.zeros(8)).moved > 0
    caught("equal", corner(1.001), np.zeros(8))

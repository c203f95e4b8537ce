"""What gradcheck takes for a derivative: at jumps of the curvature, beside kinks, at edges of a domain, in large sums.

A right gradient must pass, at the point itself wherever there is a derivative, and a wrong one must not.
"""

import numpy as np
import pytest
from planted import caught, op

from tinygrad_edu import Tensor, ops
from tinygrad_edu.gradcheck import gradcheck

H = 2.0**-17  # the step of the check

# --- the slope is continuous, the curvature jumps --------------------------------------------------------------------

# name -> (f, its derivative, where the curvature jumps)
BENT = {
    "x/(1+|x|)": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, 0.0),
    "x relu(x)": (lambda x: x * np.maximum(x, 0), lambda x: 2 * np.maximum(x, 0), 0.0),
    "ELU": (lambda x: np.where(x > 0, x, np.expm1(x)), lambda x: np.where(x > 0, 1, np.exp(x)), 0.0),
    "Huber": (lambda x: np.where(abs(x) <= 1, x * x / 2, abs(x) - 0.5), lambda x: np.clip(x, -1, 1), 1.0),
    "Huber, left": (lambda x: np.where(abs(x) <= 1, x * x / 2, abs(x) - 0.5), lambda x: np.clip(x, -1, 1), -1.0),
    "x + 100 x|x|": (lambda x: x + 100 * x * abs(x), lambda x: 1 + 200 * abs(x), 0.0),
}


def bent(name, factor=1.0):
    f, derivative, _ = BENT[name]
    return op(f, lambda G, A: factor * G * derivative(A))


@pytest.mark.parametrize("name", BENT)
def test_a_jump_of_the_curvature_is_no_kink(name):
    x = BENT[name][2]
    for inputs in (np.array(x), np.array([x]), np.full((3, 4), x), np.array([x, 0.3, -2.0]), np.full((100, 2), x)):
        assert gradcheck(bent(name), inputs).moved == 0


def test_elu_and_softsign_made_of_operations():
    assert gradcheck(lambda x: x / (1.0 + ops.where(x.data > 0, x, -x)), np.zeros(3)).moved == 0
    assert gradcheck(lambda x: x * ops.clip(x, 0.0, None), np.array([0.0, 1.0, -1.0])).moved == 0
    assert gradcheck(lambda x: ops.where(x.data > 0, x, ops.exp(x) - 1.0), np.zeros(3)).moved == 0


# The central quotient is off by H in x/(1+|x|): a gradient that is wrong by just as much must not profit from it.
@pytest.mark.parametrize("error", [1e-5, 2e-6, H, H / 2, H / 4])
@pytest.mark.parametrize("name", ["x/(1+|x|)", "ELU", "Huber", "x + 100 x|x|"])
def test_a_wrong_gradient_at_a_jump_of_the_curvature_is_caught(name, error):
    x = BENT[name][2]
    for factor in (1 + error, 1 - error):
        caught("equal", bent(name, factor), np.array([x]))
        caught("equal", bent(name, factor), np.full((100, 2), x))  # where directions are compared


@pytest.mark.parametrize("name", BENT)
def test_beside_a_jump_of_the_curvature(name):
    x = BENT[name][2]
    for distance in H * np.array([3, 1.5, 1, 0.9, 2 / 3, 0.5, 1 / 3, 0.25, 0.1, 1e-2, 1e-4, 1e-8]):
        gradcheck(bent(name), np.array([x + distance]))
        gradcheck(bent(name), np.array([x - distance]))


# --- kinks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.99, 1 - 1e-5])
def test_a_kink_beside_the_inputs_excuses_nothing_and_blames_nobody(slope):
    def leaky(error):
        return op(lambda A: np.where(A > 0, A, slope * A) + 5.0, lambda G, A: G * (np.where(A > 0, 1.0, slope) + error))

    for distance in H * np.array([0.999, 0.9, 0.5, 1 / 3, 0.1, 1e-3, 1e-7, 1e-12, 0.0]):
        for x in (distance, -distance):
            gradcheck(leaky(0.0), np.array([x]))
            caught("(equal|kink)", leaky(1e-5), np.array([x]))


def test_a_slight_kink_is_moved_away_from():
    """The slopes 1 and 0.999: their mean was taken for a derivative."""
    leaky = op(lambda A: np.where(A > 0, A, 0.999 * A), lambda G, A: G * np.where(A > 0, 1.0, 0.999))
    assert gradcheck(leaky, np.array([0.0, 1.0])).moved > 0


def test_values_that_jump_are_moved_away_from_like_a_kink():
    def stairs(slope):
        return op(lambda A: np.floor(A) + A, lambda G, A: slope * G)

    for x in (np.array([2.0, 0.5]), np.array([0.0]), np.arange(200.0) % 3):
        assert gradcheck(stairs(1.0), x).moved > 0
        caught("equal", stairs(1 + 1e-5), x)


def test_values_rounded_to_float32_are_reported_as_such():
    single = op(lambda A: np.exp(A.astype(np.float32)).astype(np.float64), lambda G, A: G * np.exp(A))
    assert "float32" in caught("smooth", single, np.array([0.3, 1.1]))


# --- the edge of a domain --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "inputs", "entry"),
    [
        (lambda x: ops.pow(x, 1.5), [np.array([1.0, 0.0])], r"entry \(1,\) of input 0 moved by -"),
        (ops.sqrt, [np.array([[1.0, 2.0], [0.0, 1.0]])], r"entry \(1, 0\) of input 0 moved by -"),
        (ops.sqrt, [np.array(0.0)], r"entry \(\) of input 0 moved by -"),
        (ops.log, [np.array([1.0, H / 2])], r"entry \(1,\) of input 0 moved by -"),
        (
            lambda a, b: ops.sqrt(1.0 - a * b),
            [np.array([0.5, 1.0]), np.ones(2)],
            r"entry \(1,\) of input 0 moved by \+",
        ),
        (lambda a, b: a * ops.sqrt(b), [np.ones(2), np.array([0.0, 1.0])], r"entry \(0,\) of input 1 moved by -"),
        (ops.sqrt, [np.where(np.arange(30_000) == 12_345, 0.0, 1.0)], r"entry \(12345,\) of input 0 moved by "),
    ],
)
def test_the_edge_of_a_domain_is_named(f, inputs, entry):
    with pytest.raises(ValueError, match=f"is finite at these inputs but not beside them, with {entry}") as error:
        gradcheck(f, *inputs)
    assert "check it at an interior point" in str(error.value)


def test_not_finite_at_the_inputs_is_said_without_a_warning():
    with pytest.raises(ValueError, match="log is not finite at these inputs"):
        gradcheck(ops.log, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="is not finite at these inputs"):
        gradcheck(lambda x: 1.0 / x, np.array([0.0, 1.0]))


def test_a_kink_near_the_edge_of_a_domain():
    """Points beside the kink may lie outside of the domain: others are tried."""

    f = op(
        lambda A: np.where(A < 0, np.nan, A * A + abs(A - 0.02)),
        lambda G, A: G * np.where(A < 0, np.nan, 2 * A + np.sign(A - 0.02)),
    )
    moves = [gradcheck(f, np.full(3, 0.02), seed=seed).moved for seed in range(5)]
    assert min(moves) == 1
    assert max(moves) > 1


# --- rounding in large sums ------------------------------------------------------------------------------------------

RNG = np.random.default_rng(2)
IMAGES, KERNEL = RNG.normal(size=(5, 50, 40, 16)), RNG.normal(size=(3, 3, 16, 8))


def test_a_large_convolution():
    gradcheck(lambda x, k: ops.conv2d(x, k), IMAGES[:3], KERNEL, seed=3, thorough=False)
    gradcheck(product(lambda D: D, lambda D: D), IMAGES[:2], KERNEL[1, 1])


@pytest.mark.parametrize(
    ("f", "shape", "mean"),
    [
        (lambda x: ops.mean(x * x, axis=0), (100_000, 3), 0.0),
        (lambda x: ops.var(x, axis=0), (10_000, 30), 0.0),
        (lambda x: ops.var(x, axis=0), (3_000, 8), 100.0),
        (lambda x: ops.sum(x, axis=0), (30_000, 4), 0.0),
        (ops.softmax, (200, 200), 1e4),
        (lambda x: ops.sum(x * x), (300, 400), 0.0),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_large_sums(f, shape, mean, seed):
    assert gradcheck(f, np.random.default_rng(5).normal(mean, size=shape), seed=seed, thorough=False).moved == 0


def test_a_batch_normalisation_far_from_zero():
    rng = np.random.default_rng(0)
    gradcheck(ops.batch_norm, 100 + rng.normal(size=(20, 20, 20, 6)), rng.normal(size=6), rng.normal(size=6))


def product(wrong_X, wrong_K):
    """X K, a 1x1 convolution, with a place in which a gradient is spoiled."""
    return op(
        lambda X, K: X @ K,
        lambda G, X, K: wrong_X(G @ K.T),
        lambda G, X, K: wrong_K(X.reshape(-1, X.shape[-1]).T @ G.reshape(-1, G.shape[-1])),
    )


@pytest.mark.parametrize(
    ("place", "factor"), [("one of X", 2.0), ("one of X", 1.01), ("one of K", 1.0001), ("X", 1.0001), ("K", 1.0001)]
)
def test_wrong_gradients_in_large_sums_are_caught(place, factor):
    """The floor grows with what is summed, and still hides none of them: one of X is one of 64,000."""

    def spoil(part, spot):
        def spoiled(D):
            if place == part:
                D *= factor
            elif place == f"one of {part}":
                D[spot] *= factor
            return D

        return spoiled

    caught("equal", product(spoil("X", (1, 20, 30, 5)), spoil("K", (3, 4))), IMAGES[:2], KERNEL[1, 1])


def test_large_outputs_do_not_hide_the_derivative_of_a_small_one():
    """Rounding is known for each output; derivatives count down to a thousandth of the largest."""
    large = np.array([1.0, 1.0, 500.0, 500.0])
    x = RNG.normal(size=(3, 4))

    def wrong(G, A):
        D = G * large
        D[:, 0] *= 1 + 1e-5
        return D

    gradcheck(op(lambda A: A * large + 1e4 * (large > 1), lambda G, A: G * large), x)
    caught("equal", op(lambda A: A * large + 1e4 * (large > 1), wrong), x)


def test_only_outputs_that_changed_have_a_rounding_error():
    """The values are a thousand times as large as the derivatives: seen in single entries, where one output changes."""
    offset = op(lambda A: A + 1e3, lambda G, A: G * (1 + 1e-5))
    caught("equal", offset, RNG.normal(size=(100, 300)))


def test_the_rounding_of_large_inputs_is_not_taken_for_that_of_the_function():
    offset = op(lambda A: A - 1e5, lambda G, A: G * (1 + 4e-6))
    caught("equal", offset, RNG.normal(1e5, size=(3, 4)))


def test_saturated_outputs_do_not_blame_a_tiny_gradient():
    for x in (np.array(20.0), np.full((200, 200), 20.0)):
        gradcheck(ops.tanh, x)
    gradcheck(ops.sigmoid, np.array([-800.0, -740.0]))


# --- values that hide a slope, and slopes that come late -------------------------------------------------------------


@pytest.mark.parametrize("offset", [1e6, -1e7])
def test_a_slope_of_one_on_a_large_value(offset):
    x = np.array([0.3, -0.7, 1.1])

    def sine(factor):
        return op(lambda A: offset + np.sin(A), lambda G, A: factor * G * np.cos(A))

    assert gradcheck(sine(1.0), x).moved == 0
    for factor in (1 + 1e-4, 1 - 1e-4):
        caught("equal", sine(factor), x)


def test_a_small_output_beside_a_large_one():
    scales = np.array([1e6, 1e-4, 1.0])

    def f(factors):
        return op(lambda A: scales * np.sin(A), lambda G, A: G * scales * factors * np.cos(A))

    x = np.array([0.3, -0.7, 1.1])
    gradcheck(f(np.ones(3)), x)
    for wrong in (1.02, 1 + 1e-5):
        caught("equal", f(np.array([1.0, wrong, 1.0])), x)


def test_the_result_says_what_could_not_be_resolved():
    small = gradcheck(ops.sin, X_FEW)
    assert (small.unresolved, small.resolution) == (0, 0.0)
    large = gradcheck(lambda x: x + 1e9, X_FEW)
    assert large.unresolved == 6  # each entry of x, in its own output and in v . outputs
    assert 1e-3 < large.resolution < 10


X_FEW = np.array([0.3, -0.7, 1.1])


@pytest.mark.parametrize("p", [1.1, 1.3, 1.5, 1.9])
@pytest.mark.parametrize("side", [np.abs, lambda A: np.maximum(A, 0)])
def test_a_slope_that_comes_late_is_no_kink(p, side):
    def f(error):
        sign = lambda A: np.sign(A) if side is np.abs else (A > 0)  # noqa: E731
        return op(lambda A: 3 + side(A) ** p, lambda G, A: G * (p * side(A) ** (p - 1) * sign(A) + error))

    x = np.array([0.0, 0.5])
    assert gradcheck(f(0.0), x).moved == 0
    for error in (1e-3, -1e-4):
        caught("equal", f(error), x)


def test_a_derivative_that_is_all_truncation():
    cube = op(lambda A: A**3, lambda G, A: 3 * G * A * A)
    for x in (0.0, 1e-5, 1e-3):
        assert gradcheck(cube, np.array([x])).moved == 0


# --- float32 on the way back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (145, 140)])
def test_a_backward_that_computes_in_float32(shape):
    x = np.random.default_rng(3).normal(size=shape)
    single = np.float32
    caught("precision", op(np.tanh, lambda G, A: (G.astype(single) * (1 - np.tanh(A) ** 2)).astype(float)), x)
    caught("precision", op(lambda A: A * 2, lambda G, A: (2 * G).astype(single).astype(float)), x)


def test_digits_lost_in_cancelled_sums_are_not_taken_for_float32():
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(2, 3))
        gradcheck(lambda x: ops.softmax(x).sum(), x, seed=seed)
        gradcheck(lambda x: ops.softmax(x * 30.0), x, seed=seed)
        gradcheck(lambda x: ops.layer_norm(x[:, :2] * 1e3, Tensor(np.ones(2)), Tensor(np.zeros(2))), x, seed=seed)


def test_beside_a_large_value_near_the_edge_of_a_domain_no_longer_step_is_taken():
    """There the slope is known to as many digits as a short step shows: 2 for 1 is caught, and the rest is told."""

    def far_up(factor):
        return op(lambda A: 1e12 + np.log(A), lambda G, A: factor * G / A)

    result = gradcheck(far_up(1), np.array([20 * H]))
    assert result.unresolved == 2
    assert 0.01 < result.resolution < 0.1
    caught("equal", far_up(2), np.array([20 * H]))


# --- right functions that were refused: they change within a step, or lose digits inside ------------------------------

LABELS = np.arange(5) % 4


def confident(rng):
    """Logits (5, 4) of which the label's is far ahead: 1 - p is 10^-6 or less."""
    logits = 3 * rng.normal(size=(5, 4))
    logits[np.arange(5), LABELS] += 14
    return logits


RIGHT = {
    "weight normalisation of small weights": (
        lambda w, g: g * w / ops.sqrt((w * w).sum(0)),
        lambda rng: [0.005 * rng.normal(size=(6, 3)), rng.normal(size=3)],
    ),
    "rows of length 1 of tiny rows": (
        lambda x: x / ops.sqrt((x * x).sum(1, keepdims=True)),
        lambda rng: [1e-3 * rng.normal(size=(5, 3))],
    ),
    "a fast sine": (lambda x: ops.sin(1e4 * x), lambda rng: [rng.normal(size=5)]),
    "softplus by hand": (lambda x: ops.log(1 + ops.exp(x)), lambda rng: [-8 - 10 * rng.random(9)]),
    "cross-entropy by hand": (lambda x: -ops.log(ops.softmax(x)[np.arange(5), LABELS]), lambda rng: [confident(rng)]),
    "-log(1 - sigmoid)": (lambda x: -ops.log(1 - ops.sigmoid(x)), lambda rng: [-12 - 4 * rng.random(6)]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_that_changes_fast_or_loses_digits_is_not_refused(name):
    f, inputs = RIGHT[name]
    for seed in range(6):
        gradcheck(f, *inputs(np.random.default_rng(1000 + seed)), seed=seed, thorough=False)


def test_a_wrong_gradient_of_a_function_that_changes_fast_is_caught():
    """What is off by 10^-5, and was less than truncation is: now it is seen."""
    sine = op(lambda A: np.sin(1e4 * A), lambda G, A: (1 + 1e-5) * 1e4 * G * np.cos(1e4 * A))
    caught("equal", sine, np.random.default_rng(0).normal(size=5))
    inverse = op(lambda A: 1 / A, lambda G, A: -(1 + 5e-6) * G / A**2)
    caught("equal", inverse, np.array([1e-3, -2e-4]))

"""Operations element by element: values against NumPy on random shapes, gradients at the special points."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, mutually_broadcastable_shapes

from tinygrad_edu import Tensor, ops
from tinygrad_edu.ops.error_function import erf_of

FINITE = st.floats(-4, 4, width=64)
RNG = np.random.default_rng(0)

BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
UNARY = {
    "neg": np.negative,
    "exp": np.exp,
    "log": lambda A: np.log(np.abs(A) + 0.1),
    "sqrt": lambda A: np.sqrt(np.abs(A)),
    "abs": np.abs,
    "tanh": np.tanh,
    "sigmoid": lambda A: 1 / (1 + np.exp(-A)),
    "relu": lambda A: np.maximum(A, 0),
    "leaky_relu": lambda A: np.where(A > 0, A, 0.01 * A),
    "gelu": lambda A: 0.5 * A * np.vectorize(math.erfc, otypes=[float])(-A / math.sqrt(2)),
    "elu": lambda A: np.where(A > 0, A, np.expm1(np.minimum(A, 0))),
    "softplus": lambda A: np.log(1 + np.exp(A)),
    "silu": lambda A: A / (1 + np.exp(-A)),
    "sin": np.sin,
    "cos": np.cos,
    "log1p": lambda A: np.log1p(np.abs(A)),
}


@st.composite
def two_arrays(draw):
    shapes = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0)).input_shapes
    return [draw(arrays(np.float64, shape, elements=FINITE)) for shape in shapes]


def gradients(function, *data):
    leaves = [Tensor(np.array(x, float), requires_grad=True) for x in data]
    function(*leaves).sum().backward()
    return [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("name", BINARY)
@given(both=two_arrays())
def test_two_operands_broadcast_as_in_numpy_and_so_do_their_gradients(name, both):
    a, b = both
    if name == "div":
        b = np.where(np.abs(b) < 0.5, 0.5, b)
    if name == "pow":
        a = np.abs(a) + 0.1
    x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    out = getattr(ops, name)(x, y)
    np.testing.assert_array_equal(out.data, BINARY[name](a, b))
    G = RNG.normal(size=out.shape)
    out.backward(G)
    # The same on operands repeated to full size, and there summed over the copies.
    whole = [Tensor(np.broadcast_to(z, out.shape).copy(), requires_grad=True) for z in (a, b)]
    getattr(ops, name)(*whole).backward(G)
    for leaf, copies in zip((x, y), whole):
        assert leaf.grad.shape == leaf.shape
        extra = tuple(range(copies.data.ndim - leaf.data.ndim))
        summed = copies.grad.sum(axis=extra)
        ones = tuple(i for i, n in enumerate(leaf.shape) if n == 1)
        np.testing.assert_allclose(leaf.grad, summed.sum(axis=ones, keepdims=True), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data())
def test_one_operand_has_the_values_of_numpy(name, data):
    a = data.draw(arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 3)), elements=FINITE))
    x = {"log": np.abs(a) + 0.1, "sqrt": np.abs(a), "log1p": np.abs(a)}.get(name, a)
    atol = 2e-14 if name == "gelu" else 1e-15  # 4 times what `erf_of` states
    np.testing.assert_allclose(getattr(ops, name)(Tensor(x)).data, UNARY[name](a), rtol=1e-13, atol=atol)


@given(a=arrays(np.float64, 6, elements=FINITE), low=FINITE, high=FINITE)
def test_clip_and_where_have_the_values_of_numpy(a, low, high):
    low, high = sorted((low, high))
    x = Tensor(a)
    np.testing.assert_array_equal(x.clip(low, high).data, np.clip(a, low, high))
    np.testing.assert_array_equal(x.clip(None, high).data, np.minimum(a, high))
    np.testing.assert_array_equal(ops.where(a > low, x, high).data, np.where(a > low, a, high))


# --- special points --------------------------------------------------------------------------------------------------


def test_ties_conserve_the_mass_of_the_gradient_and_the_first_takes_it():
    for op in (ops.maximum, ops.minimum):
        a, b = gradients(op, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
        assert a.tolist() == [1, 1, 1]
        assert b.tolist() == [0, 0, 0]
    assert gradients(lambda x: ops.maximum(x, 2.0), [1.0, 2.0, 3.0])[0].tolist() == [0, 1, 1]
    assert gradients(lambda x: ops.maximum(2.0, x), [1.0, 2.0, 3.0])[0].tolist() == [0, 0, 1]


def test_the_documented_subgradients_at_kinks():
    assert gradients(ops.relu, [0.0, -0.0, 1.0, -1.0])[0].tolist() == [0, 0, 1, 0]
    assert gradients(ops.abs, [0.0, 2.0, -2.0])[0].tolist() == [0, 1, -1]
    assert gradients(lambda x: ops.leaky_relu(x, 0.25), [0.0, 2.0, -2.0])[0].tolist() == [0.25, 1, 0.25]
    assert gradients(lambda x: ops.clip(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0])[0].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("base", "exponent", "by_base", "by_exponent"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 2.0, 0.0, 0.0),
        (-2.0, 3.0, 12.0, None),
        (-2.0, 0.0, 0.0, None),
        (math.inf, 0.0, 0.0, math.inf),
        (2.0, -1.0, -0.25, 0.5 * math.log(2)),
    ],
)
def test_powers_at_special_points_by_a_number_and_by_a_tensor(base, exponent, by_base, by_exponent):
    assert gradients(lambda x: x**exponent, [base])[0].tolist() == [by_base]
    with np.errstate(invalid="ignore"):  # the logarithm of a negative base
        by_a, by_b = gradients(ops.pow, [base], [exponent])
    assert by_a.tolist() == [by_base]
    if by_exponent is None:
        assert np.isnan(by_b[0])
    else:
        np.testing.assert_allclose(by_b, [by_exponent], rtol=1e-15)


@pytest.mark.parametrize("exponent", [2, 2.0, np.float64(2), np.float32(2), np.array(2.0), True, 0, -1, 0.5])
def test_any_number_can_be_an_exponent(exponent):
    x = Tensor(np.array([1.5, 2.5]), requires_grad=True)
    y = x**exponent
    y.sum().backward()
    p = float(exponent)
    np.testing.assert_allclose(y.data, x.data**p, rtol=1e-15)
    np.testing.assert_allclose(x.grad, p * x.data ** (p - 1), rtol=1e-15)


def test_functions_stay_finite_far_out():
    far = np.array([-1e4, -800.0, -50.0, 0.0, 50.0, 800.0, 1e4])
    for dtype in (np.float32, np.float64):
        for name in ("tanh", "sigmoid", "relu", "leaky_relu", "gelu", "elu", "softplus", "silu"):
            x = Tensor(far.astype(dtype), requires_grad=True)
            y = getattr(ops, name)(x)
            y.sum().backward()
            assert np.isfinite(y.data).all()
            assert np.isfinite(x.grad).all()
            slope = {"tanh": 0, "sigmoid": 0}.get(name, 1)
            assert x.grad[-1] == slope


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.1, 0.2, 0.3, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaky_relu_leaves_positive_numbers_to_the_bit(slope, dtype):
    a = np.array([0.1, 1.0, 3.3, 1e5], dtype)
    assert np.array_equal(ops.leaky_relu(Tensor(a), slope).data, a)


def test_where_takes_its_condition_as_array_tensor_list_or_scalar_and_nothing_else():
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    for condition in (np.array([True, False]), Tensor([True, False]), [True, False], x.data < 2):
        assert ops.where(condition, x, y).data.tolist() == [1.0, 4.0]
    assert ops.where(np.True_, x, y).data.tolist() == [1.0, 2.0]
    assert ops.where(True, x, 0).data.tolist() == [1.0, 2.0]
    for condition in (np.array([1, 0]), [1.0, 0.0], x, "yes"):
        with pytest.raises(TypeError, match=r"where: the condition must be an array of booleans|real numbers"):
            ops.where(condition, x, y)
    with pytest.raises(ValueError, match=r"^where: shapes \(3,\) and \(2,\) do not broadcast"):
        ops.where(np.ones(3, bool), x, y)


def test_a_wide_condition_widens_the_result_and_sums_the_gradients():
    mask = np.array([[True, False], [True, True], [False, False]])
    a, b = gradients(lambda a, b: ops.where(mask, a, b), [1.0, 2.0], 5.0)
    assert a.tolist() == [2.0, 1.0]
    assert b.tolist() == 3.0


# --- dropout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_a_fraction_p(p):
    x = Tensor(np.ones(200_000), requires_grad=True)
    y = ops.dropout(x, p, np.random.default_rng(1))
    kept = y.data != 0
    assert abs(kept.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / 200_000)
    assert abs(y.data.mean() - 1) < 5 * math.sqrt(p / (1 - p) / 200_000)
    np.testing.assert_allclose(y.data[kept], 1 / (1 - p), rtol=2e-4)
    assert len(np.unique(y.data)) == 2
    y.sum().backward()
    assert np.array_equal(x.grad, y.data)  # the same units are off


def test_dropout_draws_the_same_for_a_seed_and_another_mask_every_time():
    x = Tensor(np.ones((50, 40), np.float32))
    rng = np.random.default_rng(3)
    first, second = ops.dropout(x, 0.5, rng).data, ops.dropout(x, 0.5, rng).data
    assert np.array_equal(first, ops.dropout(x, 0.5, np.random.default_rng(3)).data)
    assert not np.array_equal(first, second)
    assert abs(np.corrcoef((first != 0).ravel(), (second != 0).ravel())[0, 1]) < 0.1
    assert ops.dropout(x, 0.0, rng) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, math.nan])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="dropout: p is a probability"):
        ops.dropout(Tensor([1.0]), p, np.random.default_rng(0))


def test_sigmoid_keeps_its_digits_far_below_zero():
    x = np.array([-87.0, -20.0, -17.0, 0.0, 17.0, 200.0], dtype=np.float32)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(ops.sigmoid(Tensor(x)).data, exact, rtol=5e-7)


def test_whole_numbers_beside_a_floating_tensor_take_its_dtype():
    whole, x = Tensor([1, 2, 3]), Tensor([0.5, 0.5, 0.5], requires_grad=True)
    for y in (whole * x, x * whole, x * Tensor([True, True, True]) * whole):
        assert y.dtype == np.float32
        assert y.data.tolist() == [0.5, 1.0, 1.5]
    assert (whole * 0.5).data.tolist() == [0.5, 1.0, 1.5]
    (whole * x).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_dropout_without_a_generator_says_what_is_missing():
    with pytest.raises(TypeError, match=r"numpy\.random\.Generator"):
        ops.dropout(Tensor([1.0]), 0.5, None)


# --- whole numbers ---------------------------------------------------------------------------------------------------

WHOLE = (np.uint8, np.int8, np.int32, np.int64, np.uint64, np.bool_)


@pytest.mark.parametrize("left", WHOLE)
@pytest.mark.parametrize("right", [*WHOLE, 2, True])
@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "minimum"])
def test_whole_numbers_follow_numpys_rules(name, left, right):
    A = np.array([2, 1, 1]).astype(left)
    B = right if isinstance(right, int) else np.array([1, 1, 1]).astype(right)
    for a, b in ((A, B), (B, A)):
        expected = BINARY[name](a, b)
        results = [getattr(ops, name)(*(Tensor(x) if isinstance(x, np.ndarray) else x for x in (a, b)))]
        results.append(getattr(ops, name)(Tensor(a) if isinstance(a, np.ndarray) else a, b))
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            results.append(getattr(ops, name)(a, Tensor(b) if isinstance(b, np.ndarray) else b))
        for y in results:
            np.testing.assert_array_equal(y.data, expected)
            assert y.dtype == expected.dtype


def test_whole_numbers_beside_floating_ones_and_plain_numbers_that_do_not_fit():
    pixels, mask = Tensor(np.array([0, 51], np.uint8)), Tensor(np.array([True, False]))
    assert (pixels / 255).data.tolist() == [0, 0.2]
    assert (pixels / 255.0).dtype == np.float32
    assert (Tensor(np.array([1], np.int32)) + 1).dtype == np.int32
    assert (mask * 2).data.tolist() == [2, 0]
    assert ops.maximum(mask, 3).data.tolist() == [3, 3]
    assert (mask * 0.5).dtype == np.float32
    for y in (lambda: pixels + 300, lambda: 300 * pixels, lambda: pixels - -1, lambda: mask + 2**70):
        with pytest.raises(OverflowError, match=r"(add|mul|sub): .* does not fit into (uint8|int64); convert"):
            y()


def test_negative_powers_of_whole_numbers_are_refused():
    for x in (Tensor([2, 3]), Tensor(np.array([2, 3], np.uint8)), Tensor([True])):
        for y in (lambda x=x: x**-1, lambda x=x: x ** np.array([-1])):
            with pytest.raises(ValueError, match=r"^pow: .* to a negative power is not whole.*astype\('float32'\)"):
                y()
    assert (Tensor([2, 3]) ** 2).data.tolist() == [4, 9]
    assert (Tensor([4, 9]) ** 0.5).data.tolist() == [2, 3]
    assert (Tensor([2, 4]) ** -1.0).data.tolist() == [0.5, 0.25]
    assert (2 ** Tensor([2, 3])).data.tolist() == [4, 8]


def test_zero_to_a_negative_power_falls_without_end():
    with np.errstate(divide="ignore"):
        by_exponent = gradients(lambda b: ops.pow(0.0, b), [-1.0, -0.5, 0.0, 2.0])[0]
    assert by_exponent.tolist() == [-math.inf, -math.inf, 0, 0]


def test_plus_is_the_tensor_itself():
    x = Tensor([1.0], requires_grad=True)
    assert +x is x


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.bool_])
@pytest.mark.parametrize(
    "name",
    [
        *("softmax", "log_softmax", "logsumexp", "sigmoid", "tanh", "gelu", "leaky_relu", "elu", "softplus", "silu"),
        *("exp", "sin", "cos", "log1p"),
    ],
)
def test_functions_of_small_whole_numbers_do_not_wrap_around(name, dtype):
    A = np.array([[7, 1, 100], [0, 1, 90]]).astype(dtype)
    y = getattr(ops, name)(Tensor(A))
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y.data, getattr(ops, name)(Tensor(A.astype(np.float64))).data)
    assert np.isfinite(y.data).all()
    assert ops.mse(Tensor(A), A[::-1].copy()).item() == ((A.astype(float) - A[::-1]) ** 2).mean()


# --- the error function ----------------------------------------------------------------------------------------------


def test_erf_is_as_accurate_as_it_says():
    X = np.concatenate([np.linspace(-7, 7, 20_001), np.logspace(-300, 0, 500), [0.0, 1e300, np.inf]])
    expected = np.vectorize(math.erf, otypes=[float])(X)
    assert np.abs(erf_of(X) - expected).max() < 2.1e-15
    single = np.minimum(X, 1e30).astype(np.float32)
    assert erf_of(single).dtype == np.float32
    assert np.abs(erf_of(single) - np.vectorize(math.erf, otypes=[float])(single)).max() < 1.7e-7
    assert np.array_equal(erf_of(-X), -erf_of(X))
    assert np.isnan(erf_of(np.array([np.nan]))).all()


@pytest.mark.parametrize("turned", [False, True])
def test_gelu_of_many_numbers_is_that_of_few_at_a_time(turned):
    """They are computed in pieces, and in several threads."""
    rng = np.random.default_rng(0)
    A, G = (rng.normal(size=(700, 501)) for _ in range(2))
    A, G = (A.T, G.T) if turned else (A, G)
    many, few = Tensor(A, requires_grad=True), [Tensor(row, requires_grad=True) for row in A]
    y = ops.gelu(many)
    y.backward(G)
    for i, row in enumerate(few):
        one = ops.gelu(row)
        one.backward(G[i].copy())
        np.testing.assert_allclose(y.data[i], one.data, rtol=1e-15)
        np.testing.assert_allclose(many.grad[i], row.grad, rtol=1e-14, atol=1e-16)


def test_gelu_knows_two_forms():
    x = Tensor(np.linspace(-5, 5, 1001))
    difference = np.abs(ops.gelu(x).data - ops.gelu(x, approximate="tanh").data).max()
    assert 4e-4 < difference < 5e-4  # what the docstring says
    with pytest.raises(ValueError, match="approximate must be one of 'none', 'tanh', got 'erf'"):
        ops.gelu(x, approximate="erf")


# --- logsumexp -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "value", "slopes"),
    [
        ([-math.inf, -math.inf], -math.inf, [0.5, 0.5]),
        ([-math.inf, 1.0], 1.0, [0.0, 1.0]),
        ([math.inf, 1.0], math.inf, [1.0, 0.0]),
        ([math.inf, -math.inf, math.inf], math.inf, [0.5, 0.0, 0.5]),
    ],
)
def test_logsumexp_of_infinities(row, value, slopes):
    x = Tensor(np.array([row, [0.0] * len(row)]), requires_grad=True)
    y = ops.logsumexp(x)
    assert y.data[0] == value
    y.sum().backward()
    assert x.grad[0].tolist() == slopes


@pytest.mark.parametrize("m", [1.0, 1e4, 1e8])
def test_the_slopes_of_logsumexp_sum_to_one(m):
    x = Tensor(np.array([m, m, m - 1], np.float32), requires_grad=True)
    ops.logsumexp(x).backward()
    assert abs(x.grad.sum() - 1) < 2e-7


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_an_empty_axis_is_named(name):
    with pytest.raises(ValueError, match=rf"^{name}: nothing to sum over, shape \(2, 0\) along axis -1"):
        getattr(ops, name)(Tensor(np.zeros((2, 0))))
    assert getattr(ops, name)(Tensor(np.zeros((0, 2)))).shape[0] == 0


# --- infinity times zero, and arrays that change ---------------------------------------------------------------------


def test_the_documented_ways_around_infinity_times_zero():
    x = [-1.0, 0.0, 4.0]
    with np.errstate(divide="ignore", invalid="ignore"):
        trap = gradients(lambda x: ops.sqrt(ops.relu(x)), x)[0]
    assert np.isnan(trap[:2]).all()
    assert gradients(lambda x: ops.sqrt(ops.relu(x) + 1e-12), x)[0][[0, 2]].tolist() == pytest.approx([0, 0.25])
    assert gradients(lambda x: ops.where(x > 0, ops.log(ops.where(x > 0, x, 1.0)), 0.0), x)[0].tolist() == [0, 0, 0.25]


def test_arrays_changed_after_the_forward_change_no_gradient():
    rows, mask = np.array([0, 2]), np.array([True, False, True])
    table, x = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.ones(3), requires_grad=True)
    choose = ops.where(mask, x, 0.0).sum() + x[mask].sum() + x[rows].sum() + x[[0, 2]].sum()
    found = ops.embedding(table, rows).sum()
    rows[:], mask[:] = 1, True
    choose.backward()
    found.backward()
    assert x.grad.tolist() == [4, 0, 4]
    assert table.grad[:, 0].tolist() == [1, 0, 1]


def test_dropout_of_whole_numbers_scales():
    y = ops.dropout(Tensor(np.ones(1000, np.uint8)), 0.25, np.random.default_rng(0))
    assert set(np.unique(y.data)) == {0.0, 65536 / 49152}


@pytest.mark.parametrize("value", [None, "0", [1.0]])
def test_pad_wants_a_number(value):
    with pytest.raises(TypeError, match="pad: expected value as a number that fits into float64, got"):
        ops.pad(Tensor(np.ones(2)), 1, value=value)
    with pytest.raises(TypeError, match="pad: expected value as a number that fits into int64, got"):
        ops.pad(Tensor([1, 2]), 1, value=0.5)
    assert ops.pad(Tensor([1, 2]), 1, value=3.0).data.tolist() == [3, 1, 2, 3]

"""Operations that move elements, and reductions: values against NumPy, gradients against plain reference ways."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, basic_indices, broadcastable_shapes

from tinygrad_edu import Tensor, no_grad, ops

SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)
RNG = np.random.default_rng(0)


def counted(shape):
    """A tensor whose entries are all different, in no order."""
    return Tensor(np.random.default_rng(1).permutation(int(np.prod(shape))).reshape(shape) * 1.0, requires_grad=True)


def gradient(x, y):
    """dL/dx for a random dL/dy, and that dL/dy."""
    G = RNG.normal(size=y.shape)
    x.grad = None
    y.backward(G)
    return x.grad, G


# --- reductions ------------------------------------------------------------------------------------------------------


@st.composite
def shape_and_axes(draw, min_side=1):
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=min_side, max_side=3))
    axes = draw(st.lists(st.integers(0, max(len(shape) - 1, 0)), unique=True, max_size=len(shape)))
    axes = tuple(a - draw(st.sampled_from([0, len(shape)])) for a in axes)
    single = axes[0] if len(axes) == 1 and draw(st.booleans()) else axes
    return shape, draw(st.sampled_from([None, single]))


@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "min"])
@given(where=shape_and_axes(), keepdims=st.booleans())
def test_reductions_have_the_values_of_numpy_over_any_axes(name, where, keepdims):
    shape, axis = where
    x = Tensor(np.random.default_rng(2).normal(size=shape), requires_grad=True)
    y = getattr(ops, name)(x, axis=axis, keepdims=keepdims)
    expected = getattr(np, name)(x.data, axis=axis, keepdims=keepdims)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-14)
    g, G = gradient(x, y)
    axes = tuple(range(x.data.ndim)) if axis is None else axis
    spread = np.broadcast_to(G if keepdims else np.expand_dims(G, axes), shape)
    n = max(x.data.size, 1) // max(y.data.size, 1)
    largest = np.broadcast_to(getattr(np, name)(x.data, axis=axis, keepdims=True), shape)
    reference = {
        "sum": spread,
        "mean": spread / n,
        "var": spread * 2 * (x.data - x.data.mean(axis=axis, keepdims=True)) / n,
    }.get(name, spread * (x.data == largest))
    np.testing.assert_allclose(g, reference, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["max", "min"])
def test_the_first_of_equal_extrema_takes_the_whole_gradient_in_row_major_order(name):
    x = Tensor(np.zeros((2, 3, 2)), requires_grad=True)
    for axis in (None, 0, 1, 2, (0, 2), (2, 1), (1, -3)):
        y = getattr(ops, name)(x, axis=axis)
        g, G = gradient(x, y)
        assert np.count_nonzero(g) == G.size
        axes = (0, 1, 2) if axis is None else axis
        np.testing.assert_array_equal(g.sum(axis=axes), G)
        first = [0 if i in np.atleast_1d(np.arange(3)[list(np.atleast_1d(axes))]) else slice(None) for i in range(3)]
        np.testing.assert_array_equal(g[tuple(first)], G)


def test_reductions_refuse_bad_axes_and_empty_groups():
    x = Tensor(np.zeros((2, 3)))
    for op in (ops.sum, ops.mean, ops.var, ops.max, ops.min, ops.softmax, ops.log_softmax, ops.logsumexp):
        for axis in (2, -3, (0, 2)):
            with pytest.raises(ValueError, match=rf"{op.__name__}: axis .* is out of range for a tensor with 2 axes"):
                op(x, axis=axis)
        with pytest.raises(ValueError, match="names one axis twice"):
            op(x, axis=(1, -1))
    for op in (ops.mean, ops.var, ops.max, ops.min):
        with pytest.raises(ValueError, match=rf"{op.__name__}: no elements to reduce"):
            op(Tensor(np.zeros((0, 3))), axis=0)
        assert op(Tensor(np.zeros((0, 3))), axis=1).shape == (0,)
    with pytest.raises(ValueError, match="more than ddof=1 elements"):
        ops.var(Tensor([1.0]), ddof=1)


def test_sums_of_booleans_and_small_integers_do_not_overflow():
    assert Tensor(np.ones(300, bool)).sum().item() == 300
    assert Tensor(np.full(300, 200, np.uint8)).sum().item() == 60_000
    assert Tensor([1, 2]).mean().item() == 1.5


# --- softmax and its relatives ---------------------------------------------------------------------------------------


@given(where=shape_and_axes())
def test_softmax_log_softmax_and_logsumexp_agree_with_their_definitions(where):
    shape, axis = where
    if not shape or axis == ():
        return
    A = np.random.default_rng(3).normal(size=shape) * 5
    x = Tensor(A, requires_grad=True)
    P = np.exp(A) / np.exp(A).sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(ops.softmax(x, axis=axis).data, P, rtol=1e-12)
    np.testing.assert_allclose(ops.log_softmax(x, axis=axis).data, np.log(P), rtol=1e-11, atol=1e-13)
    for keepdims in (False, True):
        y = ops.logsumexp(x, axis=axis, keepdims=keepdims)
        expected = np.log(np.exp(A).sum(axis=axis, keepdims=keepdims))
        np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-13)
        g, G = gradient(x, y)
        axes = tuple(range(A.ndim)) if axis is None else axis
        np.testing.assert_allclose(g, P * (G if keepdims else np.expand_dims(G, axes)), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_losses_are_stable_at_large_logits(size, dtype):
    Z = np.array([[size, 0, -size], [-size, -size, -size]], dtype)
    for function in (ops.softmax, ops.log_softmax, ops.logsumexp):
        x = Tensor(Z, requires_grad=True)
        y = function(x)
        y.sum().backward()
        assert np.isfinite(y.data).all()
        assert np.isfinite(x.grad).all()
    x = Tensor(Z, requires_grad=True)
    loss = ops.softmax_cross_entropy(x, np.array([2, 1]), reduction="none")
    np.testing.assert_allclose(loss.data, [2 * size, np.log(3)], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [[1, 0, -1], [1 / 3, -2 / 3, 1 / 3]], rtol=1e-6, atol=1e-30)


# --- shapes ----------------------------------------------------------------------------------------------------------


@given(shape=SHAPES, data=st.data())
def test_permutations_of_axes_and_their_gradients(shape, data):
    x = counted(shape)
    order = data.draw(st.permutations(range(len(shape))))
    signed = [a - data.draw(st.sampled_from([0, len(shape)])) for a in order]
    separately = [x.transpose(*signed)] if shape and list(order) != [0, 1] else []
    for y in (*separately, ops.transpose(x, tuple(signed))) if shape else ():
        np.testing.assert_array_equal(y.data, x.data.transpose(order))
        g, G = gradient(x, y)
        np.testing.assert_array_equal(g.transpose(order), G)
    g, G = gradient(x, x.transpose())
    np.testing.assert_array_equal(g.T, G)
    if shape:
        a, b = signed[0], signed[-1]
        y = x.swapaxes(a, b)
        np.testing.assert_array_equal(y.data, x.data.swapaxes(a, b))
        g, G = gradient(x, y)
        np.testing.assert_array_equal(g.swapaxes(a, b), G)


@given(shape=array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=3), data=st.data())
def test_inserted_and_removed_axes_and_other_shapes(shape, data):
    x = counted(shape)
    places = data.draw(st.lists(st.integers(0, len(shape) + 1), unique=True, min_size=1, max_size=2))
    if max(places) < len(shape) + len(places):
        y = x.expand_dims(tuple(places))
        np.testing.assert_array_equal(y.data, np.expand_dims(x.data, tuple(places)))
        g, G = gradient(x, y)
        np.testing.assert_array_equal(g, G.reshape(shape))
    for y in (x.squeeze(), x.reshape(-1), x.reshape(1, *shape), ops.reshape(x, (*shape, 1))):
        g, G = gradient(x, y)
        np.testing.assert_array_equal(g, G.reshape(shape))
    np.testing.assert_array_equal(x.squeeze().data, x.data.squeeze())


@given(shape=SHAPES, data=st.data())
def test_broadcasting_sums_the_gradients_of_all_copies(shape, data):
    x = counted(shape)
    wide = np.broadcast_shapes(shape, data.draw(broadcastable_shapes(shape, max_dims=5, max_side=3)))
    y = ops.broadcast_to(x, wide)
    np.testing.assert_array_equal(y.data, np.broadcast_to(x.data, wide))
    g, G = gradient(x, y)
    reference = np.zeros(shape)
    np.add.at(
        reference.reshape(-1), np.broadcast_to(np.arange(x.data.size).reshape(shape), wide).reshape(-1), G.ravel()
    )
    np.testing.assert_allclose(g, reference, rtol=1e-12, atol=1e-13)


@given(data=st.data(), ndim=st.integers(1, 3))
def test_joining_and_cutting_are_inverse(data, ndim):
    axis = data.draw(st.integers(-ndim, ndim - 1))
    shape = list(data.draw(array_shapes(min_dims=ndim, max_dims=ndim, min_side=1, max_side=3)))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    parts = []
    for n in lengths:
        shape[axis] = n
        parts.append(Tensor(RNG.normal(size=shape), requires_grad=True))
    whole = ops.concatenate(parts, axis=axis)
    np.testing.assert_array_equal(whole.data, np.concatenate([p.data for p in parts], axis=axis))
    pieces = ops.split(whole, list(itertools.accumulate(lengths))[:-1], axis=axis)
    assert len(pieces) == len(parts)
    Gs = [RNG.normal(size=part.shape) for part in parts]
    for part, piece, G in zip(parts, pieces, Gs):
        np.testing.assert_array_equal(part.data, piece.data)
        piece.backward(G, retain_graph=True)
    for part, G in zip(parts, Gs):
        np.testing.assert_array_equal(part.grad, G)


@given(shape=array_shapes(max_dims=3, max_side=3), count=st.integers(1, 3), data=st.data())
def test_stacking_and_its_gradients(shape, count, data):
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    parts = [Tensor(RNG.normal(size=shape), requires_grad=True) for _ in range(count)]
    y = ops.stack(parts, axis=axis)
    np.testing.assert_array_equal(y.data, np.stack([p.data for p in parts], axis=axis))
    G = RNG.normal(size=y.shape)
    y.backward(G)
    for part, g in zip(parts, np.moveaxis(G, axis, 0)):
        np.testing.assert_array_equal(part.grad, g)


@given(shape=array_shapes(min_dims=0, max_dims=3, max_side=3), data=st.data())
def test_padding_and_its_gradient(shape, data):
    widths = [tuple(data.draw(st.integers(0, 2)) for _ in range(2)) for _ in shape]
    x = counted(shape)
    y = ops.pad(x, widths, value=2.5)
    np.testing.assert_array_equal(y.data, np.pad(x.data, widths, constant_values=2.5) if shape else x.data)
    g, G = gradient(x, y)
    np.testing.assert_array_equal(g, G[tuple(slice(b, b + n) for (b, _), n in zip(widths, shape))])


def test_equal_pieces_and_what_the_loss_does_not_use():
    x = counted((6, 2))
    pieces = ops.split(x, 3)
    np.testing.assert_array_equal(np.stack([p.data for p in pieces]), np.stack(np.split(x.data, 3)))
    pieces[1].sum().backward()
    assert x.grad.tolist() == [[0, 0], [0, 0], [1, 1], [1, 1], [0, 0], [0, 0]]


def test_arrays_and_numbers_join_tensors():
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    y = ops.concatenate([np.zeros(1), x, [7]])
    assert y.data.tolist() == [0, 1, 2, 7]
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert ops.stack([x, [3, 4]]).data.tolist() == [[1, 2], [3, 4]]
    with no_grad():
        assert ops.concatenate([x, x]).op == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: x.transpose(0, 2),
            r"transpose: axes \(0, 2\) are not a permutation of the 2 axes of shape \(2, 3\)",
        ),
        (lambda x: x.transpose(0, 3), "not a permutation"),
        (lambda x: x.transpose(0), "not a permutation"),
        (lambda x: x.transpose(0, 0), "not a permutation"),
        (lambda x: x.transpose(-3, 1), "not a permutation"),
        (lambda x: x.swapaxes(0, 2), "swapaxes: axis 2 is out of range"),
        (lambda x: x.reshape(4), r"reshape: \(2, 3\) has 6 elements and cannot become \(4,\)"),
        (lambda x: x.reshape(-1, -1), r"cannot become \(-1, -1\); .*one length may be -1"),
        (lambda x: x[:0].squeeze(0), r"squeeze: axis 0 of shape \(0, 3\) is not of length 1"),
        (lambda x: x.squeeze(0), r"squeeze: axis 0 of shape \(2, 3\) is not of length 1"),
        (lambda x: x.squeeze(50), r"squeeze: axis 50 is out of range for a tensor with 2 axes"),
        (lambda x: x.expand_dims(5), r"expand_dims: axis \(5,\) is out of range"),
        (lambda x: ops.broadcast_to(x, (3, 3)), r"broadcast_to: \(2, 3\) cannot become \(3, 3\)"),
        (lambda x: x.transpose(0, 1), r"the order \(0, 1\) changes nothing; .*say \.T or swapaxes"),
        (lambda x: x.transpose(-2, -1), r"the order \(-2, -1\) changes nothing"),
        (lambda x: ops.concatenate([]), "expected at least one tensor"),
        (lambda x: ops.concatenate([x, x], axis=2), "concatenate: axis 2 is out of range"),
        (lambda x: ops.concatenate([x, x.transpose()]), r"agree except along axis 0; got \(2, 3\), \(3, 2\)"),
        (lambda x: ops.concatenate([x, x[0]]), r"got \(2, 3\), \(3,\)"),
        (lambda x: ops.stack([x, x.transpose()]), r"all shapes must be equal; got \(2, 3\), \(3, 2\)"),
        (lambda x: ops.stack([x], axis=3), "axis 3 is out of range"),
        (lambda x: ops.split(x, 2, axis=1), r"axis 1 of shape \(2, 3\) cannot be cut into 2 equal pieces"),
        (lambda x: ops.split(x, 0), "sections must be a whole number >= 1, got 0"),
        (lambda x: ops.split(x, [2, 1], axis=1), r"cuts must ascend.*got \[2, 1\]"),
        (lambda x: ops.split(x, [4], axis=1), "cuts must ascend from 0 to the axis' length 3"),
        (lambda x: ops.split(x, [-1], axis=1), "cuts must ascend"),
        (lambda x: ops.pad(x, ((1, 1),)), r"or 2 pairs of them, \(before, after\) for each axis of shape \(2, 3\)"),
        (lambda x: ops.pad(x, ((1, 1), (-1, 0))), "or 2 pairs"),
        (lambda x: ops.pad(x, (2, 0, 2)), r"or 2 pairs of them.*got \(2, 0, 2\)"),
        (lambda x: ops.pad(x, ((1, 2), (3, 0.5))), "or 2 pairs"),
        (lambda x: ops.pad(x, -1), "or 2 pairs"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(counted((2, 3)))


@pytest.mark.parametrize("shape", [(2.0, 3), ((2, "3"),), ((2, 3), 1), (None,)])
def test_lengths_that_are_no_whole_numbers_are_refused(shape):
    with pytest.raises(TypeError, match=r"^reshape: expected whole numbers, or one tuple of them; got \("):
        counted((2, 3)).reshape(*shape)


@pytest.mark.parametrize(
    ("dtype", "value"), [("f4", 10**400), ("u1", 10**400), ("u1", 256), ("i8", np.nan), ("i8", 0.5)]
)
def test_a_frame_of_numbers_that_the_dtype_does_not_have_is_refused(dtype, value):
    with pytest.raises(TypeError, match=r"^pad: expected value as a number that fits into"):
        ops.pad(np.zeros(2, dtype), 1, value)


# --- indexing --------------------------------------------------------------------------------------------------------


def check_index(x, index):
    """Values against NumPy; the gradient against a dense table B with Y = B A, one row for each taken element."""
    y = x[index]
    plain = index.data if isinstance(index, Tensor) else index
    expected = x.data[plain]
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)
    g, G = gradient(x, y)
    taken = np.arange(x.data.size).reshape(x.shape)[plain].reshape(-1)
    one_hot = np.equal.outer(taken, np.arange(x.data.size)).astype(float)
    np.testing.assert_allclose(g.reshape(-1), one_hot.T @ G.reshape(-1), rtol=1e-12, atol=1e-13)


@given(shape=SHAPES, data=st.data())
def test_slices_steps_negative_numbers_ellipsis_and_new_axes(shape, data):
    check_index(counted(shape), data.draw(basic_indices(shape, allow_newaxis=True, max_dims=6)))


@given(shape=array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
def test_integer_arrays_with_repeats_and_negative_numbers_mixed_with_slices(shape, data):
    result = data.draw(array_shapes(min_dims=0, max_dims=2, max_side=4))
    count = data.draw(st.integers(1, len(shape)))
    index = [data.draw(arrays(np.int64, result, elements=st.integers(-n, n - 1))) for n in shape[:count]]
    at = data.draw(st.integers(0, count))
    extra = data.draw(st.sampled_from([(), (None,), (slice(None, None, -1),), (Ellipsis,)]))
    if extra == (slice(None, None, -1),) and count == len(shape):
        extra = ()
    mixed = tuple(index[:at]) + extra + tuple(index[at:])
    try:
        np.zeros(shape)[mixed]
    except IndexError:  # the slice moved an index array to a shorter axis
        return
    check_index(counted(shape), mixed)


@given(shape=array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
def test_boolean_masks_over_some_or_all_axes(shape, data):
    count = data.draw(st.integers(1, len(shape)))
    mask = data.draw(arrays(bool, shape[:count]))
    x = counted(shape)
    check_index(x, mask)
    check_index(x, (mask, Ellipsis))
    check_index(x, Tensor(mask))


@pytest.mark.parametrize(
    "index",
    [
        *([0, 0, 2], ([0, 0], [1, 1]), np.int64(1), (np.int32(-1), slice(None)), True, np.True_, (), None, Ellipsis),
        *(np.zeros((0,), int), [], (slice(None), [0, 0]), ([1], None, [2]), (1, [0, 0, 3]), Tensor([2, 2])),
        np.array([1, 1], np.uint8),
    ],
    ids=str,
)
def test_other_indices(index):
    check_index(counted((3, 4)), index)

"""Attention: blocks, masks, what it keeps, and bad input. Its gradients are in the gradient-check table."""

import importlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_textbook import agree

from tinygrad_edu import Tensor, ops, textbook

module = importlib.import_module("tinygrad_edu.ops.attention")
STOREYS = pytest.mark.parametrize("attention", [ops.attention, textbook.attention], ids=["fast", "textbook"])


def tensors(T=4, S=4, D=2, E=3, N=2, heads=2, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (N, heads, T, D), (N, heads, S, D), (N, heads, S, E)
    return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes]


@STOREYS
def test_it_is_the_average_of_the_values_by_how_well_their_keys_fit(attention):
    q, k, v = np.array([[2.0]]), np.array([[0.0], [np.log(3) / 2]]), np.array([[10.0], [20.0]])
    Y = attention(*(x[None, None] for x in (q, k, v))).data  # the second key fits by ln 3: three times the weight
    np.testing.assert_allclose(Y, [[[[17.5]]]], rtol=1e-14)


@STOREYS
def test_the_fit_is_divided_by_the_root_of_the_keys_length(attention):
    q, k, v = np.full((1, 4), np.log(3) / 2), np.array([[0.0] * 4, [1.0] * 4]), np.array([[10.0], [20.0]])
    np.testing.assert_allclose(attention(*(x[None, None] for x in (q, k, v))).data, [[[[17.5]]]], rtol=1e-14)


@STOREYS
def test_nothing_of_the_future_reaches_the_past(attention):
    q, k, v = tensors()
    before = attention(q, k, v, causal=True)
    changed = [Tensor(x.data.copy()) for x in (k, v)]
    for x in changed:
        x.data[:, :, 2:] = 99.0
    np.testing.assert_array_equal(attention(q, *changed, causal=True).data[:, :, :2], before.data[:, :, :2])
    before[:, :, :2].sum().backward()
    for x in (k, v):
        assert not x.grad[:, :, 2:].any()
        assert x.grad[:, :, :2].any()


@STOREYS
@pytest.mark.parametrize("T", [1, 2, 3])
def test_new_queries_beside_all_keys_so_far_are_the_last_of_all_queries(attention, T):
    q, k, v = tensors()
    new = Tensor(q.data[:, :, -T:].copy())
    whole = attention(q, k, v, causal=True).data[:, :, -T:]
    np.testing.assert_allclose(attention(new, k, v, causal=True).data, whole, rtol=1e-13)


@STOREYS
@pytest.mark.parametrize("how", ["mask", "causal", "both"])
def test_a_query_that_may_look_nowhere_gives_zeros_and_no_gradient(attention, how):
    q, k, v = tensors(T=4, S=2 if how == "causal" else 4)
    mask = None if how == "causal" else np.array([False, False, True, True])[:, None]
    y = attention(q, k, v, mask, causal=how != "mask")
    assert not y.data[:, :, :2].any()
    assert y.data[:, :, 2:].any(axis=-1).all()
    y[:, :, :2].sum().backward()
    assert not any(x.grad.any() for x in (q, k, v))


@STOREYS
def test_what_is_masked_may_be_anything_finite(attention):
    q, k, v = tensors(N=1)
    k.data[:, :, 3], v.data[:, :, 3] = 1e150, -1e150
    y = attention(q, k, v, np.array([True, True, True, False]))
    y.sum().backward()
    expected = attention(q, *(Tensor(x.data[:, :, :3].copy()) for x in (k, v)))
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-13)
    assert np.isfinite(q.grad).all()


@STOREYS
def test_large_fits_do_not_overflow(attention):
    q, k, v = tensors()
    y = attention(q * 1e4, k * 1e4, v)
    y.sum().backward()
    assert np.isfinite(y.data).all()
    assert np.isfinite(q.grad).all()


@STOREYS
def test_the_masks_owner_may_fill_it_anew_before_the_backward(attention):
    gradients = []
    for change in (False, True):
        q, k, v = tensors()
        mask = np.array([True, True, False, True])
        y = attention(q, k, v, mask)
        mask[...] = change or mask
        y.sum().backward()
        gradients.append(q.grad)
    np.testing.assert_array_equal(*gradients)


@STOREYS
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_it_keeps_the_dtype(attention, dtype):
    q, k, v = tensors(dtype=dtype)
    y = attention(q, k, v, np.ones((4, 4), bool), True, 0.5, np.random.default_rng(0))
    y.backward(np.ones(y.shape, dtype))
    assert {y.dtype, q.grad.dtype, k.grad.dtype, v.grad.dtype} == {np.dtype(dtype)}


@STOREYS
def test_dropped_weights_leave_the_mean(attention):
    ones = np.ones((1, 1, 500, 1)), np.ones((1, 1, 400, 1)), np.ones((1, 1, 400, 1))
    y = attention(*ones, dropout=0.25, rng=np.random.default_rng(0)).data
    assert y.std() > 0.02  # of 400 weights that are each 0 or 4/3
    assert abs(y.mean() - 1) < 0.005
    rng = np.random.default_rng(0)
    attention(*ones, dropout=0.0, rng=rng)
    assert rng.random() == np.random.default_rng(0).random()  # nothing was drawn


small = st.integers(1, 6)


@given(*[small] * 4, st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_blocks_and_threads_change_nothing(T, S, D, E, N, heads, causal, masked, dropped, data):
    """Blocks of one query to all; parts of one sequence."""
    rng = np.random.default_rng(0)
    mask = rng.random((N, 1, T, S)) > 0.3 if masked else None
    options = {"mask": mask, "causal": causal, "dropout": 0.4 if dropped else 0.0}
    arrays = [rng.normal(size=s) for s in ((N, heads, T, D), (N, heads, S, D), (N, heads, S, E))]
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(module, "FEWEST", data.draw(small))
        patches.setattr(module, "AT_ONCE", data.draw(st.sampled_from([1, 50, 10**6])))
        patches.setattr(module, "PART_WEIGHTS", data.draw(st.sampled_from([0, 10**6])))
        agree(lambda q, k, v: ops.attention(q, k, v, **options, rng=np.random.default_rng(1)), *arrays)


def test_memory_grows_with_the_length_and_not_with_its_square():
    def peak(T):
        q, k, v = tensors(T, T, 8, 8, 1, 2, np.float32)
        tracemalloc.start()
        y = ops.attention(q, k, v, causal=True)
        y.backward(y.data)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(64)
    shorter, longer = peak(1024), peak(2048)
    assert longer < 2.5 * shorter
    assert longer < 2 * 2048**2 * 4 / 4  # a quarter of the weights alone


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_a_gradient_that_nobody_asked_for_is_not_computed(wanted):
    arrays = [x.data for x in tensors()]
    everything = tensors()
    G = np.random.default_rng(1).normal(size=(2, 2, 4, 3))
    ops.attention(*everything).backward(G)
    some = [Tensor(x, requires_grad=want) for x, want in zip(arrays, wanted)]
    ops.attention(*some).backward(G)
    for one, all_of_them, want in zip(some, everything, wanted):
        assert (one.grad is not None) == want
        if want:
            np.testing.assert_array_equal(one.grad, all_of_them.grad)


def test_heads_are_joined_without_a_copy():
    q, k, v = tensors()
    y = ops.attention(q, k, v).data
    joined = y.transpose(0, 2, 1, 3).reshape(2, 4, -1)
    assert np.shares_memory(joined, y)


@STOREYS
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"q": np.ones((2, 4, 2))}, ValueError, r"expected q \(N, heads, T, D\), .* got q \(2, 4, 2\)"),
        ({"k": np.ones((1, 2, 4, 2))}, ValueError, r"expected q \(N, heads, T, D\)"),
        ({"v": np.ones((2, 2, 5, 3))}, ValueError, r"expected q .* v \(N, heads, S, E\); got .* v \(2, 2, 5, 3\)"),
        ({"q": np.ones((2, 2, 4, 3))}, ValueError, "queries have 3 numbers each, keys 2; they must be as many"),
        ({"q": np.ones((2, 2, 0, 2))}, ValueError, "sequences of length 0, or nothing in them"),
        ({"k": np.ones((2, 2, 0, 2)), "v": np.ones((2, 2, 0, 3))}, ValueError, "sequences of length 0"),
        ({"mask": np.ones((4, 4))}, TypeError, r"mask must be of bool, .* got float64: compare, mask > 0"),
        ({"mask": np.ones((3, 4), bool)}, ValueError, r"mask must broadcast to .* \(2, 2, 4, 4\); got \(3, 4\)"),
        ({"mask": np.ones((1, 2, 2, 4, 4), bool)}, ValueError, "mask must broadcast to"),
        ({"mask": "words"}, TypeError, "attention: "),
        ({"causal": "no"}, TypeError, "causal must be True or False"),
        ({"dropout": 1.0}, ValueError, "dropout is a probability"),
        ({"dropout": 0.5}, TypeError, "rng must be a numpy.random.Generator"),
        ({"q": Tensor(np.ones((2, 2, 4, 2), np.float32))}, TypeError, "different dtypes, float32 and float64"),
        ({"v": Tensor(np.ones((2, 2, 4, 3), np.float16))}, TypeError, "different dtypes, float64 and float16"),
        ({"k": Tensor(np.ones((2, 2, 4, 2), np.int64))}, TypeError, "different dtypes, float64 and int64"),
        ({"k": np.ones((2, 2, 4, 0)), "q": np.ones((2, 2, 4, 0))}, ValueError, "every axis must be at least 1 long"),
        ({"mask": np.ones((4, 4), np.int64)}, TypeError, "mask must be of bool, .* got int64"),
    ],
)
def test_bad_input_gets_one_error(attention, change, error, message):
    q, k, v = tensors()
    with pytest.raises(error, match=rf"^attention: .*{message}" if not message.startswith("attention") else message):
        attention(**({"q": q, "k": k, "v": v} | change))


@STOREYS
def test_whole_numbers_are_refused(attention):
    with pytest.raises(TypeError, match="attention: expected floating-point tensors, got int64"):
        attention(*[np.ones((1, 1, 2, 2), np.int64)] * 3)


@STOREYS
def test_a_mask_on_another_device_is_refused(cupy, attention):
    with pytest.raises(TypeError, match="attention: q is on 'cuda', mask on 'cpu'; move one of them"):
        attention(*(x.detach().to("cuda") for x in tensors()), np.ones((4, 4), bool))

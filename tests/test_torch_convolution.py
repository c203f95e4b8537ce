"""conv2d, max_pool2d and batch_norm equal PyTorch's, values and gradients, in hundreds of random configurations."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, ops
from tinygrad_edu.ops.windows import find_windows

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[torch]'")

many = settings(
    max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
small = st.integers(1, 4)
paddings = (
    st.sampled_from(["same", "valid"]) | st.integers(0, 2) | st.tuples(*[st.tuples(*[st.integers(0, 2)] * 2)] * 2)
)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=1e-10)


def leaf(rng, *shape):
    values = rng.normal(size=shape)
    return Tensor(values.copy(), requires_grad=True), torch.tensor(values, requires_grad=True)


def compare(ours, theirs, y, expected, rng):
    """`expected` is laid out as ours. The same random gradient goes into both."""
    close(y.data, expected)
    G = rng.normal(size=y.shape)
    y.backward(G)
    expected.backward(torch.from_numpy(G))
    for a, b in zip(ours, theirs):
        close(a.grad, b.grad)


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


@st.composite
def images(draw, longest=9):
    return draw(small), draw(st.integers(1, longest)), draw(st.integers(1, longest)), draw(small)


@many
@given(
    images(), st.tuples(small, small), st.tuples(small, small), paddings, small, st.booleans(), st.integers(0, 2**32)
)
def test_conv2d(shape, size, stride, padding, outputs, bias, seed):
    rng = np.random.default_rng(seed)
    try:
        (top, bottom), (left, right) = find_windows("conv2d", shape, size, stride, padding).padding
    except ValueError:  # a window larger than the image: try it with enough padding
        padding = (top, bottom), (left, right) = ((2, 2), (2, 2))
    (x, tx), (k, tk), (b, tb) = leaf(rng, *shape), leaf(rng, *size, shape[3], outputs), leaf(rng, outputs)
    padded = torch.nn.functional.pad(channels_first(tx), (left, right, top, bottom))
    expected = torch.nn.functional.conv2d(padded, tk.permute(3, 2, 0, 1).contiguous(), tb if bias else None, stride)
    y = ops.conv2d(x, k, b if bias else None, stride, padding)
    compare([x, k, b][: 2 + bias], [tx, tk, tb], y, channels_last(expected), rng)


@many
@given(images(), st.tuples(small, small), st.tuples(small, small), st.data(), st.booleans(), st.integers(0, 2**32))
def test_max_pool2d(shape, size, stride, data, ties, seed):
    rng = np.random.default_rng(seed)
    size = tuple(min(k, n) for k, n in zip(size, shape[1:3]))
    around = tuple(data.draw(st.integers(0, k // 2)) for k in size)  # PyTorch allows no more
    padding = tuple((p, p) for p in around)
    if any(
        (find_windows("", shape, size, stride, padding).out[i] - 1) * stride[i] >= around[i] + shape[1 + i]
        for i in (0, 1)
    ):
        padding, around = "valid", 0  # a window of padding alone, which we refuse
    x, tx = leaf(rng, *shape)
    if ties:
        x.data[...] = np.round(x.data)
        with torch.no_grad():
            tx.copy_(torch.from_numpy(x.data))
    expected = torch.nn.functional.max_pool2d(channels_first(tx), size, stride, around)
    compare([x], [tx], ops.max_pool2d(x, size, stride, padding), channels_last(expected), rng)


@many
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    small,
    st.booleans(),
    st.sampled_from([1e-5, 1e-3]),
    st.integers(0, 2**32),
)
def test_batch_norm(leading, channels, training, eps, seed):
    if np.prod(leading) == 1:
        leading = [2, *leading]  # PyTorch wants more than one number a channel
    rng = np.random.default_rng(seed)
    tensors, theirs = zip(leaf(rng, *leading, channels), leaf(rng, channels), leaf(rng, channels))
    mean, var = rng.normal(size=channels), rng.uniform(0.5, 2, size=channels)
    tmean, tvar = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    rows = theirs[0].reshape(-1, channels)
    expected = torch.nn.functional.batch_norm(rows, tmean, tvar, *theirs[1:], training, momentum=0.1, eps=eps)
    y = ops.batch_norm(*tensors, mean, var, training=training, momentum=0.9, eps=eps)
    compare(tensors, theirs, y, expected.reshape(y.shape), rng)
    close(mean, tmean)
    if not training:
        close(var, tvar)  # in training PyTorch takes the variance divided by n - 1 there, Keras and we by n

"""Convolution, pooling, normalisation equal PyTorch's, values and gradients, in hundreds of random configurations."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, ops
from tinygrad_edu.ops.windows import find_windows

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[torch]'")

many = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
fewer = settings(many, max_examples=60)
small = st.integers(1, 4)
pairs = st.tuples(small, small)
dilations = st.tuples(*[st.sampled_from([1, 1, 2, 3])] * 2)
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


def around_of(shape, size, stride, padding, dilation):
    """The padding in numbers, and the padding as given; both enough for the window."""
    try:
        return find_windows("", shape, size, stride, padding, dilation).padding, padding
    except ValueError:  # a window larger than the image: try it with enough padding
        enough = tuple((d * k // 2, d * k // 2 + 1) for k, d in zip(size, dilation))
        return enough, enough


def kernel_of_theirs(k):
    return k.permute(3, 2, 0, 1).contiguous()


@many
@given(
    images(),
    pairs,
    pairs,
    paddings,
    dilations,
    st.sampled_from([1, 1, 2, 3]),
    pairs,
    st.booleans(),
    st.integers(0, 2**32),
)
def test_conv2d(shape, size, stride, padding, dilation, groups, channels, bias, seed):
    rng = np.random.default_rng(seed)
    C, O = (n * groups for n in channels)
    shape = (*shape[:3], C)
    ((top, bottom), (left, right)), padding = around_of(shape, size, stride, padding, dilation)
    (x, tx), (k, tk), (b, tb) = leaf(rng, *shape), leaf(rng, *size, C // groups, O), leaf(rng, O)
    padded = torch.nn.functional.pad(channels_first(tx), (left, right, top, bottom))
    expected = torch.nn.functional.conv2d(
        padded, kernel_of_theirs(tk), tb if bias else None, stride, 0, dilation, groups
    )
    y = ops.conv2d(x, k, b if bias else None, stride, padding, dilation, groups)
    compare([x, k, b][: 2 + bias], [tx, tk, tb], y, channels_last(expected), rng)


@many
@given(images(5), pairs, pairs, paddings, dilations, small, st.booleans(), st.data(), st.integers(0, 2**32))
def test_conv_transpose2d(shape, size, stride, padding, dilation, outputs, bias, data, seed):
    """PyTorch's without padding, but with as much output_padding as it takes, and then cut as padding says."""
    rng = np.random.default_rng(seed)
    reached = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(shape[1:3], stride, size, dilation)]
    if padding == "same":
        output_size = tuple(n * s - data.draw(st.integers(0, s - 1)) for n, s in zip(shape[1:3], stride))
        given_size = output_size if data.draw(st.booleans()) else None
        output_size = given_size or tuple(n * s for n, s in zip(shape[1:3], stride))
        around = find_windows("", (1, *output_size, 1), size, stride, "same", dilation).padding
    else:
        if padding != "valid" and min(r - sum(p) for r, p in zip(reached, around_in_numbers(padding))) < 1:
            padding = "valid"
        around = around_in_numbers(padding)
        more = [data.draw(st.integers(0, s - 1)) for s in stride]
        output_size = tuple(r - sum(p) + m for r, p, m in zip(reached, around, more))
        given_size = output_size if any(more) else None
    (x, tx), (k, tk), (b, tb) = leaf(rng, *shape), leaf(rng, *size, outputs, shape[3]), leaf(rng, outputs)
    full = torch.nn.functional.conv_transpose2d(
        channels_first(tx), kernel_of_theirs(tk), None, stride, 0, 0, dilation=dilation
    )
    (top, _), (left, _) = around
    OH, OW = output_size
    beyond = [max(0, p[0] + n - r) for p, n, r in zip(around, output_size, reached)]  # zeros that no window reaches
    full = torch.nn.functional.pad(full, (0, beyond[1], 0, beyond[0]))[:, :, top : top + OH, left : left + OW]
    expected = channels_last(full) + tb if bias else channels_last(full)
    y = ops.conv_transpose2d(x, k, b if bias else None, stride, padding, dilation, given_size)
    compare([x, k, b][: 2 + bias], [tx, tk, tb], y, expected, rng)


def around_in_numbers(padding):
    return (
        ((padding, padding),) * 2 if isinstance(padding, int) else ((0, 0), (0, 0)) if padding == "valid" else padding
    )


@fewer
@given(images(5), pairs, pairs, dilations, small, st.data(), st.integers(0, 2**32))
def test_conv_transpose2d_with_the_arguments_of_pytorch(shape, size, stride, dilation, outputs, data, seed):
    """Padding the same on all sides, and output_padding: our output_size is what they make of it."""
    rng = np.random.default_rng(seed)
    (x, tx), (k, tk), (b, tb) = leaf(rng, *shape), leaf(rng, *size, outputs, shape[3]), leaf(rng, outputs)
    reached = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(shape[1:3], stride, size, dilation)]
    padding = [data.draw(st.integers(0, min(2, (r - 1) // 2))) for r in reached]
    output_padding = [data.draw(st.integers(0, s - 1)) for s in stride]
    expected = torch.nn.functional.conv_transpose2d(
        channels_first(tx), kernel_of_theirs(tk), tb, stride, padding, output_padding, 1, dilation
    )
    output_size = tuple(r - 2 * p + more for r, p, more in zip(reached, padding, output_padding))
    y = ops.conv_transpose2d(x, k, b, stride, tuple((p, p) for p in padding), dilation, output_size)
    compare([x, k, b], [tx, tk, tb], y, channels_last(expected), rng)


@st.composite
def pools(draw, dilations=dilations):
    """Shape, size, stride, padding (for rows and columns), dilation and ceil_mode, all of which PyTorch takes."""
    shape, size, stride, dilation = draw(images()), draw(pairs), draw(pairs), draw(dilations)
    ceil_mode = draw(st.booleans())
    room = [s - 1 if ceil_mode else 0 for s in stride]  # a last window may look out over the edge
    size = tuple(min(k, 1 + (n + r - 1) // d) for k, n, r, d in zip(size, shape[1:3], room, dilation))
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)  # PyTorch allows no more
    return shape, size, stride, padding, dilation, ceil_mode


@many
@given(pools(), st.booleans(), st.integers(0, 2**32))
def test_max_pool2d(form, ties, seed):
    rng = np.random.default_rng(seed)
    shape, size, stride, padding, dilation, ceil_mode = form
    x, tx = leaf(rng, *shape)
    if ties:
        x.data[...] = np.round(x.data)
        with torch.no_grad():
            tx.copy_(torch.from_numpy(x.data))
    expected = torch.nn.functional.max_pool2d(channels_first(tx), size, stride, padding, dilation, ceil_mode)
    around = tuple((p, p) for p in padding)
    if expected.isinf().any():  # the maximum of nothing but padding, which we refuse
        with pytest.raises(ValueError, match="nothing but padding"):
            ops.max_pool2d(x, size, stride, around, dilation, ceil_mode)
        return
    compare([x], [tx], ops.max_pool2d(x, size, stride, around, dilation, ceil_mode), channels_last(expected), rng)


@fewer
@given(pools(dilations=st.just((1, 1))), st.integers(0, 2**32))
def test_avg_pool2d(form, seed):
    rng = np.random.default_rng(seed)
    shape, size, stride, padding, _, ceil_mode = form
    x, tx = leaf(rng, *shape)
    expected = torch.nn.functional.avg_pool2d(
        channels_first(tx), size, stride, padding, ceil_mode, count_include_pad=False
    )
    y = ops.avg_pool2d(x, size, stride, tuple((p, p) for p in padding), 1, ceil_mode)
    compare([x], [tx], y, channels_last(expected), rng)


@fewer
@given(images(), pairs, pairs, paddings, dilations, st.integers(0, 2**32))
def test_avg_pool2d_with_dilation(shape, size, stride, padding, dilation, seed):
    """PyTorch's has none: a convolution with ones, over one that counts the real pixels."""
    rng = np.random.default_rng(seed)
    x, tx = leaf(rng, *shape)
    ((top, bottom), (left, right)), padding = around_of(shape, size, stride, padding, dilation)
    stacked = torch.cat([channels_first(tx), torch.ones(shape[0], 1, *shape[1:3], dtype=tx.dtype)], dim=1)
    padded = torch.nn.functional.pad(stacked, (left, right, top, bottom))
    ones = torch.ones(shape[3] + 1, 1, *size, dtype=tx.dtype)
    sums = torch.nn.functional.conv2d(padded, ones, None, stride, 0, dilation, groups=shape[3] + 1)
    if (sums[:, -1:] == 0).any():
        with pytest.raises(ValueError, match="nothing but padding"):
            ops.avg_pool2d(x, size, stride, padding, dilation)
        return
    expected = channels_last(sums[:, :-1] / sums[:, -1:])
    compare([x], [tx], ops.avg_pool2d(x, size, stride, padding, dilation), expected, rng)


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


@fewer
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.integers(1, 9),
    st.sampled_from([1e-6, 1e-3, 1.0]),
    st.integers(0, 2**32),
)
def test_rms_norm(leading, channels, eps, seed):
    rng = np.random.default_rng(seed)
    tensors, theirs = zip(leaf(rng, *leading, channels), leaf(rng, channels))
    expected = torch.nn.functional.rms_norm(theirs[0], (channels,), theirs[1], eps)
    compare(tensors, theirs, ops.rms_norm(*tensors, eps), expected, rng)

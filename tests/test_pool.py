"""Pooling: against plain loops, ties, padding that must not win, and bad input."""

import numpy as np
import pytest
import reference

from tinygrad_edu import Tensor, ops
from tinygrad_edu.ops import pool
from tinygrad_edu.ops.windows import find_windows

RNG = np.random.default_rng(1)
FORMS = [  # input, size, stride, padding
    ((2, 6, 6, 3), (2, 2), (2, 2), "valid"),
    ((5, 7, 8, 2), (3, 3), (3, 3), "valid"),
    ((1, 6, 7, 2), (3, 3), (1, 1), "valid"),
    ((1, 6, 7, 2), (3, 2), (2, 1), "same"),
    ((1, 7, 7, 1), (2, 2), (3, 3), "valid"),
    ((1, 4, 5, 1), (4, 5), (1, 1), "valid"),
    ((3, 5, 5, 2), (3, 3), (2, 2), 1),
    ((1, 4, 4, 1), (2, 3), (1, 1), ((1, 0), (0, 2))),
    ((1, 1, 1, 1), (3, 3), (3, 3), "same"),
    # and dilation
    ((2, 6, 7, 2), (2, 3), (2, 1), "valid", (2, 3)),
    ((1, 6, 5, 2), (3, 3), (2, 2), "same", (2, 1)),
    ((1, 7, 7, 1), (2, 2), (2, 2), "valid", (2, 2)),  # interlaced: spread over 3, every pixel in one window at most
    ((1, 7, 7, 1), (2, 2), (1, 1), 1, (3, 2)),
    # and ceil_mode
    ((2, 7, 8, 2), (3, 3), (3, 3), "valid", (1, 1), True),  # leftovers of 1 and of 2
    ((1, 6, 6, 1), (2, 2), (2, 2), "valid", (1, 1), True),  # none
    ((1, 5, 6, 2), (2, 3), (3, 2), 1, (1, 1), True),
    ((1, 7, 5, 2), (1, 2), (3, 3), "valid", (1, 1), True),  # gaps, the last of which reaches the end: no window more
    ((1, 4, 4, 1), (2, 2), (2, 2), ((0, 2), (0, 1)), (1, 1), True),  # padding that a last window would begin in
    ((1, 2, 3, 1), (3, 4), (2, 2), "valid", (1, 1), True),  # larger than the image
    ((1, 8, 7, 2), (2, 3), (2, 3), 1, (3, 2), True),
    ((1, 5, 5, 1), (3, 3), (2, 2), "same", (1, 1), True),
]


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("values", ["any", "ties", "negative"])
def test_against_plain_loops(name, form, values):
    shape, *options = form
    X = RNG.normal(size=shape)
    X = {"any": X, "ties": np.round(X), "negative": -1 - np.abs(X)}[values]
    x = Tensor(X, requires_grad=True)
    y = getattr(ops, name)(x, *options)
    np.testing.assert_allclose(y.data, getattr(reference, name)(X, *options), rtol=0, atol=1e-14)
    G = RNG.normal(size=y.shape)
    y.backward(G)
    (gradient,) = reference.gradients_by_the_textbook(lambda x: getattr(ops, name)(x, *options), (x,), G)
    np.testing.assert_allclose(x.grad, gradient, rtol=0, atol=1e-14)


def test_the_stride_is_the_size_by_default():
    x = Tensor(np.arange(36.0).reshape(1, 6, 6, 1))
    np.testing.assert_array_equal(ops.max_pool2d(x, (2, 3)).data[0, :, :, 0], [[8, 11], [20, 23], [32, 35]])
    np.testing.assert_array_equal(ops.avg_pool2d(x, 3).data[0, :, :, 0], [[7, 10], [25, 28]])


def test_the_first_of_equal_maxima_takes_the_gradient():
    x = Tensor(np.ones((1, 4, 4, 1)), requires_grad=True)
    ops.max_pool2d(x, 2).sum().backward()
    expected = [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(x.grad[0, :, :, 0], expected)


def test_ceil_mode_gives_leftover_pixels_a_window_of_their_own():
    x = Tensor(np.arange(1.0, 26).reshape(1, 5, 5, 1), requires_grad=True)
    largest, mean = ops.max_pool2d(x, 2, ceil_mode=True), ops.avg_pool2d(x, 2, ceil_mode=True)
    np.testing.assert_array_equal(largest.data[0, :, :, 0], [[7, 9, 10], [17, 19, 20], [22, 24, 25]])
    # The mean of 5 and 10, of 21 and 22, of 25 alone: what lies behind the edge is not counted.
    np.testing.assert_array_equal(mean.data[0, :, :, 0], [[4, 6, 7.5], [14, 16, 17.5], [21.5, 23.5, 25]])
    mean.sum().backward()
    expected = np.full((5, 5), 0.25)
    expected[4, :4] = expected[:4, 4] = 0.5
    expected[4, 4] = 1
    np.testing.assert_array_equal(x.grad[0, :, :, 0], expected)


@pytest.mark.parametrize(
    ("length", "size", "stride", "padding", "dilation", "out"),
    [
        (5, 2, 2, 0, 1, 3),
        (6, 2, 2, 0, 1, 3),
        (5, 3, 2, 0, 1, 2),
        (7, 1, 3, 0, 1, 3),
        (5, 1, 3, 0, 1, 2),  # a third would begin at 6
        (2, 3, 2, 0, 1, 1),  # larger than the image, but it begins there
        (4, 2, 2, 1, 1, 3),
        (4, 2, 3, 1, 1, 2),
        (5, 2, 5, 1, 1, 2),
        (6, 3, 4, 0, 2, 2),
    ],
)
def test_how_many_windows_ceil_mode_gives(length, size, stride, padding, dilation, out):
    """Counted on paper: as many as it takes to reach the end, but none that begins in the padding after the image."""
    windows = find_windows("", (1, length, length, 1), size, stride, padding, dilation, ceil_mode=True)
    assert windows.out == (out, out)


def test_padding_never_wins():
    x = Tensor(np.full((1, 3, 3, 2), -5.0), requires_grad=True)
    y = ops.max_pool2d(x, 3, stride=2, padding="same")
    np.testing.assert_array_equal(y.data, np.full((1, 2, 2, 2), -5.0))
    y.sum().backward()
    assert x.grad.sum() == y.data.size  # nothing went to the padding


def test_parts_change_no_bit(monkeypatch):
    x = Tensor(RNG.normal(size=(24, 9, 9, 5)).astype(np.float32), requires_grad=True)

    def run():
        x.grad = None
        y = ops.max_pool2d(x, 3, 2, "same")
        y.backward(np.cos(np.arange(y.data.size, dtype=np.float32)).reshape(y.shape))
        return y.data, x.grad

    whole = run()
    monkeypatch.setattr(pool, "SMALLEST_PART", 1000)
    for a, b in zip(whole, run()):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32


def test_global_average():
    x = Tensor(RNG.normal(size=(2, 3, 4, 5)), requires_grad=True)
    y = ops.global_avg_pool2d(x)
    np.testing.assert_allclose(y.data, x.data.mean(axis=(1, 2)))
    y.sum().backward()
    np.testing.assert_allclose(x.grad, np.full(x.shape, 1 / 12))


IMAGE = Tensor(np.zeros((1, 4, 4, 1), np.float32))


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE, 0), "size must be a whole number >= 1"),
        ((IMAGE, (2, -1)), "size must be a whole number >= 1"),
        ((IMAGE, True), "size must be a whole number >= 1"),
        ((IMAGE, 2, 0), "stride must be a whole number >= 1"),
        ((IMAGE, 5), r"window \(5, 5\) is larger than the padded image \(4, 4\)"),
        ((IMAGE, 2, 2, 2), "nothing but padding; take less padding"),
        ((IMAGE, 2, 2, ((0, 2), (0, 0))), "nothing but padding"),
        ((IMAGE, 2, 1, "valid", 0), "dilation must be a whole number >= 1"),
        ((IMAGE, 3, 1, "valid", 2), r"\(3, 3\), spread over \(5, 5\) .* larger than the padded image \(4, 4\)"),
        ((IMAGE, 7, 2, "valid", 1, True), r"window \(7, 7\) is larger than the padded image \(4, 4\)"),
        # Its pixels lie left and right of the image's only column.
        ((IMAGE[:, :, :1], (1, 2), 1, ((0, 0), (1, 1)), 2), r"dilation \(2, 2\) .*nothing but padding"),
        ((IMAGE, 2, 2, ((2, 0), (0, 0)), 1, True), "nothing but padding"),
        ((IMAGE, 2, 2, "full"), "padding must be 'same', 'valid'"),
        (
            (Tensor(np.zeros((4, 4), np.float32)), 2),
            r"expected images of shape \(N, H, W, C\), got \(4, 4\) with 2 axes",
        ),
        ((Tensor(np.zeros((1, 4, 0, 1), np.float32)), 2), "none of them 0"),
    ],
)
def test_bad_input(name, arguments, message):
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        getattr(ops, name)(*arguments)


@pytest.mark.parametrize("function", [lambda x: ops.max_pool2d(x, 2), ops.global_avg_pool2d])
def test_pixels_must_be_floating_point(function):
    with pytest.raises(TypeError, match="floating-point images, got uint8"):
        function(Tensor(np.zeros((1, 4, 4, 1), np.uint8)))


def test_the_global_average_of_nothing():
    with pytest.raises(ValueError, match="none of them 0"):
        ops.global_avg_pool2d(Tensor(np.zeros((1, 0, 4, 1), np.float32)))


@pytest.mark.parametrize("pixels", [256, 257])
def test_the_winner_of_a_large_window_may_stand_last(pixels):
    """Positions are remembered in a byte up to 256 of them; position 256 needs more."""
    x = Tensor(np.arange(float(pixels)).reshape(1, 1, pixels, 1), requires_grad=True)
    ops.max_pool2d(x, (1, pixels)).sum().backward()
    assert x.grad[0, 0, :, 0].tolist() == [0.0] * (pixels - 1) + [1.0]


@pytest.mark.parametrize("function", [lambda x: ops.max_pool2d(x, 2), lambda x: ops.avg_pool2d(x, 2)])
@pytest.mark.parametrize("dtype", [bool, np.complex64])
def test_pixels_that_are_no_real_numbers_are_refused(function, dtype):
    with pytest.raises(TypeError):
        function(np.ones((1, 4, 4, 1), dtype))

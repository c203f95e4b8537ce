"""conv_transpose2d: against stamping pixel by pixel, against conv2d's own gradient, its sizes, and bad input."""

import numpy as np
import pytest
import reference

from tinygrad_edu import Tensor, ops
from tinygrad_edu.ops import conv_small

RNG = np.random.default_rng(4)
SIZES = [  # input, kernel, then stride, padding, dilation and output size as given; padding and output size as meant
    ((2, 3, 4, 2), (3, 3, 3, 2), (1, "same", 1, None), ((1, 1), (1, 1)), (3, 4)),
    ((2, 3, 4, 2), (3, 3, 3, 2), (2, "same", 1, None), ((0, 1), (0, 1)), (6, 8)),
    ((2, 3, 4, 2), (3, 3, 3, 2), (2, "same", 1, (5, 7)), ((1, 1), (1, 1)), (5, 7)),
    ((1, 2, 2, 1), (4, 5, 2, 1), (2, "same", 1, None), ((1, 1), (1, 2)), (4, 4)),
    ((1, 2, 3, 2), (2, 1, 1, 2), (3, "same", 1, None), ((0, 0), (0, 0)), (6, 9)),  # pixels that X does not reach
    ((2, 3, 4, 2), (3, 2, 1, 2), (1, "valid", 1, None), ((0, 0), (0, 0)), (5, 5)),
    ((2, 3, 4, 2), (3, 2, 1, 2), ((2, 3), "valid", 1, None), ((0, 0), (0, 0)), (7, 11)),
    ((1, 3, 3, 2), (3, 3, 2, 2), (3, "valid", 1, (11, 10)), ((0, 0), (0, 0)), (11, 10)),
    ((1, 3, 3, 2), (3, 3, 2, 2), (2, 1, 1, 6), ((1, 1), (1, 1)), (6, 6)),  # what PyTorch calls output_padding=1
    ((1, 3, 4, 1), (2, 3, 2, 1), (1, ((1, 0), (0, 2)), 1, None), ((1, 0), (0, 2)), (3, 4)),
    ((1, 3, 4, 1), (2, 3, 2, 1), ((1, 2), ((0, 1), (2, 0)), 1, (3, 8)), ((0, 1), (2, 0)), (3, 8)),
    ((1, 4, 4, 1), (2, 2, 1, 1), (1, 2, 1, None), ((2, 2), (2, 2)), (1, 1)),  # nearly all is cut off
    ((1, 3, 2, 2), (3, 2, 2, 2), (1, "valid", (2, 3), None), ((0, 0), (0, 0)), (7, 5)),
    ((1, 3, 2, 2), (3, 2, 2, 2), ((2, 1), "same", (2, 3), None), ((1, 2), (1, 2)), (6, 2)),
    ((1, 1, 1, 3), (3, 3, 2, 3), (2, "valid", 1, None), ((0, 0), (0, 0)), (3, 3)),
]


def tensors(*shapes):
    return [Tensor(RNG.normal(size=shape), requires_grad=True) for shape in shapes]


def pair(n):
    return n if isinstance(n, tuple) else (n, n)


@pytest.mark.parametrize("by", ["columns", "positions"])
@pytest.mark.parametrize(("shape", "kernel", "options", "around", "output_size"), SIZES)
def test_against_stamping_pixel_by_pixel(shape, kernel, options, around, output_size, by, monkeypatch):
    monkeypatch.setattr(conv_small, "REAL_SHARE", {"columns": 0, "positions": 2}[by])
    x, k, b = tensors(shape, kernel, kernel[2:3])
    y = ops.conv_transpose2d(x, k, b, *options)
    stride, _, dilation, _ = options
    steps = pair(stride), around, pair(dilation), output_size
    expected = reference.conv_transpose2d(x.data, k.data, b.data, *steps)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.data, expected, rtol=0, atol=1e-12)
    G = RNG.normal(size=y.shape)
    y.backward(G)
    gradients = reference.gradients_by_the_textbook(lambda *t: ops.conv_transpose2d(*t, *options), (x, k, b), G)
    for tensor, expected in zip((x, k, b), gradients):
        np.testing.assert_allclose(tensor.grad, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shape", "kernel", "options", "around", "output_size"), SIZES)
def test_it_is_what_conv2d_sends_back_with_the_same_kernel(shape, kernel, options, around, output_size):
    x, k = tensors(shape, kernel)
    stride, padding, dilation, _ = options
    image = Tensor(np.zeros((shape[0], *output_size, kernel[2])), requires_grad=True)
    there = ops.conv2d(image, k, stride=stride, padding=padding, dilation=dilation)
    assert there.shape == shape
    there.backward(x.data)
    np.testing.assert_array_equal(ops.conv_transpose2d(x, k, None, *options).data, image.grad)


def test_one_pixel_puts_the_kernel_onto_the_result():
    x = np.zeros((1, 2, 2, 1))
    x[0, 0, 1] = 10
    k = np.arange(1.0, 10).reshape(3, 3, 1, 1)
    y = ops.conv_transpose2d(Tensor(x), Tensor(k), stride=2, padding="valid").data[0, :, :, 0]
    np.testing.assert_array_equal(
        y, [[0, 0, 10, 20, 30], [0, 0, 40, 50, 60], [0, 0, 70, 80, 90], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    )


def test_odd_sizes_find_back():
    """As an autoencoder for images of 28 x 28 needs it: 28 -> 14 -> 7 -> 4 and back."""
    sizes, (x, k) = [28, 14, 7, 4], tensors((1, 28, 28, 2), (3, 3, 2, 2))
    for size in sizes[1:]:
        x = ops.conv2d(x, k, stride=2)
        assert x.shape[1:3] == (size, size)
    for size in reversed(sizes[:-1]):
        x = ops.conv_transpose2d(x, k, stride=2, output_size=size)
        assert x.shape[1:3] == (size, size)


def test_float32_and_only_the_gradients_asked_for():
    x, k, b = (Tensor(t.data.astype(np.float32)) for t in tensors((2, 3, 3, 2), (3, 3, 4, 2), (4,)))
    for wanted in (x, k, b):
        for t in (x, k, b):
            t.requires_grad, t.grad = t is wanted, None
        y = ops.conv_transpose2d(x, k, b, 2)
        y.sum().backward()
        assert [t.grad is None for t in (x, k, b)] == [t is not wanted for t in (x, k, b)]
        assert {y.dtype, wanted.grad.dtype} == {np.dtype(np.float32)}


def zeros(*shape, dtype=np.float32):
    return Tensor(np.zeros(shape, dtype))


IMAGE, KERNEL = zeros(1, 3, 3, 2), zeros(3, 3, 4, 2)


@pytest.mark.parametrize(
    ("message", "x", "kernel", "options"),
    [
        (
            r"2 channels but the kernel expects 4 \(input \(1, 3, 3, 2\), kernel \(3, 3, 2, 4\)\).*result first",
            IMAGE,
            zeros(3, 3, 2, 4),
            {},
        ),
        (r"expected images of shape \(N, H, W, C\), got \(3, 3, 2\)", zeros(3, 3, 2), KERNEL, {}),
        (r"expected a kernel of shape \(KH, KW, O, C\), got \(3, 3, 2\)", IMAGE, zeros(3, 3, 2), {}),
        (r"expected a kernel of shape \(KH, KW, O, C\), got \(1, 3, 3, 4, 2\)", IMAGE, zeros(1, 3, 3, 4, 2), {}),
        (r"expected a bias of shape \(4,\) .* got \(2,\)", IMAGE, KERNEL, {"bias": zeros(2)}),
        ("none of them 0", zeros(0, 3, 3, 2), KERNEL, {}),
        ("none of them 0", zeros(1, 0, 3, 2), KERNEL, {}),
        ("none of them 0", zeros(1, 3, 3, 0), zeros(3, 3, 4, 0), {}),
        ("none of them 0", IMAGE, zeros(3, 3, 0, 2), {}),
        (r"size must be a whole number >= 1 .*got \(0, 3\)", IMAGE, zeros(0, 3, 4, 2), {}),
        ("stride must be a whole number >= 1 .* got 0", IMAGE, KERNEL, {"stride": 0}),
        ("dilation must be a whole number >= 1 .* got 1.5", IMAGE, KERNEL, {"dilation": 1.5}),
        ("padding must be 'same', 'valid'.*got 'full'", IMAGE, KERNEL, {"padding": "full"}),
        ("padding must be .*got -1", IMAGE, KERNEL, {"padding": -1}),
        ("output_size must be a whole number >= 1 .* got 0", IMAGE, KERNEL, {"output_size": 0}),
        (
            r"no output of \(-1, -1\) pixels: .*padding 3, .* to \(3, 3\) from \(-1, -1\) to \(-1, -1\) pixels only",
            IMAGE,
            KERNEL,
            {"padding": 3},
        ),
        (
            r"no output of \(4, 6\) .*from \(5, 5\) to \(6, 6\)",
            IMAGE,
            KERNEL,
            {"stride": 2, "output_size": (4, 6)},
        ),
        (
            r"no output of \(8, 9\) .*from \(7, 7\) to \(8, 8\)",  # PyTorch's output_padding = stride
            IMAGE,
            KERNEL,
            {"stride": 2, "padding": "valid", "output_size": (8, 9)},
        ),
        (r"no output of \(4, 3\) ", IMAGE, KERNEL, {"output_size": (4, 3)}),  # stride 1 leaves no choice
    ],
)
def test_bad_input(message, x, kernel, options):
    with pytest.raises(ValueError, match=f"^conv_transpose2d: .*{message}"):
        ops.conv_transpose2d(x, kernel, **options)


def test_wrong_types():
    with pytest.raises(TypeError, match=r"^conv_transpose2d: expected floating-point images, got uint8"):
        ops.conv_transpose2d(zeros(1, 4, 4, 2, dtype=np.uint8), KERNEL)
    with pytest.raises(TypeError, match=r"^conv_transpose2d: operands of different dtypes, float64 and float32"):
        ops.conv_transpose2d(zeros(1, 4, 4, 2, dtype=np.float64), KERNEL)

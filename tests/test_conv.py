"""im2col, col2im and conv2d: against six loops, against hand-made figures, at the edges, and with bad input."""

import numpy as np
import pytest
import reference

from tinygrad_edu import Tensor, no_grad, ops
from tinygrad_edu.ops import conv, conv_small, windows
from tinygrad_edu.ops.im2col import col2im, im2col
from tinygrad_edu.ops.windows import find_windows
from tinygrad_edu.runtime import parallel
from tinygrad_edu.textbook import convolution as plain

RNG = np.random.default_rng(0)
FORMS = [  # input, kernel, stride, padding
    ((2, 4, 5, 2), (3, 3, 2, 3), (1, 1), "same"),
    ((2, 4, 5, 2), (3, 3, 2, 3), (1, 1), "valid"),
    ((1, 5, 5, 1), (1, 1, 1, 2), (1, 1), "same"),
    ((2, 5, 5, 1), (1, 1, 1, 2), (2, 3), "valid"),
    ((1, 3, 4, 2), (3, 4, 2, 2), (1, 1), "valid"),
    ((1, 6, 7, 2), (3, 5, 2, 2), (2, 1), "same"),
    ((1, 6, 7, 2), (2, 4, 2, 1), (2, 2), "same"),
    ((1, 7, 7, 1), (2, 2, 1, 2), (3, 3), "valid"),
    ((1, 3, 3, 1), (2, 2, 1, 1), (1, 1), 3),
    ((2, 3, 3, 2), (2, 3, 2, 2), (1, 2), ((2, 0), (0, 1))),
    ((1, 2, 2, 1), (4, 4, 1, 1), (1, 1), 1),
    ((1, 1, 2, 1), (2, 3, 1, 1), (2, 1), 4),  # windows and whole rows of windows that see padding alone
]
SPREAD = [  # input, kernel, stride, padding, dilation, groups
    ((2, 5, 6, 2), (3, 3, 2, 3), (1, 1), "same", (2, 2), 1),
    ((1, 7, 8, 2), (3, 2, 2, 2), (1, 1), "valid", (2, 3), 1),
    ((1, 7, 6, 1), (2, 3, 1, 2), (2, 1), "same", (3, 2), 1),
    ((1, 6, 7, 2), (2, 3, 2, 1), (3, 2), ((2, 0), (1, 3)), (1, 2), 1),
    ((1, 3, 3, 1), (3, 3, 1, 1), (1, 1), 3, (3, 4), 1),  # most positions see padding alone
    ((1, 2, 2, 1), (2, 2, 1, 1), (1, 1), 4, (2, 2), 1),  # more padding than the spread kernel
    ((2, 4, 5, 4), (3, 3, 2, 6), (1, 1), "same", (1, 1), 2),
    ((1, 5, 4, 6), (2, 3, 2, 3), (2, 1), "valid", (1, 1), 3),
    ((2, 5, 5, 4), (2, 2, 2, 4), (2, 3), 2, (2, 1), 2),
    ((2, 4, 5, 3), (3, 3, 1, 3), (1, 1), "same", (1, 1), 3),  # depthwise
    ((2, 4, 5, 3), (3, 2, 1, 6), (1, 2), "valid", (1, 1), 3),  # two kernels for every channel
    ((1, 6, 5, 2), (3, 3, 1, 4), (2, 1), "same", (2, 2), 2),
    ((1, 3, 3, 2), (2, 2, 1, 2), (1, 1), 3, (1, 2), 2),
]


def tensors(*shapes, dtype=np.float64):
    return [Tensor(RNG.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes]


# ---- im2col and col2im: the drawn example


def test_the_drawn_example():
    X = np.arange(16.0).reshape(1, 4, 4, 1)
    rows = [
        [0, 1, 2, 4, 5, 6, 8, 9, 10],
        [1, 2, 3, 5, 6, 7, 9, 10, 11],
        [4, 5, 6, 8, 9, 10, 12, 13, 14],
        [5, 6, 7, 9, 10, 11, 13, 14, 15],
    ]
    counts = [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]
    np.testing.assert_array_equal(im2col(X, 3), rows)
    np.testing.assert_array_equal(col2im(np.ones((4, 9)), X.shape, 3)[0, :, :, 0], counts)
    steps = (3, 3), (1, 1), (1, 1)
    np.testing.assert_array_equal(plain.im2col(X, *steps), rows)
    np.testing.assert_array_equal(plain.col2im(np.ones((4, 9)), X.shape, *steps)[0, :, :, 0], counts)
    for row in rows:  # and the textbook shows these very rows
        assert " ".join(f"{n:2}" for n in row).strip() in plain.im2col.__doc__


def test_the_index_formula():
    X = RNG.normal(size=(2, 5, 6, 3))
    (KH, KW), (sh, sw), (dh, dw), C = (2, 3), (2, 1), (1, 2), 3
    columns = im2col(X, (KH, KW), (sh, sw), dilation=(dh, dw))
    OH, OW = 2, 2
    assert columns.shape == (2 * OH * OW, KH * KW * C)
    for n, oh, ow, kh, kw, c in np.ndindex(2, OH, OW, KH, KW, C):
        value = columns[(n * OH + oh) * OW + ow, (kh * KW + kw) * C + c]
        assert value == X[n, oh * sh + kh * dh, ow * sw + kw * dw, c]


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "dilation"), [(*form, (1, 1)) for form in FORMS] + [s[:5] for s in SPREAD]
)
def test_col2im_is_the_transpose_of_im2col(shape, kernel, stride, padding, dilation):
    """<im2col(X), D> = <X, col2im(D)> for all X and D: that is what a transpose is."""
    X = RNG.normal(size=shape)
    columns = im2col(X, kernel[:2], stride, padding, dilation)
    D = RNG.normal(size=columns.shape)
    back = col2im(D, shape, kernel[:2], stride, padding, dilation)
    assert back.shape == shape
    assert np.vdot(columns, D) == pytest.approx(np.vdot(X, back), rel=1e-12)


def test_im2col_is_a_copy():
    X = np.ones((1, 2, 2, 1))
    columns = im2col(X, 1)
    assert not np.shares_memory(columns, X)


def test_col2im_refuses_columns_of_another_shape():
    with pytest.raises(ValueError, match=r"expected columns of shape \(4, 9\).*got \(4, 8\)"):
        col2im(np.ones((4, 8)), (1, 4, 4, 1), 3)


# ---- conv2d against six loops


@pytest.mark.parametrize("by", ["columns", "positions"])
@pytest.mark.parametrize("arguments", [(*form, (1, 1), 1) for form in FORMS] + SPREAD)
def test_against_six_loops(arguments, by, monkeypatch):
    monkeypatch.setattr(conv_small, "REAL_SHARE", {"columns": 0, "positions": 2}[by])
    shape, kernel, *options = arguments
    x, k, b = tensors(shape, kernel, kernel[-1:])
    y = ops.conv2d(x, k, b, *options)
    np.testing.assert_allclose(y.data, reference.conv2d(x.data, k.data, b.data, *options), rtol=0, atol=1e-12)
    G = RNG.normal(size=y.shape)
    y.backward(G)
    gradients = reference.gradients_by_the_textbook(lambda *t: ops.conv2d(*t, *options), (x, k, b), G)
    for tensor, expected in zip((x, k, b), gradients):
        np.testing.assert_allclose(tensor.grad, expected, rtol=0, atol=1e-12)


def test_groups_are_convolutions_side_by_side():
    """Group j: channels 2j and 2j + 1, outputs 3j to 3j + 2."""
    x, k, b = tensors((2, 5, 5, 4), (3, 3, 2, 6), (6,))
    y = ops.conv2d(x, k, b, groups=2).data
    for j in (0, 1):
        alone = ops.conv2d(x[..., 2 * j : 2 * j + 2], k[..., 3 * j : 3 * j + 3], b[3 * j : 3 * j + 3]).data
        np.testing.assert_allclose(y[..., 3 * j : 3 * j + 3], alone, atol=1e-14)


def test_a_dilated_kernel_is_one_with_zeros_in_between():
    x, k = tensors((2, 9, 8, 2), (3, 2, 2, 3))
    wide = np.zeros((5, 4, 2, 3))
    wide[::2, ::3] = k.data
    for padding in ("same", "valid", 2):
        dilated = ops.conv2d(x, k, stride=(1, 2), padding=padding, dilation=(2, 3)).data
        np.testing.assert_allclose(
            dilated, ops.conv2d(x, Tensor(wide), stride=(1, 2), padding=padding).data, atol=1e-13
        )


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_without_a_bias_and_only_the_gradients_asked_for(groups):
    x, k = tensors((1, 4, 4, 4), (3, 3, 4 // groups, 4))
    x.requires_grad = False
    ops.conv2d(x, k, groups=groups).sum().backward()
    assert x.grad is None
    plain = reference.gradients_by_the_textbook(lambda *t: ops.conv2d(*t, groups=groups), (x, k), np.ones((1, 4, 4, 4)))
    np.testing.assert_allclose(k.grad, plain[1], rtol=0, atol=1e-13)


def test_the_two_ways_to_the_input_gradient_agree():
    """The convolution of G with the turned kernel, and col2im(G K^T)."""
    x, k = tensors((3, 6, 5, 4), (3, 2, 4, 5))
    y = ops.conv2d(x, k)
    G = RNG.normal(size=y.shape)
    y.backward(G)
    dP = G.reshape(-1, 5) @ k.data.reshape(-1, 5).T
    np.testing.assert_allclose(x.grad, col2im(dP, x.shape, (3, 2), 1, "same"), atol=1e-12)


@pytest.mark.parametrize(
    ("size", "stride", "length", "before", "after"),
    [
        (3, 1, 32, 1, 1),
        (3, 2, 32, 0, 1),
        (3, 2, 5, 1, 1),
        (2, 1, 5, 0, 1),
        (5, 3, 7, 2, 2),
        (1, 2, 5, 0, 0),
        (2, 4, 6, 0, 0),
    ],
)
def test_same_is_as_keras_defines_it(size, stride, length, before, after):
    windows = find_windows("conv2d", (1, length, length, 1), size, stride, "same")
    assert windows.padding == ((before, after), (before, after))
    assert windows.out == (-(-length // stride),) * 2


@pytest.mark.parametrize(
    ("image", "size", "stride", "padding", "real", "of"),
    [(3, 3, 1, "same", 49, 81), (10, 3, 1, "same", 784, 900), (1, 1, 1, 0, 1, 1), (4, 3, 2, "valid", 9, 9)],
)
def test_small_maps_go_by_positions(image, size, stride, padding, real, of, monkeypatch):
    """Counted by hand: with a 3 x 3 kernel, 1 + 1 of 3 positions see padding at the two ends of each axis."""
    windows = find_windows("conv2d", (1, image, image, 1), size, stride, padding)
    on_cpu = np.zeros(0)
    assert conv_small.is_faster(windows, on_cpu) == (real / of < 0.8)
    for error in (-1e-9, 1e-9):  # so it counted just that share
        monkeypatch.setattr(conv_small, "REAL_SHARE", real / of + error)
        assert conv_small.is_faster(windows, on_cpu) == (error > 0)


def test_float32_stays_float32():
    x, k, b = tensors((2, 5, 5, 3), (3, 3, 3, 4), (4,), dtype=np.float32)
    y = ops.conv2d(x, k, b, 2)
    y.sum().backward()
    assert {y.dtype, x.grad.dtype, k.grad.dtype, b.grad.dtype} == {np.dtype(np.float32)}


def test_no_gradient_that_nobody_asked_for(monkeypatch):
    called = []
    monkeypatch.setattr(conv, "input_gradient", lambda *a: called.append("x"))
    x, k, b = tensors((1, 4, 4, 1), (3, 3, 1, 2), (2,))
    x.requires_grad = False
    ops.conv2d(x, k, b).sum().backward()
    assert called == []
    assert k.grad is not None


def test_no_history_in_evaluation():
    x, k = tensors((1, 4, 4, 1), (3, 3, 1, 2))
    with no_grad():
        assert not ops.conv2d(x, k).requires_grad


@pytest.mark.parametrize(
    ("image", "stride", "groups", "operation"),
    [(9, 1, 1, "conv2d"), (9, 2, 1, "conv2d"), (3, 1, 1, "conv2d"), (9, 2, 6, "conv2d"), (5, 2, 1, "conv_transpose2d")],
)
def test_chunks_and_threads_change_no_bit(monkeypatch, image, stride, groups, operation):
    """A part is the same part with one thread as with two, so the sums are taken in the same order."""
    kernel = (3, 3, 12, 6) if operation == "conv_transpose2d" else (3, 3, 6 // groups, 12)
    x, k, b = tensors((40, image, image, 6), kernel, (12,), dtype=np.float32)
    options = {"groups": groups} if groups > 1 else {}

    def run():
        for tensor in (x, k, b):
            tensor.grad = None
        y = getattr(ops, operation)(x, k, b, stride, **options)
        y.backward(np.cos(np.arange(y.data.size, dtype=np.float32)).reshape(y.shape))
        return y.data, x.grad, k.grad, b.grad

    monkeypatch.setattr(parallel, "SMALLEST_PRODUCT", 5_000)
    monkeypatch.setattr(windows, "CHUNK", 20_000)
    parallel._settle_in()
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(parallel, "_workers", lambda threads=threads: threads)
        parallel._threads.cache_clear()
        results.append(run())
    monkeypatch.undo()
    parallel._threads.cache_clear()
    for other in results[1:]:
        for a, b_ in zip(results[0], other):
            np.testing.assert_array_equal(a, b_)
    for a, whole in zip(results[0], run()):  # and in one piece: equal to rounding
        np.testing.assert_allclose(a, whole, rtol=1e-4, atol=1e-4)


# ---- bad input


def zeros(*shape, dtype=np.float32):
    return Tensor(np.zeros(shape, dtype))


IMAGE, KERNEL = zeros(1, 4, 4, 1), zeros(3, 3, 1, 1)
SIX, NINE, TWO = zeros(1, 4, 4, 6), zeros(1, 4, 4, 9), {"groups": 2}


@pytest.mark.parametrize(
    ("message", "x", "kernel", "options"),
    [
        (
            r"input has 3 channels but the kernel expects 4 \(input \(8, 32, 32, 3\), kernel \(3, 3, 4, 16\)\)",
            zeros(8, 32, 32, 3),
            zeros(3, 3, 4, 16),
            {},
        ),
        (r"window \(5, 5\) is larger than the padded image \(4, 4\)", IMAGE, zeros(5, 5, 1, 1), {"padding": "valid"}),
        (r"larger than the padded image \(4, 8\)", zeros(1, 2, 6, 1), zeros(5, 5, 1, 1), {"padding": 1}),
        (r"size must be a whole number >= 1 .* got \(0, 3\)", IMAGE, zeros(0, 3, 1, 1), {}),
        ("stride must be a whole number >= 1 .* got 0", IMAGE, KERNEL, {"stride": 0}),
        (r"stride must be a whole number >= 1 .* got \(1, -1\)", IMAGE, KERNEL, {"stride": (1, -1)}),
        ("stride must be a whole number >= 1 .* got 1.5", IMAGE, KERNEL, {"stride": 1.5}),
        (r"stride must be .* or two of them.*got \(1, 2, 3\)", IMAGE, KERNEL, {"stride": (1, 2, 3)}),
        ("padding must be 'same', 'valid'.*got 'full'", IMAGE, KERNEL, {"padding": "full"}),
        ("padding must be .*got -1", IMAGE, KERNEL, {"padding": -1}),
        (r"padding must be .*got \(1, 2\)", IMAGE, KERNEL, {"padding": (1, 2)}),
        (r"expected images of shape \(N, H, W, C\), got \(4, 4, 1\) with 3 axes.*batch", zeros(4, 4, 1), KERNEL, {}),
        (r"expected a kernel of shape \(KH, KW, C, O\), got \(3, 3, 1\)", IMAGE, zeros(3, 3, 1), {}),
        (r"expected a bias of shape \(1,\) .* got \(3,\)", IMAGE, KERNEL, {"bias": zeros(3)}),
        ("none of them 0", zeros(0, 4, 4, 1), KERNEL, {}),
        ("dilation must be a whole number >= 1 .* got 0", IMAGE, KERNEL, {"dilation": 0}),
        (r"dilation must be a whole number >= 1 .* got \(1, True\)", IMAGE, KERNEL, {"dilation": (1, True)}),
        (
            r"window \(3, 3\), spread over \(3, 5\) by its dilation \(1, 2\), is larger than the padded image \(4, 4\)",
            IMAGE,
            KERNEL,
            {"dilation": (1, 2), "padding": "valid"},
        ),
        (r"groups must divide the input's 6 channels and the kernel's 9 outputs.*got 2", SIX, zeros(3, 3, 3, 9), TWO),
        (r"groups must divide the input's 9 channels and the kernel's 6 outputs.*got 2", NINE, zeros(3, 3, 4, 6), TWO),
        ("groups must be a whole number >= 1, got 0", SIX, zeros(3, 3, 6, 6), {"groups": 0}),
        (r"groups must be a whole number >= 1, got 2\.0", SIX, zeros(3, 3, 3, 6), {"groups": 2.0}),
        (
            r"input has 6 channels in 2 groups, so 3 in each, but the kernel expects 6 \(input .*C/groups",
            SIX,
            zeros(3, 3, 6, 6),
            TWO,
        ),
        (r"expected a bias of shape \(6,\) .* got \(3,\)", SIX, zeros(3, 3, 3, 6), {**TWO, "bias": zeros(3)}),
    ],
)
def test_bad_input(message, x, kernel, options):
    with pytest.raises(ValueError, match=f"^conv2d: .*{message}"):
        ops.conv2d(x, kernel, **options)


def test_wrong_dtypes():
    with pytest.raises(TypeError, match=r"^conv2d: expected floating-point images, got uint8; convert them first"):
        ops.conv2d(zeros(1, 4, 4, 1, dtype=np.uint8), KERNEL)
    with pytest.raises(TypeError, match=r"^conv2d: operands of different dtypes, float64 and float32"):
        ops.conv2d(zeros(1, 4, 4, 1, dtype=np.float64), KERNEL)
    with pytest.raises(TypeError, match=r"^conv2d: expected floating-point images, got uint8"):
        ops.conv2d(np.zeros((1, 4, 4, 1), np.uint8), KERNEL)  # not in silence as float32, up to 255

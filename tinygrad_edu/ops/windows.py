"""Where the windows of a convolution or a pooling lie: sizes, strides, dilation, padding, checked and worked out once.

With a dilation of d a window takes every d-th pixel. It still holds k of them, but they spread over (k-1)*d + 1:

    k = 3, d = 1:   x x x          d = 2:   x . x . x          d = 3:   x . . x . . x
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.support import Operand, as_tensor, same_kind
from tinygrad_edu.tensor import Tensor

Pair = int | tuple[int, int]
Padding = str | int | tuple[tuple[int, int], tuple[int, int]]

# Numbers in the windows that are worked on at a time: 2 MB in float32, for a processor's cache. A GPU has none to care
# for, and every chunk is a launch of each step; there it is memory alone that sets a bound, 512 MiB.
CHUNK, CHUNK_ON_GPU = 2**19, 2**27


@dataclass(frozen=True)
class Windows:
    """The windows of size (KH, KW) that a stride of (sh, sw) finds on padded images.

    Attributes
    ----------
    shape : (N, H, W, C) of the images
    size, stride : (KH, KW), (sh, sw)
    padding : ((top, bottom), (left, right))
    dilation : (dh, dw)
    """

    shape: tuple[int, ...]
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int] = (1, 1)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns over which a window spreads."""
        (KH, KW), (dh, dw) = self.size, self.dilation
        return spread(KH, dh), spread(KW, dw)

    @property
    def padded_shape(self) -> tuple[int, int, int, int]:
        N, H, W, C = self.shape
        (top, bottom), (left, right) = self.padding
        return N, top + H + bottom, left + W + right, C

    @cached_property
    def out(self) -> tuple[int, int]:
        """(OH, OW): how many windows fit below and beside each other. A leftover at the edge belongs to none."""
        (_, H, W, _), (EH, EW), (sh, sw) = self.padded_shape, self.extent, self.stride
        return (H - EH) // sh + 1, (W - EW) // sw + 1

    @property
    def numbers(self) -> int:
        """How many numbers all windows of one image hold: KH*KW*C times OH*OW."""
        return math.prod((*self.size, *self.out, self.shape[3]))

    @property
    def is_padded(self) -> bool:
        return self.padded_shape != self.shape

    def pad(self, X: Array, value: float = 0.0) -> Array:
        """The images with `value` around them, in memory one after another; X itself where that is so already."""
        if not self.is_padded and X.flags.c_contiguous:
            return X
        xp = array_module(X)
        padded = xp.full((len(X), *self.padded_shape[1:]), value, X.dtype)
        self.crop(padded)[...] = X
        return padded

    def crop(self, padded: Array) -> Array:
        """Undo `pad`: the view of the images without what is around them."""
        (_, H, W, _), ((top, _), (left, _)) = self.shape, self.padding
        return padded[:, top : top + H, left : left + W] if self.is_padded else padded

    def pixels(self, padded: Array) -> list[Array]:
        """For every position (kh, kw) in a window, the view (N, OH, OW, C) of the pixels that all windows see there."""
        (KH, KW), (sh, sw), (dh, dw), (OH, OW) = self.size, self.stride, self.dilation, self.out
        return [
            padded[:, h : h + sh * (OH - 1) + 1 : sh, w : w + sw * (OW - 1) + 1 : sw]
            for h in range(0, KH * dh, dh)
            for w in range(0, KW * dw, dw)
        ]

    def chunks(self, images: Array) -> Iterator[slice]:
        """The images a few at a time: so many that their windows' numbers are about CHUNK."""
        n, most = len(images), CHUNK if array_module(images) is np else CHUNK_ON_GPU
        step = max(1, most // self.numbers)
        for i in range(0, n, step):
            yield slice(i, min(i + step, n))


def find_windows(
    op: str,
    shape: tuple[int, ...],
    size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Windows:
    """Check the arguments and work out the padding; ValueError names what is wrong.

    With `ceil_mode`, leftover rows and columns get a last window of their own: the padding after them grows (or
    shrinks) until just those windows fit that begin in the image or in the padding before it.
    """
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"{op}: expected images of shape (N, H, W, C), none of them 0; got {shape}")
    (KH, KW), (sh, sw) = checks.pair(op, "size", size), checks.pair(op, "stride", stride)
    (dh, dw), ceil_mode = checks.pair(op, "dilation", dilation), checks.flag(op, "ceil_mode", ceil_mode)
    (_, H, W, _), EH, EW = shape, spread(KH, dh), spread(KW, dw)
    sides = check_padding(op, padding)
    if sides == "valid":
        rows, columns = (0, 0), (0, 0)
    elif sides == "same":
        rows, columns = _same(H, EH, sh), _same(W, EW, sw)
    else:
        rows, columns = sides
    padded = H + sum(rows), W + sum(columns)
    if ceil_mode:
        rows, columns = _ceil(H, EH, sh, rows), _ceil(W, EW, sw, columns)
    windows = Windows(shape, (KH, KW), (sh, sw), (rows, columns), (dh, dw))
    if math.prod(windows.padded_shape) > checks.MOST_NUMBERS:
        raise ValueError(f"{op}: padding {padding!r}, with a window spread over {(EH, EW)}, fits into no computer")
    if min(windows.out) < 1:
        wide = "" if (dh, dw) == (1, 1) else f", spread over {(EH, EW)} by its dilation {(dh, dw)},"
        raise ValueError(
            f"{op}: the window {(KH, KW)}{wide} is larger than the padded image {padded} (input {shape}, padding "
            f"{padding!r}); take a smaller window or more padding"
        )
    return windows


def check_images(op: str, x: Operand, *others: Operand) -> tuple[Tensor, ...]:
    """The images, and the others beside them, as tensors of one kind (see `same_kind`).

    TypeError for pixels that are not floating point, ValueError for a wrong number of axes.
    """
    images = as_tensor(op, x)
    if images.data.ndim != 4:
        raise ValueError(
            f"{op}: expected images of shape (N, H, W, C), got {images.shape} with {images.data.ndim} axes; "
            "a single image needs a batch axis, x[None], a grey one a channel axis, x[..., None]"
        )
    if images.dtype.kind != "f":
        raise TypeError(
            f"{op}: expected floating-point images, got {images.dtype}; convert them first: x.astype('float32') / 255"
        )
    return same_kind(op, x, *others)


def check_kernel(x: Tensor, kernel: Tensor, bias: Tensor | None, groups: int) -> None:
    """ValueError unless kernel and bias fit the images and the groups."""
    if kernel.data.ndim != 4:
        raise ValueError(f"conv2d: expected a kernel of shape (KH, KW, C, O), got {kernel.shape}")
    C, (_, _, each, O) = x.shape[3], kernel.shape
    if checks.size("conv2d", "groups", groups) > 1 and (C % groups or O % groups):
        raise ValueError(
            f"conv2d: groups must divide the input's {C} channels and the kernel's {O} outputs (input {x.shape}, "
            f"kernel {kernel.shape}); got {groups!r}"
        )
    if each * groups != C:
        in_groups = "" if groups == 1 else f" in {groups} groups, so {C // groups} in each,"
        raise ValueError(
            f"conv2d: input has {C} channels{in_groups} but the kernel expects {each} (input {x.shape}, "
            f"kernel {kernel.shape}); images are (N, H, W, C), kernels (KH, KW, C/groups, O)"
        )
    if bias is not None and bias.shape != (O,):
        raise ValueError(f"conv2d: expected a bias of shape ({O},) for the kernel {kernel.shape}, got {bias.shape}")


def find_pooling_windows(
    op: str, x: Tensor, size: Pair, stride: Pair | None, padding: Padding, dilation: Pair, ceil_mode: bool
) -> Windows:
    """`find_windows` for pooling: the stride is the size by default, and no window may see padding alone."""
    windows = find_windows(op, x.shape, size, size if stride is None else stride, padding, dilation, ceil_mode)
    if windows.is_padded and not all(_see_pixels(windows, axis) for axis in (0, 1)):
        raise ValueError(
            f"{op}: with size {windows.size}, stride {windows.stride}, dilation {windows.dilation} and padding "
            f"{padding!r} on {x.shape}, some windows would see nothing but padding; take less padding"
        )
    return windows


def _see_pixels(windows: Windows, axis: int) -> bool:
    """Whether every window sees a real pixel along this axis, 0 for rows, 1 for columns."""
    n, before = windows.shape[1 + axis], windows.padding[axis][0]
    k, s, d, out = (pairs[axis] for pairs in (windows.size, windows.stride, windows.dilation, windows.out))
    starts = (i * s - before for i in range(out))
    return all(any(0 <= start + j * d < n for j in range(k)) for start in starts)


def spread(k: int, d: int) -> int:
    """From the first to the last of k pixels, both counted, where every d-th is taken."""
    return (k - 1) * d + 1


def check_padding(op: str, padding: Any) -> Any:
    """ "same", "valid", or ((top, bottom), (left, right)); ValueError for anything that is not of this kind."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    rows, columns = padding if isinstance(padding, tuple | list) and len(padding) == 2 else ((padding,) * 2,) * 2
    sides = (rows, columns)
    if not all(isinstance(s, tuple | list) and len(s) == 2 and all(map(_is_side, s)) for s in sides):
        expected = "'same', 'valid', a whole number >= 0, or ((top, bottom), (left, right))"
        checks.refuse(op, "padding", expected, padding)
    return (int(rows[0]), int(rows[1])), (int(columns[0]), int(columns[1]))


def _is_side(n: Any) -> bool:
    return checks.is_whole(n) and 0 <= n < checks.MOST


def _same(n: int, extent: int, s: int) -> tuple[int, int]:
    """Padding (before, after) that gives ceil(n / s) windows; Keras puts the larger half after."""
    total = max((-(-n // s) - 1) * s + extent - n, 0)
    return total // 2, total - total // 2


def _ceil(n: int, extent: int, s: int, sides: tuple[int, int]) -> tuple[int, int]:
    """`sides` with the padding after that PyTorch's ceil_mode means.

    As many windows as it takes to reach the end, ceil((padded n - extent) / s) + 1, but none that begins behind the
    image: i*s < before + n for the last one, i = windows - 1.
    """
    before, after = sides
    windows = min(-(-(before + n + after - extent) // s) + 1, -(-(before + n) // s))
    return before, max(0, (windows - 1) * s + extent - before - n)

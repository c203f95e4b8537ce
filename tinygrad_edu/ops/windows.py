"""Where the windows of a convolution or a pooling lie: sizes, strides and padding, checked and worked out once."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.tensor import Tensor

Pair = int | tuple[int, int]
Padding = str | int | tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Windows:
    """The windows of size (KH, KW) that a stride of (sh, sw) finds on padded images.

    Attributes
    ----------
    shape : (N, H, W, C) of the images
    size, stride : (KH, KW), (sh, sw)
    padding : ((top, bottom), (left, right))
    """

    shape: tuple[int, ...]
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]

    @property
    def padded_shape(self) -> tuple[int, int, int, int]:
        N, H, W, C = self.shape
        (top, bottom), (left, right) = self.padding
        return N, top + H + bottom, left + W + right, C

    @property
    def out(self) -> tuple[int, int]:
        """(OH, OW): how many windows fit below and beside each other. A leftover at the edge belongs to none."""
        _, H, W, _ = self.padded_shape
        return (H - self.size[0]) // self.stride[0] + 1, (W - self.size[1]) // self.stride[1] + 1

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
        (KH, KW), (sh, sw), (OH, OW) = self.size, self.stride, self.out
        return [
            padded[:, kh : kh + sh * (OH - 1) + 1 : sh, kw : kw + sw * (OW - 1) + 1 : sw]
            for kh in range(KH)
            for kw in range(KW)
        ]


def find_windows(op: str, shape: tuple[int, ...], size: Pair, stride: Pair, padding: Padding) -> Windows:
    """Check the arguments and work out the padding; ValueError names what is wrong."""
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"{op}: expected images of shape (N, H, W, C), none of them 0; got {shape}")
    (KH, KW), (sh, sw) = _pair(op, "size", size), _pair(op, "stride", stride)
    if padding == "valid":
        sides = ((0, 0), (0, 0))
    elif padding == "same":
        sides = (_same(shape[1], KH, sh), _same(shape[2], KW, sw))
    else:
        sides = _sides(op, padding)
    windows = Windows(shape, (KH, KW), (sh, sw), sides)
    _, H, W, _ = windows.padded_shape
    if KH > H or KW > W:
        raise ValueError(
            f"{op}: the window {(KH, KW)} is larger than the padded image {(H, W)} (input {shape}, padding "
            f"{padding!r}); take a smaller window or more padding"
        )
    return windows


def check_images(op: str, x: Tensor) -> None:
    """TypeError for pixels that are not floating point, ValueError for a wrong number of axes."""
    if x.data.ndim != 4:
        raise ValueError(
            f"{op}: expected images of shape (N, H, W, C), got {x.shape} with {x.data.ndim} axes; "
            "a single image needs a batch axis, x[None], a grey one a channel axis, x[..., None]"
        )
    if x.dtype.kind != "f":
        raise TypeError(
            f"{op}: expected floating-point images, got {x.dtype}; convert them first: x.astype('float32') / 255"
        )


def _pair(op: str, name: str, value: Any) -> tuple[int, int]:
    numbers = value if isinstance(value, tuple | list) else (value, value)
    if len(numbers) != 2 or not all(_is_whole(n) and n >= 1 for n in numbers):
        raise ValueError(f"{op}: {name} must be a whole number >= 1 or two of them, (rows, columns); got {value!r}")
    return operator.index(numbers[0]), operator.index(numbers[1])


def _sides(op: str, padding: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = padding if isinstance(padding, tuple | list) and len(padding) == 2 else ((padding,) * 2,) * 2
    sides = (rows, columns)
    if not all(isinstance(s, tuple | list) and len(s) == 2 and all(_is_whole(n) and n >= 0 for n in s) for s in sides):
        raise ValueError(
            f"{op}: padding must be 'same', 'valid', a whole number >= 0, or ((top, bottom), (left, right)); "
            f"got {padding!r}"
        )
    return (rows[0], rows[1]), (columns[0], columns[1])


def _same(n: int, k: int, s: int) -> tuple[int, int]:
    """Padding (before, after) that gives ceil(n / s) windows; Keras puts the larger half after."""
    total = max((-(-n // s) - 1) * s + k - n, 0)
    return total // 2, total - total // 2


def _is_whole(n: Any) -> bool:
    return hasattr(n, "__index__") and not isinstance(n, bool)

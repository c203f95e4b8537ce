"""The table of operations, part three: convolution and pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import reference

from programs.building import MARGIN, Builder
from programs.program import T, torch
from programs.table import functional, operation


def pair(make: Builder, longest: int) -> int | tuple[int, int]:
    return make.whole(1, longest) if make.flag() else (make.whole(1, longest), make.whole(1, longest))


def both(x: int | tuple[int, int]) -> tuple[int, int]:
    return (x, x) if isinstance(x, int) else x


def images(make: Builder) -> T:
    return make.tensor(lambda X: X.ndim == 4, lambda: image_shape(make))


def image_shape(make: Builder) -> tuple[int, ...]:
    return make.whole(1, 2), make.whole(1, 5), make.whole(1, 5), make.choose(1, 2, 3, 4)


def padding(make: Builder) -> Any:
    return make.choose("same", "valid", 1, ((1, 0), (0, 2)))


def windows(make: Builder, shape: tuple[int, ...], longest: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """A size of windows, and stride, padding and dilation with which at least one fits into images of that shape."""
    size, dilation = both(pair(make, longest)), make.choose(1, 1, 2, (1, 2))
    around = padding(make)
    settings = {"stride": pair(make, 3), "padding": around} | ({} if dilation == 1 else {"dilation": dilation})
    extent, stride = reference.spread(size, both(dilation)), both(settings["stride"])
    lengths = [n + sum(p) for n, p in zip(shape[1:3], reference.sides(around, shape, extent, stride))]
    if all(k <= n for k, n in zip(extent, lengths)):
        return size, settings
    return (1, 1), settings  # always fits


def conv2d_of_theirs(x, kernel, bias=None, stride=1, padding="same", dilation=1, groups=1):
    stride, dilation = both(stride), both(dilation)
    around = reference.sides(padding, x.shape, reference.spread(kernel.shape[:2], dilation), stride)
    X = functional().pad(x.permute(0, 3, 1, 2), (*around[1], *around[0]))
    Y = functional().conv2d(X, kernel.permute(3, 2, 0, 1).contiguous(), bias, stride, 0, dilation, groups)
    return Y.permute(0, 2, 3, 1)


@operation("conv2d", conv2d_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    x = images(make)
    shape = make.values[x].shape
    C = shape[3]
    groups = make.choose(*(g for g in (1, C, 2) if C % g == 0))
    size, settings = windows(make, shape, 3)
    O = groups * make.whole(1, 2)
    kernel = make.like((*size, C // groups, O), -1.0, 1.0)
    bias = [make.like((O,))] if make.flag() else []
    return (x, kernel, *bias), settings | ({} if groups == 1 else {"groups": groups})


def conv_transpose2d_of_theirs(x, kernel, bias=None, stride=1, padding="same", dilation=1, output_size=None):
    """The whole map, of which the padding is cut off; where the output is larger than it, zeros lie beyond."""
    stride, dilation = both(stride), both(dilation)
    extent = reference.spread(kernel.shape[:2], dilation)
    whole = [(n - 1) * s + k for n, s, k in zip(x.shape[1:3], stride, extent)]
    if output_size is not None:
        out = both(output_size)
    elif padding == "same":
        out = tuple(n * s for n, s in zip(x.shape[1:3], stride))
    else:
        out = tuple(n - sum(p) for n, p in zip(whole, reference.sides(padding, None, None, None)))
    (top, _), (left, _) = reference.sides(padding, (1, *out, 1), extent, stride)
    X, K = x.permute(0, 3, 1, 2).contiguous(), kernel.permute(3, 2, 0, 1).contiguous()
    Y = functional().conv_transpose2d(X, K, None, stride, 0, 0, 1, dilation)
    Y = functional().pad(Y, (-left, left + out[1] - whole[1], -top, top + out[0] - whole[0])).permute(0, 2, 3, 1)
    return Y if bias is None else Y + bias


@operation("conv_transpose2d", conv_transpose2d_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    x = make.tensor(
        lambda X: X.ndim == 4 and X.size <= 40, lambda: (1, make.whole(1, 3), make.whole(1, 3), make.whole(1, 2))
    )
    _, H, W, C = make.values[x].shape
    size, stride, dilation = both(pair(make, 3)), both(pair(make, 2)), make.choose(1, 1, 2)
    around = make.choose("same", "valid", 1)
    settings: dict[str, Any] = {"stride": stride, "padding": around} | ({} if dilation == 1 else {"dilation": dilation})
    extent = reference.spread(size, both(dilation))
    if around != "same":
        smallest = [(n - 1) * s + k - (2 if around == 1 else 0) for n, s, k in zip((H, W), stride, extent)]
        if min(smallest) < 1:
            settings["padding"] = "valid"
        elif make.flag():
            settings["output_size"] = tuple(n + make.whole(0, s - 1) for n, s in zip(smallest, stride))
    O = make.whole(1, 2)
    bias = [make.like((O,))] if make.flag() else []
    return (x, make.like((*size, O, C), -1.0, 1.0), *bias), settings


def seen_by_windows(shape, size, stride=None, padding="valid", dilation=1, ceil_mode=False) -> tuple[np.ndarray, tuple]:
    """For every window the places of the pixels that it sees in the flattened images, -1 for padding; (windows, k)."""
    size = both(size)
    stride = size if stride is None else both(stride)
    places = np.arange(math.prod(shape)).reshape(shape)
    around, seen = reference.pool_windows(places, size, stride, padding, both(dilation), ceil_mode)
    places = reference.padded(places, around, -1)
    table = np.array([[places[pixel] for pixel in pixels] for pixels in seen.values()])
    return table, tuple(np.array(list(seen)[-1]) + 1)


def pooled(function):
    """PyTorch's form of a pooling: `function(pixels, which of them are real)` along the last axis."""

    def theirs(x, *arguments, **settings):
        places, shape = seen_by_windows(tuple(x.shape), *arguments, **settings)
        pixels = x.reshape(-1)[torch.from_numpy(places.clip(0))]
        return function(pixels, torch.from_numpy(places >= 0)).reshape(shape)

    return theirs


def pooling(make: Builder, largest: bool) -> tuple[tuple, dict]:
    x = images(make)
    X = make.values[x]
    size, settings = windows(make, X.shape, 3)
    if make.flag() and all(k <= n for k, n in zip(size, X.shape[1:3])):
        settings = {}
    if make.flag():
        settings["ceil_mode"] = True
    if (seen_by_windows(X.shape, size, **settings)[0] < 0).all(axis=1).any():
        size, settings = (1, 1), {}  # a window saw nothing but padding
    places, _ = seen_by_windows(X.shape, size, **settings)
    pixels = np.sort(np.where(places < 0, -np.inf, X.reshape(-1)[places]), axis=1)
    if largest and size != (1, 1) and (pixels[:, -1] - pixels[:, -2]).min() < MARGIN:
        x = make.leaf(X.shape)
    return (x, size), settings


@operation("max_pool2d", pooled(lambda pixels, real: pixels.masked_fill(~real, -math.inf).amax(1)))
def _(make: Builder) -> tuple[tuple, dict]:
    return pooling(make, largest=True)


@operation("avg_pool2d", pooled(lambda pixels, real: (pixels * real).sum(1) / real.sum(1)))
def _(make: Builder) -> tuple[tuple, dict]:
    return pooling(make, largest=False)


@operation("global_avg_pool2d", lambda x: x.mean((1, 2)))
def _(make: Builder) -> tuple[tuple, dict]:
    return (images(make),), {}

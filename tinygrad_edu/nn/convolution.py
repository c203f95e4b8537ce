"""Layers for images (N, H, W, C): convolution, pooling, and the block that residual networks are built of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu import checks, ops
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.ops.support import as_tensor
from tinygrad_edu.ops.windows import Padding, Pair, check_padding
from tinygrad_edu.tensor import Tensor


class Conv2d(Module):
    """Y = X * K + b: slide `outputs` kernels over the image. See `ops.conv2d`.

    Parameters
    ----------
    inputs, outputs : int
        Channels C and O: X is (N, H, W, C), Y is (N, OH, OW, O).
    size : int or (int, int)
        Rows and columns of a kernel.
    stride, padding, dilation, groups
        As in `ops.conv2d`.
    bias : bool
        Whether to add b. Before a batch normalisation it has no effect.
    rng : numpy.random.Generator, optional
        Draws the weights; the generator of `manual_seed` otherwise.

    Attributes
    ----------
    weight : Parameter (KH, KW, C/groups, O), Glorot-uniform in every group
    bias : Parameter (O,), zeros; or None
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Pair = 3,
        stride: Pair = 1,
        padding: Padding = "same",
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        inputs, outputs = checks.size("Conv2d", "inputs", inputs), checks.size("Conv2d", "outputs", outputs)
        groups = checks.size("Conv2d", "groups", groups)
        KH, KW = _checked("Conv2d", padding, size=size, stride=stride, dilation=dilation)
        if inputs % groups or outputs % groups:
            raise ValueError(f"Conv2d: groups must divide inputs and outputs; got {groups} for {inputs} and {outputs}")
        # One output sums over a group's inputs, and one input reaches a group's outputs: these are the kernel's fans.
        of_a_group = KH, KW, inputs // groups, outputs // groups
        kernels = [init.glorot_uniform(of_a_group, rng) for _ in range(groups)]
        self.weight = Parameter(np.concatenate(kernels, axis=3))
        self.bias = Parameter(init.zeros((outputs,))) if checks.flag("Conv2d", "bias", bias) else None
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose2d(Module):
    """From a small map to a large one: the way back through a convolution's shapes. See `ops.conv_transpose2d`.

    Parameters
    ----------
    inputs, outputs : int
        Channels C and O: X is (N, H, W, C), Y is (N, OH, OW, O); with stride s and "same", OH = s*H.
    size : int or (int, int)
        Rows and columns of a kernel.
    stride, padding, dilation, output_size
        As in `ops.conv_transpose2d`.
    bias, rng
        As in `Conv2d`.

    Attributes
    ----------
    weight : Parameter (KH, KW, O, C), Glorot-uniform
    bias : Parameter (O,), zeros; or None
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Pair = 3,
        stride: Pair = 1,
        padding: Padding = "same",
        dilation: Pair = 1,
        output_size: Pair | None = None,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        inputs = checks.size("ConvTranspose2d", "inputs", inputs)
        outputs = checks.size("ConvTranspose2d", "outputs", outputs)
        KH, KW = _checked("ConvTranspose2d", padding, size=size, stride=stride, dilation=dilation)
        if output_size is not None:
            checks.pair("ConvTranspose2d", "output_size", output_size)
        self.weight = Parameter(init.glorot_uniform((KH, KW, outputs, inputs), rng))
        self.bias = Parameter(init.zeros((outputs,))) if checks.flag("ConvTranspose2d", "bias", bias) else None
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.output_size
        )


class MaxPool2d(Module):
    """The largest pixel of every window. Arguments as in `ops.max_pool2d`."""

    def __init__(
        self,
        size: Pair,
        stride: Pair | None = None,
        padding: Padding = "valid",
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        _checked("MaxPool2d", padding, size=size, stride=size if stride is None else stride, dilation=dilation)
        self.size, self.stride, self.padding, self.dilation = size, stride, padding, dilation
        self.ceil_mode = checks.flag("MaxPool2d", "ceil_mode", ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        return ops.max_pool2d(x, self.size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool2d(Module):
    """The mean pixel of every window. Arguments as in `ops.avg_pool2d`."""

    def __init__(
        self,
        size: Pair,
        stride: Pair | None = None,
        padding: Padding = "valid",
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        _checked("AvgPool2d", padding, size=size, stride=size if stride is None else stride, dilation=dilation)
        self.size, self.stride, self.padding, self.dilation = size, stride, padding, dilation
        self.ceil_mode = checks.flag("AvgPool2d", "ceil_mode", ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        return ops.avg_pool2d(x, self.size, self.stride, self.padding, self.dilation, self.ceil_mode)


class GlobalAvgPool2d(Module):
    """The mean over all pixels: (N, H, W, C) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.global_avg_pool2d(x)


class Flatten(Module):
    """Every item as one row: (N, ...) -> (N, product of the rest)."""

    def forward(self, x: Tensor) -> Tensor:
        x = as_tensor("Flatten", x)
        if x.data.ndim == 0:
            raise ValueError("Flatten: expected items, x of shape (N, ...); got one number")
        return ops.reshape(x, (len(x), math.prod(x.shape[1:])))


class Residual(Module):
    """Y = body(X) + shortcut(X): the body only learns what to add (He, Zhang, Ren and Sun 2016).

    dL/dX = (dL/dX through the body) + (dL/dX through the shortcut). With the identity as a shortcut, G arrives at X as
    it is, however deep the body: that is why very deep networks of such blocks can be trained.

    Parameters
    ----------
    body : module or function
    shortcut : module or function, optional
        The identity by default. Where the body changes the shape, a 1 x 1 convolution can change it alike.
    """

    def __init__(self, body: Any, shortcut: Any = None) -> None:
        self.body = checks.function("Residual", "body", body)
        self.shortcut = None if shortcut is None else checks.function("Residual", "shortcut", shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y, way = self.body(x), as_tensor("Residual", x) if self.shortcut is None else self.shortcut(x)
        for name, result in (("body", y), ("shortcut", way)):
            checks.instance("Residual", f"what the {name} computes", result, Tensor, "a Tensor")
        if y.shape != way.shape:
            raise ValueError(
                f"Residual: the body makes {y.shape} of {x.shape}, the shortcut {way.shape}; they are added, so they "
                "must be equal: pass a shortcut that changes the shape as the body does"
            )
        return y + way


def _checked(layer: str, padding: Padding, **pairs: Pair) -> tuple[int, int]:
    """Refuse padding and pairs that the operation would refuse, when the layer is made; the first pair, normalised.

    The layer keeps them as they were given, which is how it prints.
    """
    check_padding(layer, padding)
    first, *_ = [checks.pair(layer, name, value) for name, value in pairs.items()]
    return first

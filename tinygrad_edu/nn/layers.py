"""Layers: parameters together with the operation that uses them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import checks, ops
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.tensor import Tensor


class Sequential(Module):
    """Layers one after another: each one's output is the next one's input.

    An entry is a module, or a plain function on tensors such as `ops.relu`.
    """

    def __init__(self, *layers: Any) -> None:
        for i, layer in enumerate(layers):
            is_class = isinstance(layer, type) and issubclass(layer, Module)
            if not callable(layer) or is_class:
                hint = f"; make a layer of the class: {layer.__name__}(...)" if is_class else ""
                hint = "; unpack it: Sequential(*layers)" if isinstance(layer, list | tuple) else hint
                raise TypeError(f"Sequential: entry {i} must be a module or a function, got {layer!r:.80}{hint}")
        self.layers = list(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Linear(Module):
    """Y = X W + b: a dense (fully connected) layer.

    Parameters
    ----------
    inputs, outputs : int
        D and M: X is (..., D), Y is (..., M).
    bias : bool
        Whether to add b.
    rng : numpy.random.Generator, optional
        Draws the weights; the generator of `manual_seed` otherwise.

    Attributes
    ----------
    weight : Parameter (D, M), Glorot-uniform
    bias : Parameter (M,), zeros; or None
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, rng: np.random.Generator | None = None) -> None:
        inputs, outputs = checks.size("Linear", "inputs", inputs), checks.size("Linear", "outputs", outputs)
        self.weight = Parameter(init.glorot_uniform((inputs, outputs), rng))
        self.bias = Parameter(init.zeros((outputs,))) if checks.flag("Linear", "bias", bias) else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


class Dropout(Module):
    """Drops each element with probability p while training; the identity in evaluation. See `ops.dropout`."""

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        self.p = checks.probability("Dropout", "p", p)
        self.rng = None if rng is None else checks.generator("Dropout", "rng", rng)

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.p, self.rng or init.default_generator()) if self.training else x


class ReLU(Module):
    """`ops.relu` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class Tanh(Module):
    """`ops.tanh` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.tanh(x)


class Sigmoid(Module):
    """`ops.sigmoid` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


class GELU(Module):
    """`ops.gelu` as a layer."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = checks.choice("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, x: Tensor) -> Tensor:
        return ops.gelu(x, self.approximate)


class LeakyReLU(Module):
    """`ops.leaky_relu` as a layer."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = checks.number("LeakyReLU", "slope", slope)

    def forward(self, x: Tensor) -> Tensor:
        return ops.leaky_relu(x, self.slope)


class ELU(Module):
    """`ops.elu` as a layer."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = checks.number("ELU", "alpha", alpha)

    def forward(self, x: Tensor) -> Tensor:
        return ops.elu(x, self.alpha)


class SiLU(Module):
    """`ops.silu` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.silu(x)


class Softplus(Module):
    """`ops.softplus` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softplus(x)

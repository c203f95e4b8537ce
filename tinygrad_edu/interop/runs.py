"""One forward and one backward of a network, ours or theirs, with what went into and out of every layer.

The loss is the sum of the output times fixed random numbers V, so that no loss function is needed on either side:
dL/d(output) = V.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.backend import to_device, to_numpy
from tinygrad_edu.inspection.summary import observed
from tinygrad_edu.interop.layouts import Arrays
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.module import function_name
from tinygrad_edu.tensor import Tensor


@dataclass
class Seen:
    """One layer at work, in our layouts: (N, H, W, C) and (N, T, D)."""

    name: str
    kind: str  # its class; of a plain function, its name
    is_leaf: bool  # nothing inside it is seen by itself
    input: np.ndarray | None = None
    output: np.ndarray | None = None
    input_gradient: np.ndarray | None = None
    output_gradient: np.ndarray | None = None

    @property
    def label(self) -> str:
        return f"{self.name} ({self.kind})" if self.name else self.kind


@dataclass
class Run:
    """What one network did.

    Attributes
    ----------
    output : array
        Of the whole network, in our layout.
    seen : list of Seen
        In the order in which they were called; a layer that is called again, at its first call.
    gradients : dict
        Of the parameters, by their full names there; of ours empty, since each tensor has its own.
    """

    output: np.ndarray
    seen: list[Seen]
    gradients: Arrays = field(default_factory=dict)


def cotangent(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """V: the same numbers for the same shape."""
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def first_tensor(value: Any) -> Any:
    """The output itself, or the first of several, however deep."""
    while isinstance(value, tuple | list) and value:
        value = value[0]
    return value


# --- ours ---


@contextlib.contextmanager
def run_ours(model: Module, batch: np.ndarray, training: bool) -> Iterator[Run]:
    """While this lasts, the gradients are in the parameters; afterwards everything is as it was before."""
    tensors = dict(model.named_tensors())
    before = {name: (t._grad, None if isinstance(t, nn.Parameter) else t.data.copy()) for name, t in tensors.items()}
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = training and isinstance(module, nn.BatchNorm)  # dropout stays off
        model.zero_grad()
        yield _run_ours(model, batch)
    finally:
        for module, mode in modes:
            module.training = mode
        for name, (gradient, values) in before.items():
            tensors[name]._grad = gradient
            if values is not None:
                tensors[name].data[...] = values


def _run_ours(model: Module, batch: np.ndarray) -> Run:
    parameters = model.parameters()
    array = to_device(batch, parameters[0].device) if parameters else batch
    x = Tensor(array, requires_grad=True) if array.dtype.kind == "f" else array
    names: dict[Module, str] = {}
    for name, module in model.named_modules():
        names.setdefault(module, name)
    seen: dict[str, tuple[Seen, Any, Any]] = {}

    def note(name: str, layer: Any, inputs: tuple, output: Any) -> None:
        pair = first_tensor(inputs), first_tensor(output)
        for value in pair:
            if isinstance(value, Tensor) and value.requires_grad:
                value.retain_grad()
        is_module = isinstance(layer, Module)
        kind = type(layer).__name__ if is_module else function_name(layer)
        is_leaf = not is_module or not any(True for _ in layer.children())
        seen.setdefault(name, (Seen(name, kind, is_leaf), *pair))

    with observed(names, note):
        output = first_tensor(model(x))
    if output.requires_grad:
        V = to_device(cotangent(output.shape, output.dtype), output.device)
        output.backward(V)
    for layer, *pair in seen.values():
        given, result = (value if isinstance(value, Tensor) else None for value in pair)
        layer.input, layer.output = _values(given), _values(result)
        layer.input_gradient, layer.output_gradient = _gradient(given), _gradient(result)
    return Run(to_numpy(output.data), [layer for layer, *_ in seen.values()])


def _values(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None else to_numpy(tensor.data)


def _gradient(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None or tensor._grad is None else to_numpy(tensor._grad)

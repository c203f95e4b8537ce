"""Parameters and modules: what a network is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from tinygrad_edu.backend import array_module, to_device, to_numpy
from tinygrad_edu.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a network learns: `requires_grad` is True, and modules find it among their attributes."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """Base class of layers and networks. A subclass sets its parts in `__init__` and computes in `forward`.

    Whatever stands in the attributes is found by looking: a `Parameter` is learnt, a plain `Tensor` is a buffer (state
    that is saved but not learnt, such as running statistics), a `Module` is a part; in lists, tuples and dicts as well.

    Attributes
    ----------
    training : bool
        Whether `forward` runs for training (True at first). Dropout and batch normalisation differ. Set by `train()`
        and `eval()`, for all parts.
    """

    training = True

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

    def __repr__(self) -> str:
        """The class with the shapes of its own tensors, and below it the parts by name."""
        own = ", ".join(f"{name} {part.shape}" for name, part in self.parts() if isinstance(part, Tensor))
        below = (f"\n  {name}: " + repr(child).replace("\n", "\n  ") for name, child in self.children())
        return f"{type(self).__name__}({own})" + "".join(below)

    def parts(self) -> Iterator[tuple[str, Any]]:
        """(name, value) of all attributes; what is in a list, tuple or dict is named `attribute.0`, `attribute.key`."""
        for name, value in vars(self).items():
            if isinstance(value, list | tuple | dict):
                entries = value.items() if isinstance(value, dict) else enumerate(value)
                yield from ((f"{name}.{key}", part) for key, part in entries)
            else:
                yield name, value

    def children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the parts that are modules themselves."""
        return ((name, part) for name, part in self.parts() if isinstance(part, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all parts, parts of parts, and so on."""
        yield self
        for _, child in self.children():
            yield from child.modules()

    def named_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of all parameters and buffers, such as `("layers.0.weight", ...)`."""
        yield from ((prefix + name, part) for name, part in self.parts() if isinstance(part, Tensor))
        for name, child in self.children():
            yield from child.named_tensors(f"{prefix}{name}.")

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of everything that is learnt; a parameter that two parts share comes once."""
        seen = set()
        for name, tensor in self.named_tensors():
            if isinstance(tensor, Parameter) and tensor not in seen:
                seen.add(tensor)
                yield name, tensor

    def parameters(self) -> list[Parameter]:
        """Everything that is learnt: what an optimiser is given."""
        return [parameter for _, parameter in self.named_parameters()]

    def train(self, training: bool = True) -> Self:
        """Switch this module and its parts to training (or, with False, to evaluation)."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> Self:
        """Switch this module and its parts to evaluation: no dropout, running statistics used, not updated."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, device: str) -> Self:
        """Move all parameters and buffers to `"cpu"`, `"cuda"` or `"auto"`, in place; gradients are forgotten."""
        for _, tensor in self.named_tensors():
            tensor.data = to_device(tensor.data, device)
            tensor.grad = None
        return self

    def astype(self, dtype: Any) -> Self:
        """Give all parameters and buffers another floating dtype, in place: float64 for `gradcheck`."""
        for _, tensor in self.named_tensors():
            tensor.data = tensor.data.astype(dtype)
            tensor.grad = None
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Name -> values of all parameters and buffers, as NumPy copies that later training leaves alone."""
        return {name: np.array(to_numpy(tensor.data)) for name, tensor in self.named_tensors()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Set all parameters and buffers. ValueError lists every wrong name and shape; then nothing has changed."""
        own = dict(self.named_tensors())
        wrong = [f"missing: {name} {own[name].shape}" for name in own if name not in state]
        wrong += [f"unknown: {name} {values.shape}" for name, values in state.items() if name not in own]
        wrong += [
            f"shape: {name} is {tensor.shape} here, {state[name].shape} there"
            for name, tensor in own.items()
            if name in state and tensor.shape != state[name].shape
        ]
        if wrong:
            raise ValueError(f"these weights do not belong to this {type(self).__name__}:\n  " + "\n  ".join(wrong))
        for name, tensor in own.items():
            tensor.data = array_module(tensor.data).array(state[name], dtype=tensor.dtype)

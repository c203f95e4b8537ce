"""Parameters and modules: what a network is made of."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import array_module, to_device, to_numpy
from tinygrad_edu.markup import box, ends, table, tag
from tinygrad_edu.tensor import Tensor

MOST_ROWS = 60  # of a network's table in a notebook
Path = tuple[Any, ...]  # where a part stands: the attribute, then positions and keys, such as ("blocks", 0, "left")


class Parameter(Tensor):
    """A tensor that a network learns: `requires_grad` is True, and modules find it among their attributes.

    `p.requires_grad = False` freezes it: no gradient is computed for it any more, and optimisers pass it over.
    """

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """Base class of layers and networks. A subclass sets its parts in `__init__` and computes in `forward`.

    Whatever stands in the attributes is found by looking: a `Parameter` is learnt, a plain `Tensor` is a buffer (state
    that is saved but not learnt, such as running statistics), a `Module` is a part; in lists, tuples and dicts as well,
    however deep. A part is named by the way to it: `blocks.0.1.weight` is `self.blocks[0][1].weight`. A part that is
    also above itself, such as a module that refers to its parent, is not gone into again.

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

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; TypeError where that would take a tensor out of training, or out of the saved state."""
        before = vars(self).get(name)
        if isinstance(before, Tensor) or isinstance(value, Tensor):
            _check_assignment(f"{type(self).__name__}.{name}", before, value)
        super().__setattr__(name, value)

    @reprlib.recursive_repr("...")  # in place of a part that is being printed already, above
    def __repr__(self) -> str:
        """The class with the shapes of its own tensors and its settings; below it, its modules and functions by name.

        Settings are plain values: `stride=2`, `padding='same'`. None and private names are left out.
        """
        own, below = [], []
        for path, part in entries(vars(self)):
            if isinstance(part, Tensor):
                own.append(f"{_name(path)} {part.shape}")
            elif isinstance(part, Module):
                below.append(f"\n  {_name(path)}: " + repr(part).replace("\n", "\n  "))
            elif callable(part) and not isinstance(part, type):
                below.append(f"\n  {_name(path)}: {function_name(part) or type(part).__name__}")
        for name, value in vars(self).items():
            if name != "training" and not name.startswith("_") and _is_plain(value):
                own.append(f"{name}={reprlib.repr(value)}")
        return f"{type(self).__name__}({', '.join(own)})" + "".join(below)

    def _repr_html_(self) -> str:
        """For a notebook: the parts by name, the shapes of their tensors, and how many numbers each one learns."""
        rows = list(_table_rows(self))
        first, left_out, last = ends(rows, MOST_ROWS)
        total = sum(parameter.size for parameter in self.parameters())
        shown = [*first, *([(f"… {left_out:,} more parts",)] if left_out else []), *last]
        shown.append(tuple(tag("b", text) for text in ("all, shared ones once", "", "", f"{total:,}")))
        return box(table(("part", "what it is", "shapes", "parameters"), shown))

    def parts(self) -> Iterator[tuple[str, Any]]:
        """(name, value) of all attributes; in lists, tuples and dicts, of what is inside: `attribute.0.key`."""
        return ((_name(path), part) for path, part in entries(vars(self)))

    def children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the parts that are modules themselves."""
        return ((name, part) for name, part in self.parts() if isinstance(part, Module))

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of this module, whose name is empty, and of all parts, parts of parts, and so on.

        A module that stands in two places comes twice, under both names.
        """
        return ((_name(path), module) for path, module in _modules(self))

    def modules(self) -> Iterator[Module]:
        """This module and all parts, parts of parts, and so on."""
        return (module for _, module in _modules(self))

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of all parameters and buffers, such as `("layers.0.weight", ...)`: own ones before parts'.

        ValueError where two tensors have one name, as under the keys 1 and "1" of a dict: one would get lost.
        """
        found: dict[str, tuple[Path, Tensor]] = {}
        for place, module in _modules(self):
            for own, part in entries(vars(module)):
                if not isinstance(part, Tensor):
                    continue
                path = (*place, *own)
                other, first = found.setdefault(_name(path), (path, part))
                if first is not part:
                    raise ValueError(
                        f"{type(self).__name__}: two tensors have the name {_name(path)!r}, at {other} and {path}; "
                        "rename a key or an attribute, since tensors are saved and loaded under their names"
                    )
                yield _name(path), part

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
        training = checks.flag("train", "training", training)
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
        dtype = checks.dtype("astype", dtype)
        if dtype.kind != "f":
            raise TypeError(f"astype: parameters are floating-point numbers; {dtype} is not such a dtype")
        for _, tensor in self.named_tensors():
            tensor.data = tensor.data.astype(dtype)
            tensor.grad = None
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Name -> values of all parameters and buffers, as NumPy copies that later training leaves alone."""
        return {name: np.array(to_numpy(tensor.data)) for name, tensor in self.named_tensors()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Set all parameters and buffers; ValueError like `check_state_dict`, and then nothing has changed."""
        self.check_state_dict(state)
        own = dict(self.named_tensors())
        values = {name: array_module(t.data).array(state[name], dtype=t.dtype) for name, t in own.items()}
        for name, tensor in own.items():
            tensor.data = values[name]

    def check_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """ValueError with every wrong name and shape, unless this is a state of such a module."""
        name = type(self).__name__
        checks.instance(name, "state", state, dict, "a dict, name -> array, such as from state_dict()")
        own = dict(self.named_tensors())
        wrong = [f"missing: {name} {own[name].shape}" for name in own if name not in state]
        wrong += [f"unknown: {name} {np.shape(values)}" for name, values in state.items() if name not in own]
        wrong += [
            f"shape: {name} is {tensor.shape} here, {np.shape(state[name])} there"
            for name, tensor in own.items()
            if name in state and tensor.shape != np.shape(state[name])
        ]
        if wrong:
            raise ValueError(f"these weights do not belong to this {name}:{checks.lines(wrong)}")


# --- finding the parts ---


def entries(container: Any, path: Path = (), above: tuple[Any, ...] = ()) -> Iterator[tuple[Path, Any]]:
    """(path, value) of what is in a dict, list or tuple, and in those inside it; in one that is above itself, no more.

    `entries(vars(module))` are a module's attributes.
    """
    above = (*above, container)
    for key, value in container.items() if isinstance(container, dict) else enumerate(container):
        if not isinstance(value, dict | list | tuple):
            yield (*path, key), value
        elif not any(value is outer for outer in above):
            yield from entries(value, (*path, key), above)


def _modules(module: Module, path: Path = (), above: tuple[Module, ...] = ()) -> Iterator[tuple[Path, Module]]:
    """(path, module) of a module and of all that are in it, depth first; one that is above itself is left out."""
    yield path, module
    above = (*above, module)
    for own, part in entries(vars(module)):
        if isinstance(part, Module) and not any(part is outer for outer in above):
            yield from _modules(part, (*path, *own), above)


def _table_rows(module: Module, path: Path = (), above: tuple[Module, ...] = ()) -> Iterator[tuple[str, ...]]:
    """(name, class, shapes, number of parameters) of a module, and of the modules and functions in it, by attribute."""
    own: list[str] = []
    below: list[tuple[str, ...]] = []
    learnt = 0
    for place, part in entries(vars(module)):
        if isinstance(part, Tensor):
            own.append(f"{_name(place)} {part.shape}")
            learnt += part.size if isinstance(part, Parameter) else 0
        elif isinstance(part, Module):
            if not any(part is outer for outer in (*above, module)):
                below.extend(_table_rows(part, (*path, *place), (*above, module)))
        elif callable(part) and not isinstance(part, type):
            below.append((_name((*path, *place)), function_name(part) or type(part).__name__, "", ""))
    yield _name(path), type(module).__name__, ", ".join(own), f"{learnt:,}" if learnt else ""
    yield from below


def _name(path: Path) -> str:
    return ".".join(map(str, path))


def function_name(value: Any) -> str:
    """The name of a plain function, or of the one in a `functools.partial`; empty for anything else."""
    function = value.func if isinstance(value, functools.partial) else value
    is_class = isinstance(function, type)
    return "" if is_class or not callable(function) else getattr(function, "__name__", "")


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str) or (isinstance(value, tuple) and all(map(_is_plain, value)))


# --- assignment ---


def _check_assignment(attribute: str, before: Any, value: Any) -> None:
    """TypeError for the assignments to a module's attribute that look like training and silently end it.

    `layer.weight += 1` computes a new tensor, a plain one, and sets it: no parameter any more, no optimiser knows it.
    """
    if isinstance(value, Tensor) and value.requires_grad and not isinstance(value, Parameter):
        what = f"the result of {value.op!r}" if value.op else "a plain Tensor that requires a gradient"
        raise TypeError(
            f"{attribute} = {what}: a module learns its Parameters alone, so this would never be trained. To change "
            f"the values of a parameter, write into {attribute}.data; for a new one, nn.Parameter(values); to keep the "
            "values of a result, .detach()"
        )
    kind = Parameter if isinstance(before, Parameter) else Tensor
    if isinstance(before, kind) and not isinstance(value, kind | None):
        fate, new = ("trained", "nn.Parameter(values)") if kind is Parameter else ("saved", "Tensor(values)")
        raise TypeError(
            f"{attribute} is a {kind.__name__}; what stands in its place would not be {fate} any more, got "
            f"{type(value).__name__}. Write into {attribute}.data, or assign {new}, or None"
        )

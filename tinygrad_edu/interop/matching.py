"""Which layer of ours is which of theirs: by explicit names, by equal names, or by order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.backend import to_numpy
from tinygrad_edu.interop.layouts import Arrays, Layout, layout_of
from tinygrad_edu.nn import Module
from tinygrad_edu.tensor import Tensor

Form = frozenset[tuple[str, int]]  # the arrays of a layer, each with its number of axes
IGNORED = {"num_batches_tracked", "seed_generator_state"}  # counters and generators beside the weights


@dataclass
class Own:
    """A module of ours that holds tensors itself."""

    name: str
    module: Module
    tensors: dict[str, Tensor]
    layout: Layout

    @property
    def label(self) -> str:
        return f"{self.name} ({type(self.module).__name__})" if self.name else type(self.module).__name__

    def values(self) -> Arrays:
        return {name: to_numpy(tensor.data) for name, tensor in self.tensors.items()}

    def gradients(self) -> Arrays:
        given = {name: tensor._grad for name, tensor in self.tensors.items()}
        return {name: to_numpy(gradient) for name, gradient in given.items() if gradient is not None}


@dataclass
class Theirs:
    """A layer of theirs: its arrays by their names within the layer, and what these are called in full."""

    name: str
    arrays: Arrays = field(default_factory=dict)
    full: dict[str, str] = field(default_factory=dict)
    ignored: Arrays = field(default_factory=dict)  # under their full names


def own_layers(caller: str, model: Module, layouts: dict[type[Module], Layout], once: bool) -> list[Own]:
    """Our layers with tensors, in the order of `named_modules`; `once`: a module in two places is one layer.

    TypeError for a module whose tensors no layer of theirs corresponds to.
    """
    check_module(caller, model)
    found, seen = [], set()
    for name, module in model.named_modules():
        tensors = {part: tensor for part, tensor in module.parts() if isinstance(tensor, Tensor)}
        if not tensors or (once and module in seen):
            continue
        seen.add(module)
        layout = layout_of(layouts, module, {part: tensor.data for part, tensor in tensors.items()})
        if layout is None:
            shapes = ", ".join(f"{part} {tensor.shape}" for part, tensor in tensors.items())
            raise TypeError(
                f"{caller}: {name or 'the network'} is a {type(module).__name__} with {shapes}, for which no layout is "
                "known; build it of the layers of nn, or set it by hand with load_state_dict"
            )
        found.append(Own(name, module, tensors, layout))
    return found


def check_module(caller: str, model: Any) -> None:
    """TypeError unless a network is one of ours."""
    if not isinstance(model, Module):
        raise TypeError(f"{caller}: expected a network of ours first, an nn.Module; got {model!r:.80}")


def torch_layers(caller: str, state: Mapping[str, Any]) -> list[Theirs]:
    """The layers in a state dict. Each depth of a recurrent layer (`weight_ih_l0`, `weight_ih_l1`) is a layer."""
    layers: dict[str, Theirs] = {}
    for full, values in state.items():
        prefix, _, last = full.rpartition(".")
        deep = re.fullmatch(r"((?:weight|bias)_\w\w)_l(\d+)(_reverse)?", last)
        if deep and deep[3]:
            raise ValueError(f"{caller}: {full} belongs to a bidirectional layer, which has no counterpart here")
        name, last = (prefix if not deep or deep[2] == "0" else f"{prefix}[{deep[2]}]", deep[1] if deep else last)
        _put(caller, layers, name, last, full, values)
    return list(layers.values())


def keras_layers(caller: str, weights: Iterable[tuple[str, Any]]) -> list[Theirs]:
    """The layers in pairs of a path, `sequential/dense/kernel`, and its values; an RNN's cell is the RNN."""
    layers: dict[str, Theirs] = {}
    for full, values in weights:
        parts = full.split("/")
        inner = parts[:-1] if len(parts) < 3 or not parts[-2].endswith("_cell") else parts[:-2]
        _put(caller, layers, "/".join(inner), parts[-1], full, values)
    return list(layers.values())


def _put(caller: str, layers: dict[str, Theirs], name: str, last: str, full: str, values: Any) -> None:
    array = as_numpy(caller, full, values)
    if last in IGNORED:
        if name in layers:
            layers[name].ignored[full] = array
        return
    layer = layers.setdefault(name, Theirs(name))
    if last in layer.arrays:
        raise ValueError(f"{caller}: two arrays of theirs are called {full}; give the layers names of their own")
    if array.dtype.kind != "f":
        raise TypeError(f"{caller}: expected floating-point weights, {full} is {array.dtype}; dequantize it first")
    layer.arrays[last], layer.full[last] = array, full


def as_numpy(caller: str, name: str, values: Any) -> np.ndarray:
    """A NumPy array of an array, or of a tensor of theirs, wherever that is; TypeError for anything else."""
    for method in ("detach", "cpu"):  # PyTorch's
        values = getattr(values, method)() if hasattr(values, method) else values
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:  # bfloat16, nested lists of unequal lengths
        raise TypeError(f"{caller}: {name} is no array for NumPy ({error}); convert it to float32 first") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{caller}: {name} is {array.dtype} and not numbers; pass arrays, or float32 tensors")
    return array


def pair(
    caller: str, ours: Sequence[Own], theirs: Sequence[Theirs], names: Mapping[str, str] | None
) -> list[tuple[Own, Theirs]]:
    """Every layer of ours with its one of theirs; ValueError where that is not clear.

    By `names` (ours -> theirs) as far as they go, the others where both call them alike, or else by order.
    """
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"{caller}: names must be a dict, layer here -> layer there; got {names!r:.80}")
    pairs, rest, others = _by_names(caller, ours, theirs, names or {})
    if len(rest) != len(others):
        listed = "\n".join(
            f"  {own.label if own else '-':<40} {_shown(other) if other else '-'}"
            for own, other in _padded(rest, others)
        )
        raise ValueError(
            f"{caller}: {len(rest)} layers with weights here, {len(others)} there; in order:\n{listed}\n"
            "Build the network as theirs is built."
        )
    alike = {other.name: other for other in others}
    if all(own.name in alike for own in rest):
        pairs |= {own.name: alike[own.name] for own in rest}
    else:
        pairs |= {own.name: other for own, other in zip(rest, _in_order(caller, rest, others))}
    return [(own, pairs[own.name]) for own in ours]


def _by_names(
    caller: str, ours: Sequence[Own], theirs: Sequence[Theirs], names: Mapping[str, str]
) -> tuple[dict[str, Theirs], list[Own], list[Theirs]]:
    """What the user paired, and the layers of ours and of theirs that are left."""
    pairs: dict[str, Theirs] = {}
    for our_name, their_name in names.items():
        if our_name not in {own.name for own in ours}:
            there = ", ".join(own.name for own in ours)
            raise ValueError(f"{caller}: names: there is no layer {our_name!r} with weights here; there are {there}")
        fits = [t for t in theirs if t.name == their_name] or [t for t in theirs if _last(t.name) == their_name]
        if len(fits) != 1 or fits[0] in pairs.values():
            there = ", ".join(other.name for other in theirs)
            how_many = f"{len(fits)} layers" if len(fits) != 1 else "a layer that has been paired before"
            raise ValueError(f"{caller}: names: {their_name!r} is {how_many} of theirs; there are {there}")
        pairs[our_name] = fits[0]
    taken = {id(other) for other in pairs.values()}
    return pairs, [own for own in ours if own.name not in pairs], [t for t in theirs if id(t) not in taken]


def _in_order(caller: str, ours: Sequence[Own], theirs: Sequence[Theirs]) -> list[Theirs]:
    """Theirs in the order of ours; ValueError where names contradict it."""
    full = [name for other in theirs for name in other.full.values()]
    if len(theirs) > 1 and full == sorted(full):  # as a safetensors file keeps them: 0, 10, 2
        theirs = _by_number(caller, ours, theirs)
    position = {own.name: i for i, own in enumerate(ours)}
    for i, other in enumerate(theirs):
        name = _last(other.name)
        if not name.isdigit() and position.get(other.name, i) != i:
            raise ValueError(
                f"{caller}: {other.name!r} is the name of a layer here, too, but stands elsewhere in the order; say "
                f"which layer is which: names={{{other.name!r}: {other.name!r}, ...}}"
            )
    return list(theirs)


def _by_number(caller: str, ours: Sequence[Own], theirs: Sequence[Theirs]) -> list[Theirs]:
    """Theirs where the order is lost: those with the same kinds of arrays by the numbers in their names."""
    forms = [_form(own.layout.to_theirs(own.values(), {})) for own in ours]
    groups: dict[Form, list[Theirs]] = {}
    for other in sorted(theirs, key=lambda other: _natural(other.name)):
        groups.setdefault(_form(other.arrays), []).append(other)
    if any(forms.count(form) != len(groups.get(form, ())) for form in forms):  # something will not fit, and be told
        forms, groups = [frozenset()] * len(ours), {frozenset(): sorted(theirs, key=lambda t: _natural(t.name))}
    for one, other in (both for group in groups.values() for both in itertools.pairwise(group)):
        first, second = next(((a, b) for a, b in zip(_natural(one.name), _natural(other.name)) if a != b), ("", ""))
        if isinstance(first, str) or isinstance(second, str):
            raise ValueError(
                f"{caller}: the weights are sorted by name, as a safetensors file keeps them, so the order of the "
                f"layers is lost, and {_shown(one)} and {_shown(other)} do not tell it. Say which layer is which: "
                f"names={{{ours[0].name!r}: ..., ...}}, or pass the state dict itself"
            )
    return [groups[form].pop(0) for form in forms]


def _form(arrays: Arrays) -> Form:
    return frozenset((name, array.ndim) for name, array in arrays.items())


def _natural(name: str) -> list[Any]:
    """A name in pieces that sort as people count: "layers.10" behind "layers.2", and "dense_1" behind "dense"."""
    pieces = re.split(r"_?(\d+)", name if name[-1:].isdigit() else f"{name}_0")
    return [int(piece) if i % 2 else piece for i, piece in enumerate(pieces)]


def _last(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def _padded(ours: Sequence[Own], theirs: Sequence[Theirs]) -> Iterable[tuple[Own | None, Theirs | None]]:
    for i in range(max(len(ours), len(theirs))):
        yield ours[i] if i < len(ours) else None, theirs[i] if i < len(theirs) else None


def _shown(other: Theirs) -> str:
    return f"{other.name or '(the top)'}: " + ", ".join(f"{name} {a.shape}" for name, a in other.arrays.items())

"""Whole networks' weights, there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.interop.layouts import KERAS, TORCH, Arrays, Layout
from tinygrad_edu.interop.matching import Own, Theirs, keras_layers, own_layers, pair, torch_layers
from tinygrad_edu.nn import Module
from tinygrad_edu.training import read_weights

Names = Mapping[str, str] | None
Shapes = Mapping[str, tuple[int, int, int]] | None


@dataclass(frozen=True)
class Framework:
    """What tells the two apart.

    Attributes
    ----------
    name : str
    layouts : dict
        Class of ours -> how its arrays lie there.
    layers : function of the caller's name and the weights in any form that the user may have them in
    once : bool
        Whether a layer that stands in two places has its weights in the list once.
    """

    name: str
    layouts: dict[type[Module], Layout]
    layers: Callable[[str, Any], list[Theirs]]
    once: bool


def _torch(caller: str, weights: Any) -> list[Theirs]:
    weights = _read(weights)
    weights = weights.state_dict() if hasattr(weights, "state_dict") else weights
    if not isinstance(weights, Mapping):
        raise TypeError(
            f"{caller}: expected PyTorch's weights as a state dict, name -> array or tensor, or a safetensors file of "
            f"one; got {type(weights).__name__}"
        )
    return torch_layers(caller, _with_names(caller, weights))


def _keras(caller: str, weights: Any) -> list[Theirs]:
    weights = _read(weights)
    weights = getattr(weights, "weights", weights)  # of a model
    if isinstance(weights, Mapping):
        return keras_layers(caller, _with_names(caller, weights).items())
    if not isinstance(weights, Iterable) or isinstance(weights, np.ndarray):
        raise TypeError(
            f"{caller}: expected Keras' weights as a model, its .weights, a dict of path -> array, or a safetensors "
            f"file of one; got {type(weights).__name__}"
        )
    weights = list(weights)
    return keras_layers(caller, [(getattr(variable, "path", ""), variable) for variable in weights])


def _with_names(caller: str, weights: Mapping[Any, Any]) -> Mapping[str, Any]:
    wrong = [name for name in weights if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"{caller}: the weights must stand under their names, there is {wrong[0]!r:.80}")
    return weights


def _read(weights: Any) -> Any:
    return read_weights(weights)[0] if isinstance(weights, str | Path) else weights


PYTORCH = Framework("PyTorch", TORCH, _torch, once=False)
KERAS_3 = Framework("Keras", KERAS, _keras, once=True)


def from_torch(model: Module, weights: Any, names: Names = None, flattened: Shapes = None) -> None:
    """Set a network from PyTorch's weights.

    Parameters
    ----------
    model : Module
        Built as theirs is built. All its parameters and running statistics are set, in its own dtype.
    weights : dict of str to array or tensor, module, str or Path
        A state dict, the module itself, or a safetensors file of a state dict.
    names : dict, optional
        Layer here -> layer there, `{"output": "fc2"}`. Without it, layers go by their names where both sides use the
        same, or else by order, which a file does not keep unless its names are numbered.
    flattened : dict, optional
        Linear here -> (H, W, C) of the images that were flattened for it: PyTorch flattens channels first, ours last.

    Raises
    ------
    ValueError
        Layers or shapes that do not fit, naming both layers, both shapes and what to do. Nothing has changed then.
    TypeError
        Weights that are no arrays of floating-point numbers; a module of ours that no layer of theirs corresponds to.
    CheckpointError
        A file that cannot be read.
    """
    _set(PYTORCH, "from_torch", model, weights, names, flattened)


def from_keras(model: Module, weights: Any, names: Names = None) -> None:
    """Set a network from Keras' weights.

    Parameters
    ----------
    model : Module
    weights : model, list or dict
        A Keras model, its `.weights`, a dict of `path` -> array, a safetensors file of one, or `get_weights()`, whose
        arrays have no names and are taken in order.
    names, raises
        As for `from_torch`; a layer of theirs by its path, `"sequential/dense"`, or the last part of that.
    """
    _set(KERAS_3, "from_keras", model, _named(model, weights), names, None)


def to_torch(
    model: Module, like: Any = None, names: Names = None, flattened: Shapes = None, gradients: bool = False
) -> Arrays:
    """A network's weights as PyTorch's state dict: name -> NumPy array.

    Parameters
    ----------
    model : Module
    like : dict, module, str or Path, optional
        Theirs, in any form that `from_torch` takes: the result has its names, its order and its shapes. Otherwise the
        layers' names are ours.
    names, flattened
        As for `from_torch`.
    gradients : bool
        The parameters' gradients instead, to be compared with `parameter.grad` there; those that are None are left out.

    Raises ValueError and TypeError like `from_torch`.
    """
    return _given(PYTORCH, "to_torch", model, like, names, flattened, gradients)


def to_keras(model: Module, like: Any = None, names: Names = None, gradients: bool = False) -> Arrays:
    """A network's weights, or its gradients, as Keras' variables: path -> array, in the order of its layers.

    `keras_model.set_weights(list(to_keras(model).values()))`. Parameters as for `to_torch` and `from_keras`; without
    `like`, a grouped convolution is a Conv2D, not a DepthwiseConv2D.
    """
    like = None if like is None else _named(model, like)
    return _given(KERAS_3, "to_keras", model, like, names, None, gradients)


def _named(model: Module, weights: Any) -> Any:
    """Nameless arrays, as `get_weights()` gives them, under the paths that our network's would have."""
    is_list = isinstance(weights, list | tuple) and weights and not any(hasattr(w, "path") for w in weights)
    if not is_list:
        return weights
    paths = list(_given(KERAS_3, "from_keras", model, None, None, None, False))
    if len(paths) != len(weights):
        shapes = ", ".join(str(np.shape(values)) for values in weights)
        raise ValueError(
            f"from_keras: {len(paths)} arrays here, {len(weights)} there, of shapes {shapes}; here they are "
            f"{', '.join(paths)}. Build the network as theirs is built, or pass the model itself, whose weights have "
            "names"
        )
    return dict(zip(paths, weights))


# --- the way here ---


def _set(framework: Framework, caller: str, model: Module, weights: Any, names: Names, flattened: Shapes) -> None:
    ours = own_layers(caller, model, framework.layouts, framework.once)
    pairs = pair(caller, ours, framework.layers(caller, weights), names)
    check_flattened(caller, ours, flattened)
    state = {}
    for own, theirs in pairs:
        values = own.values()
        _check(framework, caller, own, theirs, filling=True)
        for name, array in own.layout.to_ours(theirs.arrays, values).items():
            state[id(own.tensors[name])] = _flattened(own, name, array, flattened, back=True)
    model.load_state_dict({name: state[id(tensor)] for name, tensor in model.named_tensors()})


def _check(framework: Framework, caller: str, own: Own, theirs: Theirs, filling: bool) -> None:
    """ValueError unless a layer of theirs has the arrays of ours; `filling`: neutral values stand for what it lacks."""
    expected = own.layout.to_theirs(own.values(), theirs.arrays)
    wrong = []
    for name, values in expected.items():
        neutral = own.layout.neutral.get(name)
        if name in theirs.arrays:
            there = theirs.arrays[name].shape
            if there != values.shape:
                wrong.append(f"{name} is {values.shape} here in {framework.name}'s layout, {there} there")
        elif neutral is None or not (filling or np.all(values == neutral)):
            wrong.append(f"{name} {values.shape} is missing there")
    wrong += [f"{name} {a.shape} is there and not here" for name, a in theirs.arrays.items() if name not in expected]
    if wrong:
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in own.tensors.items())
        raise ValueError(
            f"{caller}: {own.label} here, with {shapes}, and {theirs.name or 'the top'} there do not fit:\n  "
            + "\n  ".join(wrong)
            + f"\n{_advice(framework, own, expected, theirs)}"
        )


def _advice(framework: Framework, own: Own, expected: Arrays, theirs: Theirs) -> str:
    """What to do about a layer that does not fit."""
    there = theirs.arrays
    if isinstance(own.module, nn.GRU | nn.GRUCell) and "bias" in there and there["bias"].ndim == 1:
        return "That is the GRU of reset_after=False, which is another formula; build theirs with reset_after=True."
    if "bias" in expected.keys() ^ there.keys():
        return f"Build the layer with bias={'bias' in there}."
    turned = [
        name
        for name in expected.keys() & there.keys()
        if expected[name].shape != there[name].shape and sorted(expected[name].shape) == sorted(there[name].shape)
    ]
    if turned:
        other = {"PyTorch": "Keras", "Keras": "PyTorch"}[framework.name]
        return f"The axes of {', '.join(turned)} stand in another order: are these weights {other}'s, or transposed?"
    return "Build the layer as theirs is, or say by names={ours: theirs} which layer of theirs it is."


# --- the way there ---


def _given(
    framework: Framework, caller: str, model: Module, like: Any, names: Names, flattened: Shapes, gradients: bool
) -> Arrays:
    ours = own_layers(caller, model, framework.layouts, framework.once)
    check_flattened(caller, ours, flattened)
    if like is None:
        return {
            _full_name(framework, own, name): array
            for own in ours
            for name, array in laid_out(framework, own, {}, flattened, gradients).items()
        }
    theirs = framework.layers(caller, like)
    found: dict[str, Arrays] = {}
    for own, other in pair(caller, ours, theirs, names):
        _check(framework, caller, own, other, filling=gradients)
        arrays = laid_out(framework, own, other.arrays, flattened, gradients)
        found[other.name] = {other.full[name]: array for name, array in arrays.items() if name in other.full}
        found[other.name] |= {} if gradients else other.ignored
    return {full: array for other in theirs for full, array in found[other.name].items()}


def laid_out(framework: Framework, own: Own, like: Arrays, flattened: Shapes, gradients: bool) -> Arrays:
    """Copies of one layer's arrays, or of its gradients, as theirs lie, by their names within the layer."""
    values = own.gradients() if gradients else own.values()
    values = {name: _flattened(own, name, array, flattened, back=False) for name, array in values.items()}
    arrays = own.layout.to_theirs(values, like, gradients)
    counts = framework is PYTORCH and isinstance(own.module, nn.BatchNorm) and not gradients and not like
    arrays |= {"num_batches_tracked": np.zeros((), np.int64)} if counts else {}
    return {name: np.array(array, order="C") for name, array in arrays.items()}


def _full_name(framework: Framework, own: Own, name: str) -> str:
    if framework is KERAS_3:
        return f"{own.name}/{name}" if own.name else name
    is_layer = isinstance(own.module, nn.SimpleRNN | nn.LSTM | nn.GRU)
    name = f"{name}_l0" if is_layer else name
    return f"{own.name}.{name}" if own.name else name


# --- a Linear behind a Flatten ---


def check_flattened(caller: str, ours: Iterable[Own], flattened: Shapes) -> None:
    """ValueError unless `flattened` names Linear layers and the shapes of as many numbers as these take."""
    if flattened is not None and not isinstance(flattened, Mapping):
        raise TypeError(f"{caller}: flattened must be a dict, Linear here -> (H, W, C); got {flattened!r:.80}")
    inputs = {
        own.name: own.tensors["weight"].shape[0] for own in ours if own.layout in (TORCH[nn.Linear], KERAS[nn.Linear])
    }
    for name, shape in (flattened or {}).items():
        if name not in inputs or np.shape(shape) != (3,) or np.prod(shape) != inputs[name]:
            raise ValueError(
                f"{caller}: flattened gives (H, W, C) for a Linear, got {name!r}: {shape}; there are "
                + ", ".join(f"{linear!r} of {size} inputs" for linear, size in inputs.items())
            )


def _flattened(own: Own, name: str, values: np.ndarray, flattened: Shapes, back: bool) -> np.ndarray:
    """The rows of a Linear's matrix (H W C, M) in the order of channels first, or `back`."""
    if name != "weight" or own.name not in (flattened or {}):
        return values
    H, W, C = flattened[own.name]  # type: ignore[index]
    grid = (
        values.reshape(C, H, W, -1).transpose(1, 2, 0, 3) if back else values.reshape(H, W, C, -1).transpose(2, 0, 1, 3)
    )
    return grid.reshape(values.shape)

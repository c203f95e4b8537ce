"""One forward and one backward of a Keras model on TensorFlow, by a GradientTape."""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import Any

import numpy as np

from tinygrad_edu.interop.matching import keras_layers
from tinygrad_edu.interop.runs import Run, Seen, cotangent, first_tensor


def is_keras(theirs: Any) -> bool:
    """Whether this is a Keras model or layer, on whichever backend."""
    return hasattr(theirs, "_flatten_layers") and hasattr(theirs, "weights")


def run_keras(model: Any, batch: np.ndarray, training: bool) -> Run:
    """By a GradientTape; every layer's `call` is watched for as long as it lasts."""
    backend = sys.modules["keras"].backend.backend()
    if backend != "tensorflow":
        raise TypeError(f"first_difference: Keras' gradients are read on TensorFlow; it runs on {backend!r} here")
    tensorflow = sys.modules["tensorflow"]
    seen: dict[str, tuple[Seen, Any, Any]] = {}
    layers = list(model._flatten_layers(include_self=not hasattr(model, "layers")))
    cells = {id(layer.cell) for layer in layers if hasattr(layer, "cell")}
    with contextlib.ExitStack() as undo, tensorflow.GradientTape() as tape:
        for variable in model.non_trainable_variables:  # running statistics
            undo.callback(variable.assign, np.asarray(variable).copy())
        for layer in layers:
            for rate in ("rate", "dropout", "recurrent_dropout"):
                if isinstance(vars(layer).get(rate), float):
                    _instead(undo, layer, rate, 0.0)
            if id(layer) not in cells and not hasattr(layer, "layers") and type(layer).__name__ != "InputLayer":
                _watch_keras(undo, layer, seen)
        x = tensorflow.convert_to_tensor(batch)
        tape.watch([x] if batch.dtype.kind == "f" else [])
        output = first_tensor(model(x, training=training))
    variables = list(model.trainable_variables)
    tensors = [tensor for _, *pair in seen.values() for tensor in pair if tensor is not None]
    V = tensorflow.convert_to_tensor(cotangent(tuple(output.shape), batch.dtype if batch.dtype.kind == "f" else "f4"))
    sources = [*(variable.value for variable in variables), *tensors]
    found = [
        None if g is None else np.asarray(tensorflow.convert_to_tensor(g))
        for g in tape.gradient(output, sources, output_gradients=tensorflow.cast(V, output.dtype))
    ]
    gradients = {v.path: g for v, g in zip(variables, found) if g is not None}
    of_tensor = {id(tensor): g for tensor, g in zip(tensors, found[len(variables) :])}
    for layer, given, result in seen.values():
        for side, tensor in (("input", given), ("output", result)):
            setattr(layer, side, None if tensor is None else np.asarray(tensor))
            setattr(layer, f"{side}_gradient", of_tensor.get(id(tensor)))
    return Run(np.asarray(output), [layer for layer, *_ in seen.values()], gradients)


def _instead(undo: contextlib.ExitStack, layer: Any, name: str, value: Any) -> None:
    """Another attribute of this one layer; past Keras' own bookkeeping of attributes."""
    own = vars(layer)
    undo.callback(*((own.__setitem__, name, own[name]) if name in own else (own.pop, name)))
    own[name] = value


def _watch_keras(undo: contextlib.ExitStack, layer: Any, seen: dict[str, tuple[Seen, Any, Any]]) -> None:
    """Note the layer's input and output; of a Dense(activation="relu") what goes into the ReLU, as ours is split."""
    cell = getattr(layer, "cell", None)
    own = [*layer._trainable_variables, *layer._non_trainable_variables] if cell is None else layer.weights
    if layer._layers and not own:
        return  # its parts are watched
    weights = keras_layers("first_difference", [(variable.path, variable) for variable in own])
    name = weights[0].name if weights else layer.name
    call, activation = layer.call, vars(layer).get("activation")
    before: list[Any] = []

    @functools.wraps(call)
    def watched(*inputs: Any, **options: Any) -> Any:
        before.clear()
        result = call(*inputs, **options)
        x = first_tensor(inputs or tuple(options.values()))
        y = before[0] if before else first_tensor(result)
        kind = type(layer).__name__
        if kind == "Activation":
            kind = getattr(layer.activation, "__name__", kind)
        x = x if hasattr(x, "dtype") and x.dtype.is_floating else None
        seen.setdefault(name, (Seen(name, kind, True), x, y))
        return result

    _instead(undo, layer, "call", watched)
    if weights and activation is not None and getattr(activation, "__name__", "") != "linear":

        @functools.wraps(activation)
        def activated(z: Any) -> Any:
            before.append(z)
            return activation(z)

        _instead(undo, layer, "activation", activated)

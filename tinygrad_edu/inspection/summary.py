"""Looking inside a network: which layers it has, what shapes flow through, how many numbers it learns."""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import to_device
from tinygrad_edu.nn import Module, Parameter, Sequential
from tinygrad_edu.nn.module import entries, function_name
from tinygrad_edu.tensor import Tensor, no_grad


@dataclass(frozen=True)
class LayerRow:
    """One layer, as `layers_of` saw it at work.

    Attributes
    ----------
    name : str
        Where it is in the network, such as `layers.0`.
    kind : str
        Its class; of a plain function, its name.
    output_shape : tuple
        For one item, without the batch axis.
    parameters : int
        How many numbers it learns by itself, parts not counted; 0 when a layer is called again.
    state : int
        Numbers that it keeps but does not learn.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    state: int


def layers_of(model: Module, input_shape: tuple[int, ...], dtype: Any = np.float32) -> list[LayerRow]:
    """Run a batch of one zero item through the model, and note every layer in the order in which they end.

    Parameters
    ----------
    model : Module
        It is run in evaluation; its weights, running statistics and mode stay as they are.
    input_shape : tuple
        Of one item, without the batch axis: (32, 32, 3).
    dtype
        Of the input; integers for a model that begins with an embedding.
    """
    checks.instance("layers_of", "model", model, Module, "a Module")
    item = np.zeros((1, *checks.shape("layers_of", "input_shape", input_shape)), checks.dtype("layers_of", dtype))
    parameters = model.parameters()
    x = Tensor(to_device(item, parameters[0].device) if parameters else item)
    rows: list[LayerRow] = []
    modes = [(module, module.training) for module in model.modules()]
    names: dict[Module, str] = {}
    for name, module in model.named_modules():
        names.setdefault(module, name)
    seen: set[Tensor] = set()

    def note(name: str, layer: Any, inputs: tuple, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if not isinstance(layer, Module):  # a plain function: a layer if it computes a tensor
            if isinstance(first, Tensor):
                rows.append(LayerRow(name, function_name(layer), first.shape[1:], 0, 0))
            return
        own = {part for _, part in layer.parts() if isinstance(part, Tensor)} - seen
        seen.update(own)
        learnt = sum(t.data.size for t in own if isinstance(t, Parameter))
        kept = sum(t.data.size for t in own) - learnt
        rows.append(LayerRow(name, type(layer).__name__, first.shape[1:], learnt, kept))

    try:
        with no_grad(), observed(names, note):
            model.eval()(x)
    finally:
        for module, training in modes:
            module.training = training
    if rows and rows[-1].name == "" and not rows[-1].parameters + rows[-1].state:
        rows.pop()  # the model itself, which says nothing new
    return rows


def summary(model: Module, input_shape: tuple[int, ...], dtype: Any = np.float32) -> str:
    """The layers of a model as a table, in the manner of Keras: name, output shape, parameters, totals, memory.

    Parameters as for `layers_of`. N stands for the batch.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> print(summary(nn.Sequential(nn.Linear(784, 10), nn.ReLU()), (784,)))
    Layer              Output shape  Parameters
    -------------------------------------------
    layers.0 (Linear)  (N, 10)            7,850
    layers.1 (ReLU)    (N, 10)                0
    -------------------------------------------
    Parameters: 7,850 (31.4 kB)
    Training with Adam, which keeps gradients and two means: 125.6 kB
    Outputs of all layers: 80 B for one item
    """
    rows = layers_of(model, input_shape, dtype)
    lines = [
        (
            f"{row.name} ({row.kind})".strip(),
            f"({', '.join(map(str, ('N', *row.output_shape)))})",
            f"{row.parameters:,}",
        )
        for row in rows
    ]
    head = ("Layer", "Output shape", "Parameters")
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(3)]

    def text(line: tuple[str, str, str]) -> str:
        return f"{line[0]:<{widths[0]}}  {line[1]:<{widths[1]}}  {line[2]:>{widths[2]}}"

    rule = "-" * (sum(widths) + 4)
    size = {t: t.data.nbytes for _, t in model.named_tensors()}  # a shared tensor once
    learnt = sum(bytes_ for t, bytes_ in size.items() if isinstance(t, Parameter))
    count = sum(t.data.size for t in size if isinstance(t, Parameter))
    state = sum(t.data.size for t in size) - count
    outputs = sum(4 * int(np.prod(row.output_shape)) for row in rows)
    return "\n".join(
        [
            *(text(head), rule, *map(text, lines), rule),
            f"Parameters: {count:,} ({in_bytes(learnt)})",
            *([f"Kept, but not learnt: {state:,}"] if state else []),
            f"Training with Adam, which keeps gradients and two means: {in_bytes(4 * learnt)}",
            f"Outputs of all layers: {in_bytes(outputs)} for one item",
        ]
    )


PLAIN_NAMES = {
    "AvgPool2d": "average pool",
    "BatchNorm": "batch norm",
    "Conv2d": "conv",
    "Dropout": "dropout",
    "Flatten": "flatten",
    "GlobalAvgPool2d": "global average pool",
    "LayerNorm": "layer norm",
    "Linear": "dense",
    "MaxPool2d": "max pool",
}


def _stage_label(model: Module, row: LayerRow) -> str:
    """What a layer does, with the sizes that it does it with: "conv 3x3, 48", "max pool 3x3, stride 3", "dense 10"."""
    layer: Any = model
    for part in row.name.split(".") if row.name else ():
        if isinstance(layer, list | tuple):
            layer = layer[int(part)]
        else:
            layer = layer[part] if isinstance(layer, dict) else getattr(layer, part)
    label, outputs = PLAIN_NAMES.get(row.kind, row.kind), row.output_shape[-1]
    if row.kind == "Conv2d":
        strides = "" if _by(layer.stride) == "1x1" else f", stride {_step(layer.stride)}"
        return f"{label} {_by(layer.weight.shape[:2])}, {outputs}{strides}"
    if row.kind in ("MaxPool2d", "AvgPool2d"):
        return f"{label} {_by(layer.size)}, stride {_step(layer.stride or layer.size)}"
    if row.kind == "Linear":
        return f"{label} {outputs}"
    return f"{label} {layer.p:g}" if row.kind == "Dropout" else label


def _by(size: Any) -> str:
    """Rows by columns: "3x3" for 3."""
    rows, columns = size if isinstance(size, tuple | list) else (size, size)
    return f"{rows}x{columns}"


def _step(stride: Any) -> str:
    """A stride: "3" for (3, 3), "2x1" for (2, 1)."""
    rows, columns = _by(stride).split("x")
    return rows if rows == columns else f"{rows}x{columns}"


def stages_of(
    model: Module, input_shape: tuple[int, ...]
) -> tuple[list[tuple[str, tuple[int, ...]]], list[tuple[int, int]]]:
    """The layers of a model for `plots.draw_architecture`: stages and skips.

    A stage, (label, output shape), begins with every convolution and dense layer, wherever the shape changes, and where
    a residual block begins or ends; what comes behind it, such as a normalisation or an activation, joins its label. A
    skip, (from, to), stands for a `Residual`: what the stage `from` put out is added to what the stage `to` puts out.
    What the layers of a `Residual`'s shortcut do is not shown.
    """
    rows = layers_of(model, input_shape)
    stages, skips = [("input", checks.shape("stages_of", "input_shape", input_shape))], []
    blocks = [row.name for row in rows if row.kind == "Residual"]
    first: dict[str, int] = {}  # name of a residual block -> the stage before its first layer
    is_new = False
    for row in rows:
        if row.name in first:  # the block itself, whose body and shortcut have been at work
            skips.append((first.pop(row.name), len(stages) - 1))
            is_new = True
            continue
        around = [name for name in blocks if row.name.startswith(f"{name}.")]
        if any(row.name.startswith(f"{name}.shortcut") for name in around):
            continue
        is_new |= any(name not in first for name in around)
        for name in around:
            first.setdefault(name, len(stages) - 1)
        label, shape = stages[-1]
        if is_new or row.kind in ("Conv2d", "Linear") or row.output_shape != shape:
            stages.append((_stage_label(model, row), row.output_shape))
        else:
            stages[-1] = (f"{label}\n{_stage_label(model, row)}", shape)
        is_new = False
    return stages, skips


@contextlib.contextmanager
def observed(names: dict[Module, str], note: Callable[[str, Any, tuple, Any], None]) -> Iterator[None]:
    """While this lasts, `note(name, layer, inputs, output)` is called whenever a layer has computed something.

    Layers are the modules, but for `Sequential`, and the plain functions that stand in one: as an attribute, or in a
    list or dict (a tuple cannot be written into).
    """
    with contextlib.ExitStack() as undo:
        for module, name in names.items():
            own = vars(module)
            for path, function in list(entries(own)):
                place = functools.reduce(operator.getitem, path[:-1], own)
                if path != ("forward",) and function_name(function) and not isinstance(place, tuple):
                    part = ".".join(map(str, path))
                    place[path[-1]] = _noted(function, f"{name}.{part}" if name else part, function, note)
                    undo.callback(operator.setitem, place, path[-1], function)
            if isinstance(module, Sequential):
                continue
            if "forward" in own:
                undo.callback(operator.setitem, own, "forward", own["forward"])
            else:
                undo.callback(own.pop, "forward")
            own["forward"] = _noted(module.forward, name, module, note)  # found before the class's method
        yield


def _noted(compute: Callable, name: str, layer: Any, note: Callable[[str, Any, tuple, Any], None]) -> Callable:
    """`compute`, with a call of `note` behind it."""

    @functools.wraps(compute)
    def noted(*inputs: Any, **options: Any) -> Any:
        output = compute(*inputs, **options)
        note(name, layer, inputs, output)
        return output

    return noted


def in_bytes(n: float) -> str:
    """A size with its unit: "3.2 MB"."""
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.0f} B" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} GB"

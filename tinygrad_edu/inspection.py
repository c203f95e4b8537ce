"""Looking inside a network: which layers it has, what shapes flow through, how many numbers it learns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.backend import to_device
from tinygrad_edu.nn import Module, Parameter, Sequential
from tinygrad_edu.tensor import Tensor, no_grad


@dataclass(frozen=True)
class LayerRow:
    """One layer, as `layers_of` saw it at work.

    Attributes
    ----------
    name : str
        Where it is in the network, such as `layers.0`.
    kind : str
        Its class.
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
    item = np.zeros((1, *input_shape), dtype)
    parameters = model.parameters()
    x = Tensor(to_device(item, parameters[0].device) if parameters else item)
    rows: list[LayerRow] = []
    modes = [(module, module.training) for module in model.modules()]
    names = dict(_names(model))
    seen: set[Tensor] = set()

    def note(module: Module, output: Any) -> None:
        own = [value for value in vars(module).values() if isinstance(value, Tensor) and value not in seen]
        seen.update(own)
        learnt = sum(t.data.size for t in own if isinstance(t, Parameter))
        kept = sum(t.data.size for t in own) - learnt
        first = output[0] if isinstance(output, tuple) else output
        rows.append(LayerRow(names[module], type(module).__name__, first.shape[1:], learnt, kept))

    try:
        with no_grad(), _observed([m for m in names if not isinstance(m, Sequential)], note):
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
            f"Parameters: {count:,} ({_bytes(learnt)})",
            *([f"Kept, but not learnt: {state:,}"] if state else []),
            f"Training with Adam, which keeps gradients and two means: {_bytes(4 * learnt)}",
            f"Outputs of all layers: {_bytes(outputs)} for one item",
        ]
    )


def stages_of(
    model: Module, input_shape: tuple[int, ...]
) -> tuple[list[tuple[str, tuple[int, ...]]], list[tuple[int, int]]]:
    """The layers of a model for `plots.draw_architecture`: stages and skips.

    A stage, (label, output shape), begins with every convolution and dense layer, and wherever the shape changes; what
    comes behind it, such as a normalisation or an activation, joins its label. A skip, (from, to), stands for a
    `Residual`: what the stage `from` put out is added to what the stage `to` puts out.
    """
    stages, skips = [("input", input_shape)], []
    first: dict[str, int] = {}  # name of a layer -> the stage before the first layer inside it
    for row in layers_of(model, input_shape):
        parts = row.name.split(".")
        for depth in range(1, len(parts)):
            first.setdefault(".".join(parts[:depth]), len(stages) - 1)
        label, shape = stages[-1]
        if row.kind in ("Conv2d", "Linear") or row.output_shape != shape:
            stages.append((row.kind, row.output_shape))
        else:
            stages[-1] = (f"{label}\n{row.kind}", shape)
        if row.kind == "Residual" and row.name in first:
            skips.append((first[row.name], len(stages) - 1))
    return stages, skips


def _names(module: Module, prefix: str = "") -> Iterator[tuple[Module, str]]:
    yield module, prefix
    for name, child in module.children():
        yield from _names(child, f"{prefix}.{name}" if prefix else name)


@contextlib.contextmanager
def _observed(modules: list[Module], note: Any) -> Iterator[None]:
    """While this lasts, `note(module, output)` is called whenever one of the modules has computed something."""

    def observe(module: Module) -> None:
        forward = module.forward

        def noted(*inputs: Any, **options: Any) -> Any:
            output = forward(*inputs, **options)
            note(module, output)
            return output

        vars(module)["forward"] = noted  # an attribute of this one object, found before its class's method

    for module in modules:
        observe(module)
    try:
        yield
    finally:
        for module in modules:
            vars(module).pop("forward", None)


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.0f} B" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} GB"

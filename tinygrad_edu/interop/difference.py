"""Where a port of a network goes wrong: the first layer, and the first gradient, that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_edu.interop.alignment import alone, sides_of
from tinygrad_edu.interop.comparing import Difference, distance, first_gradient, first_output, largest_of
from tinygrad_edu.interop.layouts import Arrays
from tinygrad_edu.interop.matching import as_numpy, check_module, own_layers, pair
from tinygrad_edu.interop.run_keras import is_keras, run_keras
from tinygrad_edu.interop.run_torch import is_torch, run_torch
from tinygrad_edu.interop.runs import Run, Seen, run_ours
from tinygrad_edu.interop.weights import KERAS_3, PYTORCH, Names, Shapes, check_flattened, laid_out
from tinygrad_edu.nn import Module
from tinygrad_edu.tensor import Tensor

CALLER = "first_difference"


@dataclass(frozen=True)
class Comparison:
    """What `first_difference` found.

    Attributes
    ----------
    layer : Difference or None
        The first of the forward.
    gradient : Difference or None
        The first on the way back, from the loss. Where the forward differs already, it mostly follows from that.
    layers, gradients : int
        How many of each were compared.
    alone : list of str
        Layers that were not compared, since they have no counterpart on the other side.
    """

    layer: Difference | None
    gradient: Difference | None
    layers: int
    gradients: int
    alone: list[str]

    def __str__(self) -> str:
        lines = [
            f"first difference of the forward: {self.layer}" if self.layer else "the forward agrees",
            f"first difference of the backward: {self.gradient}" if self.gradient else "the backward agrees",
            f"compared: {self.layers} layers, {self.gradients} gradients",
        ]
        return "\n".join([*lines, *([f"not compared: {', '.join(self.alone)}"] if self.alone else [])])


def first_difference(
    ours: Module,
    theirs: Any,
    batch: Any,
    *,
    their_batch: Any = None,
    names: Names = None,
    flattened: Shapes = None,
    training: bool = False,
    tolerance: float = 1e-4,
) -> Comparison:
    """Run one batch through both networks and back, and name the first layer and the first gradient that differ.

    Layers with weights are paired as `from_torch` pairs them; pooling, activations and the like between two of them
    as far as both sides have the same ones there. A function in a `forward` is seen by what reaches the next layer. The
    loss is the sum of the output times fixed random numbers. Both networks are left as they were.

    Parameters
    ----------
    ours : Module
    theirs : torch.nn.Module, Keras model, or dict
        Of a dict, layer -> output, in our layout: what any other framework computed. It tells of the forward alone.
    batch : array or Tensor
        What our network takes: images (N, H, W, C), sequences (N, T, D), ids. PyTorch is given images (N, C, H, W).
    their_batch : array, optional
        What theirs takes instead, where that is of another form, such as (T, N, D).
    names, flattened
        As for `from_torch`; of a dict, `names` are those of its keys.
    training : bool
        Normalise by the batch's own statistics. Dropout is off in any case.
    tolerance : float
        |ours - theirs| that is taken for rounding, as a share of the largest |theirs|. Both networks in float64 can be
        held to 1e-9.

    Raises ValueError and TypeError where layers cannot be paired, like `from_torch`.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> x = np.ones((1, 2), np.float32)
    >>> first_difference(model, {"layers.0": model.layers[0](Tensor(x)).numpy() + 1}, x).layer.ours
    'layers.0 (Linear)'
    """
    check_module(CALLER, ours)
    if not isinstance(tolerance, Real) or not 0 <= float(tolerance) < 1:
        raise ValueError(f"{CALLER}: tolerance is a share of the largest number, 0 <= tolerance < 1; got {tolerance!r}")
    batch = as_numpy(CALLER, "the batch", batch.data if isinstance(batch, Tensor) else batch)
    given = batch if their_batch is None else as_numpy(CALLER, "their_batch", their_batch)
    if isinstance(theirs, Mapping):
        outputs = {name: as_numpy(CALLER, name, values) for name, values in theirs.items()}
        with run_ours(ours, batch, training) as run:
            return _from_outputs(run, outputs, names or {}, tolerance)
    if not (is_torch(theirs) or is_keras(theirs)):
        raise TypeError(f"{CALLER}: expected a torch.nn.Module, a Keras model or a dict of outputs, got {theirs!r:.80}")
    framework, run_theirs = (KERAS_3, run_keras) if is_keras(theirs) else (PYTORCH, run_torch)
    own = own_layers(CALLER, ours, framework.layouts, framework.once)
    check_flattened(CALLER, own, flattened)
    layers = pair(CALLER, own, framework.layers(CALLER, theirs), names)
    weights = {o.name: (laid_out(framework, o, t.arrays, flattened, False), t.arrays) for o, t in layers}
    unequal = {name: _unequal(here, there, tolerance) for name, (here, there) in weights.items()}
    their_run = run_theirs(theirs, given, training)
    with run_ours(ours, batch, training) as run:
        slopes = {o.name: laid_out(framework, o, t.arrays, flattened, True) for o, t in layers}
    sides = sides_of(run, their_run, layers)
    parameters = {
        o.name: (slopes[o.name], {name: their_run.gradients.get(full) for name, full in t.full.items()})
        for o, t in layers
    }
    layer = first_output(sides, (run, their_run), unequal, tolerance)
    # With outputs of two shapes there is no common loss.
    alike = run.output.shape == their_run.output.shape
    gradient, count = first_gradient(sides if alike else [], parameters, tolerance)
    return Comparison(layer, gradient, len(sides), count, alone(run, their_run, sides))


def _unequal(here: Arrays, there: Arrays, tolerance: float) -> list[str]:
    """The arrays of a layer in which ours and theirs are not the same. One that is missing counts as zeros."""
    unequal = []
    for name in {**here, **there}:
        known = here[name] if name in here else there[name]
        values, other = here.get(name, np.zeros_like(known)), there.get(name, np.zeros_like(known))
        if not distance(values, other) <= tolerance * largest_of(other):
            unequal.append(name)
    return unequal


def _from_outputs(run: Run, outputs: Arrays, names: Mapping[str, str], tolerance: float) -> Comparison:
    there = {names.get(seen.name, seen.name): seen for seen in run.seen}
    unknown = [name for name in outputs if name not in there]
    if unknown:
        raise ValueError(
            f"{CALLER}: {unknown[0]!r} is no layer here; say by names={{ours: {unknown[0]!r}}} which one it is of "
            + ", ".join(seen.name for seen in run.seen if seen.name)
        )
    sides = [
        (seen, Seen(name, "an array", True, output=outputs[name])) for name, seen in there.items() if name in outputs
    ]
    left_over = alone(run, Run(run.output, []), sides)
    return Comparison(first_output(sides, None, {}, tolerance), None, len(sides), 0, left_over)

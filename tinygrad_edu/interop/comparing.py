"""Where two runs part: layer by layer on the way to the output, and gradient by gradient on the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.interop.alignment import Sides
from tinygrad_edu.interop.layouts import Arrays
from tinygrad_edu.interop.runs import Run, Seen

Parameters = Mapping[str, tuple[Arrays, Mapping[str, Any]]]  # our layer -> its gradients, ours and theirs

BEFORE = "what stands before it, perhaps a function in the forward, is not the same"
BEHIND = "what stands behind it hands back something else"
NO_GRADIENT = "on one side no gradient arrives: is it frozen there, or cut off by detach or no_grad?"
MOVED = (
    "its input is the same numbers in another order, as where images are flattened channels first; see `flattened` of "
    "from_torch"
)
SAME_WEIGHTS = "the weights are equal, so look at the settings: stride, padding, eps, activation"


@dataclass(frozen=True)
class Difference:
    """One array in which the two networks differ.

    Attributes
    ----------
    what : str
        "input" or "output" of a layer, or "gradient of weight", "gradient of the input", "gradient of the output".
    ours, theirs : str
        The layer on both sides: `layers.0 (Conv2d)`.
    largest, scale : float
        The largest |ours - theirs|, NaN where the shapes differ, and the largest |theirs|.
    shapes : tuple
        Ours and theirs, both in our layout; of a parameter's gradient in theirs.
    hint : str
        What to look at; may be empty.
    """

    what: str
    ours: str
    theirs: str
    largest: float
    scale: float
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    hint: str = ""

    def __str__(self) -> str:
        here, there = self.shapes
        by = f"by up to {self.largest:.3g}, where theirs reach {self.scale:.3g}, shape {here}"
        by = by if here == there else f"in shape, {here} here and {there} there"
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{self.what} of {self.ours} here, {self.theirs} there, differs {by}{hint}"


@dataclass(frozen=True)
class _Row:
    """Two arrays to compare, if both are there."""

    what: str
    sides: tuple[Seen, Seen]
    here: Any
    there: Any
    may_move: bool = False  # the same numbers in another order will do
    hint: str = ""

    @property
    def is_whole(self) -> bool:
        return self.here is not None and self.there is not None


def first_output(
    sides: Sides, runs: tuple[Run, Run] | None, unequal: Mapping[str, list[str]], tolerance: float
) -> Difference | None:
    """The first input or output that differs, in our order, and at the very end the networks' outputs.

    `unequal`: for a layer of ours with weights, by name, which of these differ.
    """
    rows = []
    for side in sides:
        seen, other = side
        hint = SAME_WEIGHTS if seen.name in unequal else ""
        if unequal.get(seen.name):
            hint = f"the weights differ: {', '.join(unequal[seen.name])}"
        rows.append(_Row("input", side, seen.input, other.input, True, BEFORE))
        rows.append(_Row("output", side, seen.output, other.output, seen.name not in unequal, hint))
    if runs:
        whole = Seen("", "the network", False)
        rows.append(_Row("output", (whole, whole), runs[0].output, runs[1].output))
    return _first(rows, tolerance)[0]


def first_gradient(sides: Sides, parameters: Parameters, tolerance: float) -> tuple[Difference | None, int]:
    """The first gradient that differs, from the loss back, and how many there were to compare."""
    rows = []
    for side in reversed(sides):
        seen, other = side
        moved = _were_moved(seen.output, other.output, tolerance)
        rows.append(_Row("gradient of the output", side, seen.output_gradient, other.output_gradient, moved, BEHIND))
        here, there = parameters.get(seen.name, ({}, {}))
        for name in there:
            one_sided = (here.get(name) is None) != (there[name] is None)
            own, foreign = _none_is_zero(here.get(name), there[name])
            rows.append(_Row(f"gradient of {name}", side, own, foreign, hint=NO_GRADIENT if one_sided else ""))
        moved = _were_moved(seen.input, other.input, tolerance)
        rows.append(_Row("gradient of the input", side, seen.input_gradient, other.input_gradient, moved))
    return _first(rows, tolerance)


def _none_is_zero(here: np.ndarray | None, there: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """A parameter that one side's gradient does not reach is one with a gradient of zeros."""
    if here is None and there is not None:
        return np.zeros_like(there), there
    if there is None and here is not None:
        return here, np.zeros_like(here)
    return here, there


def _first(rows: list[_Row], tolerance: float) -> tuple[Difference | None, int]:
    """The first row that differs by more than a rounding, and how many rows have both arrays.

    An array whose numbers are all tiny beside the others', such as the gradient of a bias before a batch norm, which
    is zero but for rounding, is measured against a thousandth of the largest number of all.
    """
    rows = [row for row in rows if row.is_whole]
    floor = 1e-3 * max((largest_of(row.there) for row in rows), default=0.0)
    moved = ""
    for row in rows:
        here, there = _last_step(row.here, row.there), _last_step(row.there, row.here)
        scale, apart = largest_of(there), distance(here, there)
        if apart <= tolerance * max(scale, floor):
            continue
        if row.may_move and _is_moved(here, there):
            moved = MOVED
            continue
        seen, other = row.sides
        hint = moved if moved and row.what == "output" else row.hint
        shapes = here.shape, there.shape
        return Difference(row.what, seen.label, other.label, apart, scale, shapes, hint), len(rows)
    return None, len(rows)


def _last_step(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of every step's output (N, T, H) the last one, where the other side has just that, (N, H)."""
    return values[:, -1] if values.ndim == 3 and other.ndim == 2 else values


def distance(here: np.ndarray, there: np.ndarray) -> float:
    """The largest |here - there|, NaN for two shapes; what is infinite or NaN on both sides alike does not count."""
    if here.shape != there.shape:
        return float("nan")
    with np.errstate(invalid="ignore"):
        apart = np.abs(here - there)
    apart = np.where((here == there) | (np.isnan(here) & np.isnan(there)), 0, apart)
    return float(apart.max(initial=0))


def largest_of(values: np.ndarray | None) -> float:
    """The largest finite |value|, 0 for none."""
    return 0.0 if values is None else float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _were_moved(here: np.ndarray | None, there: np.ndarray | None, tolerance: float) -> bool:
    """Whether a layer's numbers stand in another order there, so that their gradients do, too."""
    if here is None or there is None:
        return False
    return not distance(here, there) <= tolerance * largest_of(there) and _is_moved(here, there)


def _is_moved(here: np.ndarray, there: np.ndarray) -> bool:
    """Whether two arrays (N, D) hold the same numbers in another order."""
    if here.ndim != 2 or here.shape != there.shape:
        return False
    return np.allclose(np.sort(here, axis=1), np.sort(there, axis=1), rtol=1e-4, atol=1e-6)

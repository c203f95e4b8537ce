"""How many bytes each step of a tape keeps alive."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from tinygrad_edu.backend import Array, is_array, memory_of
from tinygrad_edu.tensor import Tensor


def held_by(steps: list[Tensor]) -> dict[Tensor, int]:
    """Bytes of the arrays that each step is the first to hold, in the order of birth."""
    counted = {memory_of(_owner(x.data)) for tensor in steps for x in tensor._inputs if not x._backward}
    held = {}
    for tensor in sorted(steps, key=lambda t: -t._serial):
        arrays = {memory_of(_owner(X)): _owner(X) for X in (tensor.data, *_arrays_in(tensor._backward, set()))}
        new = {memory: X for memory, X in arrays.items() if memory not in counted}
        counted |= set(new)
        held[tensor] = sum(X.nbytes for X in new.values())
    return held


def _owner(X: Array) -> Array:
    """The array that owns the memory that X is a view of."""
    while is_array(X.base):
        X = X.base
    return X


def _arrays_in(value: Any, visited: set[int]) -> Iterator[Array]:
    """The arrays that a function captured, in lists and in functions too; what is inside tensors is their own."""
    if id(value) in visited:
        return
    visited.add(id(value))
    if is_array(value):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _arrays_in(part, visited)
    elif isinstance(value, dict):
        yield from _arrays_in(list(value.values()), visited)
    elif inspect.isfunction(value):
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                yield from _arrays_in(cell.cell_contents, visited)

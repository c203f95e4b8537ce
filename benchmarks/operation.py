"""One operation as a contender: forward and backward, with random inputs and a random gradient of its result."""

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from tinygrad_edu import Tensor, ops, textbook


class Operation(Contender):
    """Ours, forward and backward; the subclasses say which operation, and on which storey."""

    operation = ""
    shapes: tuple[tuple[int, ...], ...] = ()  # of what gets a gradient
    others: Callable[[np.random.Generator], tuple] = staticmethod(lambda rng: ())  # what comes behind
    options: Mapping[str, Any] = {}
    scale = 1.0  # of all that gets a gradient
    plain = False

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        arrays = [self.scale * rng.normal(size=shape) for shape in self.shapes]
        self.leaves = [Tensor(array.astype(np.float32), requires_grad=True) for array in arrays]
        self.rest = self.others(rng)
        with self.storey():
            self.G = np.asarray(rng.normal(size=self.result().shape), np.float32)

    def storey(self) -> contextlib.AbstractContextManager:
        return textbook.instead() if self.plain else contextlib.nullcontext()

    def result(self) -> Tensor:
        y = getattr(ops, self.operation)(*self.leaves, *self.rest, **self.options)
        return y[0] if isinstance(y, tuple) else y

    def step(self) -> None:
        for leaf in self.leaves:
            leaf.grad = None
        with self.storey():
            self.result().backward(self.G)

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.rest = self.others(np.random.default_rng(0))  # the same generators on both storeys
        self.step()
        return {str(i): leaf.grad for i, leaf in enumerate(self.leaves)}


def registered(module: str, name: str, base: type[Contender], about: Mapping[str, Any]) -> type[Contender]:
    """A subclass that a contender's process finds in this module by its name."""
    members = {key: staticmethod(value) if callable(value) else value for key, value in about.items()}
    kind = type(name, (base,), {**members, "__module__": module})
    setattr(sys.modules[module], name, kind)
    return kind

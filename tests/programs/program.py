"""A program: plain data that says what is computed, and the two that carry it out, this package and PyTorch.

A program is a list of steps. A step has the name of an operation in `ops`, its arguments and its settings, so that it
reads `ops.NAME(*arguments, **settings)`. An earlier tensor stands among them as its number: `T(0)` is the first one
that the program made. A step `leaf` makes a tensor from numbers that are part of the program.

    [Step("leaf", ([[0.5, -1.0]], True)), Step("leaf", ([[2.0], [1.0]], True)), Step("matmul", (T(0), T(1)))]

At the end the loss is a weighted sum of the tensors that `outputs` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, ops
from tinygrad_edu.backend import to_device

try:
    import torch
except ImportError:  # then gradients are compared with finite differences
    torch = None


class T(int):
    """The number of a tensor that an earlier step made."""

    def __repr__(self) -> str:
        return f"x{int(self)}"


@dataclass(frozen=True)
class Generator:
    """A generator of random numbers, made anew from its seed wherever the program runs."""

    seed: int


@dataclass(frozen=True)
class Step:
    """One operation; `leaf` has the arguments (numbers, requires_grad)."""

    name: str
    arguments: tuple = ()
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Steps, and the numbers of the tensors that the loss is made of."""

    steps: list[Step]
    outputs: list[T]

    @property
    def names(self) -> list[str]:
        """The operations, in their order."""
        return [step.name for step in self.steps if step.name != "leaf"]


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """What a tensor is multiplied by before it is summed into the loss: numbers of both signs, exact in float32."""
    return np.asarray((np.cos(np.arange(int(np.prod(shape))) + 0.5) * 1024).round().reshape(shape) / 1024)


def flat(result: Any) -> list:
    """The tensors of a result: of one, of a tuple, of a tuple with a tuple inside, as `lstm` returns it."""
    return [y for part in result for y in flat(part)] if isinstance(result, tuple) else [result]


def replaced(x: Any, replace: Callable[[Any], Any]) -> Any:
    """An argument with `replace` applied to all that is in it."""
    if type(x) in (tuple, list):
        return type(x)(replaced(part, replace) for part in x)
    if type(x) is dict:
        return {name: replaced(part, replace) for name, part in x.items()}
    return replace(x)


def compute(step: Step, tensors: list[Tensor], dtype: type = np.float64, device: str = "cpu") -> list[Tensor]:
    """What one step makes, by this package."""

    def array(x: np.ndarray) -> Any:
        return to_device(x.astype(dtype) if x.dtype.kind == "f" else x.copy(), device)

    def argument(x: Any) -> Any:
        if type(x) is T:
            return tensors[x]
        if type(x) is Generator:
            return np.random.default_rng(x.seed)
        return array(x) if isinstance(x, np.ndarray) else x

    if step.name == "leaf":
        values, requires_grad = step.arguments
        return [Tensor(array(values), requires_grad)]
    arguments, settings = replaced(step.arguments, argument), replaced(step.settings, argument)
    return flat(getattr(ops, step.name)(*arguments, **settings))


def run(program: Program, dtype: type = np.float64, device: str = "cpu") -> list[Tensor]:
    """All tensors of a program, by this package."""
    tensors: list[Tensor] = []
    for step in program.steps:
        tensors += compute(step, tensors, dtype, device)
    return tensors


def loss_of(program: Program, tensors: list[Tensor]) -> Tensor:
    """The weighted sum of the outputs."""
    parts = [tensors[i] for i in program.outputs]
    loss = ops.sum(parts[0] * to_device(weights(parts[0].shape), parts[0].device))
    for y in parts[1:]:
        loss = loss + ops.sum(y * to_device(weights(y.shape), y.device))
    return loss


def leaves(program: Program, tensors: list) -> list:
    """Those of a program's tensors that are to get a gradient."""
    makers = [step for step in program.steps for _ in range(results_of(step))]
    return [x for x, step in zip(tensors, makers) if step.name == "leaf" and step.arguments[1]]


def results_of(step: Step) -> int:
    """How many tensors a step makes: more than one where an operation returns a tuple."""
    if step.name == "split":
        sections = step.arguments[1]
        return sections if isinstance(sections, int) else len(sections) + 1
    return {"simple_rnn": 2, "gru": 2, "lstm": 3}.get(step.name, 1)


def run_torch(program: Program, table: dict[str, Any]) -> list:
    """All tensors of a program, by PyTorch in float64, each step as the table says."""
    tensors: list = []

    def argument(x: Any) -> Any:
        if type(x) is T:
            return tensors[x]
        return torch.tensor(x) if isinstance(x, np.ndarray) else x

    for step in program.steps:
        if step.name == "leaf":
            values, requires_grad = step.arguments
            tensors.append(torch.tensor(values, dtype=torch.float64, requires_grad=requires_grad))
        else:
            arguments, settings = replaced(step.arguments, argument), replaced(step.settings, argument)
            results = flat(table[step.name].theirs(*arguments, **settings))
            tensors += [y.clone() if any(y is x for x in tensors) else y for y in results]
    return tensors


def loss_of_torch(program: Program, tensors: list) -> Any:
    """The same weighted sum."""
    return sum((tensors[i] * torch.from_numpy(weights(tuple(tensors[i].shape)))).sum() for i in program.outputs)

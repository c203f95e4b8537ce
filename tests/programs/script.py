"""A program that failed as a script of a few lines, which runs alone and stops where the program did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from programs.building import found_in
from programs.program import Generator, Program, Step, T, results_of, weights


@dataclass(frozen=True)
class Way:
    """How a program is run."""

    textbook: bool = False
    strict: bool = False
    single: bool = False


@dataclass(frozen=True)
class Expectation:
    """What a tensor of a program should be.

    Attributes
    ----------
    tensor : its number
    what : "value" or "gradient"
    expected : the right numbers, or what the attribute should be
    limit : how far away from these numbers rounding may lead
    direction : numbers to multiply a gradient by and to sum, before it is compared
    attribute : "dtype" or "shape", where that is not as it should be
    """

    tensor: T
    what: str
    expected: Any
    limit: float = 0.0
    direction: np.ndarray | None = None
    attribute: str = ""

    @property
    def of_gradient(self) -> bool:
        return self.what == "gradient"


def script(program: Program, way: Way, expectation: Expectation | None, shapes: list[tuple[int, ...]]) -> str:
    """The steps that the tensor in question needs, and the comparison; without one, all steps, one of which fails."""
    lines = ["import numpy as np", "from tinygrad_edu import Tensor, ops"]
    if way.textbook:
        lines += ["from tinygrad_edu import textbook", "", "storey = textbook.instead()", "storey.__enter__()"]
    if way.strict:
        lines += ["from tinygrad_edu.backend import to_device", "import pytest, strict_array  # PYTHONPATH=tests"]
        lines += ["", "strict_array.install(pytest.MonkeyPatch())"]
    lines.append("")
    outputs, wanted = which_matter(program, expectation)
    first = 0
    for step in program.steps:
        numbers = [T(i) for i in range(first, first + results_of(step))]
        first += len(numbers)
        if wanted.intersection(numbers):
            lines.append(f"{left_side(step, numbers)} = {right_side(step, way)}")
    if expectation is not None:
        makers = [step for step in program.steps for _ in range(results_of(step))]
        is_leaf = makers[expectation.tensor].name == "leaf"
        lines += comparison(expectation, way, [(i, shapes[i]) for i in outputs], is_leaf)
    return "\n".join(lines) + "\n"


def which_matter(program: Program, expectation: Expectation | None) -> tuple[list[T], set[T]]:
    """The outputs that the tensor in question has to do with, and the tensors that go into them, or into the tensor."""
    needs: list[set[T]] = []  # for every tensor, those that it was computed from, and itself
    for step in program.steps:
        of_step = set().union(*(needs[i] for i in found_in((step.arguments, step.settings))))
        first = len(needs)
        needs += [of_step | {T(i)} for i in range(first, first + results_of(step))]
    if expectation is None:
        return [], {T(i) for i in range(len(needs))}
    if not expectation.of_gradient:
        return [], needs[expectation.tensor]
    outputs = [i for i in program.outputs if expectation.tensor in needs[i]]
    return outputs, set().union({expectation.tensor}, *(needs[i] for i in outputs))


def left_side(step: Step, numbers: list[T]) -> str:
    names = [repr(i) for i in numbers]
    if step.name == "lstm":
        return f"{names[0]}, ({names[1]}, {names[2]})"
    return f"{names[0]}," if step.name == "split" and len(names) == 1 else ", ".join(names)


def right_side(step: Step, way: Way) -> str:
    if step.name == "leaf":
        values, requires_grad = step.arguments
        return f"Tensor({text(values, way)}, requires_grad={requires_grad})"
    settings = [f"{name}={text(value, way)}" for name, value in step.settings.items()]
    return f"ops.{step.name}({', '.join([*(text(x, way) for x in step.arguments), *settings])})"


def text(x: Any, way: Way) -> str:
    """An argument as Python."""
    if isinstance(x, np.ndarray):
        dtype = ", np.float32" if way.single and x.dtype.kind == "f" else ""
        array = f"np.array({x.tolist()}{dtype})" if x.size else f"np.zeros({x.shape}, np.{x.dtype})"
        return f'to_device({array}, "cuda")' if way.strict else array
    if type(x) is list:
        return f"[{', '.join(text(part, way) for part in x)}]"
    if type(x) is tuple:
        return f"({', '.join(text(part, way) for part in x)}{',' if len(x) == 1 else ''})"
    if type(x) is Generator:
        return f"np.random.default_rng({x.seed})"
    return repr(x)


def comparison(
    expectation: Expectation, way: Way, outputs: list[tuple[T, tuple[int, ...]]], is_leaf: bool
) -> list[str]:
    """The last lines: the walk back, where a gradient is in question, and the assertion."""
    x = repr(expectation.tensor)
    lines = []
    if expectation.of_gradient:
        lines += [] if is_leaf else [f"{x}.retain_grad()"]
        parts = [f"ops.sum({i!r} * {text(weights(shape), way)})" for i, shape in outputs]
        lines += [f"loss = {' + '.join(parts)}", "loss.backward()"]
        x = f"{x}.grad"
    if expectation.attribute:
        return [*lines, f"assert {x}.{expectation.attribute} == {expectation.expected!r}"]
    x = f"Tensor({x}).numpy()" if expectation.of_gradient else f"{x}.numpy()"
    if expectation.direction is not None:
        x = f"np.sum({x} * {text(expectation.direction, Way())})"
    expected = text(np.asarray(expectation.expected), Way())
    return [*lines, f"np.testing.assert_allclose({x}, {expected}, rtol=0, atol={expectation.limit!r})"]

"""A function at one point: its values there, and the products v J that its backward computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_edu.tensor import Tensor


class GradientError(AssertionError):
    """A gradient is wrong, or the backward broke one of its rules; the message says which, where and by how much."""


class Evaluation:
    """f and its tape at the leaves' present values.

    Attributes
    ----------
    leaves : the inputs, then the parameters
    outputs : what f returned, with the tape
    values : all outputs, flattened into one vector
    V : a random gradient v = dL/d(output) for each output
    """

    def __init__(self, f: Callable, leaves: list[Tensor], inputs: int, rng: np.random.Generator) -> None:
        self.f, self.leaves, self.inputs = f, leaves, inputs
        self.name = getattr(f, "__name__", type(f).__name__)
        self.leaf_values = [leaf.data.copy() for leaf in leaves]
        self.outputs = self.call()
        self.values = flat([out.data for out in self.outputs])
        if not np.isfinite(self.values).all():
            raise ValueError(f"gradcheck: {self.name} is not finite at these inputs; there is no derivative to compare")
        self.V = [rng.normal(size=out.shape) for out in self.outputs]

    def call(self) -> tuple[Tensor, ...]:
        outputs = self.f(*self.leaves[: self.inputs])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for out in outputs:
            if not isinstance(out, Tensor) or out.dtype != np.float64:
                raise TypeError(f"gradcheck: {self.name} must return float64 tensors, it returned {out!r:.80}")
        return outputs

    def vjp(self, V: list[np.ndarray]) -> list[np.ndarray]:
        """The analytic products v J, one for each leaf."""
        for leaf in self.leaves:
            leaf.grad = None
        for out, v in zip(self.outputs, V):
            if out.requires_grad:
                out.backward(v, retain_graph=True)
        return [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in self.leaves]

    def unflatten(self, v: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum([out.data.size for out in self.outputs])[:-1]
        return [part.reshape(out.shape) for part, out in zip(np.split(v, ends), self.outputs)]

    def leaf_name(self, i: int) -> str:
        return f"input {i}" if i < self.inputs else f"parameter {i - self.inputs}"


def flat(arrays: list[np.ndarray]) -> np.ndarray:
    """Several arrays as one vector."""
    return np.concatenate([a.reshape(-1) for a in arrays])

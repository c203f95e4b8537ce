"""A function at one point: its values there and beside, and the products v J that its backward computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_edu.tensor import Tensor, no_grad, record


class GradientError(AssertionError):
    """A gradient is wrong, or the backward broke one of its rules; the message says which, where and by how much."""


class NotFinite(ValueError):
    """The function has no finite value at the point, or beside it, so that there is no derivative to compare."""


class Evaluation:
    """f and its tape at the leaves' present values.

    Attributes
    ----------
    leaves : the inputs, then the parameters
    leaf_values : their values, copied
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
            raise NotFinite(f"gradcheck: {self.name} is not finite at these inputs; there is no derivative to compare")
        self.V = [rng.normal(size=out.shape) for out in self.outputs]

    def call(self) -> tuple[Tensor, ...]:
        outputs = self.f(*self.leaves[: self.inputs])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for out in outputs:
            if not isinstance(out, Tensor) or out.dtype != np.float64:
                raise TypeError(f"gradcheck: {self.name} must return float64 tensors, it returned {out!r:.80}")
        return outputs

    def values_beside(self, moves: dict[int, np.ndarray]) -> np.ndarray:
        """All outputs, flattened, with leaf i moved by moves[i] for the moment."""
        try:
            for i, move in moves.items():
                np.add(self.leaf_values[i], move, out=self.leaves[i].data)  # where the leaf lies: it keeps its layout
            with no_grad():
                return flat([out.data for out in self.call()])
        finally:
            for i in moves:
                self.leaves[i].data[...] = self.leaf_values[i]

    def vjp(self, V: Sequence[np.ndarray | None], outputs: tuple[Tensor, ...] | None = None) -> list[np.ndarray]:
        """The analytic products v J, one for each leaf, by one walk from all outputs, as from a loss they all enter.

        None in place of an output's v: the loss does not depend on that output. `outputs` may be those of another call,
        with a tape of its own.
        """
        outputs = self.outputs if outputs is None else outputs
        for leaf in self.leaves:
            leaf.grad = None
        # Views of V: an array of its own would be taken for a new one, and added into.
        loss = record(np.zeros(()), outputs, lambda _: tuple(v if v is None else v[...] for v in V))
        if loss.requires_grad:
            loss.backward(retain_graph=True)
        return [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in self.leaves]

    def units(self) -> list[list[np.ndarray | None]]:
        """For each entry of each output, the V that picks it out: v J is then a row of the Jacobian."""
        V: list[list[np.ndarray | None]] = []
        for k, out in enumerate(self.outputs):
            others = len(self.outputs) - 1 - k
            V += [[None] * k + [unit.reshape(out.shape)] + [None] * others for unit in np.eye(out.data.size)]
        return V

    def leaf_name(self, i: int) -> str:
        return f"input {i}" if i < self.inputs else f"parameter {i - self.inputs}"


def flat(arrays: list[np.ndarray]) -> np.ndarray:
    """Several arrays as one vector, copied."""
    return np.concatenate([a.reshape(-1) for a in arrays])


def largest(x: np.ndarray) -> float:
    """The size of the largest entry; 0 without entries."""
    return float(np.abs(x).max(initial=0.0))

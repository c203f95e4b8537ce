"""What remembering costs: the time of one node of the tape, forward and backward, above the arithmetic itself.

A chain y = x + 1 + 1 + ... of 1,000 additions of one float32 number, and the walk back through it. The same additions
by NumPy alone, without a tape, take the time that the arithmetic needs; the backward of an addition to a constant does
none. What is left, divided by 1,000, is the price of a node. The same NumPy time is subtracted from both contenders.
"""

import time
from typing import Any

import numpy as np

from benchmarks.contender import Contender, Goal, Row
from tinygrad_edu import Tensor

NODES = 1000


class Chain(Contender):
    """Times a chain against the raw additions; the subclasses say what the chain is made of."""

    def time_steps(self, steps: int) -> list[float]:
        """Seconds per node above the raw addition, of each of `steps` chains."""
        overheads = []
        for _ in range(steps):
            start = time.perf_counter()
            add_without_tape()
            middle = time.perf_counter()
            self.step()
            end = time.perf_counter()
            overheads.append(((end - middle) - (middle - start)) / NODES)
        return overheads


def add_without_tape() -> None:
    y = one = np.ones(1, np.float32)
    for _ in range(NODES):
        y = y + one


class Ours(Chain):
    def __init__(self, seed: int) -> None:
        self.x = Tensor(np.ones(1, np.float32), requires_grad=True)
        self.one = Tensor(np.ones(1, np.float32))

    def step(self) -> None:
        self.x.grad = None
        y = self.x
        for _ in range(NODES):
            y = y + self.one
        y.backward()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.step()
        return {"x": self.x.grad}


class PyTorch(Chain):
    requires = "torch"

    def __init__(self, seed: int) -> None:
        import torch

        self.x: Any = torch.ones(1, requires_grad=True)
        self.one = torch.ones(1)

    def step(self) -> None:
        self.x.grad = None
        y = self.x
        for _ in range(NODES):
            y = y + self.one
        y.backward()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.step()
        return {"x": self.x.grad.numpy()}


ROW = Row(
    name="tape",
    title="one node of the tape, forward and backward, above the raw NumPy addition; chain of 1,000 additions",
    contenders={"ours": Ours, "torch": PyTorch},
    ratios=(("torch", "ours"),),
    steps=30,
    goals=(Goal("ours", at_most=2e-6),),
)

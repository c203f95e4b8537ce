"""Softmax regression: one training step on a batch of MNIST's shape.

A step is zero grad, forward, loss, backward, SGD: what a training loop does for each batch. The data are random, drawn
from the seed: the arithmetic does not look at the values.
"""

from typing import Any

import numpy as np

from benchmarks.contender import Contender, Row
from tinygrad_edu import Tensor, nn, ops, optim

BATCH, PIXELS, CLASSES = 100, 784, 10
LEARNING_RATE = 0.1


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A batch of images (100, 784) and labels (100,), and initial weights W (784, 10) and b (10,); float32."""
    rng = np.random.default_rng(seed)
    images = rng.random((BATCH, PIXELS), dtype=np.float32)
    labels = rng.integers(0, CLASSES, BATCH)
    W = rng.normal(0, 0.01, (PIXELS, CLASSES)).astype(np.float32)
    return images, labels, W, np.zeros(CLASSES, np.float32)


class Ours(Contender):
    def __init__(self, seed: int) -> None:
        images, self.labels, W, b = problem(seed)
        self.images = Tensor(images)
        self.W, self.b = nn.Parameter(W), nn.Parameter(b)
        self.optimizer = optim.SGD([self.W, self.b], lr=LEARNING_RATE)

    def backward(self) -> None:
        self.optimizer.zero_grad()
        logits = ops.linear(self.images, self.W, self.b)  # (100, 10)
        loss = ops.softmax_cross_entropy(logits, self.labels)
        loss.backward()

    def step(self) -> None:
        self.backward()
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.backward()
        return {"W": self.W.grad, "b": self.b.grad}


class PyTorch(Contender):
    requires = "torch"

    def __init__(self, seed: int) -> None:
        import torch

        self.torch = torch
        images, labels, W, b = problem(seed)
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.linear: Any = torch.nn.Linear(PIXELS, CLASSES)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(W.T))  # PyTorch keeps the transpose, (10, 784)
            self.linear.bias.copy_(torch.from_numpy(b))
        self.optimizer = torch.optim.SGD(self.linear.parameters(), lr=LEARNING_RATE)

    def backward(self) -> None:
        self.optimizer.zero_grad()
        logits = self.linear(self.images)  # (100, 10)
        loss = self.torch.nn.functional.cross_entropy(logits, self.labels)
        loss.backward()

    def step(self) -> None:
        self.backward()
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.backward()
        return {"W": self.linear.weight.grad.numpy().T, "b": self.linear.bias.grad.numpy()}


ROW = Row(
    name="softmax-regression",
    title="one training step of softmax regression, 784 -> 10, batch 100, SGD, float32, random data",
    contenders={"ours": Ours, "torch": PyTorch},
    ratios=(("torch", "ours"),),
    steps=500,
    goal="torch / ours at least 2",
)

"""Mini-AlexNet: one training step on a batch of 128 images of CIFAR-10's shape.

Both contenders compute the same graph, ReLU after pooling included (the same values as before it, on a ninth
of the elements). A step is zero grad, forward, loss, backward, Adam. The data are random; dropout draws anew at every
step, and is off when the gradients are compared.
"""

from typing import Any

import numpy as np

from benchmarks.contender import Contender, Row
from tinygrad_edu import Tensor, nn, ops, optim

BATCH, CLASSES = 128, 10
CONVOLUTIONS = ((3, 48, 3), (48, 128, 3), (128, 192, 0), (192, 192, 0), (192, 128, 3))  # channels in, out, pooling
DENSE = ((128, 1024), (1024, 1024), (1024, CLASSES))
LEARNING_RATE, EPS = 1e-3, 1e-7


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Images (128, 32, 32, 3), labels (128,), and (kernel, bias) of every layer; float32, Glorot-uniform and zero."""
    rng = np.random.default_rng(seed)
    images = rng.random((BATCH, 32, 32, 3), dtype=np.float32)
    labels = rng.integers(0, CLASSES, BATCH)
    shapes = [(3, 3, c, o) for c, o, _ in CONVOLUTIONS] + list(DENSE)
    return images, labels, [(nn.init.glorot_uniform(s, rng), np.zeros(s[-1], np.float32)) for s in shapes]


class Ours(Contender):
    def __init__(self, seed: int) -> None:
        images, self.labels, weights = problem(seed)
        self.images = Tensor(images)
        self.weights = [(nn.Parameter(W), nn.Parameter(b)) for W, b in weights]
        self.optimizer = optim.Adam([p for pair in self.weights for p in pair], lr=LEARNING_RATE, eps=EPS)
        self.rng = np.random.default_rng(seed)

    def backward(self, p: float) -> None:
        self.optimizer.zero_grad()
        x = self.images
        for (K, b), (_, _, pool) in zip(self.weights, CONVOLUTIONS):
            x = ops.conv2d(x, K, b)
            x = ops.relu(ops.max_pool2d(x, pool) if pool else x)
        x = ops.reshape(x, (BATCH, -1))
        dense = self.weights[len(CONVOLUTIONS) :]
        x = ops.dropout(ops.relu(ops.linear(x, *dense[0])), p, self.rng)
        x = ops.linear(ops.relu(ops.linear(x, *dense[1])), *dense[2])
        ops.softmax_cross_entropy(x, self.labels).backward()

    def step(self) -> None:
        self.backward(p=0.5)
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.backward(p=0.0)
        return {f"{'Wb'[i]}{n}": p.grad for n, pair in enumerate(self.weights) for i, p in enumerate(pair)}


class PyTorch(Contender):
    requires = "torch"

    def __init__(self, seed: int) -> None:
        import torch

        self.F = torch.nn.functional
        images, labels, weights = problem(seed)
        self.images = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())  # PyTorch's layout is (N, C, H, W)
        self.labels = torch.from_numpy(labels)
        self.weights: list[tuple[Any, Any]] = []
        for W, b in weights:  # kernels are (O, C, KH, KW) there, matrices (M, D)
            W = W.transpose(3, 2, 0, 1) if W.ndim == 4 else W.T
            self.weights.append((torch.tensor(W.copy(), requires_grad=True), torch.tensor(b, requires_grad=True)))
        self.optimizer = torch.optim.Adam([p for pair in self.weights for p in pair], lr=LEARNING_RATE, eps=EPS)

    def backward(self, p: float) -> None:
        F = self.F
        self.optimizer.zero_grad()
        x = self.images
        for (K, b), (_, _, pool) in zip(self.weights, CONVOLUTIONS):
            x = F.conv2d(x, K, b, padding=1)
            x = F.relu(F.max_pool2d(x, pool) if pool else x)
        x = x.flatten(1)
        dense = self.weights[len(CONVOLUTIONS) :]
        x = F.dropout(F.relu(F.linear(x, *dense[0])), p)
        x = F.linear(F.relu(F.linear(x, *dense[1])), *dense[2])
        F.cross_entropy(x, self.labels).backward()

    def step(self) -> None:
        self.backward(p=0.5)
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.backward(p=0.0)
        gradients = {}
        for n, (W, b) in enumerate(self.weights):
            g = W.grad.numpy()
            gradients[f"W{n}"] = g.transpose(2, 3, 1, 0) if g.ndim == 4 else g.T
            gradients[f"b{n}"] = b.grad.numpy()
        return gradients


ROW = Row(
    name="mini-alexnet",
    title="one training step of mini-AlexNet, batch 128, Adam, float32, random data, the same graph",
    contenders={"ours": Ours, "torch": PyTorch},
    ratios=(("torch", "ours"),),
    steps=5,
    tolerance=1e-3,  # a rounding can change which of two nearly equal pixels a pooling takes
    goal="torch / ours at least 0.9, aim 1.1",
)

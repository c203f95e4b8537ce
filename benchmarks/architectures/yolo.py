"""A training step of mini-YOLO, the network and the loss of `models/mini_yolo.py`, on a batch of 64 scenes; Adam.

The pictures are random, bright patches on black, and so are the digits: in each scene three cells hold the centre of
one. (Of pictures that are grey all over, batch normalisation takes away most of the first layer's gradient, and leaves
its roundings.) Gradients are compared on two scenes: among a million windows and ReLUs, a rounding always decides
somewhere which of two numbers is the larger, or whether one is above zero, and the gradient jumps there.
"""

from typing import Any

import numpy as np

from benchmarks.practicals.in_pytorch import PyTorch
from benchmarks.practicals.ours import OnThePlainStorey, Ours
from tinygrad_edu import Tensor, nn, ops

BATCH, COMPARED, PIXELS, GRID, DIGITS = 64, 2, 64, 8, 3
CONVOLUTIONS = ((1, 16, 2), (16, 32, 2), (32, 64, 2), (64, 96, 0), (96, 96, 0))  # channels in, out, pooling
NUMBERS = 15  # for each cell: whether a digit is there, its box (4), which one it is (10)
BOX_WEIGHT, LEARNING_RATE, ADAM_EPS = 5.0, 2e-3, 1e-7
MOMENTUM, EPS = 0.9, 1e-3  # of batch normalisation; PyTorch calls 1 - 0.9 the momentum


class Scenes:
    """N pictures (N, 64, 64, 1), and of their M = 3 N digits: cell (scene, row, column), where in it, size, class."""

    def __init__(self, N: int, rng: np.random.Generator) -> None:
        patches = rng.random((N, 16, 16, 1), dtype=np.float32) * (rng.random((N, 16, 16, 1)) < 0.25)
        side = PIXELS // 16
        self.images: Any = patches.repeat(side, axis=1).repeat(side, axis=2).astype(np.float32)
        cells = np.array([rng.permutation(GRID * GRID)[:DIGITS] for _ in range(N)]).ravel()
        self.cells: Any = np.repeat(np.arange(N), DIGITS), cells // GRID, cells % GRID
        self.inside: Any = rng.random((N * DIGITS, 2), dtype=np.float32)
        self.log_size: Any = rng.normal(0, 0.2, (N * DIGITS, 2)).astype(np.float32)
        self.classes: Any = rng.integers(0, 10, N * DIGITS)


def problem(seed: int) -> tuple[dict[bool, Scenes], dict[str, np.ndarray]]:
    """The scenes for training (True) and for comparing gradients (False), and the initial weights.

    K0 ... K5 are the kernels, g0 ... g4 and b0 ... b4 the normalisations' gamma and beta, b5 is a bias.
    """
    rng = np.random.default_rng(seed)
    few, weights = Scenes(COMPARED, rng), {}
    for i, (c, o, _) in enumerate(CONVOLUTIONS):
        weights[f"K{i}"] = nn.init.glorot_uniform((3, 3, c, o), rng)
        weights[f"g{i}"], weights[f"b{i}"] = np.ones(o, np.float32), np.zeros(o, np.float32)
    weights["K5"] = nn.init.glorot_uniform((1, 1, CONVOLUTIONS[-1][1], NUMBERS), rng)
    weights["b5"] = np.zeros(NUMBERS, np.float32)
    return {True: Scenes(BATCH, rng), False: few}, weights


class YOLOOurs(Ours):
    def __init__(self, seed: int) -> None:
        self.scenes, weights = problem(seed)
        self.weights = {name: nn.Parameter(values) for name, values in weights.items()}
        running = [(np.zeros(o, np.float32), np.ones(o, np.float32)) for _, o, _ in CONVOLUTIONS]
        self.running = [(Tensor(mean), Tensor(var)) for mean, var in running]
        self.optimizer = self.adam(self.weights.values(), lr=LEARNING_RATE, eps=ADAM_EPS)

    def cells(self, x: Tensor) -> Tensor:
        """(N, 8, 8, 15)."""
        w = self.weights
        for i, (_, _, pool) in enumerate(CONVOLUTIONS):
            x = ops.conv2d(x, w[f"K{i}"])
            x = ops.batch_norm(x, w[f"g{i}"], w[f"b{i}"], *self.running[i], momentum=MOMENTUM, eps=EPS)
            x = ops.relu(ops.max_pool2d(x, pool) if pool else x)
        return ops.conv2d(x, w["K5"], w["b5"])

    def loss(self, training: bool) -> Tensor:
        true = self.scenes[training]
        Z = self.cells(Tensor(true.images))
        at = Z[true.cells]  # (M, 15)
        centre = ops.mse(ops.sigmoid(at[:, 1:3]), Tensor(true.inside), "sum")
        size = ops.mse(at[:, 3:5], Tensor(true.log_size), "sum")
        loss = ops.softplus(Z[..., 0]).sum() - at[:, 0].sum() + BOX_WEIGHT * (centre + size)
        return (loss + ops.softmax_cross_entropy(at[:, 5:], true.classes, "sum")) / len(Z)

    def parameters(self) -> dict[str, Tensor]:
        return dict(self.weights)


class YOLOTextbook(OnThePlainStorey, YOLOOurs):
    """By the textbook."""


class YOLOPyTorch(PyTorch):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        torch = self.torch
        self.scenes, weights = problem(seed)
        for true in self.scenes.values():
            true.images = self.image_order(torch.from_numpy(true.images.transpose(0, 3, 1, 2).copy()))
            true.cells = tuple(map(torch.from_numpy, true.cells))
            true.inside, true.log_size, true.classes = map(torch.from_numpy, (true.inside, true.log_size, true.classes))
        self.weights: dict[str, Any] = {}
        for name, values in weights.items():  # kernels are (O, C, KH, KW) here
            w = torch.tensor(values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values)
            self.weights[name] = self.image_order(w).requires_grad_()
        self.running = [(torch.zeros(o), torch.ones(o)) for _, o, _ in CONVOLUTIONS]
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=LEARNING_RATE, eps=ADAM_EPS, **self.fused)

    def image_order(self, x: Any) -> Any:
        return x.contiguous(memory_format=self.torch.channels_last) if self.best and x.ndim == 4 else x

    def cells(self, x: Any) -> Any:
        """(N, 8, 8, 15), as ours."""
        F, w = self.F, self.weights
        for i, (_, _, pool) in enumerate(CONVOLUTIONS):
            x = F.conv2d(x, w[f"K{i}"], padding=1)
            x = F.batch_norm(x, *self.running[i], w[f"g{i}"], w[f"b{i}"], True, 1 - MOMENTUM, EPS)
            x = F.relu(F.max_pool2d(x, pool) if pool else x)
        return F.conv2d(x, w["K5"], w["b5"]).permute(0, 2, 3, 1)

    def loss(self, training: bool) -> Any:
        F, true = self.F, self.scenes[training]
        Z = self.cells(true.images)
        at = Z[true.cells]  # (M, 15)
        centre = F.mse_loss(at[:, 1:3].sigmoid(), true.inside, reduction="sum")
        size = F.mse_loss(at[:, 3:5], true.log_size, reduction="sum")
        loss = F.softplus(Z[..., 0]).sum() - at[:, 0].sum() + BOX_WEIGHT * (centre + size)
        return (loss + F.cross_entropy(at[:, 5:], true.classes, reduction="sum")) / len(Z)

    def parameters(self) -> dict[str, Any]:
        return dict(self.weights)


class YOLOPyTorchBest(YOLOPyTorch):
    best = True

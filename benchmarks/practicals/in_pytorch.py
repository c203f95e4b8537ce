"""PyTorch: eager as its users write it, and at its best.

At its best means `fused=True`, an optimiser whose step is one loop in C++; for convolutions also memory in the order
(N, H, W, C), `channels_last`; for sequences time as the first axis. `torch.compile` is not in it: where a compiler was
at hand, it made four steps slower and the sine's 1% faster (two cores, compiled and not, in order of the rows: 313 and
242 µs, 548 and 553, 685 and 538, 18.6 and 16.7 ms, 103 and 83).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.practicals.problems import AIRLINE, SINE, TEXT, AlexNet, Recurrent, Softmax


class PyTorch(Contender):
    """A training step is zero grad, forward, loss, backward, optimiser; a subclass says which model's."""

    requires = "torch"
    best = False
    optimizer: Any

    def __init__(self, seed: int) -> None:
        import torch

        self.torch: Any = torch
        self.F: Any = torch.nn.functional
        self.fused: dict[str, bool] = {"fused": True} if self.best else {}

    def loss(self, training: bool) -> Any:
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """By our names; matrices are transposed and kernels (O, C, KH, KW) here."""
        raise NotImplementedError

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss(training=True).backward()
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.optimizer.zero_grad()
        self.loss(training=False).backward()
        gradients = {name: p.grad.numpy() for name, p in self.parameters().items()}
        return {
            name: g.transpose(2, 3, 1, 0) if g.ndim == 4 else g if name == "E" else g.T for name, g in gradients.items()
        }


class SoftmaxPyTorch(PyTorch):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        torch = self.torch
        images, labels, W, b = Softmax.problem(seed)
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.linear: Any = torch.nn.Linear(Softmax.PIXELS, Softmax.CLASSES)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(W.T))  # PyTorch keeps the transpose, (10, 784)
            self.linear.bias.copy_(torch.from_numpy(b))
        self.optimizer = torch.optim.SGD(self.linear.parameters(), lr=Softmax.LEARNING_RATE, **self.fused)

    def loss(self, training: bool) -> Any:
        return self.F.cross_entropy(self.linear(self.images), self.labels)

    def parameters(self) -> dict[str, Any]:
        return {"W": self.linear.weight, "b": self.linear.bias}


class SoftmaxPyTorchBest(SoftmaxPyTorch):
    best = True


class RecurrentPyTorch(PyTorch):
    setup: Recurrent

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        torch, s = self.torch, self.setup
        inputs, targets, weights = s.problem(seed)
        if self.best:
            inputs = inputs.swapaxes(0, 1).copy()  # (T, N) or (T, N, D)
        self.inputs, self.targets = torch.from_numpy(inputs), torch.from_numpy(targets)
        kind: Callable[..., Any] = torch.nn.LSTM if s.cell == "lstm" else torch.nn.RNN
        self.recurrent: Any = kind(s.D, s.H, batch_first=not self.best)
        self.linear: Any = torch.nn.Linear(s.H, s.outputs)
        self.embedding: Any = torch.nn.Embedding(s.vocabulary, s.D) if s.vocabulary else None
        with torch.no_grad():
            for name, p in self.parameters().items():
                p.copy_(torch.from_numpy(weights[name] if name == "E" else weights[name].T))
            self.recurrent.bias_hh_l0.zero_()  # PyTorch has two biases, which are added
        layers = [layer for layer in (self.embedding, self.recurrent, self.linear) if layer is not None]
        parameters = [p for layer in layers for p in layer.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=s.LEARNING_RATE, **self.fused)

    def loss(self, training: bool) -> Any:
        x = self.inputs if self.embedding is None else self.embedding(self.inputs)
        outputs, _ = self.recurrent(x)
        y = self.linear(outputs[-1] if self.best else outputs[:, -1])
        return self.F.mse_loss(y, self.targets) if self.embedding is None else self.F.cross_entropy(y, self.targets)

    def parameters(self) -> dict[str, Any]:
        r, linear = self.recurrent, self.linear
        named = {"W": r.weight_ih_l0, "U": r.weight_hh_l0, "b": r.bias_ih_l0, "V": linear.weight, "c": linear.bias}
        return named if self.embedding is None else named | {"E": self.embedding.weight}


class SinePyTorch(RecurrentPyTorch):
    setup = SINE


class SinePyTorchBest(SinePyTorch):
    best = True


class AirlinePyTorch(RecurrentPyTorch):
    setup = AIRLINE


class AirlinePyTorchBest(AirlinePyTorch):
    best = True


class TextPyTorch(RecurrentPyTorch):
    setup = TEXT


class TextPyTorchBest(TextPyTorch):
    best = True


class AlexNetPyTorch(PyTorch):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        torch = self.torch
        images, labels, weights = AlexNet.problem(seed)
        self.images = self.image_order(torch.tensor(images.transpose(0, 3, 1, 2).copy()))  # (N, C, H, W)
        self.labels = torch.from_numpy(labels)
        self.weights: list[tuple[Any, Any]] = []
        for W, b in weights:  # kernels are (O, C, KH, KW) here, matrices (M, D)
            W = torch.tensor(W.transpose(3, 2, 0, 1).copy() if W.ndim == 4 else W.T.copy())
            self.weights.append((self.image_order(W).requires_grad_(), torch.tensor(b, requires_grad=True)))
        parameters = list(self.parameters().values())
        self.optimizer = torch.optim.Adam(parameters, lr=AlexNet.LEARNING_RATE, eps=AlexNet.EPS, **self.fused)

    def image_order(self, x: Any) -> Any:
        return x.contiguous(memory_format=self.torch.channels_last) if self.best and x.ndim == 4 else x

    def loss(self, training: bool) -> Any:
        F, x = self.F, self.images
        for (K, b), (_, _, pool) in zip(self.weights, AlexNet.CONVOLUTIONS):
            x = F.conv2d(x, K, b, padding=1)
            x = F.relu(F.max_pool2d(x, pool) if pool else x)
        x = x.flatten(1)
        dense = self.weights[len(AlexNet.CONVOLUTIONS) :]
        x = F.dropout(F.relu(F.linear(x, *dense[0])), AlexNet.DROPOUT, training)
        x = F.linear(F.relu(F.linear(x, *dense[1])), *dense[2])
        return F.cross_entropy(x, self.labels)

    def parameters(self) -> dict[str, Any]:
        return {f"{'Wb'[i]}{n}": p for n, pair in enumerate(self.weights) for i, p in enumerate(pair)}


class AlexNetPyTorchBest(AlexNetPyTorch):
    best = True

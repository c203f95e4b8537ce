"""Ours: the fast operations, the textbook's, and for sequences the cell unrolled with small operations."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.practicals.problems import AIRLINE, SINE, TEXT, AlexNet, Recurrent, Softmax
from tinygrad_edu import Tensor, nn, ops, optim, textbook


class Ours(Contender):
    """A training step is zero grad, forward, loss, backward, optimiser; a subclass says which model's."""

    optimizer: Any

    def adam(self, parameters: Iterable[Tensor], **options: Any) -> Any:
        return optim.Adam(parameters, **options)

    def sgd(self, parameters: Iterable[Tensor], lr: float) -> Any:
        return optim.SGD(parameters, lr=lr)

    def loss(self, training: bool) -> Tensor:
        raise NotImplementedError

    def parameters(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss(training=True).backward()
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.optimizer.zero_grad()
        self.loss(training=False).backward()
        return {name: p.grad for name, p in self.parameters().items()}


class OnThePlainStorey(Ours):
    """Before one of ours among a class's bases: the same by the textbook's operations and optimisers."""

    def adam(self, parameters: Iterable[Tensor], **options: Any) -> Any:
        return ByTheTextbook(parameters, adam=True, **options)

    def sgd(self, parameters: Iterable[Tensor], lr: float) -> Any:
        return ByTheTextbook(parameters, adam=False, lr=lr)

    def step(self) -> None:
        with textbook.instead():
            super().step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        with textbook.instead():
            return super().gradients()


class ByTheTextbook:
    """`textbook.adam` or `textbook.sgd` for each parameter by itself; with `decay`, AdamW for matrices."""

    def __init__(self, parameters: Iterable[Tensor], adam: bool, decay: float = 0.0, **options: Any) -> None:
        self.parameters = list(parameters)
        self.options = options
        self.adam = adam
        self.decay = decay
        self.moments: list = [(np.zeros_like(p.data), np.zeros_like(p.data)) for p in self.parameters]
        self.t = 0

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        self.t += 1
        for i, p in enumerate(self.parameters):
            m, v = self.moments[i]
            if self.decay and p.ndim > 1:
                p.data = p.data * (1 - self.options["lr"] * self.decay)
            if self.adam:
                p.data, *self.moments[i] = textbook.adam(p.data, p.grad, m, v, self.t, **self.options)
            else:
                p.data, _ = textbook.sgd(p.data, p.grad, v, **self.options)


class SoftmaxOurs(Ours):
    def __init__(self, seed: int) -> None:
        images, self.labels, W, b = Softmax.problem(seed)
        self.images = Tensor(images)
        self.W, self.b = nn.Parameter(W), nn.Parameter(b)
        self.optimizer = self.sgd([self.W, self.b], lr=Softmax.LEARNING_RATE)

    def loss(self, training: bool) -> Tensor:
        logits = ops.linear(self.images, self.W, self.b)  # (100, 10)
        return ops.softmax_cross_entropy(logits, self.labels)

    def parameters(self) -> dict[str, Tensor]:
        return {"W": self.W, "b": self.b}


class SoftmaxTextbook(OnThePlainStorey, SoftmaxOurs):
    """By the textbook."""


class RecurrentOurs(Ours):
    """The whole sequence by one operation, whose backward is derived by hand."""

    setup: Recurrent

    def __init__(self, seed: int) -> None:
        self.inputs: Any
        self.targets: Any
        self.inputs, self.targets, weights = self.setup.problem(seed)
        if not self.setup.vocabulary:  # ids and class numbers stay arrays
            self.inputs, self.targets = Tensor(self.inputs), Tensor(self.targets)
        self.weights = {name: nn.Parameter(values) for name, values in weights.items()}
        self.optimizer = self.adam(self.weights.values(), lr=self.setup.LEARNING_RATE)

    def last_output(self, x: Tensor) -> Tensor:
        w = self.weights
        if self.setup.cell == "lstm":
            return ops.lstm(x, w["W"], w["U"], w["b"])[1][0]
        return ops.simple_rnn(x, w["W"], w["U"], w["b"])[1]

    def loss(self, training: bool) -> Tensor:
        w = self.weights
        x = ops.embedding(w["E"], self.inputs) if self.setup.vocabulary else self.inputs  # (N, T, D)
        y = ops.linear(self.last_output(x), w["V"], w["c"])  # (N, outputs)
        return ops.softmax_cross_entropy(y, self.targets) if self.setup.vocabulary else ops.mse(y, self.targets)

    def parameters(self) -> dict[str, Tensor]:
        return dict(self.weights)


class RecurrentUnfused(RecurrentOurs):
    """The cell that `nn/recurrent.py` writes with small operations, one after the other along the sequence."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        kind: Any = nn.LSTMCell if self.setup.cell == "lstm" else nn.SimpleRNNCell
        self.cell = kind(self.setup.D, self.setup.H)
        w = self.weights
        self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias = w["W"], w["U"], w["b"]

    def last_output(self, x: Tensor) -> Tensor:
        state = nn.unroll(self.cell, x)[1]
        return state[0] if self.setup.cell == "lstm" else state


class SineOurs(RecurrentOurs):
    setup = SINE


class SineTextbook(OnThePlainStorey, SineOurs):
    """By the textbook."""


class SineUnfused(RecurrentUnfused):
    setup = SINE


class AirlineOurs(RecurrentOurs):
    setup = AIRLINE


class AirlineTextbook(OnThePlainStorey, AirlineOurs):
    """By the textbook."""


class AirlineUnfused(RecurrentUnfused):
    setup = AIRLINE


class TextOurs(RecurrentOurs):
    setup = TEXT


class TextTextbook(OnThePlainStorey, TextOurs):
    """By the textbook."""


class TextUnfused(RecurrentUnfused):
    setup = TEXT


class AlexNetOurs(Ours):
    def __init__(self, seed: int) -> None:
        images, self.labels, weights = AlexNet.problem(seed)
        self.images = Tensor(images)
        self.weights = [(nn.Parameter(W), nn.Parameter(b)) for W, b in weights]
        self.optimizer = self.adam(self.parameters().values(), lr=AlexNet.LEARNING_RATE, eps=AlexNet.EPS)
        self.rng = np.random.default_rng(seed)

    def loss(self, training: bool) -> Tensor:
        x = self.images
        for (K, b), (_, _, pool) in zip(self.weights, AlexNet.CONVOLUTIONS):
            x = ops.conv2d(x, K, b)
            x = ops.relu(ops.max_pool2d(x, pool) if pool else x)
        x = ops.reshape(x, (AlexNet.BATCH, -1))
        dense = self.weights[len(AlexNet.CONVOLUTIONS) :]
        x = ops.dropout(ops.relu(ops.linear(x, *dense[0])), AlexNet.DROPOUT if training else 0.0, self.rng)
        x = ops.linear(ops.relu(ops.linear(x, *dense[1])), *dense[2])
        return ops.softmax_cross_entropy(x, self.labels)

    def parameters(self) -> dict[str, Tensor]:
        return {f"{'Wb'[i]}{n}": p for n, pair in enumerate(self.weights) for i, p in enumerate(pair)}


class AlexNetTextbook(OnThePlainStorey, AlexNetOurs):
    """By the textbook."""

"""The three sequence models: one training step with a fused sequence operation, with unrolled cells, and in PyTorch.

A step is zero grad, forward, loss, backward, Adam. *ours* runs the whole sequence by one operation, whose backward is
derived by hand; *unfused* unrolls the cell that `nn/recurrent.py` writes with small operations. All three draw the same
data and the same weights from the seed. The data are random: the arithmetic does not look at the values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.contender import Contender, Row
from tinygrad_edu import Tensor, nn, ops, optim


@dataclass(frozen=True)
class Setup:
    """A model's shapes: N sequences of T steps; `vocabulary` and `embedding` for text, else D features."""

    cell: str  # "lstm" or "rnn"
    N: int
    T: int
    D: int
    H: int
    outputs: int
    vocabulary: int = 0  # 0: the input is numbers, the loss a squared error

    def problem(self, seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Inputs, targets and initial weights, in Keras' layouts."""
        rng = np.random.default_rng(seed)
        columns = self.H * (4 if self.cell == "lstm" else 1)
        shapes = {"W": (self.D, columns), "U": (self.H, columns), "b": (columns,)}
        shapes |= {"V": (self.H, self.outputs), "c": (self.outputs,)}
        if self.vocabulary:
            shapes["E"] = (self.vocabulary, self.D)
        weights = {name: rng.uniform(-0.3, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
        if self.vocabulary:
            inputs = rng.integers(0, self.vocabulary, (self.N, self.T))
            return inputs, rng.integers(0, self.vocabulary, self.N), weights
        x = rng.normal(size=(self.N, self.T, self.D)).astype(np.float32)
        return x, rng.normal(size=(self.N, 1)).astype(np.float32), weights


SINE = Setup("rnn", N=600, T=2, D=1, H=1, outputs=1)
AIRLINE = Setup("lstm", N=1, T=1, D=1, H=4, outputs=1)
TEXT = Setup("lstm", N=128, T=30, D=32, H=128, outputs=65, vocabulary=65)


class Ours(Contender):
    setup: Setup
    fused = True

    def __init__(self, seed: int) -> None:
        self.inputs: Any
        self.targets: Any
        self.inputs, self.targets, weights = self.setup.problem(seed)
        if not self.setup.vocabulary:  # ids and class numbers stay arrays
            self.inputs, self.targets = Tensor(self.inputs), Tensor(self.targets)
        self.weights = {name: nn.Parameter(values) for name, values in weights.items()}
        self.optimizer = optim.Adam(self.weights.values(), lr=1e-3)
        w = self.weights
        if not self.fused:
            self.cell: Any = (nn.LSTMCell if self.setup.cell == "lstm" else nn.SimpleRNNCell)(
                self.setup.D, self.setup.H
            )
            self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias = w["W"], w["U"], w["b"]

    def last_output(self, x: Tensor) -> Tensor:
        w = self.weights
        if not self.fused:
            state = nn.unroll(self.cell, x)[1]
            return state[0] if self.setup.cell == "lstm" else state
        if self.setup.cell == "lstm":
            return ops.lstm(x, w["W"], w["U"], w["b"])[1][0]
        return ops.simple_rnn(x, w["W"], w["U"], w["b"])[1]

    def backward(self) -> None:
        w = self.weights
        self.optimizer.zero_grad()
        x = ops.embedding(w["E"], self.inputs) if self.setup.vocabulary else self.inputs  # (N, T, D)
        y = ops.linear(self.last_output(x), w["V"], w["c"])  # (N, outputs)
        loss = ops.softmax_cross_entropy(y, self.targets) if self.setup.vocabulary else ops.mse(y, self.targets)
        loss.backward()

    def step(self) -> None:
        self.backward()
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.backward()
        return {name: w.grad for name, w in self.weights.items()}


class PyTorch(Contender):
    requires = "torch"
    setup: Setup

    def __init__(self, seed: int) -> None:
        import torch

        self.torch = torch
        s = self.setup
        inputs, targets, w = s.problem(seed)
        self.inputs, self.targets = torch.from_numpy(inputs), torch.from_numpy(targets)
        kind: Callable[..., Any] = torch.nn.LSTM if s.cell == "lstm" else torch.nn.RNN
        self.recurrent: Any = kind(s.D, s.H, batch_first=True)
        self.linear: Any = torch.nn.Linear(s.H, s.outputs)
        self.embedding: Any = torch.nn.Embedding(s.vocabulary, s.D) if s.vocabulary else None
        with torch.no_grad():
            self.recurrent.weight_ih_l0.copy_(torch.from_numpy(w["W"].T))
            self.recurrent.weight_hh_l0.copy_(torch.from_numpy(w["U"].T))
            self.recurrent.bias_ih_l0.copy_(torch.from_numpy(w["b"]))
            self.recurrent.bias_hh_l0.zero_()
            self.linear.weight.copy_(torch.from_numpy(w["V"].T))
            self.linear.bias.copy_(torch.from_numpy(w["c"]))
            if self.embedding is not None:
                self.embedding.weight.copy_(torch.from_numpy(w["E"]))
        layers = [layer for layer in (self.embedding, self.recurrent, self.linear) if layer is not None]
        self.optimizer = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=1e-3)

    def backward(self) -> None:
        self.optimizer.zero_grad()
        x = self.inputs if self.embedding is None else self.embedding(self.inputs)
        outputs, _ = self.recurrent(x)
        y = self.linear(outputs[:, -1])
        functional = self.torch.nn.functional
        loss = functional.cross_entropy(y, self.targets) if self.embedding else functional.mse_loss(y, self.targets)
        loss.backward()

    def step(self) -> None:
        self.backward()
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.backward()
        gradients = {
            "W": self.recurrent.weight_ih_l0.grad.numpy().T,
            "U": self.recurrent.weight_hh_l0.grad.numpy().T,
            "b": self.recurrent.bias_ih_l0.grad.numpy(),
            "V": self.linear.weight.grad.numpy().T,
            "c": self.linear.bias.grad.numpy(),
        }
        if self.embedding is not None:
            gradients["E"] = self.embedding.weight.grad.numpy()
        return gradients


class SineFused(Ours):
    setup = SINE


class SineUnfused(SineFused):
    fused = False


class SinePyTorch(PyTorch):
    setup = SINE


class AirlineFused(Ours):
    setup = AIRLINE


class AirlineUnfused(AirlineFused):
    fused = False


class AirlinePyTorch(PyTorch):
    setup = AIRLINE


class TextFused(Ours):
    setup = TEXT


class TextUnfused(TextFused):
    fused = False


class TextPyTorch(PyTorch):
    setup = TEXT


RATIOS = (("torch", "ours"), ("unfused", "ours"))
ROWS = (
    Row(
        name="sine-rnn",
        title="one training step of SimpleRNN(1) + linear, batch 600, 2 steps, Adam, float32",
        contenders={"ours": SineFused, "unfused": SineUnfused, "torch": SinePyTorch},
        ratios=RATIOS,
        steps=300,
        goal="torch / ours at least 6",
    ),
    Row(
        name="airline-lstm",
        title="one training step of LSTM(4) + linear, batch 1, 1 step, Adam, float32",
        contenders={"ours": AirlineFused, "unfused": AirlineUnfused, "torch": AirlinePyTorch},
        ratios=RATIOS,
        steps=300,
        goal="torch / ours at least 8",
    ),
    Row(
        name="shakespeare-lstm",
        title="one training step of embedding 65 x 32 + LSTM(128) + linear 65, batch 128, 30 steps, Adam, float32",
        contenders={"ours": TextFused, "unfused": TextUnfused, "torch": TextPyTorch},
        ratios=RATIOS,
        steps=8,
        goal="torch / ours at least 0.7, unfused / ours at least 2",
    ),
)

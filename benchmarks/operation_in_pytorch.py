"""The contender of `operation.py` in PyTorch: the same operation, with the same numbers in PyTorch's layouts."""

from typing import Any

import numpy as np

from benchmarks.contender import Contender

# Our axes in PyTorch's order, for each factor and for the result.
RECURRENT = ((0, 1, 2), (1, 0), (1, 0), (0,)), (0, 1, 2)
LAYOUTS = {
    "linear": (((0, 1), (1, 0), (0,)), (0, 1)),
    "conv2d": (((0, 3, 1, 2), (3, 2, 0, 1), (0,)), (0, 3, 1, 2)),  # (N, C, H, W) and (O, C, KH, KW)
    "attention": (3 * ((0, 1, 2, 3),), (0, 1, 2, 3)),
    "simple_rnn": RECURRENT,
    "lstm": RECURRENT,
}


class PyTorchOperation(Contender):
    requires = "torch"
    operation = ""
    shapes: tuple[tuple[int, ...], ...] = ()  # in our layouts
    scale = 1.0

    def __init__(self, seed: int) -> None:
        import torch

        self.torch: Any = torch
        self.axes, result_axes = LAYOUTS[self.operation]
        rng = np.random.default_rng(seed)  # draws in the same order as `Operation`
        arrays = [self.scale * rng.normal(size=shape) for shape in self.shapes]
        self.leaves: list[Any] = [
            torch.tensor(a.astype(np.float32).transpose(axes).copy(), requires_grad=True)
            for a, axes in zip(arrays, self.axes)
        ]
        if self.operation in ("lstm", "simple_rnn"):
            self.state = torch.zeros(1, len(arrays[0]), len(arrays[2]))  # (layers, N, H)
            self.second_bias = torch.zeros(arrays[3].shape)
        shape = np.array(self.result().shape)[np.argsort(result_axes)]
        self.G: Any = torch.tensor(rng.normal(size=shape).astype(np.float32).transpose(result_axes).copy())

    def result(self) -> Any:
        torch = self.torch
        match self.operation:
            case "linear":
                return torch.nn.functional.linear(*self.leaves)
            case "attention":
                return torch.nn.functional.scaled_dot_product_attention(*self.leaves)
            case "conv2d":
                return torch.nn.functional.conv2d(*self.leaves, padding=1)
        x, *weights = self.leaves
        settings = (True, 1, 0.0, True, False, True)  # biases, layers, dropout, training, both directions, batch first
        weights.append(self.second_bias)
        if self.operation == "lstm":
            return torch.lstm(x, (self.state, self.state), weights, *settings)[0]
        return torch.rnn_tanh(x, self.state, weights, *settings)[0]

    def step(self) -> None:
        for leaf in self.leaves:
            leaf.grad = None
        self.result().backward(self.G)

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.step()
        return {
            str(i): leaf.grad.numpy().transpose(np.argsort(axes))
            for i, (leaf, axes) in enumerate(zip(self.leaves, self.axes))
        }

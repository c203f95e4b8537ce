"""Stochastic gradient descent. The names are those of `optimizer.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and L2 weight decay if wanted.

    v = momentum * v + g + weight_decay * p,   p = p - lr * v,   see `textbook/optimizers.py`; in place here, and
    without momentum no v is kept.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.01, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = checks.fraction("SGD", "momentum", momentum)

    def remembers(self) -> dict[str, float]:
        return {"velocity": -math.inf} if self.momentum else {}

    def update(self, i: int, p: Array, g: Array) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p
        if self.momentum:
            v = self.state[i].setdefault("velocity", array_module(p).zeros_like(p))
            v *= self.momentum
            v += g
            g = v
        p -= self.lr * g

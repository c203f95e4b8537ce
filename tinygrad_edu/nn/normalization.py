"""Layers that normalise."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import checks, ops
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.tensor import Tensor


class BatchNorm(Module):
    """Every channel to mean 0 and variance 1 over the batch, then gamma * x^ + beta. See `ops.batch_norm`.

    While training, the mean and variance are the batch's, and running means of both are kept; in evaluation those are
    used, so that an image's result does not depend on its neighbours in the batch.

    Parameters
    ----------
    channels : int
        C: X is (..., C).
    momentum : float
        How much of the running mean and variance stays at every step.
    eps : float
        Added to the variance.

    Attributes
    ----------
    gamma, beta : Parameter (C,), ones and zeros
    running_mean, running_var : Tensor (C,), zeros and ones; saved with the weights, but not learnt
    """

    def __init__(self, channels: int, momentum: float = 0.99, eps: float = 1e-3) -> None:
        channels = checks.size("BatchNorm", "channels", channels)
        self.gamma = Parameter(np.ones(channels, np.float32))
        self.beta = Parameter(np.zeros(channels, np.float32))
        self.running_mean = Tensor(np.zeros(channels, np.float32))
        self.running_var = Tensor(np.ones(channels, np.float32))
        self.momentum = checks.fraction("BatchNorm", "momentum", momentum)
        self.eps = checks.not_negative("BatchNorm", "eps", eps)

    def forward(self, x: Tensor) -> Tensor:
        running = self.running_mean, self.running_var
        return ops.batch_norm(x, self.gamma, self.beta, *running, self.training, self.momentum, self.eps)


class LayerNorm(Module):
    """Every item to mean 0 and variance 1 over its channels, then gamma * x^ + beta. See `ops.layer_norm`."""

    def __init__(self, channels: int, eps: float = 1e-3) -> None:
        channels = checks.size("LayerNorm", "channels", channels)
        self.gamma = Parameter(np.ones(channels, np.float32))
        self.beta = Parameter(np.zeros(channels, np.float32))
        self.eps = checks.not_negative("LayerNorm", "eps", eps)

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.gamma, self.beta, self.eps)


class RMSNorm(Module):
    """Every item to a mean square of 1 over its channels, then gamma * x^. See `ops.rms_norm`."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        channels = checks.size("RMSNorm", "channels", channels)
        self.gamma = Parameter(np.ones(channels, np.float32))
        self.eps = checks.not_negative("RMSNorm", "eps", eps)

    def forward(self, x: Tensor) -> Tensor:
        return ops.rms_norm(x, self.gamma, self.eps)

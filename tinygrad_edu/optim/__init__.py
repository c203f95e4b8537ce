"""Optimisers: how a parameter moves when its gradient is known."""

from tinygrad_edu.optim.adam import Adam, AdamW
from tinygrad_edu.optim.clipping import clip_grad_norm
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.schedule import cosine
from tinygrad_edu.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_grad_norm", "cosine"]

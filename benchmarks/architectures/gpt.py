"""A training step of a small GPT, in nanoGPT's configuration for a CPU: the network that `nn/attention.py` begins with.

Both sides shorten the gradients to a length of 1, and decay the matrices' weights alone, so there are two kinds of
parameters. PyTorch's attention is its own `scaled_dot_product_attention`, which was faster than the five lines by hand.
"""

from typing import Any

import numpy as np

from benchmarks.practicals.in_pytorch import PyTorch
from benchmarks.practicals.ours import ByTheTextbook, OnThePlainStorey, Ours
from tinygrad_edu import Tensor, nn, ops, optim

CHARACTERS, LENGTH, BATCH = 65, 64, 12
SIZE, HEADS, BLOCKS, EPS = 128, 4, 4, 1e-5
LEARNING_RATE, BETAS, ADAM_EPS, DECAY, LONGEST = 1e-3, (0.9, 0.99), 1e-8, 0.1, 1.0


class GPT(nn.Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.tokens = nn.Embedding(CHARACTERS, SIZE, rng=rng)
        self.places = nn.PositionalEmbedding(LENGTH, SIZE, rng=rng)
        self.blocks = [nn.TransformerBlock(SIZE, HEADS, causal=True, bias=False, rng=rng) for _ in range(BLOCKS)]
        self.norm = nn.LayerNorm(SIZE, EPS)

    def forward(self, ids: np.ndarray) -> Tensor:
        x = self.places(self.tokens(ids))  # (12, 64, 128)
        for block in self.blocks:
            x = block(x)
        return self.tokens.scores(self.norm(x))  # (12, 64, 65)


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, GPT]:
    """Characters (12, 64), those that follow (12, 64), and the network with its initial weights."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, CHARACTERS, (BATCH, LENGTH + 1))
    return ids[:, :-1], ids[:, 1:], GPT(rng)


class GPTOurs(Ours):
    def __init__(self, seed: int) -> None:
        self.ids, self.following, self.model = problem(seed)
        self.optimizer = self.adamw(self.model.parameters())

    def adamw(self, parameters: list) -> Any:
        return optim.AdamW(parameters, LEARNING_RATE, BETAS, ADAM_EPS, DECAY, matrices_only=True)

    def loss(self, training: bool) -> Tensor:
        return ops.softmax_cross_entropy(self.model(self.ids), self.following)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss(training=True).backward()
        optim.clip_grad_norm(self.model.parameters(), LONGEST)
        self.optimizer.step()

    def parameters(self) -> dict[str, Tensor]:
        return dict(self.model.named_parameters())


class GPTTextbook(OnThePlainStorey, GPTOurs):
    """By the textbook."""

    def adamw(self, parameters: list) -> Any:
        return ByTheTextbook(parameters, adam=True, decay=DECAY, lr=LEARNING_RATE, betas=BETAS, eps=ADAM_EPS)


class GPTPyTorch(PyTorch):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        torch = self.torch
        ids, following, model = problem(seed)
        self.ids, self.following = torch.from_numpy(ids.copy()), torch.from_numpy(following.copy())
        arrays = {name: p.data.T.copy() if self.is_turned(name) else p.data for name, p in model.named_parameters()}
        self.weights: dict[str, Any] = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
        kinds = [
            {"params": [p for p in self.weights.values() if (p.ndim > 1) == matrices], "weight_decay": decay}
            for matrices, decay in ((True, DECAY), (False, 0.0))
        ]
        self.optimizer = torch.optim.AdamW(kinds, LEARNING_RATE, BETAS, ADAM_EPS, **self.fused)

    @staticmethod
    def is_turned(name: str) -> bool:
        """Whether PyTorch keeps the transpose: of the matrices in the blocks."""
        return "blocks" in name and "norm" not in name

    def loss(self, training: bool) -> Any:
        F, w = self.F, self.weights
        x = F.embedding(self.ids, w["tokens.weight"]) + w["places.weight"]
        for i in range(BLOCKS):
            part = f"blocks.{i}."
            q, k, v = F.linear(self.norm(x, part + "norm1"), w[part + "attention.qkv.weight"]).split(SIZE, dim=2)
            q, k, v = (y.view(BATCH, LENGTH, HEADS, -1).transpose(1, 2) for y in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(BATCH, LENGTH, SIZE)
            x = x + F.linear(y, w[part + "attention.output.weight"])
            y = F.gelu(F.linear(self.norm(x, part + "norm2"), w[part + "network.layers.0.weight"]))
            x = x + F.linear(y, w[part + "network.layers.2.weight"])
        scores = F.linear(self.norm(x, "norm"), w["tokens.weight"])
        return F.cross_entropy(scores.view(-1, CHARACTERS), self.following.view(-1))

    def norm(self, x: Any, name: str) -> Any:
        return self.F.layer_norm(x, (SIZE,), self.weights[f"{name}.gamma"], self.weights[f"{name}.beta"], EPS)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss(training=True).backward()
        self.torch.nn.utils.clip_grad_norm_(self.weights.values(), LONGEST)
        self.optimizer.step()

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.optimizer.zero_grad()
        self.loss(training=False).backward()
        found = {name: p.grad.numpy() for name, p in self.weights.items()}
        return {name: g.T if self.is_turned(name) else g for name, g in found.items()}


class GPTPyTorchBest(GPTPyTorch):
    best = True

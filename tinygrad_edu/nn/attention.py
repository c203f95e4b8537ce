"""Attention as a layer, and the block that Transformers are stacked from.

A GPT in ten lines: characters and their places as vectors, blocks that let no place look ahead, and the characters'
vectors once more, to ask which comes next (weight tying, see `Embedding.scores`).

>>> class GPT(Module):
...     def __init__(self, characters, length, size=128, heads=4, blocks=4):
...         self.tokens = Embedding(characters, size)
...         self.places = PositionalEmbedding(length, size)
...         self.blocks = [TransformerBlock(size, heads, causal=True) for _ in range(blocks)]
...         self.norm = LayerNorm(size)
...
...     def forward(self, ids):  # (N, T)
...         x = self.places(self.tokens(ids))  # (N, T, size)
...         for block in self.blocks:
...             x = block(x)
...         return self.tokens.scores(self.norm(x))  # (N, T, characters)
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from tinygrad_edu import checks, ops
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.nn import init
from tinygrad_edu.nn.layers import GELU, Dropout, Linear, Sequential
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.ops.support import Operand, constant
from tinygrad_edu.tensor import Tensor, no_grad

Cache = dict[str, Tensor]  # "k" and "v" (N, heads, S, D) of all places so far; empty before the first


class PositionalEmbedding(Module):
    """Adds to each place of a sequence a learnt vector that says where it is.

    Attention is an average, to which the order of the keys is nothing: without this, "dog bites man" would be "man
    bites dog".

    Parameters
    ----------
    count, size : int
        The longest sequence, and the length of a vector.
    rng : numpy.random.Generator, optional
        Draws the weights; the generator of `manual_seed` otherwise.

    Attributes
    ----------
    weight : Parameter (count, size), as in `Embedding`
    """

    def __init__(self, count: int, size: int, rng: np.random.Generator | None = None) -> None:
        name = "PositionalEmbedding"
        count, size = checks.size(name, "count", count), checks.size(name, "size", size)
        self.weight = Parameter(init.truncated_normal((count, size), rng=rng))

    def forward(self, x: Operand, start: int = 0) -> Tensor:
        """x (N, T, size) with the vectors of the places start ... start + T - 1 added."""
        name, (count, size) = "PositionalEmbedding", self.weight.shape
        x = _sequences(name, x, size, self.weight)
        start, T = checks.whole(name, "start", start), x.shape[1]
        if start + T > count:
            raise ValueError(
                f"{name}: the sequence goes to place {start + T - 1}, but there are {count} positions, 0..{count - 1}; "
                "cut it, or make the layer with more positions"
            )
        return x + self.weight[start : start + T]


class MultiHeadAttention(Module):
    """Self-attention: each place of a sequence asks all others, with several heads at once. See `ops.attention`.

    Parameters
    ----------
    size, heads : int
        The length of a vector, and how many heads share it; each has size / heads numbers.
    causal : bool
        Whether no place may look at those behind it.
    dropout : float
        The probability with which a weight is dropped in training.
    bias : bool
        Whether the two affine maps have one.
    rng : numpy.random.Generator, optional
        Draws the weights and the dropout; the generator of `manual_seed` otherwise.

    Attributes
    ----------
    qkv : Linear (size, 3 size)
        Queries, keys and values of all heads, side by side; one matrix, so that it is one product.
    output : Linear (size, size)
        Mixes what the heads have found.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        causal: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        name = "MultiHeadAttention"
        size, self.heads = checks.size(name, "size", size), checks.size(name, "heads", heads)
        if size % self.heads:
            raise ValueError(f"{name}: heads must divide size, so that each has as many numbers; {heads} and {size}")
        bias = checks.flag(name, "bias", bias)
        self.causal = checks.flag(name, "causal", causal)
        self.dropout = checks.probability(name, "dropout", dropout)
        self.rng = None if rng is None else checks.generator(name, "rng", rng)
        self.qkv = Linear(size, 3 * size, bias, rng)
        self.output = Linear(size, size, bias, rng)

    def forward(self, x: Operand, mask: Operand | None = None, cache: Cache | None = None) -> Tensor:
        """What each place has found, (N, T, size), from x (N, T, size).

        Parameters
        ----------
        mask : array of bool, broadcast to (N, heads, T, S), optional
            True where a place may look. For sequences of different lengths, filled up behind: (N, 1, 1, S).
        cache : dict, optional
            For writing a text character by character with a causal layer: empty at first, then handed over again with
            the next places alone. The layer keeps keys and values in it, so that nothing is computed twice.
        """
        q, k, v = self.projections(x)
        if cache is not None:
            k, v = self.with_cached(cache, k, v)
        p = self.dropout if self.training else 0.0
        y = ops.attention(q, k, v, mask, self.causal, p, self.rng or init.default_generator())
        if cache is not None:
            cache["k"], cache["v"] = k, v  # only now: a call that is refused leaves the cache as it was
        y = y.transpose(0, 2, 1, 3)  # (N, T, heads, size / heads)
        return self.output(y.reshape(*y.shape[:2], -1))

    def projections(self, x: Operand) -> list[Tensor]:
        """Queries, keys and values, (N, heads, T, size / heads) each, of x (N, T, size)."""
        x = _sequences("MultiHeadAttention", x, len(self.qkv.weight), self.qkv.weight)
        N, T, size = x.shape
        parts = ops.split(self.qkv(x), 3, axis=2)  # (N, T, size) each
        return [part.reshape(N, T, self.heads, size // self.heads).transpose(0, 2, 1, 3) for part in parts]

    @staticmethod
    def with_cached(cache: Cache, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all places so far, the new ones behind those in the cache."""
        name = "MultiHeadAttention"
        checks.instance(name, "cache", cache, dict, "a dict, empty before the first places")
        if cache:
            old_k, old_v = cache.get("k"), cache.get("v")
            if not (_continues(old_k, k) and _continues(old_v, v) and old_k.shape == old_v.shape):
                N, heads, _, D = k.shape
                raise ValueError(
                    f"{name}: the cache must be empty, or hold keys 'k' and values 'v' of the places before, tensors "
                    f"({N}, {heads}, S, {D}) of {k.dtype}; got {_described(old_k)} and {_described(old_v)}"
                )
            k, v = ops.concatenate([old_k, k], axis=2), ops.concatenate([old_v, v], axis=2)
        return k, v

    def weights(self, x: Operand, mask: Operand | None = None) -> Array:
        """How much each place takes from each other, (N, heads, T, T), without dropout: what pictures show.

        Attention is weights times values; with the identity as values, it is the weights.
        """
        with no_grad():
            q, k, _ = self.projections(x)
            xp, T = array_module(q.data), q.shape[2]
            identity = xp.broadcast_to(xp.eye(T, dtype=q.dtype), (*q.shape[:2], T, T))
            return ops.attention(q, k, Tensor(identity), mask, self.causal).data


class TransformerBlock(Module):
    """x + attention(norm(x)), then x + network(norm(x)): places look at each other, then each thinks for itself.

    The normalisation stands before each half ("pre-norm"; Xiong et al. 2020), so that x itself goes through all blocks
    by nothing but additions, and so does its gradient. PyTorch's `TransformerEncoderLayer(norm_first=True,
    activation="gelu")` without dropout inside the network.

    Parameters
    ----------
    size, heads, causal, bias
        As for `MultiHeadAttention`.
    hidden : int, optional
        How wide the network is between its two layers; 4 size otherwise.
    dropout : float
        The probability with which, in training, an attention weight or a result of either half is dropped.
    eps : float
        Of the normalisations.
    rng : numpy.random.Generator, optional
        Draws the weights and the dropout; the generator of `manual_seed` otherwise.

    Attributes
    ----------
    norm1, attention, norm2, network : LayerNorm, MultiHeadAttention, LayerNorm, Sequential(Linear, GELU, Linear)
    """

    def __init__(
        self,
        size: int,
        heads: int,
        hidden: int | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        eps: float = 1e-5,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.attention = MultiHeadAttention(size, heads, causal, dropout, bias, rng)
        hidden = 4 * size if hidden is None else checks.size("TransformerBlock", "hidden", hidden)
        self.norm1, self.norm2 = LayerNorm(size, eps), LayerNorm(size, eps)
        self.network = Sequential(Linear(size, hidden, bias, rng), GELU(), Linear(hidden, size, bias, rng))
        self.drop = Dropout(dropout, rng)

    def forward(self, x: Operand, mask: Operand | None = None, cache: Cache | None = None) -> Tensor:
        """(N, T, size) from x (N, T, size); `mask` and `cache` as for `MultiHeadAttention`."""
        x = _sequences("TransformerBlock", x, self.norm1.gamma.size, self.norm1.gamma)
        x = x + self.drop(self.attention(self.norm1(x), mask, cache))
        return x + self.drop(self.network(self.norm2(x)))


def _sequences(name: str, x: Any, size: int, like: Tensor) -> Tensor:
    """x as a tensor (N, T, size), or the error that says what it is instead."""
    x = x if isinstance(x, Tensor) else constant(name, x, like)
    if x.data.ndim != 3 or x.shape[2] != size or not x.size:
        raise ValueError(f"{name}: expected x of shape (N, T, {size}), with N and T at least 1; got {x.shape}")
    return x


def _continues(old: Any, new: Tensor) -> TypeGuard[Tensor]:
    """Whether the places in `new` may stand behind those in `old`."""
    if not isinstance(old, Tensor) or old.ndim != 4 or old.dtype != new.dtype:
        return False
    return (*old.shape[:2], old.shape[3]) == (*new.shape[:2], new.shape[3])


def _described(x: Any) -> str:
    return f"{x.shape} of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__

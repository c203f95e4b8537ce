"""Attention (Vaswani et al. 2017): every place of a sequence looks at the others and takes from them what fits."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, device_of
from tinygrad_edu.ops.dropout import dropout_mask
from tinygrad_edu.ops.support import Operand, array_of, same_kind
from tinygrad_edu.runtime.parallel import in_parts
from tinygrad_edu.tensor import Tensor, record, will_record

AT_ONCE = 2**17  # so many weights are computed at once: 512 KiB of float32, which stay in the processor's cache
FEWEST = 64  # queries of a block: products with fewer are slow
AT_ONCE_ON_GPU = 2**26  # there, each block is some ten launches
PART_WEIGHTS = 80_000  # weights that are worth a thread: 0.3 ms forward, 0.5 ms backward


def attention(
    q: Operand,
    k: Operand,
    v: Operand,
    mask: Operand | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Y = softmax(Q K^T / sqrt(D)) V: for each query, an average of the values, most of those whose keys fit it.

    Parameters
    ----------
    q : Tensor (N, heads, T, D)
        The queries: N sequences of T places, several heads that know nothing of each other.
    k : Tensor (N, heads, S, D)
        The keys of S places; in self-attention S = T.
    v : Tensor (N, heads, S, E)
        Their values; mostly E = D.
    mask : array of bool, broadcast to (N, heads, T, S), optional
        True where a query may look. A query that may look nowhere gives zeros, and no gradient passes through it.
    causal : bool
        Whether no query may look into the future. The last query stands at the last key: query t sees the keys
        0 ... t + S - T. So one new query beside all keys so far (T = 1) sees them all.
    dropout : float
        0 <= dropout < 1: the probability that a weight is dropped while the others are scaled up, as in `dropout`.
    rng : numpy.random.Generator, where something is dropped

    Returns
    -------
    Y : Tensor (N, heads, T, E)

    Raises
    ------
    TypeError
        Different dtypes or devices, whole numbers, or a mask that is not of bool.
    ValueError
        Shapes that do not fit, sequences of length 0, or a probability out of its range.

    Derived and written plainly in `textbook/attention.py`. What is different here:

    - The weights, T x S for each head, are never there all at once. They are computed for a block of queries at a
      time; kept are Y and, for each query, the logarithm of its row's sum, from which the backward computes the block
      once more. So memory grows with T, not with T^2, and it is faster, too, since less memory is gone through. Up to
      64 queries are one block; the weights are few then, and kept. Dropout's mask is always kept, and grows with T^2.
    - Where `causal`, the keys behind a block's last query are left out: 0.43 instead of 0.62 s at T = 4096.
    - The keys come first, (S, T), in a block, so that maximum and sum over them run through long rows: 130 instead of
      320 microseconds for 12 x 4 blocks of 64 x 64.
    - In the softmax's derivative, sum_r dL/dP[t,r] P[t,r] is sum_e G[t,e] Y[t,e], over E numbers instead of S.
    - The heads lie side by side in the memory of Y and of the gradients, (N, T, heads, E), so that a layer that joins
      them copies nothing.
    - The sequences of a large batch are shared among the cores.
    """
    q, k, v, mask, M = checked(q, k, v, mask, causal, dropout, rng)
    Q, K, V = q.data, k.data, v.data
    (N, heads, T, D), (S, E) = Q.shape, V.shape[2:]
    xp = array_module(Q)
    scale = 1 / math.sqrt(D)
    M = None if M is None else M.swapaxes(-1, -2)  # (N, heads, S, T), as all weights below
    if mask is not None:
        mask = xp.where(mask, 0, -math.inf).astype(Q.dtype)
        mask = xp.broadcast_to(mask, (N, heads, T, S)).swapaxes(-1, -2)
    weights = xp.empty((N, heads, S, T), Q.dtype) if T <= FEWEST and will_record(q, k, v) else None
    Y, log_sums = _side_by_side(xp, (N, heads, T, E), Q.dtype), xp.empty((N, heads, 1, T), Q.dtype)

    def scores(part: slice, rows: slice, keys: slice) -> Array:
        """How well the keys (S) fit the queries (T), (n, heads, S, T); -infinity where a query may not look."""
        A = K[part, :, keys] @ xp.multiply(_turned(Q[part, :, rows]), scale, order="C")
        if mask is not None:
            A += mask[part, :, keys, rows]
        if causal:
            A += _future(xp, rows, keys, S - T, Q.dtype)
        return A

    def forward_part(start: int, stop: int) -> None:
        for part, rows, keys in _blocks(Q, S, start, stop, causal):
            A = scores(part, rows, keys)
            largest = A.max(axis=-2, keepdims=True)
            largest[largest == -math.inf] = 0  # masked whole: the exponentials are 0, and what divides them is 1
            A -= largest
            P = xp.exp(A, out=A)
            sums = P.sum(axis=-2, keepdims=True)
            sums += sums == 0
            if weights is not None:
                xp.divide(P, sums, out=weights[part])
            else:
                log_sums[part, :, :, rows] = largest + xp.log(sums)
            if M is not None:
                P *= M[part, :, keys, rows]
            Y[part, :, rows] = (_turned(P) @ V[part, :, keys]) / _turned(sums)

    smallest = 1 + PART_WEIGHTS // (heads * T * S)
    in_parts(forward_part, N, smallest, Q)

    def backward(G):
        dQ, dK, dV = (_zeros_like(xp, x.data) if x.requires_grad else None for x in (q, k, v))

        def backward_part(start: int, stop: int) -> None:
            for part, rows, keys in _blocks(Q, S, start, stop, causal):
                if weights is not None:
                    P = weights[part]
                else:
                    A = scores(part, rows, keys)
                    A -= log_sums[part, :, :, rows]
                    P = xp.exp(A, out=A)
                G_rows = G[part, :, rows]
                m = None if M is None else M[part, :, keys, rows]
                if dV is not None:
                    dV[part, :, keys] += (P if m is None else P * m) @ G_rows
                if dQ is None and dK is None:
                    continue
                dA = V[part, :, keys] @ xp.ascontiguousarray(_turned(G_rows))  # dL/dP so far
                if m is not None:
                    dA *= m
                dA -= xp.einsum("nhte,nhte->nht", G_rows, Y[part, :, rows])[:, :, None]
                dA *= P
                if dQ is not None:
                    dQ[part, :, rows] = (_turned(dA) @ K[part, :, keys]) * scale
                if dK is not None:
                    dK[part, :, keys] += (dA @ Q[part, :, rows]) * scale

        in_parts(backward_part, N, smallest, Q)
        return dQ, dK, dV

    return record(Y, (q, k, v), backward)


def checked(
    q: Operand,
    k: Operand,
    v: Operand,
    mask: Operand | None,
    causal: bool,
    dropout: float,
    rng: np.random.Generator | None,
) -> tuple[Tensor, Tensor, Tensor, Array | None, Array | None]:
    """q, k and v as tensors that fit each other; the mask (..., T, S) and dropout's (N, heads, T, S), each or None."""
    op = "attention"
    q, k, v = same_kind(op, q, k, v)
    shapes = f"q {q.shape}, k {k.shape}, v {v.shape}"
    if not q.ndim == k.ndim == v.ndim == 4 or q.shape[:2] != k.shape[:2] or k.shape[:3] != v.shape[:3]:
        raise ValueError(f"{op}: expected q (N, heads, T, D), k (N, heads, S, D) and v (N, heads, S, E); got {shapes}")
    if q.shape[3] != k.shape[3]:
        raise ValueError(
            f"{op}: queries have {q.shape[3]} numbers each, keys {k.shape[3]}; they must be as many: {shapes}"
        )
    if not (q.size and k.size and v.size):
        raise ValueError(
            f"{op}: sequences of length 0, or nothing in them; every axis must be at least 1 long: {shapes}"
        )
    if q.dtype.kind != "f":
        raise TypeError(f"{op}: expected floating-point tensors, got {q.dtype}; convert them with .astype('float32')")
    checks.flag(op, "causal", causal)
    wanted = (*q.shape[:3], k.shape[2])
    if mask is not None:
        mask = array_of(op, mask)
        if device_of(mask) != q.device:
            raise TypeError(f"{op}: q is on {q.device!r}, mask on {device_of(mask)!r}; move one of them")
        if mask.dtype.kind != "b":
            raise TypeError(
                f"{op}: mask must be of bool, True where a query may look; got {mask.dtype}: compare, mask > 0"
            )
        if mask.ndim > 4 or any(m not in (1, n) for m, n in zip(mask.shape[::-1], wanted[::-1])):
            raise ValueError(f"{op}: mask must broadcast to (N, heads, T, S) = {wanted}; got {mask.shape}")
    dropout = checks.probability(op, "dropout", dropout)
    if not dropout:
        return q, k, v, mask, None
    return q, k, v, mask, dropout_mask(wanted, dropout, checks.generator(op, "rng", rng), like=q.data)


def _blocks(Q: Array, S: int, start: int, stop: int, causal: bool) -> Iterator[tuple[slice, slice, slice]]:
    """(sequences, queries, keys) of one block of weights after the other."""
    _, heads, T, _ = Q.shape
    most = AT_ONCE if array_module(Q) is np else AT_ONCE_ON_GPU
    sequences, queries = max(1, most // (heads * T * S)), max(FEWEST, most // (heads * S))
    for i in range(start, stop, sequences):
        for t in range(0, T, queries):
            last = min(t + queries, T)
            keys = max(1, last + S - T) if causal else S  # those of the future are left out
            yield slice(i, min(i + sequences, stop)), slice(t, last), slice(0, keys)


def _future(xp, rows: slice, keys: slice, ahead: int, dtype: np.dtype) -> Array:
    """-infinity where a key of a block lies behind its query, else 0: (keys, queries); keys are `ahead` of queries."""
    here = xp.arange(rows.start, rows.stop) + ahead
    return xp.where(xp.arange(keys.stop)[:, None] > here, -math.inf, 0).astype(dtype)


def _turned(X: Array) -> Array:
    """Every matrix turned around."""
    return X.swapaxes(-1, -2)


def _side_by_side(xp, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An array (N, heads, T, D), to be filled, that lies in memory as (N, T, heads, D)."""
    N, heads, T, D = shape
    return xp.empty((N, T, heads, D), dtype).transpose(0, 2, 1, 3)


def _zeros_like(xp, X: Array) -> Array:
    zeros = _side_by_side(xp, X.shape, X.dtype)
    zeros[...] = 0
    return zeros

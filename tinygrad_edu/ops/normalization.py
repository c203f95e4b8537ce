"""Normalisation: shift and scale activations to mean 0 and variance 1, then let the network choose another pair.

`batch_norm` does it for every channel over the batch, `layer_norm` for every item over its channels (and `rms_norm`
leaves the shift out). With x^_i = (x_i - m) / s over n numbers and g_i = dL/dx^_i, both derivatives are (9) of
`textbook/batch_norm.py`, where it is derived:

    dL/dx_j  =  (g_j  -  mean(g)  -  x^_j mean(g x^)) / s.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, device_of, is_array
from tinygrad_edu.ops.support import Operand, as_tensor, same_kind
from tinygrad_edu.runtime.fusion import fused
from tinygrad_edu.runtime.parallel import in_parts
from tinygrad_edu.runtime.share import add_up, count_rows
from tinygrad_edu.tensor import Tensor, record

CHUNK = 2**16  # numbers that are worked on at a time, so that what one pass wrote the next one finds in the cache
LONGEST_SUM = 2**12  # terms of a sum in single precision, which with many more would lose its digits to rounding
SMALLEST_PART = 2**18  # numbers that are worth a thread


def batch_norm(
    x: Operand,
    gamma: Operand,
    beta: Operand,
    running_mean: Tensor | Array | None = None,
    running_var: Tensor | Array | None = None,
    training: bool = True,
    momentum: float = 0.99,
    eps: float = 1e-3,
) -> Tensor:
    """Y = gamma * x^ + beta,  x^ = (X - mean) / sqrt(var + eps), for every channel (Ioffe and Szegedy 2015).

    Shapes: X (..., C), Y (..., C); gamma, beta, mean and var (C,). A channel's n numbers are those of all leading axes:
    n = N*H*W for images.

    Training: mean and var are the batch's own (var divided by n). Inference: they are the running ones, constants.
    Derived and written plainly in `textbook/batch_norm.py`. What is different here:

    - with g = G * gamma, mean(g) and mean(g x^) are gamma times dL/dbeta / n and dL/dgamma / n, which are known
      already: dL/dX = gamma / s * (G - dL/dbeta / n - x^ * dL/dgamma / n);
    - x^ is not kept but folded into one scale and shift, and made again in the backward: an array of X's size less;
    - passes over X go in parts for the threads and in chunks for the cache, without temporary arrays;
    - sums over columns are products with a row of ones, which BLAS adds three to seven times as fast.

    Parameters
    ----------
    running_mean, running_var : Tensor or array (C,), optional
        Kept by the caller. Training moves them, in place (a tensor's array), by (1 - momentum) of the way to the
        batch's mean and variance; inference needs them. No gradient flows to them.
    training : bool
        Which of the two forms.
    momentum, eps : float
        Keras' values by default.
    """
    x, gamma, beta = checked("batch_norm", x, gamma=gamma, beta=beta)
    eps, momentum = checks.not_negative("batch_norm", "eps", eps), checks.share("batch_norm", "momentum", momentum)
    X = x.data.reshape(-1, x.shape[-1])  # (n, C)
    running = running_pair(x, running_mean, running_var, training)
    xp, n = array_module(X), len(X)
    if training:
        n = count_rows(n)
        mean, var = batch_statistics(X)
        move_running(running, (mean, var), momentum)
    else:
        mean, var = running
    inverse = 1 / xp.sqrt(var + eps)  # 1 / s
    scale = gamma.data * inverse
    Y = _by_rows(lambda x, y: _scaled(x, mean, scale, beta.data, y), X)

    def backward(G):
        G = G.reshape(X.shape)
        dbeta = _column_sums(lambda g: g, G)
        dgamma = _column_sums(lambda g, x: g * (x - mean), G, X) * inverse
        dX = None
        if x.requires_grad:
            batch_dgamma, batch_dbeta = (add_up(dgamma), add_up(dbeta)) if training else (dgamma, dbeta)
            along, offset = batch_dgamma * inverse / -n, batch_dbeta / -n

            def input_gradient(g, x, d):
                if xp is not np:
                    _fused_input_gradient(g, x, mean, along, offset, scale, d)
                    return
                _scaled(x, mean, along, offset, d)  # - x^ dL/dgamma / n - dL/dbeta / n
                d += g
                d *= scale

            dX = _by_rows(input_gradient, G, X) if training else G * scale
            dX = dX.reshape(x.shape)
        return dX, dgamma if gamma.requires_grad else None, dbeta if beta.requires_grad else None

    return record(Y.reshape(x.shape), (x, gamma, beta), backward)


def layer_norm(x: Operand, gamma: Operand, beta: Operand, eps: float = 1e-3) -> Tensor:
    """Y = gamma * x^ + beta,  x^ = (X - mean) / sqrt(var + eps), for every item (Ba, Kiros and Hinton 2016).

    Shapes: X (..., C), Y (..., C); gamma and beta (C,); mean and var (..., 1), over the item's own C channels. Nothing
    depends on the rest of the batch, so training and inference are the same.

    dL/dbeta = sum G and dL/dgamma = sum G x^, over all items, and by the formula above, with g = G * gamma, n = C,
    dL/dX = (g - mean(g) - x^ * mean(g x^)) / s,  where the means are over the channels.
    """
    x, gamma, beta = checked("layer_norm", x, gamma=gamma, beta=beta)
    eps = checks.not_negative("layer_norm", "eps", eps)
    xp, C = array_module(x.data), x.shape[-1]
    X, gamma_ = x.data.reshape(-1, C), gamma.data  # (n, C), (C,)
    x_hat, inverse = xp.empty_like(X), xp.empty((len(X), 1), X.dtype)  # x^ and 1 / s
    average = xp.full((C, 1), 1 / C, X.dtype)  # X @ average: BLAS is far quicker than NumPy at means over short rows

    def forward_rows(x, x_hat, inverse, y):
        xp.subtract(x, x @ average, out=x_hat)
        xp.sqrt((x_hat * x_hat) @ average + eps, out=inverse)
        xp.divide(1, inverse, out=inverse)
        x_hat *= inverse
        xp.multiply(x_hat, gamma_, out=y)
        y += beta.data

    def backward(G):
        G = G.reshape(-1, C)
        share = gamma_[:, None] * average  # (G * gamma) @ average = G @ share

        def backward_rows(g, x_hat, inverse, d):
            product = g * x_hat
            xp.multiply(x_hat, product @ -share, out=d)
            d -= g @ share
            d += xp.multiply(g, gamma_, out=product)
            d *= inverse

        dX = _by_rows(backward_rows, G, x_hat, inverse).reshape(x.shape) if x.requires_grad else None
        dgamma = _column_sums(lambda g, x_hat: g * x_hat, G, x_hat) if gamma.requires_grad else None
        return dX, dgamma, _column_sums(lambda g: g, G) if beta.requires_grad else None

    Y = _by_rows(forward_rows, X, x_hat, inverse)
    return record(Y.reshape(x.shape), (x, gamma, beta), backward)


def rms_norm(x: Operand, gamma: Operand, eps: float = 1e-6) -> Tensor:
    """Y = gamma * x^,  x^ = X / sqrt(mean(X^2) + eps), for every item (Zhang and Sennrich 2019).

    Shapes: X (..., C), Y (..., C); gamma (C,); the mean of squares (..., 1), over the item's own C channels. A
    `layer_norm` that does not subtract the mean; its authors found that it is the scaling that helps.

    Over n = C numbers let r = sqrt(mean(x^2) + eps). Then dr/dx_j = x_j / (n r) = x^_j / n, and x^_i = x_i / r is moved
    by x_j directly and through r:

    dx^_i/dx_j = (delta_ij - x^_i x^_j / n) / r   so, with g = G * gamma,   dL/dX = (g - x^ * mean(g x^)) / r,
                                                                           dL/dgamma = sum G x^, over all items.
    """
    x, gamma = checked("rms_norm", x, gamma=gamma)
    eps = checks.not_negative("rms_norm", "eps", eps)
    X = x.data
    inverse = 1 / array_module(X).sqrt((X * X).mean(axis=-1, keepdims=True) + eps)  # 1 / r
    x_hat = X * inverse

    def backward(G):
        dX = None
        if x.requires_grad:
            g = G * gamma.data
            dX = (g - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)) * inverse
        dgamma = (G * x_hat).sum(axis=tuple(range(X.ndim - 1))) if gamma.requires_grad else None
        return dX, dgamma

    return record(x_hat * gamma.data, (x, gamma), backward)


def batch_statistics(X: Array) -> tuple[Array, Array]:
    """Mean and variance of every column: (n, C) -> (C,), (C,); over all rows of a batch that processes share."""
    n = count_rows(len(X))
    mean = add_up(_column_sums(lambda x: x, X)) / n

    def squares(x):
        deviation = x - mean
        deviation *= deviation
        return deviation

    return mean, add_up(_column_sums(squares, X)) / n


def _scaled(X: Array, mean: Array, scale: Array, shift: Array, out: Array) -> None:
    """out = (X - mean) * scale + shift, without a temporary array."""
    if array_module(X) is not np:
        _fused_scaled(X, mean, scale, shift, out)
        return
    np.subtract(X, mean, out=out)
    out *= scale
    out += shift


# The same passes on a GPU, each in one launch.


@fused
def _fused_scaled(xp, X, mean, scale, shift, out):
    out[...] = (X - mean) * scale + shift


@fused
def _fused_input_gradient(xp, G, X, mean, along, offset, scale, out):
    out[...] = ((X - mean) * along + offset + G) * scale


# --- passes over large arrays: in parts for the threads, in chunks for the cache ---


def _by_rows(work: Callable[..., None], *arrays: Array) -> Array:
    """A new array like the first one: `work(chunk of each array, chunk of the new one)` fills it chunk by chunk."""
    first = arrays[0]
    out = array_module(first).empty(first.shape, first.dtype)

    def part(start, stop):
        for rows in _chunks(start, stop, first):
            work(*(a[rows] for a in arrays), out[rows])

    in_parts(part, len(first), _smallest_part(first), like=first)
    return out


def _column_sums(values: Callable[..., Array], *arrays: Array) -> Array:
    """Sum of `values(chunk of each array)`, (rows, C), over all rows: (C,).

    Within a chunk as the product (1 .. 1) @ values: BLAS adds columns three to seven times as fast as `sum(axis=0)`.
    """
    first = arrays[0]
    ones = array_module(first).ones(_chunk_rows(first), first.dtype)

    def part(start, stop):
        chunks = (values(*(a[rows] for a in arrays)) for rows in _chunks(start, stop, first))
        return functools.reduce(operator.add, (ones[: len(chunk)] @ chunk for chunk in chunks))

    return functools.reduce(operator.add, in_parts(part, len(first), _smallest_part(first), like=first))


def _chunk_rows(X: Array) -> int:
    if array_module(X) is not np:
        return len(X)  # on a GPU, one chunk: one launch
    return max(1, min(CHUNK // X.shape[1], LONGEST_SUM))


def _chunks(start: int, stop: int, X: Array) -> Iterator[slice]:
    step = _chunk_rows(X)
    for i in range(start, stop, step):
        yield slice(i, min(i + step, stop))


def _smallest_part(X: Array) -> int:
    return 1 + SMALLEST_PART // X.shape[1]


def checked(op: str, x: Operand, **learnt: Operand) -> tuple[Tensor, ...]:
    """x (..., C) and the learnt vectors (C,) as tensors; TypeError or ValueError where they do not fit."""
    X = as_tensor(op, x).data
    if X.dtype.kind != "f":
        raise TypeError(f"{op}: expected floating-point values, got {X.dtype}; convert them first, x.astype('float32')")
    if X.ndim < 2 or X.size == 0:
        raise ValueError(f"{op}: expected x of shape (..., C) with a batch axis and none of them 0, got {X.shape}")
    tensors = same_kind(op, x, *learnt.values())
    if any(vector.shape != X.shape[-1:] for vector in tensors[1:]):
        raise ValueError(
            f"{op}: x {X.shape} has {X.shape[-1]} channels, so {' and '.join(learnt)} must be {X.shape[-1:]}; "
            f"got {' and '.join(str(vector.shape) for vector in tensors[1:])}"
        )
    return tensors


def _running(x: Tensor, name: str, given: Tensor | Array | None) -> Array | None:
    """The array of a running statistic; TypeError or ValueError for one that cannot be kept for x."""
    if given is None:
        return None
    array = given.data if isinstance(given, Tensor) else given
    if not is_array(array) or array.dtype.kind != "f":
        what = f"an array of {array.dtype}" if is_array(array) else repr(array)
        raise TypeError(
            f"batch_norm: {name} must be a Tensor or array of floating-point numbers, which training updates in place; "
            f"got {what:.80}"
        )
    if device_of(array) != x.device:
        raise TypeError(f"batch_norm: x is on {x.device!r}, {name} on {device_of(array)!r}; move one of them")
    if array.shape != x.shape[-1:]:
        channels = x.shape[-1]
        raise ValueError(
            f"batch_norm: x {x.shape} has {channels} channels, so {name} must be ({channels},); got {array.shape}"
        )
    return array


def running_pair(x: Tensor, mean: Tensor | Array | None, var: Tensor | Array | None, training: bool) -> tuple[Any, Any]:
    """The arrays of the running statistics: in training to be moved, or None; in inference copies in x's dtype."""
    M, V = _running(x, "running_mean", mean), _running(x, "running_var", var)
    if checks.flag("batch_norm", "training", training):
        return M, V
    if M is None or V is None:
        raise ValueError("batch_norm: inference (training=False) needs running_mean and running_var")
    return M.astype(x.dtype), V.astype(x.dtype)  # copies: later training moves them


def move_running(running: tuple[Any, Any], batch: tuple[Array, Array], momentum: float) -> None:
    """Move the running statistics in place by (1 - momentum) of the way to the batch's."""
    for own, new in zip(running, batch):
        if own is not None:
            own += (1 - momentum) * (new - own)

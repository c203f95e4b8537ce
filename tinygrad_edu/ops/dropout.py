"""Dropout: switching units off at random while training."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.support import Operand, floating
from tinygrad_edu.runtime.share import draw_rows
from tinygrad_edu.tensor import Tensor, record


def dropout(x: Operand, p: float, rng: np.random.Generator) -> Tensor:
    """Y = X * M: every element is dropped with probability p, the others are scaled up to keep the mean.

    M = 0 with probability p, else 1 / (1 - p).   dL/dX = G * M: the same units are off. Derived and written plainly in
    `textbook/dropout.py`; what is different here is how the mask is drawn, see `dropout_mask`.

    Parameters
    ----------
    p : float
        0 <= p < 1; with 0, x itself is returned.
    rng : numpy.random.Generator
        Where the randomness comes from, always said explicitly. The mask is drawn on the CPU, so that a seed gives
        the same mask on both devices.
    """
    p = checks.probability("dropout", "p", p)
    x = floating("dropout", x)
    if p == 0:
        return x
    checks.generator("dropout", "rng", rng)
    M = dropout_mask(x.data.shape, p, rng, like=x.data)

    def backward(G):
        return (G * M,)

    return record(x.data * M, (x,), backward)


def dropout_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator, like: Array) -> Array:
    """An array of 0 and 1 / (1 - p), of `like`'s dtype and on its device.

    One random 16-bit integer an element, compared with a threshold, is about four times as fast to draw as a random
    float32. It rounds p to a multiple of 1/65536; the scale uses the rounded p, so that the mean stays exact. The first
    axis is the batch's.
    """
    threshold = min(round(p * 65536), 65535)

    def draw(shape):
        return np.frombuffer(rng.bytes(2 * math.prod(shape)), dtype=np.uint16).reshape(shape)

    kept = array_module(like).asarray(draw_rows(draw, shape) >= threshold)
    return kept * like.dtype.type(65536 / (65536 - threshold))

"""Dropout: switching units off at random while training."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import array_module
from tinygrad_edu.ops.support import Operand, floating
from tinygrad_edu.runtime.share import draw_rows
from tinygrad_edu.tensor import Tensor, record


def dropout(x: Operand, p: float, rng: np.random.Generator) -> Tensor:
    """Every element is dropped with probability p, the others are scaled up. Arguments and errors: `ops.dropout`.

        M = 0 with probability p, else 1 / (1 - p)                                  (1)
        Y = X * M                                                                   (2)

    E[M] = p 0 + (1 - p) / (1 - p) = 1, so E[Y] = X: when the network is used without dropout, nothing needs to change
    ("inverted" dropout; Srivastava et al. 2014). On the way back the same units are off:

        dL/dX = G * M                                                               (3)

    For each element a random number of 16 bits decides, as in `ops.dropout`, so that one seed drops the same elements
    on both storeys; p is rounded to a multiple of 1/65536, also in the scale.
    """
    p = checks.probability("dropout", "p", p)
    x = floating("dropout", x)
    if p == 0:
        return x
    checks.generator("dropout", "rng", rng)
    p = min(round(p * 65536), 65535) / 65536
    bits = draw_rows(lambda shape: rng.integers(0, 65536, size=shape, dtype=np.uint16), x.shape)
    kept = bits >= 65536 * p  # with probability 1 - p
    M = (array_module(x.data).asarray(kept) / (1 - p)).astype(x.dtype)  # (1)

    def backward(G):
        return (G * M,)  # (3)

    return record(x.data * M, (x,), backward)  # (2)

"""Gradients that grew too long are shortened before an optimiser sees them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, device_of
from tinygrad_edu.tensor import Tensor


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their common length is at most `max_norm`; return the length before.

    length = sqrt(sum over all parameters of sum g^2). The direction of the step stays (Pascanu et al. 2013). A frozen
    parameter does not move, so a gradient that is left in it does not count. A length that is not finite is returned,
    so that it can be seen, and nothing is scaled.
    """
    max_norm = checks.positive("clip_grad_norm", "max_norm", max_norm)
    several = checks.items(
        "clip_grad_norm", "parameters", parameters, "a list of parameters, such as model.parameters()"
    )
    for p in several:
        checks.instance("clip_grad_norm", "each parameter", p, Tensor, "a Tensor")
    gradients = [(p, p.grad) for p in several if p.grad is not None and p.requires_grad]
    norm = _length([_at_least_float32(g) for _, g in gradients])
    if max_norm < norm < math.inf:
        for p, g in gradients:
            # A new array: whoever kept the gradient keeps its values.
            p.grad = (_at_least_float32(g) * (max_norm / norm)).astype(g.dtype, copy=False)
    return norm


def _length(gradients: list[Array]) -> float:
    """sqrt(sum of all g^2), also where the squares leave the range of the numbers: in float32, 1e20^2 is infinite.

    Taking out the largest |g|, c, puts them into the range: sqrt(sum g^2) = c sqrt(sum (g / c)^2), and the largest
    square is 1. That takes two passes more, and is done only where the plain sum is out of the range.
    """
    with np.errstate(over="ignore"):
        total = sum(_numbers([(g * g).sum() for g in gradients]))
    if 1e-20 < total < math.inf:  # in a smaller sum, squares may be missing that became 0
        return math.sqrt(total)
    if math.isnan(total):
        return total
    c = max(_numbers([abs(g).max() for g in gradients if g.size]), default=0.0)
    if c in (0.0, math.inf):
        return c
    return c * math.sqrt(sum(_numbers([((g / c) ** 2).sum() for g in gradients])))


def _numbers(sums: list[Array]) -> list[float]:
    """Arrays of one number as Python numbers; those on a GPU come together, so that its work is waited for once."""
    here, there = ([s for s in sums if device_of(s) == device] for device in ("cpu", "cuda"))
    return [*map(float, here), *(array_module(there[0]).stack(there).tolist() if there else ())]


def _at_least_float32(g: Array) -> Array:
    """g; in float32 if it is float16, whose range, 6e-8 to 65,504, is too small for sums and factors."""
    return g if g.dtype.itemsize > 2 else g.astype(np.float32)

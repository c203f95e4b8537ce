"""The zoo: right operations, each with one mistake in its backward, of the kinds that small frameworks really made.

`python -m tinygrad_edu.gradcheck --zoo` prints which check catches which. Every file holds one theme; every mistake
stands by itself: what it is told as, where to check it, the code, and the operation with the right backward.
"""

from tinygrad_edu.gradcheck.zoo import (
    activations,
    arithmetic,
    attention,
    beyond,
    convolution,
    gated,
    indexing,
    losses,
    masks,
    memory,
    normalization,
    pooling,
    precision,
    products,
    recurrent,
    reductions,
)
from tinygrad_edu.gradcheck.zoo.mistake import Mistake

__all__ = ["BEYOND", "ZOO", "Mistake"]

THEMES = (
    *(arithmetic, activations, reductions, products, indexing, losses, normalization),
    *(convolution, pooling, recurrent, gated, attention, masks, memory, precision),
)


def _mistakes(theme) -> list[Mistake]:
    return [m for m in vars(theme).values() if isinstance(m, Mistake)]


ZOO: list[Mistake] = [m for theme in THEMES for m in _mistakes(theme)]
BEYOND: list[Mistake] = _mistakes(beyond)  # what no check at one point can see

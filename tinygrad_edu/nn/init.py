"""How weights begin, and where randomness comes from when nobody says.

A layer multiplies the variance of its inputs by about (number of inputs) x (variance of a weight). The initialisers
choose that variance so that signals neither fade nor blow up through many layers. All return float32 NumPy arrays,
drawn on the CPU, so that one seed gives the same weights on every device.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu import checks

_default_generator: np.random.Generator | None = None


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the generator that initialisers and `Dropout` use when none is given, and return it."""
    global _default_generator
    _default_generator = np.random.default_rng(checks.seed("manual_seed", seed))
    return _default_generator


def default_generator() -> np.random.Generator:
    """The generator that `manual_seed` made last; before the first call, one with a seed of the system's choice."""
    global _default_generator
    if _default_generator is None:  # not made at import: NumPy loads its random module when it is first used
        _default_generator = np.random.default_rng()
    return _default_generator


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """All zeros: the usual start of a bias."""
    return np.zeros(checks.shape("zeros", "shape", shape), dtype=np.float32)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan in, fan out): how many inputs one output sums over, and how many outputs one input reaches.

    (D, M) for a matrix; for a convolution kernel (KH, KW, C, O) every channel is seen through KH x KW weights.
    """
    shape = _of_weights("fans", shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> np.ndarray:
    """U(-a, a) with a = sqrt(6 / (fan in + fan out)): variance 2 / (fan in + fan out) (Glorot and Bengio 2010)."""
    shape, rng = _of_weights("glorot_uniform", shape), _source("glorot_uniform", rng)
    limit = math.sqrt(6 / sum(fans(shape)))
    unit = rng.random(shape, dtype=np.float32)  # half the time and memory of float64
    return np.float32(limit) * (2 * unit - 1)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> np.ndarray:
    """N(0, 2 / fan in): twice the variance, since a ReLU lets half of it pass (He et al. 2015)."""
    shape, rng = _of_weights("he_normal", shape), _source("he_normal", rng)
    return rng.normal(0, math.sqrt(2 / fans(shape)[0]), shape).astype(np.float32)


def orthogonal(shape: tuple[int, int], rng: np.random.Generator | None = None) -> np.ndarray:
    """A random matrix with orthonormal rows or columns, whichever are fewer; a square one changes no vector's length.

    Q of the QR decomposition of a Gaussian matrix, with the signs of R's diagonal moved into Q, without which the
    distribution would not be uniform (Saxe, McClelland and Ganguli 2013; Mezzadri 2007).
    """
    lengths, rng = _of_weights("orthogonal", shape), _source("orthogonal", rng)
    if len(lengths) != 2:
        checks.refuse("orthogonal", "shape", "that of a matrix, (rows, columns)", shape)
    rows, columns = lengths
    gaussian = rng.normal(size=(max(lengths), min(lengths)))
    Q, R = np.linalg.qr(gaussian)
    Q = Q * np.where(np.diagonal(R) < 0, -1.0, 1.0)
    return np.ascontiguousarray(Q if rows >= columns else Q.T, dtype=np.float32)


def truncated_normal(shape: tuple[int, ...], std: float = 0.05, rng: np.random.Generator | None = None) -> np.ndarray:
    """N(0, std^2) without the tails: what falls beyond two standard deviations is drawn again."""
    shape, rng = checks.shape("truncated_normal", "shape", shape), _source("truncated_normal", rng)
    std = checks.not_negative("truncated_normal", "std", std)
    values = rng.normal(size=shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.normal(size=outside.sum())
    return (values * std).astype(np.float32)


def _of_weights(where: str, shape: Any) -> tuple[int, ...]:
    """The shape of weights: at least two axes, none of length 0."""
    lengths = checks.shape(where, "shape", shape)
    if len(lengths) < 2 or 0 in lengths:
        checks.refuse(where, "shape", "of at least two axes, (inputs, outputs), none of them 0", lengths)
    return lengths


def _source(where: str, rng: np.random.Generator | None) -> np.random.Generator:
    return default_generator() if rng is None else checks.generator(where, "rng", rng)

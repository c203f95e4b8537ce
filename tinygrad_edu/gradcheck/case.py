"""A case of the gradient-check table, and helpers to write one down in a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.backend import Array, to_device
from tinygrad_edu.tensor import Tensor


@dataclass(frozen=True)
class Case:
    """A function of tensors, and float64 arrays to check its gradients at."""

    function: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]


def case(function: Callable[..., Any], *inputs: Any) -> Case:
    """A case; tuples among the inputs are shapes to be filled at random, always in the same way."""
    rng = np.random.default_rng(7)
    return Case(function, tuple(rng.normal(size=x) if isinstance(x, tuple) else np.asarray(x, float) for x in inputs))


def positive(*shape: int) -> np.ndarray:
    """Numbers between 0.5 and 2, for logarithms and roots."""
    return np.random.default_rng(8).uniform(0.5, 2.0, shape)


def beside(x: Tensor, constant: np.ndarray) -> Array:
    """A constant of a case on x's device: the table runs on the GPU as well, where NumPy arrays are refused."""
    return to_device(constant, x.device)

"""Several elementwise steps in one launch, on a GPU.

A launch takes a GPU some microseconds to begin, however little it is to do, and its numbers travel from memory and back
each time. Adam moves a parameter in a dozen elementwise steps. Fused into one kernel, they are one launch, and each
number is read and written once. NumPy has nothing of the kind; the CPU's forms write in place into arrays that are in
the cache already, and stand beside.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backend import array_module


def fused(formula: Callable[..., Any]) -> Callable[..., Any]:
    """For `@fused` on `formula(xp, *operands)`: called as `formula(*operands)`, on a GPU in one launch.

    Operands are arrays, Python numbers and None. The formula consists of elementwise functions of `xp` and operators,
    and writes by `x += y` or `x[...] = y`, into arrays of the shape that all operands have together. A number must meet
    an array: two numbers among themselves would make a float64.
    """

    @functools.cache
    def kernel(xp: Any) -> Callable[..., Any]:
        chain = functools.partial(formula, xp)
        return chain if xp is np else xp.fuse(kernel_name=formula.__name__.strip("_"))(chain)

    @functools.wraps(formula)
    def call(*operands: Any) -> Any:
        return kernel(array_module(operands[0]))(*operands)

    return call

"""Arrays and devices: which library holds an array, and the few things NumPy and CuPy do differently.

The library is found from the data, never from a global switch: `array_module(x)` is `numpy` for an array in the
computer's memory and `cupy` for one on the GPU. An operation written as `xp = array_module(X); xp.exp(X)` runs on both,
and CPU and GPU tensors live in one process. Only this file imports CuPy, when a GPU is first asked for.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tinygrad_edu import checks

Array = Any  # numpy.ndarray or cupy.ndarray; CuPy is optional, so its type cannot be named here
_tried: set[Any] = set()  # the module cupy, once it was found to compute


class DeviceError(RuntimeError):
    """A device that was asked for cannot be used; the message says why and what to do."""


def array_module(x: Array) -> Any:
    """The library that holds `x`: the module `numpy` or the module `cupy`."""
    if type(x) is np.ndarray:  # by far the most frequent case
        return np
    cupy = sys.modules.get("cupy")  # if nobody has imported CuPy, nobody can hold one of its arrays
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def is_array(x: Any) -> bool:
    """Whether `x` is an array of either library (NumPy's scalars are not)."""
    return isinstance(x, np.ndarray) or array_module(x) is not np


def device_of(x: Array) -> str:
    """Where `x` lives: `"cpu"` or `"cuda"`."""
    return "cpu" if array_module(x) is np else "cuda"


def resolve_device(name: str) -> str:
    """Turn `"auto"` (the GPU if there is a usable one), `"cpu"` or `"cuda"` into `"cpu"` or `"cuda"`.

    Raises ValueError for any other name, DeviceError when `"cuda"` was asked for and cannot be used.
    """
    if not isinstance(name, str) or name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"resolve_device: unknown device {checks.shown(name)}, expected 'auto', 'cpu' or 'cuda'")
    if name != "cpu":
        try:
            import_cupy()
            return "cuda"
        except DeviceError:
            if name == "cuda":
                raise
    return "cpu"


def import_cupy() -> Any:
    """Import CuPy and try it, once; DeviceError says what is missing and what to install."""
    needs = "CuPy, which could not be imported"
    try:
        import cupy

        if cupy not in _tried:
            needs = "a GPU, but CuPy finds no usable GPU"
            cupy.cuda.Device(0).compute_capability  # noqa: B018  (asks the driver)
            needs = "a compiler for kernels (NVRTC), which CuPy does not find"  # it does not come with the driver
            ones = cupy.zeros((2, 2), np.float32) + 1
            needs = "a library for matrix products (cuBLAS), which CuPy does not find"
            (ones @ ones).sum().item()
            _tried.add(cupy)
    except Exception as error:  # a CuPy that does not match its driver fails with more than ImportError
        raise DeviceError(
            f"device 'cuda' needs {needs} ({error}). Install the extra that fits your driver, "
            "pip install -e '.[cuda13]' or '.[cuda12]', or use device 'cpu'"
        ) from error
    return cupy


def to_device(x: Array, device: str) -> Array:
    """`x` on `device` (`"auto"`, `"cpu"` or `"cuda"`); the same array when it is there already."""
    return to_numpy(x) if resolve_device(device) == "cpu" else import_cupy().asarray(x)


def to_numpy(x: Array) -> np.ndarray:
    """`x` as a NumPy array; the same array when it is one already, a copy when it comes from the GPU."""
    if array_module(x) is not np:
        return array_module(x).asnumpy(x)
    return x if isinstance(x, np.ndarray) else checks.numbers("to_numpy", "x", x)


def scatter_add(target: Array, index: Any, values: Array) -> None:
    """`target[index] += values`, with every occurrence of a repeated index counted.

    Plain `target[index] += values` reads, adds and writes once per *distinct* index: of several gradients for one row
    only the last would survive.
    """
    try:
        array_module(target).add.at(target, index, values)
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        raise IndexError(f"scatter_add: the values cannot be added there; {error}") from None


def memory_of(x: Array) -> int:
    """A number that tells x's memory from other arrays'. CuPy's `as_strided` makes views whose `.base` is None."""
    return id(x) if type(x) is np.ndarray or array_module(x) is np else x.data.mem.ptr

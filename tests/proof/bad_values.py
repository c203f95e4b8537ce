"""What a user might hand over by mistake: values of every kind, and near misses of the value that would be right."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import Tensor


def function(*arguments: Any, **options: Any) -> None:
    """A function that computes nothing."""


# Each is made anew for every call. Their names stand in reports.
ANYTHING: dict[str, Callable[[], Any]] = {
    **{repr(value): lambda value=value: value for value in (None, True, False, 0, 1, -1, 2, 7, 10**9, -(10**9))},
    **{repr(value): lambda value=value: value for value in (2.0, 0.5, 1.5, -0.5, 1e308, np.nan, np.inf, -np.inf)},
    "10**400": lambda: 10**400,
    "a complex number": lambda: 1 + 2j,
    **{repr(value): lambda value=value: value for value in ("", "words", "same", b"bytes", (), (0, 1), (3, 3, 3))},
    "(2, 3, 4, 5, 6)": lambda: (2, 3, 4, 5, 6),
    "(10**6, 10**6, 10**6)": lambda: (10**6, 10**6, 10**6),
    "[]": list,
    "[0, 1]": lambda: [0, 1],
    "[0.5, None]": lambda: [0.5, None],
    "a ragged list": lambda: [[1, 2], [3]],
    "{}": dict,
    "a dict": lambda: {"a": 1},
    "a dict of arrays": lambda: {"a": np.zeros(2)},
    "a set": lambda: {1, 2},
    "an object": object,
    "a class": lambda: int,
    "a function": lambda: function,
    "a generator": lambda: (n for n in (1, 2)),
    "range(2)": lambda: range(2),
    "a slice": lambda: slice(0, 1),
    "...": lambda: ...,
    "Decimal": lambda: Decimal("0.5"),
    "Fraction": lambda: Fraction(1, 2),
    "a path": lambda: Path("/nowhere/at/all"),
    "np.int64(2)": lambda: np.int64(2),
    "np.uint8(1)": lambda: np.uint8(1),
    "np.float64(0.5)": lambda: np.float64(0.5),
    "np.float32(nan)": lambda: np.float32("nan"),
    "np.bool_(True)": lambda: np.bool_(True),
    "np.datetime64": lambda: np.datetime64("2020-01-01"),
    "np.random": lambda: np.random.default_rng(0),
    "RandomState": lambda: np.random.RandomState(0),
    "array(1.0)": lambda: np.array(1.0, np.float32),
    "array(2)": lambda: np.array(2),
    "array([])": lambda: np.array([], np.float32),
    "array([1, 2, 3])": lambda: np.array([1, 2, 3]),
    "array (2, 3)": lambda: np.ones((2, 3), np.float32),
    "array (0, 3)": lambda: np.zeros((0, 3), np.float32),
    "array (2, 0, 3)": lambda: np.zeros((2, 0, 3), np.float32),
    "array of objects": lambda: np.array([None, "a"], object),
    "array of words": lambda: np.array(["a", "b"]),
    "array of dates": lambda: np.array(["2020-01-01"], "datetime64[D]"),
    "complex array": lambda: np.ones((2, 3), complex),
    "big-endian array": lambda: np.ones((2, 3), ">f4"),
    "structured array": lambda: np.zeros(2, [("a", "f4")]),
    "masked array": lambda: np.ma.masked_array([1.0, 2.0], [True, False]),
    "matrix of 5 axes": lambda: np.ones((1, 1, 2, 1, 3), np.float32),
    "a Tensor": lambda: Tensor(np.ones((2, 3), np.float32)),
    "a Tensor with a gradient": lambda: Tensor(np.ones((2, 3), np.float32), requires_grad=True),
    "a Tensor of whole numbers": lambda: Tensor(np.array([1, 2])),
    "a Tensor of one number": lambda: Tensor(1.0),
    "an empty Tensor": lambda: Tensor(np.zeros((0, 3), np.float32)),
    "a list of Tensors": lambda: [Tensor(1.0), Tensor(2.0)],
    "a list of Tensors with gradients": lambda: [Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)],
}


def near(value: Any) -> dict[str, Callable[[], Any]]:
    """Near misses: the right value in another dtype, shape, size or wrapping."""
    if isinstance(value, Tensor):
        return {
            f"Tensor {name}": lambda make=make: Tensor(make(), value.requires_grad and make().dtype.kind == "f")
            for name, make in _near_array(value.data).items()
            if make().dtype.kind in "fiub" and make().dtype.isnative
        } | {"as an array": lambda: value.data, "as a list": lambda: value.data.tolist()}
    if isinstance(value, np.ndarray):
        return _near_array(value) | {"as a list": value.tolist, "as a tensor": lambda: Tensor(value)}
    if isinstance(value, bool):
        return {"as a word": lambda: str(value), "as a number": lambda: int(value)}
    if isinstance(value, int | float):
        return {
            "as a word": lambda: str(value),
            "negative": lambda: -value,
            "as a float": lambda: float(value),
            "halved": lambda: value / 2,
            "one more": lambda: value + 1,
            "as a NumPy number": lambda: np.asarray(value)[()],
            "in a list": lambda: [value],
            "in a tuple": lambda: (value,),
            "twice": lambda: (value, value),
        }
    if isinstance(value, str):
        return {"in capitals": value.upper, "as bytes": value.encode, "in a list": lambda: [value]}
    if isinstance(value, tuple | list) and value:
        return {
            "one less": lambda: value[:-1],
            "one more": lambda: (*value, value[-1]),
            "as another kind": lambda: list(value) if isinstance(value, tuple) else tuple(value),
            "the first alone": lambda: value[0],
            "backwards": lambda: value[::-1],
            "None for the last": lambda: (*value[:-1], None),
            "a word for the first": lambda: ("words", *value[1:]),
            "within another": lambda: (value,),
        }
    if isinstance(value, dict) and value:
        first = next(iter(value))
        return {
            "one less": lambda: {name: value[name] for name in value if name != first},
            "one more": lambda: {**value, "another": value[first]},
            "None for the first": lambda: {**value, first: None},
            "a word for the first": lambda: {**value, first: "words"},
            "a number for a name": lambda: {**value, 3: value[first]},
            "an empty array for the first": lambda: {**value, first: np.zeros(0)},
        }
    return {}


def _near_array(A: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    changed = {
        "transposed": lambda: A.T,
        "with another axis": lambda: A[None],
        "without its first axis": lambda: A[0] if A.ndim and len(A) else A,
        "without its first item": lambda: A[1:] if A.ndim else A,
        "without items": lambda: A[:0] if A.ndim else A,
        "without channels": lambda: A[..., :0] if A.ndim else A,
        "of one axis": lambda: A.reshape(-1),
        "negative": lambda: -A.astype(float) if A.dtype.kind == "b" else -A,
        "plus 1000": lambda: A + A.dtype.type(100),
        "of zeros": lambda: np.zeros_like(A),
    }
    dtypes = ("f2", "f4", "f8", "i4", "i8", "u1", "?", "c8", "O", "U4", ">f8")
    filled = ("nan", "inf", "-inf", "1e30")
    return {
        **changed,
        **{f"as {np.dtype(dtype)}": lambda dtype=dtype: A.astype(dtype) for dtype in dtypes},
        **{f"of {value}": lambda value=value: np.full_like(A, value, A.dtype if A.dtype.kind == "f" else "f4")
           for value in filled},
    }  # fmt: skip

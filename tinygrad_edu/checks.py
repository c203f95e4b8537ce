"""One way to check an argument: what it must be, what came, in the same words everywhere.

Each function takes `where`, the name of whatever was called wrongly, and mostly the argument's `name`, and returns the
value in the form to compute with: a plain int, a plain float, a tuple. What does not fit raises with a message that
begins with `where`: a ValueError for a setting out of its range (a size, a rate, a choice), a TypeError for what is not
of the kind at all (no number, no function, no module). NumPy's numbers are numbers; True and False are none, and 2.0
is not whole: they are slips.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

MOST = 2**31  # where sizes end; a longer axis would fill a computer by itself
MOST_NUMBERS = 2**48  # of one array: a petabyte of them


def refuse(where: str, name: str, expected: str, value: Any, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise the one error: "conv2d: stride must be a whole number >= 1, got 0.5"."""
    raise kind(f"{where}: {name} must be {expected}, got {shown(value)}")


def shown(value: Any) -> str:
    """A value in a message: at most 80 characters of it."""
    try:
        return f"{value!r:.80}"
    except Exception:  # a number of more digits than Python writes, or somebody's own class
        return f"something of {type(value).__name__}"


def lines(faults: Sequence[str]) -> str:
    """Faults in a message, a line each: the first ten, of each what a terminal can print of 200 characters."""
    shortened = ("".join(c if c.isprintable() else "?" for c in fault[:200]) for fault in faults[:10])
    more = [f"and {len(faults) - 10:,} more"] if len(faults) > 10 else []
    return "".join(f"\n  {line}" for line in [*shortened, *more])


# --- whole numbers ---


def is_whole(value: Any) -> bool:
    """Whether it is a whole number of Python's or of NumPy's; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole(where: str, name: str, value: Any, least: int = 0) -> int:
    """A whole number from `least` on, and below 2^31: a size, a count, a step."""
    if not is_whole(value) or not least <= value < MOST:
        most = " below 2^31" if is_whole(value) and value >= MOST else ""
        refuse(where, name, f"a whole number >= {least}{most}", value)
    return int(value)


def size(where: str, name: str, value: Any) -> int:
    """A whole number from 1 on."""
    return whole(where, name, value, 1)


def pair(where: str, name: str, value: Any) -> tuple[int, int]:
    """(rows, columns), each from 1 on; a single number stands for both."""
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(is_whole(n) and 1 <= n < MOST for n in both):
        refuse(where, name, "a whole number >= 1 or two of them, (rows, columns)", value)
    return int(both[0]), int(both[1])


def shape(where: str, name: str, value: Any) -> tuple[int, ...]:
    """The lengths of the axes of an array that shall be made."""
    lengths = tuple(value) if isinstance(value, tuple | list) else (value,)
    if not all(is_whole(n) and n >= 0 for n in lengths):
        refuse(where, name, "a tuple of whole numbers >= 0", value)
    if math.prod(max(1, int(n)) for n in lengths) > MOST_NUMBERS:
        refuse(where, name, "a shape that fits into a computer", value)
    return tuple(int(n) for n in lengths)


def axes(where: str, axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """`axis` (None for all) as a sorted tuple of axes 0..ndim-1; ValueError for one out of range or named twice."""
    if axis is None:
        return tuple(range(ndim))
    named = axis if isinstance(axis, tuple | list) else (axis,)
    if not all(map(is_whole, named)):
        refuse(where, "axis", "None, a whole number or a tuple of them", axis, TypeError)
    if not all(-ndim <= a < ndim for a in named):
        raise ValueError(f"{where}: axis {shown(axis)} is out of range for a tensor with {ndim} axes")
    normalized = sorted(int(a) % ndim for a in named)
    if len(set(normalized)) != len(normalized):
        raise ValueError(f"{where}: axis {shown(axis)} names one axis twice")
    return tuple(normalized)


def one_axis(where: str, axis: int, ndim: int, name: str = "axis") -> int:
    """`axis` as a number 0..ndim-1; TypeError for a tuple or None, of which one axis would be picked in silence."""
    if not is_whole(axis):
        raise TypeError(f"{where}: expected {name} as one whole number, got {shown(axis)}")
    return axes(where, axis, ndim)[0]


# --- numbers ---


def is_number(value: Any) -> bool:
    """Whether it is a real number of Python's or of NumPy's; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def number(where: str, name: str, value: Any) -> float:
    """A finite number as a Python float, which leaves a dtype alone: float32 times np.float64(2) is float64."""
    if not is_number(value):
        raise TypeError(f"{where}: expected {name} as a number, got {shown(value)}")
    if not -_LARGEST <= value <= _LARGEST:  # NaN is neither
        refuse(where, name, "a finite number", value)
    return float(value)


def not_negative(where: str, name: str, value: Any) -> float:
    """A finite number from 0 on: a rate, a decay."""
    if not is_number(value) or not 0 <= value <= _LARGEST:
        refuse(where, name, "a finite number >= 0", value)
    return float(value)


def positive(where: str, name: str, value: Any) -> float:
    """A number above 0; infinity is one, such as for a limit that never bites."""
    if not is_number(value) or not value > 0:
        refuse(where, name, "a number > 0", value)
    return float(value) if value <= _LARGEST else math.inf


def share(where: str, name: str, value: Any) -> float:
    """A number from 0 to 1, both included."""
    if not is_number(value) or not 0 <= value <= 1:
        refuse(where, name, f"a share, 0 <= {name} <= 1", value)
    return float(value)


def fraction(where: str, name: str, value: Any) -> float:
    """A number with 0 <= value < 1: a momentum."""
    if not is_number(value) or not 0 <= value < 1:
        refuse(where, name, f"a number with 0 <= {name} < 1", value)
    return float(value)


def probability(where: str, name: str, p: Any) -> float:
    """The probability of dropping something: all cannot be dropped, so it is below 1."""
    if not is_number(p) or not 0 <= p < 1:
        raise ValueError(f"{where}: {name} is a probability, 0 <= {name} < 1; got {shown(p)}")
    return float(p)


_LARGEST = float(np.finfo(np.float64).max)


# --- what is no number ---


def flag(where: str, name: str, value: Any) -> bool:
    """True or False, of Python's or NumPy's, or 1 or 0; the word "no", which counts as true, is none."""
    if value is True or value is False:
        return value
    if not isinstance(value, np.bool_) and not (is_whole(value) and value in (0, 1)):
        refuse(where, name, "True or False", value, TypeError)
    return bool(value)


def choice(where: str, name: str, value: Any, choices: Iterable[str]) -> Any:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        refuse(where, name, f"one of {', '.join(map(repr, choices))}", value)
    return value


def text(where: str, name: str, value: Any) -> str:
    """A string."""
    return instance(where, name, value, str, "a string")


def texts(where: str, name: str, value: Any) -> list[str]:
    """Several strings."""
    return [text(where, f"each of {name}", one) for one in items(where, name, value, "a list of strings")]


def instance(where: str, name: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> Any:
    """An object of a class."""
    if not isinstance(value, kinds):
        refuse(where, name, expected, value, TypeError)
    return value


def function(where: str, name: str, value: Any) -> Callable[..., Any]:
    """Anything that can be called."""
    if not callable(value):
        refuse(where, name, "a function", value, TypeError)
    return value


def generator(where: str, name: str, rng: Any) -> np.random.Generator:
    """A source of random numbers."""
    return instance(where, name, rng, np.random.Generator, "a numpy.random.Generator, such as default_rng(seed)")


def seed(where: str, value: Any) -> int:
    """What a generator begins with: any whole number from 0 on."""
    if not is_whole(value) or value < 0:
        refuse(where, "seed", "a whole number >= 0", value)
    return int(value)


def items(where: str, name: str, value: Any, expected: str) -> list[Any]:
    """What a collection of things holds; text and bytes are no collections here."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        refuse(where, name, expected, value, TypeError)
    try:
        return list(value)
    except TypeError:  # an array without axes
        refuse(where, name, expected, value, TypeError)


def mapping(where: str, name: str, value: Any, expected: str) -> dict[Any, Any]:
    """Things by their names."""
    return dict(instance(where, name, value, Mapping, expected))


def path(where: str, name: str, value: Any) -> Path:
    """The name of a file."""
    return Path(instance(where, name, value, (str, os.PathLike), "the name of a file, a string or a Path"))


def dtype(where: str, value: Any) -> np.dtype:
    """The name or type of numbers that a tensor can hold."""
    try:
        found = np.dtype(value) if value is not None else None
    except (TypeError, ValueError):
        found = None
    if found is None or found.kind not in "fiub" or not found.isnative:
        refuse(where, "dtype", "a dtype of real numbers, such as 'float32'", value, TypeError)
    return found


def numbers(where: str, name: str, values: Any, kinds: str = "fiub") -> np.ndarray:
    """An array of real numbers of NumPy's, made of a list where it is one; of the kinds of dtype that are named."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # lists of unequal lengths; a tensor that requires a gradient
        array = np.asarray(None)
    if array.dtype.kind not in kinds:
        refuse(where, name, f"an array of {_KINDS[kinds]} numbers", values, TypeError)
    return array


_KINDS = {"fiub": "real", "iu": "whole", "fiu": "real"}

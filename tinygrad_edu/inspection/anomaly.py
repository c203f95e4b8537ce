"""The first NaN or infinity, at the operation that made it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.inspection.arrays import Seen, see
from tinygrad_edu.inspection.watch import Place, observing, users_place
from tinygrad_edu.tensor import Backward, Tensor


class AnomalyError(ArithmeticError):
    """A NaN or an infinity came up; the message says in which operation, from what, and on which line."""


@contextlib.contextmanager
def detect_anomaly() -> Iterator[None]:
    """While this lasts, the first NaN or infinity raises AnomalyError, in the forward and in the backward.

    The message names the operation, the statistics of what went in and came out, and the line of the forward; so the
    forward must run inside as well. An operation whose inputs are finite is where it came up; an input that holds one
    already, such as a damaged data set, is named as such.

    >>> with inspection.detect_anomaly():
    ...     loss = ops.mse(model(x), y)
    ...     loss.backward()
    """

    def check(tensor: Tensor, inputs: tuple[Tensor, ...], backward: Backward) -> Backward:
        op = backward.__qualname__.split(".")[0].strip("_")
        place = users_place(sys._getframe(1))
        if not _is_finite(tensor.data):
            raise AnomalyError(_forward_message(op, place, tensor.data, inputs))

        def checked(G: Array) -> Any:
            gradients = backward(G)
            for x, g in zip(inputs, gradients):
                if g is not None and not _is_finite(g):
                    raise AnomalyError(_backward_message(op, place, G, x, g))
            return gradients

        checked.__qualname__ = backward.__qualname__
        return checked

    with observing(check):
        yield


def _is_finite(X: Array) -> bool:
    return X.dtype.kind != "f" or bool(array_module(X).isfinite(X).all())


def _forward_message(op: str, place: Place, Y: Array, inputs: tuple[Tensor, ...]) -> str:
    came = "; ".join(f"input {i}: {_told(see(x.data, 0))}" for i, x in enumerate(inputs))
    source = "" if all(_is_finite(x.data) for x in inputs) else " It was in an input already, before any operation."
    return f"{op} computed {_told(see(Y, 0))}, from {came}.{source}{_line(place)}"


def _backward_message(op: str, place: Place, G: Array, x: Tensor, g: Array) -> str:
    return (
        f"the backward of {op} sent back {_told(see(g, 0))}; G was {_told(see(G, 0))}, "
        f"its input {_told(see(x.data, 0))}.{_line(place)}"
    )


def _told(seen: Seen) -> str:
    """ "3 NaN and 0 infinite of 12 numbers of shape (3, 4), the others from -1 to 2 with mean 0.5"."""
    bad = f"{seen.nans:,} NaN and {seen.infinities:,} infinite of " if not seen.is_finite else ""
    numbers = f"{bad}{seen.size:,} numbers of shape {seen.shape}"
    if seen.nans + seen.infinities == seen.size:
        return numbers
    return (
        f"{numbers}, {'the others ' if bad else ''}from {seen.smallest:.4g} to {seen.largest:.4g}, mean {seen.mean:.4g}"
    )


def _line(place: Place) -> str:
    return f" Forward at {place.file}:{place.line}: {place.text}" if place.file else ""

"""What an animal of the zoo is: an operation with one mistake in its backward, and all that is needed to show it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.case import case


@dataclass(frozen=True)
class Mistake:
    """A right operation with one mistake in its backward; the forward is right.

    Attributes
    ----------
    name : str
        The operation, a colon, and what is wrong, in a few words.
    story : str
        What is wrong, and in what kind of code it happens.
    written : callable
        The operation as a function of tensors; or a layer, a class whose instances are such functions.
    inputs : tuple of float64 arrays
        A point at which the operation is to be checked.
    right : callable
        The same operation with the right backward.
    remedy : str
        For a mistake that no check at one point can see: what to do about it.
    """

    name: str
    story: str
    written: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    right: Callable[..., Any]
    remedy: str = ""

    @property
    def operation(self) -> str:
        return self.name.partition(":")[0]

    @property
    def theme(self) -> str:
        """The file in which it stands."""
        return self.written.__module__.rpartition(".")[2]

    @property
    def function(self) -> Callable[..., Any]:
        """The operation with its mistake; of a layer, which remembers what it did, a new one each time."""
        return self.written() if isinstance(self.written, type) else self.written

    def source(self) -> str:
        """The code alone, under the operation's own name, for a reader who is to find the mistake."""
        lines = inspect.getsource(self.written).splitlines(keepends=True)
        start = next(i for i, line in enumerate(lines) if line.startswith(("def ", "class ")))
        code = re.sub(r"  # noqa: \w+", "", "".join(lines[start:]))
        return re.sub(rf"\b{self.written.__name__}\b", self.operation, code)


def mistake(name: str, story: str, *inputs: Any, right: Callable[..., Any], remedy: str = "") -> Callable:
    """Make a Mistake of the function or class below; tuples among the inputs are shapes, filled as `case` does."""

    def made(written: Callable[..., Any]) -> Mistake:
        return Mistake(name, story, written, case(written, *inputs).inputs, right, remedy)

    return made

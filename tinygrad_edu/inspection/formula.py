"""What an operation says of itself: its formula, from its docstring, and its lines."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable

from tinygrad_edu import ops, textbook
from tinygrad_edu.tensor import Backward

NUMBERED = re.compile(r"\s{2,}\(\d+\)$")  # an equation of the textbook


def function_of(op: str, backward: Backward) -> Callable | None:
    """The function that an operation's name stands for: of the module that its backward is from, or of `ops`."""
    function = getattr(backward, "__globals__", {}).get(op, getattr(ops, op, None))
    return function if inspect.isfunction(function) else None


@functools.cache
def formula_of(function: Callable | None) -> str:
    """The first line of an operation's docstring, and those lines of its derivation that give a derivative.

    Where the derivation stands in the textbook, all its numbered equations, without the numbers.
    """
    lines = (inspect.getdoc(function) or "").splitlines()
    twin = textbook.TWINS.get(getattr(function, "__name__", ""))
    if twin is not None:
        derived = [line for line in (inspect.getdoc(twin) or "").splitlines() if NUMBERED.search(line)]
    else:
        derived = [line for line in lines[1:] if re.search(r"\bd[LY]/d[^=]*=", line)]
    return "\n".join([*lines[:1], *(NUMBERED.sub("", line).strip() for line in derived)])


@functools.cache
def code_of(function: Callable | None) -> str:
    """The lines of an operation without its docstring; empty where they cannot be read."""
    if function is None:
        return ""
    try:
        lines = textwrap.dedent(inspect.getsource(function)).splitlines()
        body = ast.parse("\n".join(lines)).body[0].body  # type: ignore[attr-defined]
    except (OSError, TypeError, SyntaxError):
        return ""
    if ast.get_docstring(ast.Module(body, [])) is not None:
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    return "\n".join(lines)

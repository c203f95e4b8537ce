"""What only the forward knows of a result: the line that computed it, its module, and how to compute it again.

The tape knows none of this, since it would cost time at every operation. While `watch()` lasts, the engine calls
`_Book.note` at the birth of every result, and that looks at the interpreter's stack: the operation's own frame has its
arguments, the frames of `Module.__call__` have the modules, and the first frame outside the package is the user's line.
"""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import tensor as engine
from tinygrad_edu.backend import memory_of
from tinygrad_edu.nn import Module
from tinygrad_edu.tensor import Backward, Tensor

PACKAGE = str(Path(engine.__file__).parent)
Call = tuple[Callable, tuple, dict[str, Any]]  # function, arguments, named arguments


@dataclass(frozen=True)
class Place:
    """A line of the user's source.

    Attributes
    ----------
    file, line : str, int
        Empty and 0 where nobody looked.
    text : str
        The line itself; empty where its file cannot be read.
    """

    file: str = ""
    line: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}" if self.file else ""


@dataclass(frozen=True)
class Birth:
    """What the forward knew of one result.

    Attributes
    ----------
    op : str
    place : Place
        Where the user called for it.
    module : str
        The name of the innermost module at work, such as `layers.3`; of the network itself, its class; else empty.
    call : (function, arguments, named arguments) or None
        How the result was computed; None where the function cannot be named, such as one inside another function.
    recorded : bool
        Whether it went on the tape.
    book : Book
        Everything that the same `watch` saw.
    """

    op: str
    place: Place
    module: str
    call: Call | None
    recorded: bool
    book: Book


class Book:
    """What one `watch` saw.

    Attributes
    ----------
    roots : list of Module
        The networks that were called, the outermost modules.
    names : dict
        Leaf -> its name: that of a parameter in its network, or of the user's variable.
    uses : dict
        Leaf that requires a gradient -> the births of what was computed from it directly.
    severed : list of (Birth, Birth)
        Results that went on without their history: whose values entered an operation as a constant, and that operation.
    """

    def __init__(self) -> None:
        self.roots: list[Module] = []
        self.names: weakref.WeakKeyDictionary[Tensor, str] = weakref.WeakKeyDictionary()
        self.uses: weakref.WeakKeyDictionary[Tensor, list[Birth]] = weakref.WeakKeyDictionary()
        self.severed: list[tuple[Birth, Birth]] = []
        self._results: dict[int, tuple[weakref.ref, Birth]] = {}  # memory -> the array and the birth of a result

    def note(self, tensor: Tensor, inputs: tuple[Tensor, ...], backward: Backward) -> None:
        """Called at the birth of a result, from `record`."""
        op = backward.__qualname__.split(".")[0].strip("_")
        frame = sys._getframe(2)
        modules, user, call = [], None, None
        outer: types.FrameType | None = frame.f_back
        while outer is not None:
            if user is None:
                call = call or _call_of(outer, op)
                if not outer.f_code.co_filename.startswith(PACKAGE):
                    user = outer
            code = outer.f_code
            if code.co_argcount and isinstance(module := outer.f_locals.get(code.co_varnames[0]), Module):
                modules.append(module)
            outer = outer.f_back
        recorded = engine.will_record(*inputs)
        birth = Birth(op, _place(user), self._name_of(modules), call, recorded, self)
        BIRTHS[tensor] = birth
        for x in inputs:
            if x.op:
                continue
            if x not in self.names and user is not None:
                variables = [*user.f_locals.items(), *user.f_globals.items()]
                variable = next((name for name, value in variables if value is x), "")
                if variable and variable != "self":
                    self.names[x] = variable
            if x.requires_grad:
                self.uses.setdefault(x, []).append(birth)
            else:
                array, origin = self._results.get(memory_of(x.data), (lambda: None, birth))
                if array() is x.data:
                    self.severed.append((origin, birth))
        if recorded and isinstance(tensor.data, np.ndarray):
            self._results[memory_of(tensor.data)] = weakref.ref(tensor.data), birth

    def _name_of(self, modules: list[Module]) -> str:
        """The name of the innermost of some modules, from the inside out, in the outermost."""
        if not modules:
            return ""
        root = modules[-1]
        if root not in self.roots:
            self.roots.append(root)
            for name, parameter in root.named_parameters():
                self.names.setdefault(parameter, name)
        name = next((name for name, module in root.named_modules() if module is modules[0]), "")
        return name or type(modules[0]).__name__


BIRTHS: weakref.WeakKeyDictionary[Tensor, Birth] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def watch() -> Iterator[Book]:
    """While this lasts, note of every result where it was computed: for `trace`, `explain` and `player` afterwards.

    >>> with inspection.watch():
    ...     loss = ops.mse(model(x), y)
    >>> print(inspection.explain(loss))

    An operation takes some ten times as long meanwhile. What was noted lives as long as the results themselves.
    """
    book = Book()

    def note(tensor: Tensor, inputs: tuple[Tensor, ...], backward: Backward) -> Backward:
        book.note(tensor, inputs, backward)
        return backward

    with observing(note):
        yield book


Note = Callable[[Tensor, tuple[Tensor, ...], Backward], Backward]
_LOOKING: list[tuple[int, Note]] = []  # (thread, note) of all that look now, in the order in which they came


@contextlib.contextmanager
def observing(note: Note) -> Iterator[None]:
    """Let the engine call `note` at every birth in this thread, beside whoever looks already.

    Whoever looks is in a list, so that each can leave at any time: two threads do not leave in the order they came.
    """
    entry = (threading.get_ident(), note)
    _LOOKING.append(entry)
    engine.observer = _tell_all
    try:
        yield
    finally:
        _LOOKING.remove(entry)
        if not _LOOKING:
            engine.observer = None


def _tell_all(tensor: Tensor, inputs: tuple[Tensor, ...], backward: Backward) -> Backward:
    thread = threading.get_ident()
    for owner, note in tuple(_LOOKING):
        if owner == thread:
            backward = note(tensor, inputs, backward)
    return backward


def users_place(frame: types.FrameType | None) -> Place:
    """The line that a frame, or the first one around it that is not of the package, is at."""
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return _place(frame)


def _place(frame: types.FrameType | None) -> Place:
    if frame is None:
        return Place()
    file, line = frame.f_code.co_filename, frame.f_lineno
    return Place(file, line, linecache.getline(file, line, frame.f_globals).strip())


def _call_of(frame: types.FrameType, op: str) -> Call | None:
    """The function at work in a frame with its arguments, if it is the operation named `op`."""
    code = frame.f_code
    function = frame.f_globals.get(code.co_name)
    if code.co_name.strip("_") != op or not inspect.isfunction(function) or function.__code__ is not code:
        return None
    arguments: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = frame.f_locals.get(name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            arguments += value or ()
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= value or {}
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            arguments.append(value)
    return function, tuple(arguments), named

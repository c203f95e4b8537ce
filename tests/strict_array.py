"""A stand-in that plays CuPy on a machine without a GPU.

`StrictArray` computes with NumPy, but refuses what a CuPy array refuses: to meet a plain NumPy array in an operation,
an index or an assignment, and to become a NumPy array unasked. `install` puts a module of that kind in CuPy's place, so
that `Tensor.to("cuda")` and all that follows takes the paths that it takes on a GPU. What is stricter than CuPy, on
purpose: a NumPy array is refused as an index, too (CuPy copies it to the GPU each time), and so is every function of
the module `numpy` (CuPy forwards them; ours are to come from `array_module(x)`).
"""

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ARRAY_METHODS = names(
    """
    all any argmax argmin argsort astype clip copy cumprod cumsum diagonal dot flatten max mean min nonzero prod
    ravel repeat reshape round squeeze std sum swapaxes take trace transpose var view
    """
)
# These give Python objects or change the array, as they do in CuPy.
ARRAY_PLAIN = names(
    """
    dtype fill flags item itemsize nbytes ndim shape size strides tobytes tolist
    """
)
ARRAY_VIEWS = ("T", "imag", "real")
NOT_IN_REDUCTIONS = {"initial", "where"}  # arguments that CuPy's sum, max, mean, ... do not have

# What CuPy 13 has under the name that NumPy gives it.
UFUNCS = names(
    """
    abs absolute add arccos arcsin arctan arctan2 bitwise_and bitwise_not bitwise_or bitwise_xor ceil cos cosh
    divide divmod equal exp exp2 expm1 floor floor_divide fmax fmin fmod greater greater_equal hypot invert isfinite
    isinf isnan left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
    logical_or logical_xor matmul maximum minimum mod multiply negative not_equal positive power reciprocal
    remainder right_shift rint sign signbit sin sinh sqrt square subtract tan tanh true_divide trunc
    """
)
FUNCTIONS = names(
    """
    all allclose any append arange argmax argmin argsort argwhere array_equal array_split atleast_1d atleast_2d
    average broadcast_arrays broadcast_to clip concatenate copy count_nonzero cumprod cumsum diag diagonal diff dot
    einsum empty empty_like expand_dims eye flatnonzero flip full full_like hstack identity indices inner isclose
    kron linspace max mean median meshgrid min moveaxis nan_to_num nonzero ones ones_like outer pad prod ravel
    repeat reshape roll rollaxis rot90 round searchsorted sort split squeeze stack std sum swapaxes take
    take_along_axis tensordot tile trace transpose tri tril triu unique var vdot vstack where zeros zeros_like
    """
)
CONSTANTS = names(
    """
    bool_ dtype e finfo float16 float32 float64 floating iinfo inf int16 int32 int64 int8 integer issubdtype nan
    newaxis pi promote_types uint16 uint32 uint64 uint8
    """
)
UFUNCS_WITH_AT = {"add", "bitwise_and", "bitwise_or", "bitwise_xor", "maximum", "minimum", "subtract"}


class StrictArray(np.ndarray):
    """An array "on the GPU"."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method not in ("__call__", "reduce", "accumulate"):
            raise TypeError(f"the stand-in for CuPy does not know {ufunc.__name__}.{method}")
        if not all(isinstance(x, StrictArray) for x in out):
            raise TypeError("Return arrays must be cupy.ndarray")
        result = getattr(ufunc, method)(
            *(plain(operand(x)) for x in inputs),
            **({"out": tuple(plain(x) for x in out)} if out else {}),
            **{key: plain(operand(value)) for key, value in options.items()},
        )
        if out:
            return out[0] if len(out) == 1 else out
        return strict(result)

    def __array_function__(self, function, *_):
        raise TypeError(f"numpy.{function.__name__} was called with a CuPy array; take it from array_module(x)")

    def __getitem__(self, index):
        index = plain_index(index)
        full = index if isinstance(index, tuple) else (index,)
        if not any(part is Ellipsis for part in full):
            full = (*full, Ellipsis)  # a 0-d array, where NumPy would return a scalar
        return strict(plain(self)[full])

    def __setitem__(self, index, value):
        plain(self)[plain_index(index)] = plain(operand(value))

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __reduce__(self):
        return from_numpy, (plain(self).copy(),)

    def __deepcopy__(self, memo):
        return self.copy()

    def __getattribute__(self, name):
        if not name.startswith("__") and name not in ARRAY_ATTRIBUTES:
            raise AttributeError(f"'ndarray' object of CuPy has no attribute {name!r} (known to the stand-in)")
        return super().__getattribute__(name)

    def get(self):
        return plain(self).copy()

    def __repr__(self):
        return repr(plain(self))

    __str__ = __repr__


ARRAY_ATTRIBUTES = {*ARRAY_METHODS, *ARRAY_PLAIN, *ARRAY_VIEWS, "base", "get"}


def plain(x: Any) -> Any:
    """The NumPy view of a strict array, also inside lists and tuples; anything else as it is."""
    if isinstance(x, StrictArray):
        return np.ndarray.view(x, np.ndarray)
    if type(x) in (list, tuple):
        return type(x)(plain(part) for part in x)
    return x


def strict(x: Any) -> Any:
    """What NumPy returned as CuPy would return it: arrays, and 0-d arrays instead of scalars."""
    if isinstance(x, np.ndarray | np.generic):
        if x.dtype.kind not in "biufc" or x.dtype in (np.longdouble, np.clongdouble):
            raise TypeError(f"CuPy has no dtype {x.dtype}")
        if isinstance(x, np.ndarray) and x.base is not None:
            return x.view(StrictArray)  # a view of another array stays one
        return np.ndarray.copy(np.asarray(x).view(StrictArray), order="K")  # owns its memory, as what it replaces
    if type(x) in (list, tuple):
        return type(x)(strict(part) for part in x)
    return x


def from_numpy(x: Any) -> StrictArray:
    return strict(np.array(x))


def operand(x: Any) -> Any:
    """`x`, or TypeError where CuPy refuses to compute with it."""
    if isinstance(x, np.ndarray) and not isinstance(x, StrictArray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: a NumPy array meets a CuPy array")
    if type(x) in (list, tuple):
        for part in x:
            operand(part)
    return x


def plain_index(index: Any) -> Any:
    return tuple(plain(operand(part)) for part in index) if isinstance(index, tuple) else plain(operand(index))


def on_gpu(name: str, function: Callable) -> Callable:
    """A function of NumPy as CuPy's function of that name."""

    def call(*arguments, out=None, **options):
        for value in (*arguments, *options.values()):
            operand(value)
        if out is not None:
            if not isinstance(out, StrictArray):
                raise TypeError("Return arrays must be cupy.ndarray")
            options["out"] = plain(out)
        result = function(*plain(arguments), **{key: plain(value) for key, value in options.items()})
        return strict(result) if out is None else out

    call.__name__ = name
    return call


def method(name: str) -> Callable:
    def call(self, *arguments, **options):
        if unknown := NOT_IN_REDUCTIONS & set(options):
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
        return on_gpu(name, getattr(np.ndarray, name))(self, *arguments, **options)

    call.__name__ = name
    return call


for _name in ARRAY_METHODS:
    setattr(StrictArray, _name, method(_name))


class Ufunc:
    """`cupy.add` and its like."""

    def __init__(self, name: str) -> None:
        self.name, self.function = name, getattr(np, name)

    def __call__(self, *arguments, out=None, **options):
        arguments, out = (arguments[:-1], arguments[-1]) if len(arguments) > self.function.nin else (arguments, out)
        return on_gpu(self.name, self.function)(*arguments, out=out, **options)

    def at(self, target, index, values):
        if self.name not in UFUNCS_WITH_AT or not isinstance(target, StrictArray):
            raise TypeError(f"cupy.{self.name}.at is not supported for {type(target).__name__}")
        if target.dtype not in (np.int32, np.uint32, np.uint64, np.float16, np.float32, np.float64):
            raise TypeError("scatter_add only supports int32, float16, float32, float64, uint32, uint64, as data type")
        self.function.at(plain(target), plain_index(index), plain(operand(values)))


class CuPy(types.ModuleType):
    """The module; `module.fetched` counts the arrays that were fetched from "the GPU"."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.ndarray = StrictArray
        self.fetched = 0
        self.cuda = types.SimpleNamespace(Device=lambda number: types.SimpleNamespace(compute_capability="90"))
        strides = {name: on_gpu(name, getattr(np.lib.stride_tricks, name)) for name in ("sliding_window_view",)}
        strides["as_strided"] = lambda x, shape=None, strides=None: strict(
            np.lib.stride_tricks.as_strided(plain(gpu_array(x)), shape, strides)
        )
        self.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(**strides))
        for name in UFUNCS:
            setattr(self, name, Ufunc(name))
        for name in FUNCTIONS:
            setattr(self, name, on_gpu(name, getattr(np, name)))
        for name in CONSTANTS:
            setattr(self, name, getattr(np, name))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"module 'cupy' has no attribute {name!r} (known to the stand-in, tests/strict_array.py)")

    def asarray(self, x, dtype=None):
        if isinstance(x, StrictArray) and dtype in (None, x.dtype):
            return x
        return self.array(x, dtype)

    def ascontiguousarray(self, x, dtype=None):
        x = self.asarray(x, dtype)
        return x if x.flags.c_contiguous else strict(np.array(plain(x), order="C"))

    def array(self, x, dtype=None):
        return strict(np.array(plain(x), dtype=dtype))

    def asnumpy(self, x):
        self.fetched += 1
        return x.get() if isinstance(x, StrictArray) else np.asarray(x)


def gpu_array(x: Any) -> Any:
    if not isinstance(x, StrictArray):
        raise TypeError(f"expected a CuPy array, got {type(x).__name__}")
    return x


def install(monkeypatch) -> CuPy:
    """Put the stand-in into CuPy's place, and let NumPy's conversions refuse its arrays, until the test ends."""
    module = CuPy()
    monkeypatch.setitem(sys.modules, "cupy", module)

    def refusing(convert):
        def call(x, *arguments, **options):
            if contains_strict(x):
                raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")
            return convert(x, *arguments, **options)

        return call

    for name in ("array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray"):
        monkeypatch.setattr(np, name, refusing(getattr(np, name)))
    return module


def contains_strict(x: Any) -> bool:
    return isinstance(x, StrictArray) or (type(x) in (list, tuple) and any(contains_strict(part) for part in x))

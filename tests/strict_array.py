"""A stand-in that plays CuPy on a machine without a GPU.

`StrictArray` computes with NumPy, but refuses what a CuPy array refuses: to meet a plain NumPy array in an operation,
an index or an assignment, and to become a NumPy array unasked. `install` puts a module of that kind in CuPy's place, so
that `Tensor.to("cuda")` and all that follows takes the paths that it takes on a GPU. What is stricter than CuPy, on
purpose: a NumPy array is refused as an index, too (CuPy copies it to the GPU each time), and so is every function of
the module `numpy` (CuPy forwards them; ours are to come from `array_module(x)`).

It also counts what costs time on a GPU, see `Work`. The rules are those of CuPy 14.2.
"""

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
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
    data dtype fill flags item itemsize nbytes ndim shape size strides tobytes tolist
    """
)
ARRAY_VIEWS = ("T", "imag", "real")
NOT_IN_REDUCTIONS = {"initial", "where"}  # arguments that CuPy's sum, max, mean, ... do not have

# What CuPy has under the name that NumPy gives it.
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
WIDE = names("int32 int64 uint32 uint64")  # what the atomic instructions of a GPU can add up
AT = {  # ufunc.at -> the dtypes that it takes
    "add": names("float16 float32 float64") + WIDE,
    "subtract": names("int32 uint32"),
    **dict.fromkeys(("maximum", "minimum"), names("float32 float64") + WIDE),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), WIDE),
}
STARTS_NOTHING = {"empty", "empty_like"}
READS_A_SIZE = {"argwhere", "flatnonzero", "nonzero", "unique"}  # the result's size must be known to the host
FUSIBLE = {*UFUNCS, "where", "clip", "copy"} - {"matmul"}
IN_FUSION = {"astype", "copy", "dtype", "ndim"}  # what an array knows inside a fused function


@dataclass
class Work:
    """What was asked of "the GPU" since the last `reset`; `cupy.work` in a test.

    Attributes
    ----------
    launches : int
        Calls that start work on it: arithmetic, reductions, products, copies, fills, index arrays, assignments, and
        each call of a fused function. Not: views of memory that is there (slices, transposes, most reshapes), `empty`.
        What CuPy does by several kernels in one call counts once.
    reads : int
        Transfers to the host: numbers, arrays, truths, texts, and sizes that the host must know. Each waits for all
        launches before it.
    sends : int
        Transfers from the host, of arrays, lists and numbers that become arrays. Nobody waits for them.
    """

    launches: int = 0
    reads: int = 0
    sends: int = 0
    fusing: bool = field(default=False, repr=False)

    def reset(self) -> None:
        self.launches = self.reads = self.sends = 0

    def launch(self) -> None:
        self.launches += not self.fusing


WORK = Work()  # one, since arrays do not know their module


def same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same numbers in the same places."""
    return a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides


def count_launch(result: Any, arguments: Any) -> None:
    """One launch, unless all of the result is a view of an argument."""
    results = result if isinstance(result, list | tuple) else (result,)
    arrays = [x for x in flat(arguments) if isinstance(x, np.ndarray)]
    if any(np.size(r) and not any(np.may_share_memory(r, x) for x in arrays) for r in results):
        WORK.launch()


def flat(x: Any) -> list:
    return [leaf for part in x for leaf in flat(part)] if type(x) in (list, tuple) else [x]


class StrictArray(np.ndarray):
    """An array "on the GPU"."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method not in ("__call__", "reduce", "accumulate"):
            raise TypeError(f"the stand-in for CuPy does not know {ufunc.__name__}.{method}")
        if not all(isinstance(x, StrictArray) for x in out):
            raise TypeError("Return arrays must be cupy.ndarray")
        check_fusible(ufunc.__name__ if method == "__call__" else method)
        WORK.launch()
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
        check_fusible("[]")
        index = wrapped(plain(self), index)
        full = index if isinstance(index, tuple) else (index,)
        if not any(part is Ellipsis for part in full):
            full = (*full, Ellipsis)  # a 0-d array, where NumPy would return a scalar
        result = plain(self)[full]
        count_launch(result, plain(self))
        WORK.reads += any(isinstance(part, np.ndarray) and part.dtype == bool for part in full)  # how many are True?
        return strict(result)

    def __setitem__(self, index, value):
        if WORK.fusing and index is not Ellipsis and index != slice(None):
            raise ValueError("The fusion supports `[...]` or `[:]`.")
        index, value = wrapped(plain(self), index), plain(operand(value))
        target = plain(self)[index]
        if isinstance(value, np.ndarray) and isinstance(target, np.ndarray) and same_memory(target, value):
            return  # the end of `x[index] += 1`, which is in its place already
        WORK.launch()
        plain(self)[index] = value

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __reduce__(self):
        return from_numpy, (plain(self).copy(),)

    def __deepcopy__(self, memo):
        return self.copy()

    def __getattribute__(self, name):
        if not name.startswith("__"):
            if name not in ARRAY_ATTRIBUTES:
                raise AttributeError(f"'ndarray' object of CuPy has no attribute {name!r} (known to the stand-in)")
            if WORK.fusing and name not in IN_FUSION:
                raise NotImplementedError(f"`{name}` is not supported in a fused function")
            if name == "base" and "__foreign__" in self.__dict__:
                return None
        return super().__getattribute__(name)

    @property
    def data(self):
        """Of CuPy's pointer what the back end asks for: `x.data.mem.ptr`, where the allocation begins."""
        root = plain(self)
        while getattr(root, "base", None) is not None:
            root = root.base
        return types.SimpleNamespace(mem=types.SimpleNamespace(ptr=root.__array_interface__["data"][0]))

    def fill(self, value):
        WORK.launch()
        plain(self).fill(operand(value))

    def get(self):
        WORK.reads += 1
        return plain(self).copy()

    def item(self):  # without an index
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def tobytes(self):
        return self.get().tobytes()

    def __repr__(self):
        return repr(self.get())

    __str__ = __repr__

    def __format__(self, spec):
        return format(self.get(), spec)


def reading(name: str) -> Callable:
    """`bool(x)` and its like: a number for the host."""

    def call(self):
        if WORK.fusing:
            raise TypeError("Cannot convert to Python scalar in cupy.fuse")
        return getattr(self.get(), name)()

    call.__name__ = name
    return call


for _name in ("__bool__", "__int__", "__float__", "__complex__", "__index__"):
    setattr(StrictArray, _name, reading(_name))

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


def check_fusible(name: str) -> None:
    if WORK.fusing and name not in FUSIBLE:
        raise NotImplementedError(f"{name} cannot be part of a fused function: only elementwise steps can")


def wrapped(x: np.ndarray, index: Any) -> Any:
    """An index in NumPy's arrays; numbers of index arrays that are out of range wrap around in silence, as in CuPy."""
    parts = index if isinstance(index, tuple) else (index,)
    WORK.sends += sum(isinstance(part, list) for part in parts)
    parts = [np.array(part) if isinstance(part, list) else plain(operand(part)) for part in parts]
    parts = [part.astype(int) if isinstance(part, np.ndarray) and not part.size else part for part in parts]
    axes = [part.ndim if np.asarray(part).dtype == bool else int(part is not None) for part in map(as_part, parts)]
    places = [i for i, part in enumerate(parts) if part is Ellipsis]
    if places:
        axes[places[0]] = x.ndim - sum(axes) + 1
    for i, part in enumerate(parts):
        first = sum(axes[:i])
        if isinstance(part, np.ndarray) and part.dtype != bool and first < x.ndim and x.shape[first]:
            parts[i] = part % x.shape[first]
    return tuple(parts) if isinstance(index, tuple) else parts[0]


def as_part(part: Any) -> Any:
    return np.asarray(part) if isinstance(part, bool) else part


def on_gpu(name: str, function: Callable) -> Callable:
    """A function of NumPy as CuPy's function of that name."""

    def call(*arguments, out=None, **options):
        check_fusible(name)
        for value in (*arguments, *options.values()):
            operand(value)
        if out is not None:
            if not isinstance(out, StrictArray):
                raise TypeError("Return arrays must be cupy.ndarray")
            options["out"] = plain(out)
        result = function(*plain(arguments), **{key: plain(value) for key, value in options.items()})
        if name not in STARTS_NOTHING:
            count_launch(result, plain(arguments) if out is None else ())
        WORK.reads += name in READS_A_SIZE
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
        if not isinstance(target, StrictArray):
            raise TypeError(f"cupy.{self.name}.at is not supported for {type(target).__name__}")
        if self.name not in AT:
            raise NotImplementedError(f"`cupy_{self.name}.at` is not supported yet")
        if target.dtype.name not in AT[self.name]:
            raise TypeError(f"cupy.{self.name}.at only supports {', '.join(AT[self.name])} as data type")
        WORK.launch()
        self.function.at(plain(target), wrapped(plain(target), index), plain(operand(values)))


class CuPy(types.ModuleType):
    """The module; `module.work` counts, `module.fetched` the arrays that `asnumpy` fetched."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.ndarray = StrictArray
        self.fetched, self.work = 0, WORK
        self.cuda = types.SimpleNamespace(Device=lambda number: types.SimpleNamespace(compute_capability="90"))
        strides = {name: foreign(name) for name in ("as_strided", "sliding_window_view")}
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
        return x if x.flags.c_contiguous else x.copy("C")

    def array(self, x, dtype=None):
        if isinstance(x, StrictArray):
            WORK.launch()
        else:
            WORK.sends += 1
        return strict(np.array(plain(x), dtype=dtype))

    def asnumpy(self, x):
        self.fetched += 1
        return x.get() if isinstance(x, StrictArray) else np.asarray(x)

    def fuse(self, *function, kernel_name=None):
        """`fuse(function)` or `fuse(kernel_name=...)(function)`: one launch, of elementwise steps and nothing else."""

        def decorate(function):
            def call(*arguments):
                for x in arguments:
                    operand(x)
                    assert x is None or isinstance(x, StrictArray | int | float), "an argument that cannot be fused"
                WORK.launch()
                before, WORK.fusing = WORK.fusing, True
                try:
                    return function(*arguments)
                finally:
                    WORK.fusing = before

            return call

        return decorate(*function) if function else decorate


def foreign(name: str) -> Callable:
    """A function whose result shares memory and does not say so: it has no `.base` in CuPy."""

    def call(x, *arguments, **options):
        view = strict(getattr(np.lib.stride_tricks, name)(plain(gpu_array(x)), *arguments, **options))
        view.__dict__["__foreign__"] = True
        return view

    return call


def gpu_array(x: Any) -> Any:
    if not isinstance(x, StrictArray):
        raise TypeError(f"expected a CuPy array, got {type(x).__name__}")
    return x


def install(monkeypatch, module: CuPy | None = None) -> CuPy:
    """Put a stand-in into CuPy's place, and let NumPy's conversions refuse its arrays, until the test ends.

    Who does so thousands of times gives it one module: what is fused for a module is kept, and the module with it.
    """
    module = CuPy() if module is None else module
    WORK.reset()
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

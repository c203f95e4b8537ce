"""The engine: an array that remembers how it was computed, and the walk that turns that memory into gradients.

Every operation computes its result with the array library and calls `record(result, inputs, backward)`. The result
becomes a `Tensor` that knows its inputs and the function `backward`, which turns dL/d(result) into dL/d(input) for each
input. These steps are the *tape*. `loss.backward()` walks it from the loss to the leaves and applies the chain
rule once per tensor:

    dL/dx  =  sum over all results y computed from x of  (dL/dy) (dy/dx).

The order of the walk needs no search: a tensor gets a serial number at birth, and inputs are born before outputs.
Visiting the youngest first guarantees that dL/dy is complete before it is passed on."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import warnings
import weakref
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, device_of, is_array, memory_of

Backward = Callable[[Array], tuple[Array | None, ...]]  # dL/d(output) -> dL/d(input) for each input


class Tensor:
    """An array together with the history of its computation.

    Parameters
    ----------
    data : array, number or nested list of numbers
        A NumPy or CuPy array is kept without a copy. Python floats become float32, Python integers int64.
    requires_grad : bool
        Whether `backward()` shall leave dL/d(this tensor) in `.grad`. Needs a floating dtype.

    Attributes
    ----------
    grad : array or None
        dL/d(data), of the same shape and dtype, summed over all `backward()` calls since it was last None. Only leaves
        (tensors that no operation computed) get one, and results that were told to `retain_grad()`.
    requires_grad : bool
        True as well for every result computed from a tensor that requires a gradient.

    `==` compares identity, so that tensors can be keys of a dictionary; compare values with `x.data == y.data`. The
    operators `<`, `<=`, `>` and `>=` compare values and give an array of booleans.
    """

    __slots__ = ("__weakref__", "_backward", "_grad", "_inputs", "_serial", "data", "requires_grad")
    __array_ufunc__ = None  # makes `ndarray + Tensor` call Tensor.__radd__ instead of adding element by element

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        try:
            self.data: Array = as_array(data)
        except TypeError as error:
            raise TypeError(f"Tensor: {error}") from None
        if checks.flag("Tensor", "requires_grad", requires_grad) and self.data.dtype.kind != "f":
            dtype = self.data.dtype
            raise TypeError(f"Tensor: only floating-point ones can require a gradient, this one is {dtype}; convert it")
        self._grad: Array | None = None
        self.requires_grad = requires_grad
        self._inputs: tuple[Tensor, ...] = ()
        self._backward: Backward | None = None
        self._serial = _next_serial()

    @property
    def grad(self) -> Array | None:
        if self._grad is None and self._backward and not hasattr(self._backward, "retains"):
            hint = "backward() leaves .grad in leaves alone; to keep this one, call retain_grad() before"
            warnings.warn(f"this tensor was computed, by the operation {self.op!r}: {hint}", stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, gradient: Array | None) -> None:
        self._grad = gradient

    def retain_grad(self) -> None:
        """Let `backward()` leave dL/d(this tensor) in `.grad`, although an operation computed it."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad() of a tensor that requires no gradient: backward() will not come here")
        backward, this = self._backward, weakref.ref(self)  # see `record` for why not `self`
        if backward is None or hasattr(backward, "retains"):
            return  # a leaf, or asked before

        def retaining(G):
            y: Any = this()
            y._grad = as_array(G.copy() if y._grad is None else y._grad + G)
            return backward(G)

        retaining.retains, retaining.__qualname__ = True, backward.__qualname__  # type: ignore[attr-defined]
        self._backward = retaining

    @property
    def op(self) -> str:
        """The name of the operation that computed this tensor; empty for a leaf."""
        return self._backward.__qualname__.split(".")[0].strip("_") if self._backward else ""

    def detach(self) -> Tensor:
        """The same values (the same memory) without the history: no gradient flows through it."""
        return Tensor(self.data)

    def __getstate__(self) -> tuple:
        return self.data, self._grad, self.requires_grad  # what deepcopy and pickle keep: the values, not the history

    def __setstate__(self, state: tuple) -> None:
        self.data, self._grad, self.requires_grad = state
        self._inputs, self._backward, self._serial = (), None, _next_serial()  # a copy is a leaf, born now

    def backward(self, gradient: Tensor | Array | None = None, retain_graph: bool = False) -> None:
        """Add dL/dx to `x.grad` of every leaf x that this tensor L was computed from.

        Parameters
        ----------
        gradient : array or Tensor, optional
            dL/d(this tensor), of its shape and dtype; 1 for a tensor with one element. A tensor with several elements
            needs it: the walk computes the product of this row vector with the Jacobian.
        retain_graph : bool
            Keep the tape for another walk. Otherwise every step is released as it is walked, which frees its arrays.
            The tape holds arrays, not copies: do not write into any `.data` before the second walk.

        Raises RuntimeError when nothing requires a gradient, an earlier walk released the tape, or the gradient is
        missing; TypeError or ValueError when the gradient is on another device, or of another shape or dtype.
        """
        given, retain_graph = self._initial_gradient(gradient), checks.flag("backward", "retain_graph", retain_graph)
        gradients = {self: given}  # dL/d(tensor), of all tensors reached and not yet left
        reached = [(self._serial, self)] if self._backward else []  # those that an operation computed, youngest first
        sums: set[int] = set()  # serial numbers of those whose gradient is a sum: an array that we made
        after = follower(self, gradients) if follower else None
        while reached:
            tensor = heappop(reached)[1]
            G = gradients.pop(tensor)
            returned = tensor._backward(G)  # type: ignore[misc]  # it was computed: it has one
            if type(returned) is not tuple or len(returned) != len(tensor._inputs):
                raise _wrong_result(tensor, returned)
            for x, g in zip(tensor._inputs, returned):
                if g is None or not x.requires_grad:
                    continue
                if x in gradients:  # paths meet: their gradients add up
                    gradients[x] = _add(x, gradients[x], g, sums)
                else:
                    gradients[x] = g
                    if x._backward:
                        heappush(reached, (x._serial, x))
            if after:
                after(tensor)
            if not retain_graph:
                tensor._backward, tensor._inputs = _released, ()
        if after:
            after(None)
        # The leaves are left. They get their gradients at the very end, so that an error leaves no half of them behind.
        for leaf, G in gradients.items():
            X = leaf.data
            if (type(G) is not type(X) and not isinstance(G, np.generic)) or G.shape != X.shape or G.dtype != X.dtype:
                raise RuntimeError(f"expected dL/dx of shape {X.shape} and {X.dtype}; a backward returned {G!r:.80}")
        held = {memory_of(given)}
        for leaf, G in gradients.items():
            # A copy of what somebody else may hold: a view of another array, or the one that another leaf has, too.
            memory = memory_of(G)
            own = G.copy() if G.base is not None or memory in held else G
            held.add(memory)
            own = own if leaf._grad is None else leaf._grad + G  # never `grad += G`: see `_add`
            leaf._grad = own if type(own) is _ndarray else as_array(own)

    def _initial_gradient(self, gradient: Tensor | Array | None) -> Array:
        if not self.requires_grad:
            raise RuntimeError(
                "backward() from a tensor that requires no gradient: nothing it was computed from has "
                "requires_grad=True, or it was computed inside no_grad()"
            )
        if gradient is None:
            if self.data.size != 1:
                hint = "reduce it first (.sum(), .mean()), or pass dL/d(this tensor): y.backward(gradient)"
                raise RuntimeError(f"backward() starts from one number, this tensor has shape {self.shape}; {hint}")
            return array_module(self.data).asarray(1, self.dtype).reshape(self.shape)
        gradient = gradient.data if isinstance(gradient, Tensor) else gradient
        if not is_array(gradient) or device_of(gradient) != self.device:
            raise TypeError(
                f"backward(): the gradient must be an array on {self.device!r}, got {checks.shown(gradient)}"
            )
        expected, got = (self.shape, self.dtype), (gradient.shape, gradient.dtype)
        if got != expected:
            raise ValueError(f"backward(): the gradient must be {expected} like the tensor, it is {got}")
        return gradient

    if TYPE_CHECKING:  # ops/__init__.py hangs these on; here they only tell the type checker that they exist

        def _method(self, *operands: Any, **options: Any) -> Any: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _method
        __pow__ = __rpow__ = __rmatmul__ = __neg__ = __abs__ = __getitem__ = __len__ = __iter__ = __float__ = _method
        __lt__ = __le__ = __gt__ = __ge__ = to = astype = exp = log = sqrt = sin = cos = abs = clip = tanh = _method
        sigmoid = relu = softmax = log_softmax = sum = mean = var = max = min = cumsum = reshape = flatten = _method
        transpose = swapaxes = expand_dims = squeeze = item = numpy = argmax = argmin = _method
        T = ndim = size = shape = dtype = device = property(_method)


def _add(x: Tensor, sum_so_far: Array, g: Array, sums: set[int]) -> Array:
    """sum_so_far + g; in place only where an earlier call made that array, since nobody else can hold it then."""
    if x._serial not in sums:
        sums.add(x._serial)
        return sum_so_far + g
    sum_so_far += g
    return sum_so_far


def _wrong_result(tensor: Tensor, returned: Any) -> RuntimeError:
    expected = f"a tuple of {len(tensor._inputs)} gradients, one for each of its inputs"
    got = len(returned) if isinstance(returned, tuple) else f"{returned!r:.80}"
    return RuntimeError(f"the backward of {tensor.op!r} must return {expected}; got {got}")


def as_array(data: Any) -> Array:
    """`data` as an array of real numbers, without a copy where it is one; TypeError for anything else."""
    if isinstance(data, Tensor):
        if data.requires_grad:
            raise TypeError(f"an array has no history, so {data!r:.80} would lose its own; say .detach() or .data")
        return data.data
    if isinstance(data, np.generic):  # a NumPy scalar, as a full reduction returns
        data = np.asarray(data)
    elif type(data) is not _ndarray and isinstance(data, _ndarray) and array_module(data) is np:
        if hasattr(data, "mask"):
            raise TypeError("a masked array cannot be a tensor, gradients know no mask; fill it first: x.filled(0)")
        data = np.asarray(data)  # a matrix, for which * is the matrix product, becomes an ordinary array
    if not is_array(data):
        try:
            array = np.asarray(data)
        except ValueError as error:  # nested lists of unequal lengths
            raise TypeError(f"cannot make an array of {data!r:.80}: {error}") from None
        data = array.astype(np.float32) if array.dtype == np.float64 else array  # a Python float has no dtype to keep
    if data.dtype.kind not in "fiub" or not data.dtype.isnative:
        raise TypeError(f"a tensor holds real numbers or booleans in native byte order; got {data.dtype}: {data!r:.80}")
    return data


def record(data: Array, inputs: tuple[Tensor, ...], backward: Backward) -> Tensor:
    """Make the tensor that an operation returns, and put the operation on the tape.

    Parameters
    ----------
    data : array
        The result.
    inputs : tuple of Tensor
        What the result was computed from.
    backward : callable
        Takes G = dL/d(result), which it must not write into. Returns dL/d(input) for each input, of its shape and
        dtype: a new array for that input alone, or G, or a view of G; None where no gradient is wanted. It must not
        capture the result tensor: that would be a reference cycle, and its memory would wait for the collector.
    """
    tensor = _new_tensor(Tensor)  # skips __init__, whose checks the operation's inputs have passed
    tensor.data = data if type(data) is _ndarray else as_array(data)
    tensor._grad = None
    tensor._serial = _next_serial()
    look = observer  # read once: in another thread, it may go
    if look:
        backward = look(tensor, inputs, backward)
    if will_record(*inputs):
        tensor.requires_grad, tensor._inputs, tensor._backward = True, inputs, backward
    else:
        tensor.requires_grad, tensor._inputs, tensor._backward = False, (), None
    return tensor


def will_record(*inputs: Tensor) -> bool:
    """Whether `record` will keep a backward of these inputs: else nothing needs to be computed for it."""
    if not _mode.paused:
        for x in inputs:
            if x.requires_grad:
                return True
    return False


# Whoever looks inside (`inspection`) is called at every birth, and returns the backward or one that stands in for it.
observer: Callable[[Tensor, tuple[Tensor, ...], Backward], Backward] | None = None

# Whoever averages gradients over processes (`training.distributed`) is called when a walk begins, with the tensor that
# it begins at and the gradients, which grow; what it returns is called with every tensor walked, and with None at last.
follower: Callable[[Tensor, dict[Tensor, Array]], Callable[[Tensor | None], None]] | None = None


class no_grad:
    """Compute without recording, for evaluation: `with no_grad(): ...`, or `@no_grad()` on a function."""

    def __enter__(self) -> None:
        _mode.paused += 1

    def __exit__(self, *exception: object) -> None:
        _mode.paused -= 1

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"@no_grad() on {function.__name__}(), which runs later: say `with no_grad()` inside it")

        @functools.wraps(function)
        def inside(*arguments: Any, **options: Any) -> Any:
            with no_grad():
                return function(*arguments, **options)

        return inside


class _Mode(threading.local):
    paused = 0  # how many no_grad() surround us; every thread has its own


def _released(G: Array) -> tuple[Array | None, ...]:
    """Takes the place of the backward function of a step that was walked."""
    raise RuntimeError(
        "backward() through a graph that was already released: an earlier backward() walked it and freed its arrays. "
        "Pass retain_graph=True to the earlier call, or compute the loss again; cut a carried state by nn.detach(state)"
    )


_next_serial = itertools.count(0, -1).__next__  # downwards: a heap gives its smallest, and we want the youngest
_mode, _new_tensor, _ndarray = _Mode(), object.__new__, np.ndarray  # names that need no look-up in a module

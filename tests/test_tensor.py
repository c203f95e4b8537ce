"""The engine: what a tensor is, the walk over the tape, and whose memory is whose."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, no_grad, ops, optim
from tinygrad_edu.ops.support import record_many
from tinygrad_edu.tensor import record

DEEP = 100_000


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# --- what a tensor is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        (3, np.int64),
        ([1, 2], np.int64),
        (True, np.bool_),
        ([[1, 2.5]], np.float32),
        (np.float64(1), np.float64),
        (np.float16(1), np.float16),
        (np.zeros(2), np.float64),
        (np.zeros(2, np.uint8), np.uint8),
        ([], np.float32),
        ((), np.float32),
        (range(3), np.int64),
    ],
)
def test_what_becomes_a_tensor_and_its_dtype(data, dtype):
    tensor = Tensor(data)
    assert tensor.dtype == dtype
    assert tensor.shape == np.shape(data)
    assert tensor.device == "cpu"
    assert tensor.op == ""
    assert not tensor.requires_grad


@pytest.mark.parametrize(
    "data",
    [
        *("a word", ["a", "b"], b"bytes", None, object(), [None, 1], {"a": 1}, {1, 2}, [[1], [1, 2]], 1j, [1, 2j]),
        *(np.array(["x"]), np.array([1j]), np.array([None]), np.array(["2020-01-01"], "M8[D]"), 10**30),
        *(np.zeros(2, [("a", int)]), np.zeros(2, np.dtype(float).newbyteorder())),
    ],
    ids=lambda data: type(data).__name__,  # the same in every process: no addresses
)
def test_what_holds_no_real_numbers_is_refused_with_its_kind(data):
    with pytest.raises(TypeError, match=r"a tensor holds real numbers|cannot make an array"):
        Tensor(data)


def test_an_array_is_kept_without_a_copy():
    data = np.zeros(3)
    assert Tensor(data).data is data
    assert Tensor(data).numpy() is data
    assert Tensor(data).detach().data is data


@pytest.mark.parametrize("data", [1, [1, 2], True, np.zeros(2, np.uint8)])
def test_only_floating_point_tensors_require_gradients(data):
    with pytest.raises(
        TypeError, match=r"Tensor: only floating-point ones can require a gradient, this one is (int|bool|uint)"
    ):
        Tensor(data, requires_grad=True)


def test_whole_numbers_and_booleans_computed_from_a_tensor_have_no_history():
    x = leaf(1.0, -2.5)
    for dtype in (int, bool, np.uint8):
        y = x.astype(dtype)
        assert not y.requires_grad
        assert y.op == ""
    assert x.astype(np.float32).requires_grad


def test_repr_tells_shape_dtype_and_origin():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert repr(x) == "Tensor([[1., 2.]], shape=(1, 2), dtype=float32, requires_grad=True)"
    assert repr(x * 2) == "Tensor([[2., 4.]], shape=(1, 2), dtype=float32, op='mul')"
    assert repr(x.detach()) == "Tensor([[1., 2.]], shape=(1, 2), dtype=float32)"
    assert repr(Tensor(3)) == "Tensor(3, shape=(), dtype=int64)"
    assert len(repr(Tensor(np.zeros((1000, 1000))))) < 600
    y = (x * 2).sum()
    y.backward()
    assert "op='released'" in repr(y)


def test_every_exported_operation_shows_its_own_name():
    x = leaf(0.5, 0.7)
    assert [y.op for y in (x + 1, 1 - x, 2**x, x**2, x.max(), abs(x), x[0], ops.split(x, 2)[1], ops.maximum(x, 0))] == [
        *("add", "sub", "pow", "pow", "max", "abs", "getitem", "split", "maximum")
    ]


def test_tensors_are_keys_by_identity_and_have_length_item_and_truth():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: 1, y: 2}[x] == 1
    assert x != y
    assert len(Tensor(np.zeros((3, 2)))) == 3
    assert type(Tensor(2.5).item()) is float
    assert type(Tensor([[2]]).item()) is int
    assert bool(Tensor(1.0))
    assert not Tensor(False)
    with pytest.raises(ValueError, match=r"bool\(\) of a tensor of shape \(2,\)"):
        bool(Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"bool\(\) of a tensor of shape \(0,\)"):
        bool(Tensor([]))
    with pytest.raises(ValueError, match=r"item\(\) of a tensor of shape \(0,\)"):
        Tensor([]).item()
    with pytest.raises(TypeError, match=r"len\(\) of a tensor without axes"):
        len(Tensor(1.0))


def test_iteration_gives_the_rows_and_their_gradients_add_up():
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    rows = list(x)
    assert [row.shape for row in rows] == [(2,)] * 3
    (rows[0] * 2 + rows[2]).sum().backward()
    assert x.grad.tolist() == [[2, 2], [0, 0], [1, 1]]
    a, b = leaf(1.0, 2.0)
    assert (a.item(), b.item()) == (1, 2)


def test_a_tensor_without_axes_cannot_be_iterated():
    with pytest.raises(TypeError):
        list(Tensor(1.0))


# --- operators -------------------------------------------------------------------------------------------------------

SCALARS = [
    2,
    2.0,
    True,
    np.float64(2),
    np.float32(2),
    np.int64(2),
    np.array(2.0),
    np.array(2),
    np.array([2.0], np.float64),
]
OPERATORS = {
    "x + s": lambda x, s: x + s,
    "s + x": lambda x, s: s + x,
    "x - s": lambda x, s: x - s,
    "s - x": lambda x, s: s - x,
    "x * s": lambda x, s: x * s,
    "s * x": lambda x, s: s * x,
    "x / s": lambda x, s: x / s,
    "s / x": lambda x, s: s / x,
    "x ** s": lambda x, s: x**s,
    "s ** x": lambda x, s: s**x,
    "maximum": ops.maximum,
    "minimum": lambda x, s: ops.minimum(s, x),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_operators_on_either_side_keep_float32_beside_any_number(name, scalar):
    values = np.array([0.5, 1.5, 3.0], np.float32)
    x = Tensor(values, requires_grad=True)
    y = OPERATORS[name](x, scalar)
    assert type(y) is Tensor
    assert type(y.data) is np.ndarray
    assert y.dtype == np.float32
    function = {"maximum": np.maximum, "minimum": np.minimum}.get(name, OPERATORS[name])
    np.testing.assert_allclose(y.data, function(values.astype(float), np.float64(scalar)), rtol=1e-6)
    y.sum().backward()
    assert x.grad.dtype == np.float32


METHODS = [
    "__neg__",
    "abs",
    "exp",
    "log",
    "max",
    "mean",
    "min",
    "relu",
    "sigmoid",
    "sqrt",
    "squeeze",
    "sum",
    "tanh",
    "var",
]
FUNCTIONS = [  # of a tensor with any number of axes
    *(lambda x, name=name: getattr(x, name)() for name in METHODS),
    *(ops.gelu, ops.leaky_relu, lambda x: x.clip(0.1, 0.4), lambda x: x**2, lambda x: x**0.5, lambda x: x**0),
    *(lambda x: x.transpose(), lambda x: x.reshape(-1), lambda x: x.expand_dims(0), lambda x: x[...]),
    *(lambda x: ops.where(x.data > 0, x, 0.0), lambda x: ops.mse(x, x.data * 2), lambda x: ops.stack([x, x])),
    *(lambda x: ops.pad(x, 1), lambda x: ops.broadcast_to(x, (4, *x.shape))),
    lambda x: ops.dropout(x, 0.5, np.random.default_rng(0)),
]
OF_SEVERAL_AXES = [
    *(ops.softmax, ops.log_softmax, ops.logsumexp, lambda x: x @ x.data.T, lambda x: ops.concatenate([x, x])),
    *(lambda x: x[0], lambda x: x[[0, 0]], lambda x: x[x.data > 0], lambda x: ops.split(x, 1)[0]),
    lambda x: ops.softmax_cross_entropy(x, np.zeros(x.shape[:-1], int)),
    lambda x: ops.linear(x, Tensor(np.ones((3, 2), x.dtype)), Tensor(np.ones(2, x.dtype))),
]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_function_keeps_the_dtype_forward_and_back(shape, dtype):
    for i, function in enumerate(FUNCTIONS + OF_SEVERAL_AXES if shape else FUNCTIONS):
        x = Tensor(np.full(shape, 0.5, dtype), requires_grad=True)
        y = function(x)
        assert (type(y.data), y.dtype) == (np.ndarray, dtype), i
        y.backward(np.ones(y.shape, dtype))
        assert (type(x.grad), x.grad.dtype, x.grad.shape) == (np.ndarray, dtype, shape), i


def test_arrays_and_lists_beside_a_tensor_stand_on_either_side():
    x = leaf(1.0, 2.0)
    for y in (np.array([3.0, 4.0]) + x, x + np.array([3.0, 4.0]), [3.0, 4.0] + x, x + [3, 4], (3, 4) + x):  # noqa: RUF005
        assert type(y) is Tensor
        assert y.data.tolist() == [4.0, 6.0]
    assert (np.eye(2) @ x).data.tolist() == [1.0, 2.0]
    assert (np.ones((2, 2), np.float32) - x).dtype == np.float64


def test_operands_that_do_not_fit_are_refused_and_named():
    x, y = Tensor(np.zeros((2, 3))), Tensor(np.zeros((4,)))
    for op in (ops.add, ops.sub, ops.mul, ops.div, ops.pow, ops.maximum, ops.minimum):
        with pytest.raises(ValueError, match=rf"{op.__name__}: shapes \(2, 3\) and \(4,\) do not broadcast"):
            op(x, y)
        with pytest.raises(TypeError, match=rf"{op.__name__}: operands of different dtypes, float64 and float32"):
            op(x, x.astype(np.float32))
        for other in ("word", None, 1j, [[1], [2, 3]]):
            with pytest.raises(TypeError, match=r"real numbers|cannot make"):
                op(x, other)
    with pytest.raises(ValueError, match=r"matmul.*\(2, 3\).*\(2, 3\)"):
        x @ x
    with pytest.raises(ValueError, match=r"linear.*\(2, 3\).*\(4, 5\)"):
        ops.linear(x, Tensor(np.zeros((4, 5))))
    with pytest.raises(ValueError, match=r"bias of shape \(5,\).*\(4,\)"):
        ops.linear(x, Tensor(np.zeros((3, 5))), y)
    with pytest.raises(ValueError, match=r"mse.*\(2, 3\).*\(2,\)"):
        ops.mse(x, np.zeros(2))
    with pytest.raises(TypeError, match="float64 and float32"):
        ops.matmul(x, Tensor(np.zeros((3, 2), np.float32)))


def test_an_index_out_of_range_is_an_index_error():
    x = Tensor(np.zeros((2, 3)))
    for index in (2, -3, (0, 3), [5], np.array([0, 2]), (0, 0, 0), np.zeros(3, bool)):
        with pytest.raises(IndexError):
            x[index]
    for index in (0.5, "a"):
        with pytest.raises((IndexError, TypeError)):
            x[index]


# --- the walk --------------------------------------------------------------------------------------------------------


def test_a_chain_of_100_000_steps_forward_and_back():
    x = y = leaf(1.0)
    for _ in range(DEEP):
        y = y + 1.0
    y.backward()
    assert y.item() == DEEP + 1
    assert x.grad.tolist() == [1.0]


@pytest.mark.parametrize("step", ["y + x", "ops.split(y, 1)[0] * x", "ops.matmul(y, w)"])
def test_a_long_chain_can_be_dropped_without_a_backward_even_on_a_small_stack(step):
    # In a process of its own: what would fail here is the interpreter, not an assertion. Python 3.11 and 3.12 free 50
    # objects inside one another at most, whatever the chain; later ones some thousand, for which 256 KiB are too few.
    stack = 256 if sys.version_info < (3, 13) else 1024  # KiB, where a main thread has 8192
    code = f"""
import threading
import numpy as np
from tinygrad_edu import Tensor, ops

def work():
    x, w = Tensor([1.0], requires_grad=True), Tensor([[1.0]], requires_grad=True)
    y = x
    for _ in range({DEEP // 4}):
        y = {step}
    del y
    print("dropped")

threading.stack_size({stack} * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "dropped\n"), done.stderr


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: x * x, 6.0),
        (lambda x: x - x, 0.0),
        (lambda x: x / x, 0.0),
        (lambda x: x + x, 2.0),
        (lambda x: x**x, 27.0 * (np.log(3.0) + 1)),
        (lambda x: ops.maximum(x, x), 1.0),
        (lambda x: ops.minimum(x, x), 1.0),
        (lambda x: ops.where(x.data > 0, x, x), 1.0),
        (lambda x: ops.mse(x, x), 0.0),
        (lambda x: (x * x) * (x * x), 108.0),
        (lambda x: x + (x + (x + x)), 4.0),
        (lambda x: x.detach() * x, 3.0),
        (lambda x: ops.stack([x, x, x]).sum(), 3.0),
        (lambda x: x.exp() / x.exp(), 0.0),
    ],
)
def test_one_tensor_in_several_places(function, slope):
    x = leaf(3.0)
    function(x).backward()
    np.testing.assert_allclose(x.grad, [slope], rtol=1e-14, atol=1e-14)


def test_a_tensor_used_a_thousand_times():
    x = leaf(2.0, 3.0)
    total = x * 0.0
    for i in range(1000):
        total = total + x * float(i)
    total.sum().backward()
    assert x.grad.tolist() == [499_500.0] * 2
    y = leaf(1.0)
    ops.concatenate([y] * 1000).sum().backward()
    assert y.grad.tolist() == [1000.0]


def test_each_step_of_a_deep_diamond_is_walked_once():
    calls = 0

    def double(x):
        def backward(G):
            nonlocal calls
            calls += 1
            return (2 * G,)

        return record(2 * x.data, (x,), backward)

    x = y = leaf(1.0)
    for _ in range(60):  # 2^60 paths
        z = double(y)
        y = (z + z) * 0.25
    y.backward(np.ones(1))
    assert calls == 60
    assert x.grad.tolist() == [1.0]


def test_branches_of_unequal_length_are_complete_before_they_are_passed_on():
    x = leaf(1.0)
    shared = x * 3.0
    long_way = shared
    for _ in range(5):
        long_way = long_way * 2.0
    (shared * 7.0 + long_way + x).backward()
    assert x.grad.tolist() == [3 * (7 + 32) + 1]


def test_only_leaves_that_require_a_gradient_get_one():
    x, c = leaf(1.0), Tensor(np.array([2.0]))
    y = x * c
    (y * 2.0).backward()
    assert x.grad.tolist() == [4.0]
    assert c.grad is None
    assert y.requires_grad
    assert not (c * 2.0).requires_grad
    ops.concatenate([x, c]).sum().backward()  # whose backward returns a gradient for every piece
    assert x.grad.tolist() == [5.0]
    assert c.grad is None


def test_backward_from_a_leaf_is_the_gradient_itself():
    x, v = leaf(1.0, 2.0), np.array([3.0, 4.0])
    x.backward(v)
    assert x.grad.tolist() == [3.0, 4.0]
    assert not np.shares_memory(x.grad, v)


def test_a_second_backward_is_refused_and_names_retain_graph():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"already released.*retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [4.0]


def test_with_retain_graph_gradients_accumulate():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


@pytest.mark.parametrize("order", ["older first", "younger first"])
def test_a_half_released_graph_leaves_no_part_of_a_gradient(order):
    a, b, c = leaf(1.0), leaf(1.0), leaf(1.0)
    shared = a * 2.0
    if order == "younger first":
        other = c * 5.0
        loss = shared * b + other
    else:
        loss = (shared * b) + c
    shared.backward()
    assert a.grad.tolist() == [2.0]
    with pytest.raises(RuntimeError, match="already released"):
        loss.backward()
    assert a.grad.tolist() == [2.0]
    assert b.grad is None
    assert c.grad is None


def test_an_error_in_a_backward_leaves_no_part_of_a_gradient():
    def broken(x):
        def backward(G):
            raise ZeroDivisionError

        return record(x.data, (x,), backward)

    x, y = leaf(1.0), leaf(1.0)
    loss = broken(x) + y
    with pytest.raises(ZeroDivisionError):
        loss.backward()
    assert x.grad is None
    assert y.grad is None


@pytest.mark.parametrize("shape", [(2,), (0,), (2, 1)])
def test_backward_needs_one_number_or_a_gradient(shape):
    y = Tensor(np.ones(shape), requires_grad=True) * 2.0
    with pytest.raises(
        RuntimeError, match=rf"starts from one number.*{str(shape).replace('(', '.').replace(')', '.')}"
    ):
        y.backward()


def test_backward_checks_the_gradient_it_is_given():
    y = leaf(1.0, 2.0) * 2.0
    for gradient in (1.0, [1.0, 1.0], np.float64(1)):
        with pytest.raises(TypeError, match="gradient must be an array on 'cpu'"):
            y.backward(gradient)
    for gradient in (np.ones(2, np.float32), np.ones(1), np.ones((2, 1)), np.ones(2, int), Tensor([1.0, 1.0])):
        with pytest.raises(ValueError, match=r"must be .*\(2,\).*float64"):
            y.backward(gradient)
    y.backward(np.ones(2))


def test_backward_without_anything_to_differentiate_says_why():
    with pytest.raises(RuntimeError, match="requires no gradient"):
        Tensor(1.0).backward()
    x = leaf(1.0)
    with no_grad():
        y = x * 2.0
    with pytest.raises(RuntimeError, match=r"requires no gradient.*no_grad"):
        y.backward()
    with pytest.raises(RuntimeError, match="requires no gradient"):
        (x * 2.0).detach().backward()


def test_detach_stops_the_gradient_and_shares_the_values():
    x = leaf(2.0)
    y = x * 3.0
    d = y.detach()
    assert d.data is y.data
    assert not d.requires_grad
    (d * x).backward()
    assert x.grad.tolist() == [6.0]


# --- no_grad ---------------------------------------------------------------------------------------------------------


def test_no_grad_as_context_as_decorator_and_nested():
    x = leaf(1.0)

    @no_grad()
    def evaluate():
        return x * 2.0

    assert not evaluate().requires_grad
    assert not evaluate().requires_grad  # a decorator works more than once
    assert (x * 2.0).requires_grad
    with no_grad():
        with no_grad():
            assert not (x * 2.0).requires_grad
        assert not (x * 2.0).requires_grad
        assert not evaluate().requires_grad
        assert not ops.split(x, 1)[0].requires_grad
        y = leaf(1.0)
    assert (x * y).requires_grad
    with pytest.raises(ValueError, match="out"), no_grad():
        raise ValueError("out")
    assert (x * 2.0).requires_grad


def test_no_grad_holds_for_its_own_thread_alone():
    x, seen = leaf(1.0), []
    inside, done = threading.Event(), threading.Event()

    def evaluate():
        with no_grad():
            inside.set()
            done.wait()
            seen.append((x * 2.0).requires_grad)

    thread = threading.Thread(target=evaluate)
    thread.start()
    inside.wait()
    seen.append((x * 2.0).requires_grad)
    done.set()
    thread.join()
    assert seen == [True, False]


def test_threads_walk_graphs_of_their_own():
    results = {}

    def work(k):
        x = leaf(float(k))
        for _ in range(20):
            y = x
            for _ in range(50):
                y = y + x
            y.backward()
        results[k] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: [1020.0] for k in range(4)}


# --- whose memory ----------------------------------------------------------------------------------------------------


def test_gradients_of_two_leaves_never_share_memory():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    assert not np.shares_memory(a.grad, b.grad)
    a.grad += 100.0
    assert b.grad.tolist() == [1.0, 1.0]


def test_no_gradient_is_read_only_or_a_view():
    makers = [
        *(lambda x: x.sum(), lambda x: x.mean(axis=0), lambda x: x.reshape(-1), lambda x: x.transpose()),
        *(lambda x: ops.broadcast_to(x, (4, 2, 3)), lambda x: x[0], lambda x: x + x, lambda x: x + 1.0),
        *(lambda x: ops.concatenate([x, x]), lambda x: ops.stack([x, x]), lambda x: ops.split(x, 3, axis=1)),
        *(lambda x: x.swapaxes(0, 1), lambda x: ops.pad(x, 1), lambda x: x.expand_dims(0), lambda x: -x),
        *(lambda x: ops.where(x.data > 0, x, x), lambda x: x.max(axis=1), lambda x: x.detach() - x),
    ]
    for i, make in enumerate(makers):
        x, v = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True), []
        outputs = make(x)
        for out in outputs if isinstance(outputs, tuple) else (outputs,):
            v.append(np.ones(out.shape))
            out.backward(v[-1], retain_graph=True)
        assert x.grad.flags.writeable, i
        assert x.grad.shape == (2, 3)
        assert not any(np.shares_memory(x.grad, other) for other in (x.data, *v)), i


def test_the_given_gradient_is_never_written_into_nor_kept():
    v = np.array([1.0, 2.0])
    for make in (lambda x: x + x, lambda x: x, lambda x: x + (x + (x - x)), lambda x: x.reshape(2), lambda x: x[...]):
        x = leaf(1.0, 1.0)
        y = make(x)
        y.backward(v, retain_graph=True)
        y.backward(v, retain_graph=True)
        assert v.tolist() == [1.0, 2.0]
        assert not np.shares_memory(x.grad, v)
        assert x.grad is not v


def test_the_gradient_of_a_tensor_without_axes_is_an_array():
    x = Tensor(2.0, requires_grad=True)
    for expected in (2, 4):  # the first gradient, and one added to it
        ((x + 1.0) * 2.0).backward()
        assert type(x.grad) is np.ndarray
        assert x.grad == expected
    (x * 3.0).backward(x.grad)


def test_values_are_freed_as_the_walk_goes_on():
    """A chain of 20 products of 1 MB each: the walk must not hold on to those behind it until its end."""
    leaves = [Tensor(np.ones(2**17), requires_grad=True) for _ in range(20)]
    y = Tensor(np.ones(2**17))
    tracemalloc.start()
    for leaf in leaves:
        y = y * leaf
    loss = y.sum()
    del y
    tracemalloc.reset_peak()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 * 2**20  # 20 gradients take 20; with all values kept to the end it was 40


def test_a_kept_gradient_keeps_its_values():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    kept = x.grad
    y.backward()
    assert kept.tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [4.0, 8.0]
    x.grad = None
    (x * 3.0).sum().backward()
    assert kept.tolist() == [2.0, 4.0]


def test_an_operation_may_hand_on_the_gradient_it_was_given_also_one_with_several_results():
    def both(a, b):
        """(A, B): two results that hand their gradients on as they are."""
        return record_many([a.data.copy(), b.data.copy()], (a, b), lambda Gs: tuple(Gs))

    v = np.array([1.0, 2.0])
    a, b = leaf(1.0, 1.0), leaf(1.0, 1.0)
    c = a + b
    first, second = both(c, c)
    (first + second + c).backward(v)
    assert v.tolist() == [1.0, 2.0]
    assert a.grad.tolist() == b.grad.tolist() == [3.0, 6.0]
    assert not np.shares_memory(a.grad, b.grad)
    x = leaf(1.0, 1.0)
    both(x, x)[0].backward(v)
    assert not np.shares_memory(x.grad, v)


def test_several_results_walk_once_whatever_part_of_them_is_used():
    walks = []

    def two(x):
        def backward(Gs):
            walks.append([G is not None for G in Gs])
            return (sum(G * k for k, G in zip((2.0, 3.0), Gs) if G is not None),)

        return record_many([x.data * 2, x.data * 3], (x,), backward)

    x = leaf(1.0)
    a, b = two(x)
    (a * b).backward(retain_graph=True)
    b.backward(retain_graph=True)
    a.backward()
    assert walks == [[True, True], [False, True], [True, False]]
    assert x.grad.tolist() == [12.0 + 3 + 2]
    with pytest.raises(RuntimeError, match="already released"):
        b.backward()


# --- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_copy", [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_a_tensor_are_leaves_of_their_own(make_copy):
    x = leaf(1.0, 2.0)
    x.grad = np.ones(2)
    y = make_copy(x)
    assert y is not x
    assert y.requires_grad
    assert y.data.tolist() == [1.0, 2.0]
    assert y.grad.tolist() == [1.0, 1.0]
    z = make_copy(x * 2.0)
    assert z.op == ""
    assert z.data.tolist() == [2.0, 4.0]
    assert type(make_copy(nn.Parameter([1.0]))) is nn.Parameter


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copied_model_works_beside_its_original_in_one_graph(make_copy):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5, np.random.default_rng(0)), nn.Linear(4, 2))
    other = make_copy(model)
    x = Tensor(np.ones((5, 3), np.float32))
    ops.mse(model(x), other(x)).backward()
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert p is not q
        assert not np.shares_memory(p.data, q.data)
        np.testing.assert_allclose(p.grad, -q.grad, rtol=1e-5, atol=1e-7)  # the same dropout mask in both


def test_a_tensor_from_a_process_that_made_more_tensors_is_walked_in_order():
    data = pickle.dumps(Tensor(np.ones(2), requires_grad=True))
    code = (
        "import pickle, sys; from tinygrad_edu import Tensor; [Tensor(0.0) for _ in range(3)];"
        f"x = pickle.loads({data!r}); y = x * 2.0; (y * y + x).sum().backward(); print(x.grad.tolist())"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[9.0, 9.0]\n"


# --- memory without the garbage collector ----------------------------------------------------------------------------


def census():
    """How many tensors and how many objects of any kind are alive."""
    objects = gc.get_objects()
    return sum(issubclass(type(x), Tensor) for x in objects), len(objects)


def test_with_the_collector_off_1000_training_steps_leave_as_much_as_10():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(6, 8, rng=rng), nn.ReLU(), nn.Dropout(0.2, rng), nn.Linear(8, 3, rng=rng))
    optimiser = optim.Adam(model.parameters())
    images, labels = Tensor(rng.normal(size=(4, 6)).astype(np.float32)), rng.integers(0, 3, 4)

    def steps(n):
        for _ in range(n):
            optimiser.zero_grad()
            hidden = model(images)
            left, right = ops.split(hidden * hidden, [1], axis=1)
            scale = ops.concatenate([right, left], axis=1).softmax().max(axis=1).mean() + hidden[:, 0].var()
            loss = ops.softmax_cross_entropy(hidden, labels) * scale
            loss.backward()
            optim.clip_grad_norm(model.parameters(), 1.0)
            optimiser.step()
            model(images)  # a graph that is dropped without a backward

    gc.collect()
    gc.disable()
    try:
        steps(10)
        tensors, objects = census()
        steps(990)
        assert census()[0] == tensors
        assert census()[1] - objects <= 5  # fewer, where what another test left went meanwhile
        assert gc.collect() == 0  # no cycles of ours, nor of anybody
    finally:
        gc.enable()


def test_a_backward_that_forgot_its_tuple_is_noticed():
    x = Tensor(np.ones((3, 4)), requires_grad=True)
    y = record(x.data * 2, (x,), lambda G: G * 2)  # not (G * 2,): its rows would pass for the inputs' gradients
    with pytest.raises(RuntimeError, match=r"must return a tuple of 1 gradients, one for each of its inputs; got arr"):
        y.backward(np.ones((3, 4)))
    assert x.grad is None
    z = record(x.data * 2, (x, x, x), lambda G: G * 2)  # as many rows as inputs
    with pytest.raises(RuntimeError, match=r"must return a tuple of 3 gradients"):
        z.backward(np.ones((3, 4)))
    assert x.grad is None


@pytest.mark.parametrize("returned", [None, [np.ones(2)], Tensor([1.0, 1.0]), 2.0, (np.ones(2) for _ in range(1))])
def test_a_backward_that_returns_no_tuple_is_named(returned):
    x = Tensor(np.ones(2), requires_grad=True)
    y = record(x.data * 2, (x,), lambda G: returned)
    with pytest.raises(RuntimeError, match=r"must return a tuple of 1 gradients, one for each of its inputs; got "):
        y.backward(np.ones(2))
    assert x.grad is None


@pytest.mark.parametrize(
    "gradient", [np.ones((1, 2)), np.ones(2, np.float32), Tensor(np.ones(2)), 2.0, [1.0, 1.0]], ids=repr
)
def test_a_gradient_that_does_not_fit_its_leaf_is_refused(gradient):
    x = Tensor(np.ones(2), requires_grad=True)
    y = record(x.data * 2, (x,), lambda G: (gradient,))
    with pytest.raises(RuntimeError, match=r"expected dL/dx of shape \(2,\) and float64; a backward returned "):
        y.backward(np.ones(2))
    assert x.grad is None


def test_a_gradient_of_more_digits_than_its_leaf_is_refused():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = record(x.data * 2, (x,), lambda G: (G.astype(np.float64),))
    with pytest.raises(RuntimeError, match=r"expected dL/dx .* and float32; a backward returned "):
        y.backward(np.ones(2, np.float32))


def test_the_warning_about_a_result_without_grad_points_at_the_line_that_asked():
    y = Tensor(2.0, requires_grad=True) * 3.0
    with pytest.warns(UserWarning, match="this tensor was computed, by the operation 'mul'") as caught:
        assert y.grad is None
    assert caught[0].filename == __file__


# --- traps -----------------------------------------------------------------------------------------------------------


def test_the_gradient_of_a_result_is_kept_when_asked_for_and_said_to_be_missing_otherwise():
    x = leaf(1.0, 2.0)
    y = x * 3.0
    with pytest.warns(UserWarning, match=r"computed, by the operation 'mul': .*call retain_grad\(\) before"):
        assert y.grad is None
    y.retain_grad()
    y.retain_grad()  # once is enough
    assert y.grad is None  # no warning: it is on its way
    assert y.op == "mul"
    loss = (y * y).sum()
    loss.backward(retain_graph=True)
    kept = y.grad
    assert kept.tolist() == [6.0, 12.0]
    assert x.grad.tolist() == [18.0, 36.0]
    loss.backward()
    assert y.grad.tolist() == [12.0, 24.0]  # added up, in a new array
    assert kept.tolist() == [6.0, 12.0]


def test_retain_grad_of_the_loss_of_a_leaf_and_of_what_has_no_gradient():
    x = leaf(1.0)
    x.retain_grad()
    loss = (x * 2.0).sum()
    loss.retain_grad()
    loss.backward()
    assert (x.grad.tolist(), loss.grad.tolist()) == ([2.0], 1.0)
    for y in (Tensor(1.0), Tensor(1.0) * 2.0):
        with pytest.raises(RuntimeError, match="requires no gradient"):
            y.retain_grad()


def test_a_retained_gradient_is_nobody_elses_memory_and_makes_no_cycle():
    x = leaf(1.0, 2.0)
    y = x + 0.0  # whose backward hands G on as it is
    y.retain_grad()
    (y + x).sum().backward()
    y.grad[:] = 7.0
    assert x.grad.tolist() == [2.0, 2.0]
    gc.collect()
    gc.disable()
    try:
        z = x * 2.0
        z.retain_grad()
        del z
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_or_too_many_gradients_are_noticed_and_leave_nothing_behind(count):
    def product(a, b):
        def backward(G):
            return (G * b.data, G * a.data, G)[:count]

        return record(a.data * b.data, (a, b), backward)

    a, b = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match=f"backward of '.*' must return a tuple of 2 gradients.*got {count}$"):
        (product(a, b) * 2.0).backward()
    assert a.grad is None
    assert b.grad is None


def test_a_tensor_may_be_the_gradient():
    x = leaf(1.0, 2.0)
    (x * x).backward(leaf(1.0, 10.0))
    assert x.grad.tolist() == [2.0, 40.0]


def test_no_grad_refuses_functions_that_run_later():
    def steps():
        yield leaf(1.0) * 2.0

    async def later():
        return leaf(1.0) * 2.0

    for function in (steps, later):
        with pytest.raises(TypeError, match=rf"@no_grad\(\) on {function.__name__}\(\), which runs later"):
            no_grad()(function)


def test_no_grad_may_be_entered_again_and_keeps_names():
    x, pause = leaf(1.0), no_grad()
    with pause, pause:
        assert not (x * 2.0).requires_grad
    assert (x * 2.0).requires_grad

    @no_grad()
    def evaluate(n):
        """Recurse."""
        return x * 2.0 if n == 0 else evaluate(n - 1)

    assert not evaluate(2).requires_grad
    assert (evaluate.__name__, evaluate.__doc__) == ("evaluate", "Recurse.")
    assert (x * 2.0).requires_grad


def test_a_matrix_becomes_an_ordinary_array_and_a_masked_array_is_refused():
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    x = Tensor(matrix)
    assert (x * x).data.tolist() == [[1, 4], [9, 16]]
    assert type(x.data) is np.ndarray
    with pytest.raises(TypeError, match=r"masked array cannot be a tensor.*x\.filled\(0\)"):
        Tensor(np.ma.array([1.0, 2.0], mask=[True, False]))


def test_a_file_in_memory_is_kept_without_a_copy(tmp_path):
    data = np.memmap(tmp_path / "x", np.float32, "w+", shape=(3,))
    x = Tensor(data)
    assert type(x.data) is np.ndarray
    assert np.shares_memory(x.data, data)

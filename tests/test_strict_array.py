"""The engine, every operation and a training step on the stand-in for CuPy, with the CPU's results to the last digit.

The first part holds the stand-in itself to what CuPy does.
"""

import copy
import operator
import pickle

import numpy as np
import pytest
from strict_array import StrictArray, plain

from models import shakespeare_lstm
from models.writing import write
from tinygrad_edu import Tensor, nn, no_grad, ops, optim, textbook, training
from tinygrad_edu.backend import DeviceError, array_module, device_of, resolve_device, scatter_add, to_device
from tinygrad_edu.data import Vocabulary
from tinygrad_edu.gradcheck.cases import CASES
from tinygrad_edu.nn import manual_seed
from tinygrad_edu.tensor import record

# Cases that only the CPU can run, with the reason; the operation has a test of its own below.
CPU_ONLY = {"astype": "CuPy has no long double", "to": "the case stays on the CPU"}
TABLE = [(name, i) for name in sorted(CASES) for i in range(len(CASES[name])) if name not in CPU_ONLY]


# --- the stand-in plays its part -----------------------------------------------------------------------------------


@pytest.fixture
def x(cupy):
    return cupy.asarray(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.matmul, operator.lt, operator.iadd, operator.pow])
def test_it_refuses_to_meet_a_numpy_array(x, op):
    other = np.ones((3, 3)) if op is operator.matmul else np.ones((2, 3))
    with pytest.raises(TypeError, match="NumPy array meets"):
        op(x, other)
    if op is not operator.iadd and op is not operator.matmul:
        with pytest.raises(TypeError, match="NumPy array meets"):
            op(other, x)


def test_it_refuses_numpy_arrays_in_functions_indices_and_assignments(cupy, x):
    other = np.ones((2, 3))
    for refused in (
        lambda: cupy.where(x > 0, x, other),
        lambda: cupy.concatenate([x, other]),
        lambda: cupy.maximum(x, other),
        lambda: cupy.exp(other),
        lambda: cupy.add.at(x, np.array([0, 1]), 1.0),
        lambda: cupy.add.at(x, 0, other[0]),
        lambda: x[np.array([0, 1])],
        lambda: x[:, np.array([True, False, True])],
        lambda: x.__setitem__(0, other[0]),
        lambda: x.__setitem__(np.array([0]), 1.0),
        lambda: x.dot(np.ones(3)),
        lambda: x.clip(other, 2.0),
        lambda: np.exp(x, out=other),
    ):
        with pytest.raises(TypeError):
            refused()
    with pytest.raises(TypeError):
        other += x  # in a NumPy array, a result from the GPU has no place


def test_it_refuses_to_become_a_numpy_array(x):
    for convert in (np.asarray, np.array, np.asanyarray, np.ascontiguousarray, lambda x: np.array([x, x])):
        with pytest.raises(TypeError, match="Implicit conversion"):
            convert(x)
    for function in (np.sum, np.where, np.concatenate, np.zeros_like, np.linalg.norm):
        with pytest.raises(TypeError):
            function(x)


def test_it_has_what_cupy_has_and_nothing_else(cupy, x):
    assert x[[0, 1]].shape == (2, 3)
    for name in ("longdouble", "apply_along_axis", "errstate", "frombuffer", "object_"):
        with pytest.raises(AttributeError):
            getattr(cupy, name)
    for name in ("resize", "searchsorted", "setflags", "ctypes"):
        with pytest.raises(AttributeError):
            getattr(x, name)
    for forbidden in (lambda: x.sum(where=True), lambda: x.max(initial=0.0), lambda: x.astype(np.longdouble)):
        with pytest.raises(TypeError):
            forbidden()
    for refused in (lambda: x.item(0), lambda: x[0, :1].item(0)):
        with pytest.raises(TypeError, match=r"takes .* argument"):
            refused()


def test_it_scatters_what_the_atomic_instructions_can(cupy):
    rows = cupy.asarray([0, 0, 2])
    for dtype in ("int32", "int64", "uint32", "uint64", "float16", "float32", "float64"):
        target = cupy.zeros(3, dtype)
        cupy.add.at(target, rows, 1)
        assert plain(target).tolist() == [2, 0, 1]
    for name, dtype in (("add", "int16"), ("subtract", "int64"), ("subtract", "float32"), ("maximum", "float16")):
        with pytest.raises(TypeError, match=f"{name}.at only supports int|{name}.at only supports float"):
            getattr(cupy, name).at(cupy.zeros(3, dtype), rows, 1)
    cupy.subtract.at(target := cupy.zeros(3, "int32"), rows, 1)
    assert plain(target).tolist() == [-2, 0, -1]
    with pytest.raises(NotImplementedError, match=r"multiply\.at"):
        cupy.multiply.at(cupy.zeros(3), rows, 1.0)


def test_numbers_of_index_arrays_wrap_around_in_silence(cupy, x):
    assert plain(x[[5, -3]]).tolist() == [[3, 4, 5], [3, 4, 5]]
    assert plain(x[:, cupy.asarray([4])]).tolist() == [[1], [4]]
    assert plain(x[..., [3]]).tolist() == [[0], [3]]
    assert plain(x[None, [2], [3]]).tolist() == [[0]]
    x[cupy.asarray([2])] = 9.0
    assert plain(x)[0].tolist() == [9, 9, 9]
    with pytest.raises(IndexError):
        x[2]  # a plain number does not


def test_it_counts_launches_reads_and_sends(cupy, x):
    row, mask = cupy.asarray([1]), x > 2
    cupy.work.reset()

    def work(call):
        call()
        done = cupy.work.launches, cupy.work.reads, cupy.work.sends
        cupy.work.reset()
        return done

    views = (
        x.T,
        x[0],
        x[:, 1:],
        x.reshape(3, 2),
        x[None],
        x.ravel(),
        cupy.broadcast_to(x, (2, 2, 3)),
        cupy.split(x, 3, 1),
    )
    assert len(views) == 8
    assert work(lambda: None) == (0, 0, 0)
    for call in (
        *(lambda: x + 1, lambda: x @ x.T, lambda: x.sum(), lambda: x.copy(), lambda: x.T.reshape(-1), lambda: x[row]),
        *(lambda: cupy.zeros(3), lambda: cupy.exp(x, out=x), lambda: cupy.concatenate([x, x]), lambda: x.fill(1)),
        *(lambda: x.__setitem__(0, 1.0), lambda: operator.iadd(x, 1.0), lambda: cupy.add.at(x, row, 1.0)),
        lambda: operator.iadd(x[0], x[1]),
    ):
        assert work(call) == (1, 0, 0)

    def in_place():
        x[0] += 1.0

    assert work(in_place) == (1, 0, 0)
    assert work(lambda: cupy.empty(3)) == (0, 0, 0)
    for call in (
        lambda: float(x[0, 0]),
        lambda: x[0, 0].item(),
        lambda: bool(x[0, 0]),
        lambda: x.tolist(),
        lambda: f"{x}",
    ):
        assert work(call) == (0, 1, 0)
    assert work(lambda: cupy.asnumpy(x)) == (0, 1, 0)
    assert work(lambda: x[mask]) == (1, 1, 0)  # how many are there?
    assert work(lambda: cupy.asarray(np.ones(3))) == work(lambda: cupy.asarray(1.0)) == (0, 0, 1)
    assert work(lambda: x[[0]]) == (1, 0, 1)


def test_a_fused_function_is_one_launch_of_elementwise_steps(cupy, x):
    @cupy.fuse(kernel_name="shrunk")
    def shrunk(x, y, share):
        y[...] = cupy.maximum(x, 1.0)
        x *= share
        return x + y

    y = cupy.zeros((2, 3))
    cupy.work.reset()
    assert plain(shrunk(x, y, 0.5)).tolist() == [[1, 1.5, 3], [4.5, 6, 7.5]]
    assert (cupy.work.launches, cupy.work.reads) == (1, 0)
    assert plain(x)[1, 2] == 2.5
    for refused in (
        lambda x: x.sum(),
        lambda x: cupy.sum(x),
        lambda x: x @ x,
        lambda x: x[0],
        lambda x: x.shape,
        lambda x: float(x),
        lambda x: x.__setitem__(0, 1.0),
    ):
        with pytest.raises((NotImplementedError, TypeError, ValueError)):
            cupy.fuse(refused)(x)
    with pytest.raises(TypeError, match="NumPy array meets"):
        shrunk(x, np.zeros((2, 3)), 0.5)


def test_every_result_is_one_of_its_own_and_full_reductions_are_0d_arrays(cupy, x):
    results = [
        *(x.sum(), x.mean(), x.max(), x[1, 2], x.T, x[0], x > 1, -x, 2 - x, x @ x.T, x.reshape(-1), x.argmax()),
        *(np.float32(2) * x, cupy.sqrt(x), cupy.where(x > 1, x, 0.0), cupy.arange(3), cupy.stack([x, x]), *x),
        *(cupy.pad(x, ((1, 0), (0, 0))), x.copy(), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.sum(axis=0)),
        *(cupy.lib.stride_tricks.as_strided(x, (2, 2), (8, 8)), cupy.einsum("ij,kj->ik", x, x), *cupy.split(x, 3, 1)),
    ]
    assert {type(result) for result in results} == {StrictArray}
    assert x.sum().shape == ()
    assert float(x.sum()) == 15.0
    assert bool(x.max() > 4)
    assert type(cupy.asnumpy(x)) is np.ndarray
    assert type(x[0, 0].item()) is float
    assert f"{x.max()}" == "5.0"


def test_views_share_memory_and_results_own_it_as_in_cupy(cupy, x):
    x[1][2] = 50.0
    x[0, 1] = x[1, 2]
    row = x[0]
    row *= 2
    assert plain(x).tolist() == [[0, 100, 4], [3, 4, 50]]
    assert cupy.asarray(x) is x
    assert row.base is not None
    assert x.reshape(3, 2).base is not None
    for fresh in (x + 1, x.copy(), x.sum(axis=0), x.sum(), cupy.exp(x), cupy.zeros(3), cupy.zeros_like(x)):
        assert fresh.base is None
    for view in (x[:1], x.T, x.reshape(-1)):
        assert view.data.mem.ptr == x.data.mem.ptr != x.copy().data.mem.ptr
    steps = cupy.lib.stride_tricks.as_strided(x, (2, 2), (8, 8))  # shares memory, and does not say so
    assert steps.base is None
    assert steps[0].base is not None
    assert steps.data.mem.ptr == x.data.mem.ptr
    scratch = x + 0
    assert cupy.multiply(x, x, out=scratch) is scratch
    assert plain(scratch)[1, 2] == 2500
    cupy.add.at(scratch, ([0, 0], [0, 0]), cupy.ones(2))
    assert scratch[0, 0].item() == 2


# --- the back end on it ----------------------------------------------------------------------------------------------


def test_the_back_end_finds_the_library_from_the_data(cupy, x):
    assert array_module(x) is cupy
    assert array_module(plain(x)) is np
    assert device_of(x) == "cuda"
    assert resolve_device("auto") == resolve_device("cuda") == "cuda"
    assert to_device(x, "cuda") is x
    assert type(to_device(x, "cpu")) is np.ndarray
    scatter_add(x, (cupy.asarray([0, 0]), cupy.asarray([1, 1])), cupy.asarray([1.0, 1.0]))
    assert x[0, 1].item() == 3


def test_without_a_gpu_the_device_is_refused_with_a_reason_and_auto_is_the_cpu(cupy):
    def no_gpu(number):
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    cupy.cuda.Device = no_gpu
    with pytest.raises(DeviceError, match=r"no usable GPU \(cudaErrorNoDevice.*use device 'cpu'"):
        resolve_device("cuda")
    assert resolve_device("auto") == "cpu"


@pytest.mark.parametrize(
    ("broken", "missing"),
    [("add", r"a compiler for kernels \(NVRTC\)"), ("matmul", r"a library for matrix products \(cuBLAS\)")],
)
def test_a_driver_alone_is_no_device_and_what_is_missing_is_named(cupy, monkeypatch, broken, missing):
    """The plain wheels of CuPy bring neither; what they bring is enough to ask the driver for its GPU."""

    def fails(self, other):
        raise RuntimeError("libnvrtc.so.12: cannot open shared object file")

    monkeypatch.setattr(StrictArray, f"__{broken}__", fails)
    with pytest.raises(DeviceError, match=missing + r", .*libnvrtc.*pip install -e '\.\[cuda13\]' or '\.\[cuda12\]'"):
        resolve_device("cuda")
    assert resolve_device("auto") == "cpu"
    monkeypatch.undo()


def test_a_device_is_tried_once(cupy):
    resolve_device("cuda")
    cupy.work.reset()
    resolve_device("cuda")
    Tensor(1.0).to("cuda")
    assert (cupy.work.launches, cupy.work.reads) == (0, 0)


# --- the gradient-check table on it ----------------------------------------------------------------------------------


def forward_and_backward(case, device):
    """The outputs of a case and the gradients of its inputs, for a random dL/d(output), on a device."""
    rng = np.random.default_rng(5)
    leaves = [Tensor(to_device(x.copy(), device), requires_grad=True) for x in case.inputs]
    outputs = case.function(*leaves)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    steps = tape(outputs)
    for out in outputs:
        out.backward(to_device(rng.normal(size=out.shape), device), retain_graph=True)
    return outputs, [leaf.grad for leaf in leaves], steps


def tape(outputs):
    """All tensors that the outputs were computed from, and the outputs."""
    found, waiting = set(), list(outputs)
    while waiting:
        tensor = waiting.pop()
        if tensor not in found:
            found.add(tensor)
            waiting.extend(tensor._inputs)
    return found


@pytest.mark.parametrize(("name", "i"), TABLE, ids=[f"{name}-{i}" for name, i in TABLE])
def test_every_case_of_the_gradient_check_table_computes_the_same_on_the_stand_in(cupy, name, i):
    outputs, gradients, steps = forward_and_backward(CASES[name][i], "cuda")
    assert cupy.fetched == 0  # no array took the way over the CPU
    for tensor in steps:  # the hidden step of an operation with several results holds an empty token
        several = tensor.op in (name, "split")  # conv2d in groups splits its channels
        assert type(tensor.data) is StrictArray or (several and any(tensor in t._inputs for t in steps))
    for out in outputs:
        assert type(out.data) is StrictArray
        assert out.device == "cuda"
    assert {type(g) for g in gradients} <= {StrictArray, type(None)}
    expected, expected_gradients, _ = forward_and_backward(CASES[name][i], "cpu")
    # To 1e-11: a GPU adds up in another order than NumPy, which moves the last digits of a float64.
    for out, reference in zip(outputs, expected, strict=True):
        assert out.dtype == reference.dtype == np.float64
        np.testing.assert_allclose(out.numpy(), reference.numpy(), rtol=1e-11, atol=1e-12)
    for g, reference in zip(gradients, expected_gradients, strict=True):
        assert (g is None) == (reference is None)
        if g is not None:
            np.testing.assert_allclose(plain(g), reference, rtol=1e-11, atol=1e-12)


def test_astype_on_the_stand_in(cupy):
    x = Tensor([1.0, 2.0], requires_grad=True).to("cuda").detach()
    x.requires_grad = True
    y = x.astype(np.float64)
    (y * 2.0).sum().backward()
    assert type(y.data) is type(x.grad) is StrictArray
    assert (y.dtype, x.grad.dtype) == (np.float64, np.float32)


def test_moving_between_devices_moves_the_gradient_back(cupy):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    on_gpu = x.to("cuda")
    assert type(on_gpu.data) is StrictArray
    assert on_gpu.to("cuda") is on_gpu
    back = (on_gpu * on_gpu).to("cpu")
    assert type(back.data) is np.ndarray
    back.sum().backward()
    assert type(x.grad) is np.ndarray
    assert x.grad.tolist() == [2.0, 4.0]
    assert repr(on_gpu.detach()) == "Tensor([1., 2.], shape=(2,), dtype=float64, device='cuda')"
    assert on_gpu.sum().item() == 3.0


def test_operands_on_two_devices_are_refused_and_both_are_named(cupy):
    here, there = Tensor([[1.0, 2.0]]), Tensor([[1.0, 2.0]]).to("cuda")
    mask = np.array([[True, False]])
    for mixed in (
        lambda: here + there,
        lambda: there * here,
        lambda: there * np.ones((1, 2)),
        lambda: here * there.data,
        lambda: np.ones((1, 2)) - there,
        lambda: ops.matmul(here, there.transpose()),
        lambda: ops.linear(here, there.transpose()),
        lambda: ops.concatenate([here, there]),
        lambda: ops.stack([there, here]),
        lambda: ops.mse(here, there),
        lambda: ops.where(mask, there, there),
        lambda: ops.maximum(here, there),
        lambda: ops.softmax_cross_entropy(here, cupy.asarray([0])),
        lambda: ops.embedding(here, cupy.asarray([0])),
        lambda: ops.clip(there, np.array([0.0, 1.0]), None),
    ):
        with pytest.raises(TypeError, match=r"(?s)(cuda.*cpu|cpu.*cuda)"):
            mixed()
    # and by the operation, not by what computes the arrays
    with pytest.raises(TypeError, match=r"^embedding: the table is on 'cpu', the ids on 'cuda'; move one of them"):
        ops.embedding(here, cupy.asarray([0]))


@pytest.mark.parametrize("storey", [ops, textbook], ids=["fast", "textbook"])
def test_labels_and_ids_from_the_cpu_are_checked_there_and_copied_over(cupy, storey):
    """So that nothing has to be fetched to see whether they are in range."""
    rng = np.random.default_rng(0)
    here = Tensor(rng.normal(size=(4, 3)), requires_grad=True)
    there = Tensor(cupy.asarray(here.data), requires_grad=True)
    labels, rows = np.array([2, 0, 1, 2], np.int32), np.abs(rng.normal(size=(4, 3)))
    rows /= rows.sum(axis=1, keepdims=True)
    uses = [
        *(lambda x, y=y: storey.softmax_cross_entropy(x, y) for y in (labels, labels.tolist(), Tensor(labels), rows)),
        lambda x: storey.softmax_cross_entropy(x, labels, ignore_index=2, label_smoothing=0.1),
        *(lambda x, y=y: storey.embedding(x, y).sum() for y in (labels, Tensor(labels), np.array([], int))),
    ]
    for use in uses:
        expected = use(here)
        expected.backward()
        cupy.work.reset()
        got = use(there)
        got.backward()
        assert cupy.work.reads == 0
        assert type(got.data) is type(there.grad) is StrictArray
        np.testing.assert_allclose(plain(got.data), expected.data, rtol=1e-11)
        np.testing.assert_allclose(plain(there.grad), here.grad, rtol=1e-11, atol=1e-12)
        here.grad = there.grad = None
    for use in (storey.softmax_cross_entropy, storey.embedding):
        for wrong in (np.array([0, 1, 5, 0]), np.array([0, 1, -1, 0], np.int8)):
            with pytest.raises(ValueError, match="must lie in 0"):
                use(there, wrong)
            with pytest.raises(ValueError, match="must lie in 0"):
                use(there, cupy.asarray(wrong))


def test_labels_and_ids_on_the_gpu_cost_one_read(cupy):
    x, labels = Tensor(cupy.asarray(np.zeros((4, 3))), requires_grad=True), cupy.asarray([2, 0, 1, 2])
    for use in (ops.softmax_cross_entropy, ops.embedding):
        cupy.work.reset()
        use(x, labels)
        assert cupy.work.reads == 1


def test_running_statistics_must_be_where_the_images_are(cupy):
    x, gamma, beta = (Tensor(v).to("cuda") for v in ([[1.0, 2.0]], [1.0, 1.0], [0.0, 0.0]))
    with pytest.raises(TypeError, match="batch_norm: x is on 'cuda', running_mean on 'cpu'; move one of them"):
        ops.batch_norm(x, gamma, beta, np.zeros(2), np.ones(2))


@pytest.mark.parametrize(
    "index",
    [
        *([5], [0, -3], np.array([0, 2]), np.array([2], np.uint8), (slice(None), [3]), (..., [-4]), (None, [0], [3])),
        (np.array([True, True]), [4]),
    ],
    ids=str,
)
def test_an_index_array_out_of_range_is_an_error_on_both_libraries(cupy, index):
    """CuPy itself wraps it around, and gives another row."""
    x = np.arange(6.0).reshape(2, 3)
    with pytest.raises(IndexError):
        Tensor(x)[index]
    there = Tensor(cupy.asarray(x))
    cupy.work.reset()
    with pytest.raises(IndexError, match=r"index array is out of range for axis [01] of shape \(2, 3\)"):
        there[index]
    with pytest.raises(IndexError, match=r"must lie in (-2\.\.1|-3\.\.2)$"):
        there[index]
    assert cupy.work.reads == 0
    if isinstance(index, np.ndarray):
        with pytest.raises(IndexError, match="index array is out of range"):
            there[cupy.asarray(index)]
        assert cupy.work.reads == 1


def test_too_many_indices_are_an_error_in_our_words(cupy):
    there = Tensor(cupy.asarray(np.arange(6.0).reshape(2, 3)))
    with pytest.raises(IndexError, match=r"getitem: .* is no index for the shape \(2, 3\)"):
        there[0, 0, np.array([0])]


def test_index_arrays_within_range_give_the_same_on_both_libraries(cupy):
    x = np.arange(6.0).reshape(2, 3)
    for index in (
        [],
        [1, -2],
        np.array([1, 0]),
        (slice(None), [2, -3]),
        (..., [2]),  # more than the first axis has
        ([0, 1], [2, 0]),
        np.array([True, False]),
    ):
        here, there = Tensor(x, requires_grad=True), Tensor(cupy.asarray(x), requires_grad=True)
        np.testing.assert_array_equal(there[index].numpy(), here[index].data)
        for t in (here, there):
            (t[index] * 2.0).sum().backward()
        np.testing.assert_array_equal(plain(there.grad), here.grad)


def test_the_walk_takes_no_view_without_a_base_for_its_own_memory(cupy):
    """`as_strided` makes such views. A gradient that somebody else holds as well must be copied."""
    strided = cupy.lib.stride_tricks.as_strided
    given = cupy.asarray([1.0, 2.0])
    a, b = (Tensor(cupy.asarray([0.0, 0.0]), requires_grad=True) for _ in range(2))
    record(a.data * 1, (a, b), lambda G: (strided(G, G.shape, G.strides), strided(G, (2,), (8,)))).backward(given)
    for own, others in ((a.grad, (given, b.grad)), (b.grad, (given, a.grad))):
        assert plain(own).tolist() == [1, 2]
        assert not any(np.shares_memory(plain(own), plain(other)) for other in others)


def test_fit_fetches_the_loss_of_a_step_and_other_figures_at_the_end_of_the_epoch(cupy):
    batches, reads = [(np.zeros(n),) for n in (3, 1)], []

    def step(x):
        reads.append(cupy.work.reads)
        size = float(len(x))
        return {"loss": cupy.asarray(size), "accuracy": Tensor(cupy.asarray(size, dtype=np.float32)), "rate": 0.5}

    cupy.work.reset()
    history = training.fit(step, lambda: batches, 1, progress=False)
    assert reads == [0, 1]  # before each step
    assert cupy.work.reads == 3
    assert history.epochs == [{"epoch": 0, "train_loss": 2.5, "train_accuracy": 2.5, "train_rate": 0.5}]


def test_writing_fetches_once_a_character(cupy):
    model = shakespeare_lstm.CharacterLSTM(5).to("cuda")
    vocabulary = Vocabulary("abcde")
    for window in (None, 3):
        cupy.work.reset()
        text = write(model, vocabulary, "abc", 4, 1.0, np.random.default_rng(0), window)
        assert len(text) == cupy.work.reads == 4


def test_scalars_of_python_and_numpy_mix_with_the_gpu_and_keep_float32(cupy):
    x = Tensor([1.0, 2.0]).to("cuda")
    for y in (
        x * 2,
        2.0 - x,
        x / np.float64(3),
        np.float32(2) ** x,
        ops.maximum(x, 0),
        operator.add(x, [1.0, 2.0]),
        x**2,
    ):
        assert type(y.data) is StrictArray
        assert y.dtype == np.float32


def test_backward_wants_a_gradient_from_the_same_device(cupy):
    x = Tensor(cupy.asarray([1.0, 2.0]), requires_grad=True)
    with pytest.raises(TypeError, match="must be an array on 'cuda'"):
        (x * 2.0).backward(np.ones(2))


# --- training on it --------------------------------------------------------------------------------------------------

OPTIMISERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.01),
}


def train(device, make_optimiser, steps=3):
    """Three steps of a small network with everything in it: weights, loss and gradient norms."""
    manual_seed(3)
    model = nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 8), nn.Tanh(), nn.GELU(), nn.Linear(8, 3)
    ).to(device)
    optimiser = make_optimiser(model.parameters())
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(16, 5)).astype(np.float32), rng.integers(0, 3, 16)
    history = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = ops.softmax_cross_entropy(model(Tensor(images).to(device)), Tensor(labels).to(device))
        loss.backward()
        history += [loss.item(), optim.clip_grad_norm(model.parameters(), 0.5)]
        optimiser.step()
    for tensor in model.parameters():
        assert tensor.device == device
        assert device_of(tensor.grad) == device
    model.eval()
    with no_grad():
        assert model(Tensor(images).to(device)).device == device
    return model, history


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_seed_gives_the_same_training_on_both_devices(cupy, name):
    model, history = train("cpu", OPTIMISERS[name])
    other, other_history = train("cuda", OPTIMISERS[name])
    np.testing.assert_allclose(other_history, history, rtol=1e-6)
    for (key, values), (other_key, other_values) in zip(model.state_dict().items(), other.state_dict().items()):
        assert key == other_key
        assert type(other_values) is np.ndarray
        np.testing.assert_allclose(other_values, values, rtol=1e-5, atol=1e-7)


def test_the_same_seed_gives_the_same_weights_to_the_bit_and_they_travel_back(cupy):
    manual_seed(1)
    here = nn.Linear(4, 3)
    manual_seed(1)
    there = nn.Linear(4, 3).to("cuda")
    assert {type(p.data) for p in there.parameters()} == {StrictArray}
    there.load_state_dict(there.state_dict())
    assert {type(p.data) for p in there.parameters()} == {StrictArray}
    for p, q in zip(here.parameters(), there.to("cpu").parameters()):
        assert type(q.data) is np.ndarray
        assert np.array_equal(p.data, q.data)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW])
def test_adams_step_on_a_gpu_is_one_launch_and_the_same_to_the_bit(cupy, make, weight_decay):
    rng = np.random.default_rng(0)
    here = [nn.Parameter(rng.normal(size=shape).astype(np.float32)) for shape in ((3,), (4, 5), (200, 100))]
    there = [nn.Parameter(cupy.asarray(p.data)) for p in here]
    on_cpu, on_gpu = (make(parameters, lr=0.1, weight_decay=weight_decay) for parameters in (here, there))
    for _ in range(3):
        for p, q in zip(here, there):
            p.grad = rng.normal(size=p.shape).astype(np.float32)
            q.grad = cupy.asarray(p.grad)
        on_cpu.step()
        cupy.work.reset()
        on_gpu.step()
    decay = 1 if make is optim.AdamW else 2 if weight_decay else 0  # a chain of its own
    assert cupy.work.launches == 3 * (1 + decay)
    for p, q in zip(here, there):
        assert q.data.dtype == np.float32
        np.testing.assert_array_equal(plain(q.data), p.data)
    np.testing.assert_equal(on_gpu.state_dict(), on_cpu.state_dict())


def test_parameters_that_moved_to_the_gpu_after_their_optimiser_was_made_stay_together(cupy):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    twin = copy.deepcopy(model)
    optimisers = [optim.Adam(m.parameters(), lr=0.1) for m in (model, twin)]
    twin.to("cuda")
    for m, optimiser in zip((model, twin), optimisers):
        for _ in range(2):
            for p in m.parameters():
                p.grad = p.data * 2.0
            optimiser.step()
    for p, q in zip(model.parameters(), twin.parameters()):
        np.testing.assert_array_equal(plain(q.data), p.data)


def test_adam_moves_small_parameters_on_both_devices(cupy):
    """They do not fit into one array."""
    parameters = [nn.Parameter(np.ones(3)), nn.Parameter(np.ones(2)), nn.Parameter(cupy.asarray(np.ones(3)))]
    optimiser = optim.Adam(parameters, lr=0.1)
    for p in parameters:
        p.grad = p.data * 2.0
    optimiser.step()
    assert [p.device for p in parameters] == ["cpu", "cpu", "cuda"]
    np.testing.assert_array_equal(plain(parameters[2].data), parameters[0].data)


def test_an_optimisers_memory_is_saved_and_restored_on_the_gpu(cupy):
    model, _ = train("cuda", OPTIMISERS["Adam"])
    optimiser = optim.Adam(model.parameters())
    optimiser.step()
    state = optimiser.state_dict()
    assert {type(values) for values in state.values()} <= {np.ndarray}
    optimiser.load_state_dict(state)
    optimiser.step()


IMAGES, SEQUENCES = (2, 8, 8, 3), (3, 5, 4)
LAYERS = {  # name -> (a layer that makes its own output, the shape of its input); all layers of `nn` stand here
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3), IMAGES),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 2, 3, stride=2), IMAGES),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGES),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, stride=2, padding="same"), IMAGES),
    "GlobalAvgPool2d": (nn.GlobalAvgPool2d, IMAGES),
    "Flatten": (nn.Flatten, IMAGES),
    "Residual": (lambda: nn.Residual(nn.Conv2d(3, 3, 3)), IMAGES),
    "BatchNorm": (lambda: nn.BatchNorm(3), IMAGES),
    "LayerNorm": (lambda: nn.LayerNorm(3), IMAGES),
    "RMSNorm": (lambda: nn.RMSNorm(3), IMAGES),
    "SimpleRNN": (lambda: nn.SimpleRNN(4, 6, return_sequences=True), SEQUENCES),
    "LSTM": (lambda: nn.LSTM(4, 6, dropout=0.3, recurrent_dropout=0.3), SEQUENCES),
    "GRU": (lambda: nn.GRU(4, 6, dropout=0.3, recurrent_dropout=0.3), SEQUENCES),
    "SimpleRNNCell": (lambda: Unrolled(nn.SimpleRNNCell(4, 6)), SEQUENCES),
    "LSTMCell": (lambda: Unrolled(nn.LSTMCell(4, 6)), SEQUENCES),
    "GRUCell": (lambda: Unrolled(nn.GRUCell(4, 6)), SEQUENCES),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(4, 2, causal=True, dropout=0.3), SEQUENCES),
    "TransformerBlock": (lambda: nn.TransformerBlock(4, 2, dropout=0.3), SEQUENCES),
    "PositionalEmbedding": (lambda: nn.PositionalEmbedding(6, 4), SEQUENCES),
    "Embedding": (lambda: nn.Embedding(7, 3), None),
    **{
        name: (getattr(nn, name), SEQUENCES)
        for name in ("ReLU", "Tanh", "Sigmoid", "GELU", "LeakyReLU", "ELU", "SiLU", "Softplus", "Dropout")
    },
    "Linear": (lambda: nn.Linear(4, 2), SEQUENCES),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 2), ops.relu), SEQUENCES),
}


class Unrolled(nn.Module):
    """A cell over a whole sequence."""

    def __init__(self, cell):
        self.cell = cell

    def forward(self, x):
        return nn.unroll(self.cell, x)[0]


def layer_at_work(name, device):
    """Outputs in training and in evaluation, the state afterwards and the gradients, all fetched from the device."""
    manual_seed(2)
    make, shape = LAYERS[name]
    layer = make().to(device)
    rng = np.random.default_rng(0)
    data = rng.integers(0, 7, (3, 5)) if shape is None else rng.normal(size=shape).astype(np.float32)
    x = Tensor(to_device(data, device), requires_grad=shape is not None)
    trained = layer(x)
    assert {step.device for step in tape([trained]) if step.shape} == {device}
    trained.backward(to_device(rng.normal(size=trained.shape).astype(np.float32), device))
    learnt = [x, *layer.parameters()] if x.requires_grad else layer.parameters()
    assert {device_of(t.grad) for t in learnt} <= {device}
    evaluated = layer.eval()(x)
    gradients = [np.array(plain(t.grad)) for t in learnt]
    return [trained.numpy(), evaluated.numpy(), *layer.state_dict().values(), *gradients]


def test_every_layer_of_nn_is_tried():
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)} - {"Module", "Parameter"}
    assert layers == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_computes_the_same_on_the_stand_in(cupy, name):
    for here, there in zip(layer_at_work(name, "cpu"), layer_at_work(name, "cuda"), strict=True):
        assert here.dtype == there.dtype == np.float32
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)

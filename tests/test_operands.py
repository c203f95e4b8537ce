"""Every operation takes arrays and numbers where it expects tensors, and refuses what is neither by name."""

import contextlib

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops, textbook

RNG = np.random.default_rng(0)


def array(*shape):
    return np.abs(RNG.normal(size=shape)) + 0.1


X, ROW, IMAGE = array(2, 3), array(3), array(2, 4, 4, 2)

# name -> (the operands, the rest of the call)
CALLS = {
    **{name: ([X, ROW], {}) for name in ("add", "sub", "mul", "div", "pow", "maximum", "minimum")},
    **{
        name: ([X], {})
        for name in (
            *(
                "neg",
                "exp",
                "log",
                "log1p",
                "sqrt",
                "sin",
                "cos",
                "abs",
                "tanh",
                "sigmoid",
                "relu",
                "leaky_relu",
                "elu",
            ),
            *("softplus", "silu", "gelu", "softmax", "log_softmax", "logsumexp", "sum", "mean", "var", "max", "min"),
            *("cumsum", "flatten", "transpose", "squeeze"),
        )
    },
    "clip": ([X], {"low": 0.2, "high": 0.7}),
    "where": ([X > 0.5, X, ROW], {}),
    "reshape": ([X], {"shape": (3, 2)}),
    "swapaxes": ([X], {"first": 0, "second": 1}),
    "expand_dims": ([X], {"axis": 0}),
    "broadcast_to": ([X], {"shape": (4, 2, 3)}),
    "split": ([X], {"sections": 3, "axis": 1}),
    "pad": ([X], {"widths": 1}),
    "getitem": ([X], {"index": 1}),
    "astype": ([X], {"dtype": np.float32}),
    "to": ([X], {"device": "cpu"}),
    "matmul": ([X, array(3, 2)], {}),
    "linear": ([X, array(3, 2), array(2)], {}),
    "einsum": ([X, array(3, 2)], {"subscripts": "ij,jk->ik"}),
    "dropout": ([X], {"p": 0.5}),
    "embedding": ([X, np.array([0, 1])], {}),
    "softmax_cross_entropy": ([X, np.array([0, 1])], {}),
    "binary_cross_entropy_with_logits": ([X, X > 0.5], {}),
    "mse": ([X, X + 1.0], {}),
    "batch_norm": ([X, ROW, ROW], {}),
    "layer_norm": ([X, ROW, ROW], {}),
    "rms_norm": ([X, ROW], {}),
    "conv2d": ([IMAGE, array(3, 3, 2, 3), array(3)], {}),
    "conv_transpose2d": ([IMAGE, array(3, 3, 3, 2), array(3)], {}),
    "max_pool2d": ([IMAGE], {"size": 2}),
    "avg_pool2d": ([IMAGE], {"size": 2}),
    "global_avg_pool2d": ([IMAGE], {}),
    "simple_rnn": ([array(2, 3, 1), array(1, 2), array(2, 2), array(2)], {}),
    "lstm": ([array(2, 3, 1), array(1, 8), array(2, 8), array(8)], {}),
    "gru": ([array(2, 3, 1), array(1, 6), array(2, 6), array(2, 6)], {}),
    "attention": ([array(2, 1, 3, 2), array(2, 1, 4, 2), array(2, 1, 4, 3)], {}),
}
OF_SEQUENCES = ("concatenate", "stack")


def call(name, operands, options):
    options = dict(options)
    if name == "dropout":
        options["rng"] = np.random.default_rng(1)
    if name == "einsum":
        return ops.einsum(options["subscripts"], *operands)
    if name == "reshape":
        return ops.reshape(*operands, options["shape"])
    return getattr(ops, name)(*operands, **options)


def flat(result):
    return [result] if isinstance(result, Tensor) else [y for part in result for y in flat(part)]


def test_the_list_is_complete():
    assert sorted([*CALLS, *OF_SEQUENCES]) == sorted(ops.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_arrays_become_tensors(name):
    operands, options = CALLS[name]
    tensors = [Tensor(x) for x in operands]
    expected = flat(call(name, tensors, options))
    variants = [operands]  # all arrays, and each alone beside tensors
    variants += [[x if j == i else t for j, (x, t) in enumerate(zip(operands, tensors))] for i in range(len(operands))]
    for variant in variants:
        for y, e in zip(flat(call(name, variant, options)), expected, strict=True):
            assert isinstance(y, Tensor)
            np.testing.assert_array_equal(y.data, e.data)


@pytest.mark.parametrize("name", OF_SEQUENCES)
def test_arrays_in_sequences_become_tensors(name):
    for operands in ([X, X], [Tensor(X), X], [X, Tensor(X)]):
        np.testing.assert_array_equal(getattr(ops, name)(operands).data, getattr(np, name)([X, X]))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrong", ["words", object(), None, {"a": 1}], ids=lambda wrong: type(wrong).__name__)
def test_what_is_neither_is_refused_by_name(name, wrong):
    operands, options = CALLS[name]
    for i in range(len(operands)):
        if wrong is None and (name, i) in {("linear", 2), ("conv2d", 2), ("conv_transpose2d", 2)}:
            continue  # no bias
        for others in (operands, [Tensor(x) for x in operands]):
            with pytest.raises(TypeError, match=rf"^{name}: "):
                call(name, [wrong if j == i else x for j, x in enumerate(others)], options)


SETTINGS = {  # an operation with a setting that NumPy made, which must not turn float32 into float64
    "leaky_relu": lambda x: ops.leaky_relu(x, np.float64(0.1)),
    "elu": lambda x: ops.elu(x, np.float64(0.5)),
    "clip": lambda x: ops.clip(x, np.float64(0.2), np.float64(0.7)),
    "pad": lambda x: ops.pad(x, 1, np.float64(2)),
    "pow": lambda x: x ** np.float64(2),
    "var": lambda x: ops.var(x, 0, ddof=np.int64(1)),
    "dropout": lambda x: ops.dropout(x, np.float64(0.5), np.random.default_rng(0)),
    "layer_norm": lambda x: ops.layer_norm(x, x.data[0], x.data[0], eps=np.float64(1e-3)),
    "rms_norm": lambda x: ops.rms_norm(x, x.data[0], eps=np.float64(1e-3)),
    "batch_norm": lambda x: ops.batch_norm(x, x.data[0], x.data[0], eps=np.float64(1e-3), momentum=np.float64(0.9)),
    "cross-entropy": lambda x: ops.softmax_cross_entropy(x, [0, 1, 1], label_smoothing=np.float64(0.1)),
    "attention": lambda x: ops.attention(*[x[None, None]] * 3, None, False, np.float64(0.5), np.random.default_rng(0)),
    "weighted": lambda x: ops.softmax_cross_entropy(x, [0, 1, 1], weight=[1.0, 2.0]),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("storey", [contextlib.nullcontext, textbook.instead])
def test_a_setting_that_numpy_made_leaves_float32_alone(name, storey):
    x = Tensor(np.random.default_rng(0).random((3, 2), dtype=np.float32), requires_grad=True)
    with storey():
        y = SETTINGS[name](x)
        y.sum().backward()
    assert y.dtype == np.float32
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("axis", [(1, 0), None])
@pytest.mark.parametrize("op", ["concatenate", "stack", "split", "swapaxes", "flatten"])
def test_one_axis_is_one_whole_number(op, axis):
    x = Tensor(np.ones((2, 3)))
    calls = {
        "concatenate": lambda: ops.concatenate([x, x], axis),
        "stack": lambda: ops.stack([x, x], axis),
        "split": lambda: ops.split(x, 1, axis),
        "swapaxes": lambda: ops.swapaxes(x, axis, 0),
        "flatten": lambda: ops.flatten(x, axis),
    }
    with pytest.raises(TypeError, match=rf"{op}: expected (axis|first|start_axis) as one whole number, got "):
        calls[op]()


@pytest.mark.parametrize("name", ["cumsum", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [(1, 0), (), "0"])
def test_a_running_sum_and_a_place_go_along_one_axis(name, axis):
    with pytest.raises(TypeError, match=f"{name}: expected axis as one whole number"):
        getattr(Tensor(np.ones((2, 3))), name)(axis)


def test_a_limit_that_would_lose_its_gradient_is_refused():
    x, limit = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.5, 1.5], requires_grad=True)
    with pytest.raises(TypeError, match="clip: an array has no history"):
        ops.clip(x, limit, None)
    assert ops.clip(x, limit.detach(), None).data.tolist() == [1.5, 2.0]
    exact = ops.clip(Tensor(np.zeros(1)), 0.1, None).data  # a limit keeps float64's digits
    assert exact[0] == 0.1

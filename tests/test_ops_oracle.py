"""Products and losses against NumPy, and whole random graphs against PyTorch where it is installed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes, mutually_broadcastable_shapes

from tinygrad_edu import Tensor, ops

RNG = np.random.default_rng(0)
MATMUL_SHAPES = mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=3, min_side=1)


def leaf(*shape):
    return Tensor(RNG.normal(size=shape), requires_grad=True)


# --- products --------------------------------------------------------------------------------------------------------


@given(shapes=MATMUL_SHAPES)
def test_matrix_products_of_all_shapes_and_their_gradients(shapes: BroadcastableShapes):
    a, b = (leaf(*shape) for shape in shapes.input_shapes)
    y = a @ b
    np.testing.assert_allclose(y.data, a.data @ b.data, rtol=1e-12)
    assert y.shape == shapes.result_shape
    G = RNG.normal(size=y.shape)
    y.backward(G)
    # The same as a table of all products, summed: by the gradients of `mul` and `sum`.
    left, right = Tensor(a.data, requires_grad=True), Tensor(b.data, requires_grad=True)
    rows = left if left.data.ndim > 1 else left.expand_dims(0)
    columns = right if right.data.ndim > 1 else right.expand_dims(-1)
    table = rows.expand_dims(-1) * columns.expand_dims(-3)  # (..., N, D, M)
    table.sum(axis=-2).reshape(y.shape).backward(G)
    np.testing.assert_allclose(a.grad, left.grad, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(b.grad, right.grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_matmul_plus_bias(lead, bias):
    x, W, b = leaf(*lead, 3), leaf(3, 2), leaf(2) if bias else None
    y = ops.linear(x, W, b)
    assert y.shape == (*lead, 2)
    G = RNG.normal(size=y.shape)
    y.backward(G)
    inputs = [t for t in (x, W, b) if t is not None]
    fast = [t.grad for t in inputs]
    for t in inputs:
        t.grad = None
    plain = x @ W + b if bias else x @ W
    np.testing.assert_allclose(y.data, plain.data, rtol=1e-13)
    plain.backward(G)
    for g, t in zip(fast, inputs):
        np.testing.assert_allclose(g, t.grad, rtol=1e-12, atol=1e-13)


def test_products_compute_no_gradient_that_nobody_asked_for():
    x, W = Tensor(RNG.normal(size=(4, 3))), leaf(3, 2)
    for y in (x @ W, ops.linear(x, W), x @ W + 1.0):
        y.sum().backward()
    assert x.grad is None
    dx, dW = (x @ W)._backward(np.ones((4, 2)))
    assert dx is None
    assert dW.shape == (3, 2)


# --- losses ----------------------------------------------------------------------------------------------------------


@given(
    lead=st.lists(st.integers(1, 3), max_size=3).map(tuple),
    K=st.integers(1, 5),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    dtype=st.sampled_from([np.int64, np.int32, np.uint8]),
)
def test_cross_entropy_is_minus_log_softmax_at_the_label(lead, K, reduction, dtype):
    z, labels = leaf(*lead, K), RNG.integers(0, K, lead).astype(dtype)
    loss = ops.softmax_cross_entropy(z, labels, reduction=reduction)
    chosen = ops.where(np.arange(K) == np.expand_dims(labels, -1), ops.log_softmax(z), 0.0).sum(axis=-1)
    plain = -{"mean": chosen.mean(), "sum": chosen.sum(), "none": chosen}[reduction]
    assert loss.shape == plain.shape
    np.testing.assert_allclose(loss.data, plain.data, rtol=1e-12, atol=1e-14)
    G = RNG.normal(size=loss.shape)
    loss.backward(G)
    fast, z.grad = z.grad, None
    plain.backward(G)
    np.testing.assert_allclose(fast, z.grad, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_squared_error_and_its_gradients(reduction):
    p, t = leaf(3, 2), leaf(3, 2)
    loss = ops.mse(p, t, reduction=reduction)
    D = p.data - t.data
    np.testing.assert_allclose(loss.data, {"mean": (D**2).mean(), "sum": (D**2).sum(), "none": D**2}[reduction])
    G = RNG.normal(size=loss.shape)
    loss.backward(G)
    np.testing.assert_allclose(p.grad, 2 * D * G / (6 if reduction == "mean" else 1), rtol=1e-13)
    np.testing.assert_array_equal(t.grad, -p.grad)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 3], ValueError, r"labels must lie in 0\.\.2, for 3 logits; they range from 0 to 3"),
        ([-1, 0], ValueError, r"0\.\.2.*from -1 to 0"),
        ([0.0, 1.0], TypeError, "labels must be integers"),
        ([True, False], TypeError, "labels must be integers.*bool"),
        (["a", "b"], TypeError, "real numbers"),
        ([0, 1, 2], ValueError, r"got \(2, 3\) and \(3,\)"),
        ([[0], [1]], ValueError, r"got \(2, 3\) and \(2, 1\)"),
        (0, ValueError, r"got \(2, 3\) and \(\)"),
        (np.eye(3, dtype=int)[:2], TypeError, r"or floating-point probabilities of shape \(2, 3\); got int64 \(2, 3\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        ops.softmax_cross_entropy(leaf(2, 3), labels)


def test_losses_refuse_empty_batches_unknown_reductions_and_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match=r"not empty; got \(0, 3\)"):
        ops.softmax_cross_entropy(leaf(0, 3), np.zeros(0, int))
    with pytest.raises(ValueError, match="not empty"):
        ops.softmax_cross_entropy(Tensor(1.0), np.array(0))
    with pytest.raises(ValueError, match=r"two equal, non-empty shapes.*\(0,\)"):
        ops.mse(leaf(0), leaf(0))
    with pytest.raises(ValueError, match=r"\(4, 1\) and target \(4,\)"):
        ops.mse(leaf(4, 1), np.zeros(4))
    for loss in (lambda: ops.mse(leaf(1), leaf(1), "avg"), lambda: ops.softmax_cross_entropy(leaf(2), 0, "avg")):
        with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', got 'avg'"):
            loss()


# --- random graphs ---------------------------------------------------------------------------------------------------

N = 4  # all tensors of the graphs are (4, 4), (1, 4), (4, 1) or ()

UNARY = {  # name -> (ours, PyTorch's), each on inputs of any size and smooth almost everywhere
    "tanh": (ops.tanh, lambda torch, x: x.tanh()),
    "sigmoid": (ops.sigmoid, lambda torch, x: x.sigmoid()),
    "relu": (ops.relu, lambda torch, x: x.relu()),
    "leaky_relu": (ops.leaky_relu, lambda torch, x: torch.nn.functional.leaky_relu(x)),
    "gelu": (ops.gelu, lambda torch, x: torch.nn.functional.gelu(x)),
    "gelu by tanh": (
        lambda x: ops.gelu(x, approximate="tanh"),
        lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"),
    ),
    "elu": (lambda x: ops.elu(x, 0.7), lambda torch, x: torch.nn.functional.elu(x, 0.7)),
    "softplus": (ops.softplus, lambda torch, x: torch.nn.functional.softplus(x, threshold=1e9)),
    "silu": (ops.silu, lambda torch, x: torch.nn.functional.silu(x)),
    "waves": (lambda x: x.sin() * x.cos(), lambda torch, x: x.sin() * x.cos()),
    "log1p": (lambda x: abs(x).log1p(), lambda torch, x: x.abs().log1p()),
    "cumsum": (lambda x: x.cumsum(axis=0) if x.shape else x, lambda torch, x: x.cumsum(0) if x.ndim else x),
    "exp of tanh": (lambda x: x.tanh().exp(), lambda torch, x: x.tanh().exp()),
    "log": (lambda x: (abs(x) + 1.0).log(), lambda torch, x: (x.abs() + 1).log()),
    "sqrt": (lambda x: (x * x + 1.0).sqrt(), lambda torch, x: (x * x + 1).sqrt()),
    "square": (lambda x: x.tanh() ** 2, lambda torch, x: x.tanh() ** 2),
    "softmax": (lambda x: ops.softmax(x, axis=0) if x.shape else x, lambda torch, x: x.softmax(0) if x.ndim else x),
    "log_softmax": (
        lambda x: ops.log_softmax(x) if x.shape else x,
        lambda torch, x: x.log_softmax(-1) if x.ndim else x,
    ),
    "logsumexp": (
        lambda x: ops.logsumexp(x, keepdims=True) if x.shape else x,
        lambda torch, x: x.logsumexp(-1, keepdim=True) if x.ndim else x,
    ),
    "mean": (
        lambda x: x.mean(axis=0, keepdims=True) if x.shape else x,
        lambda torch, x: x.mean(0, keepdim=True) if x.ndim else x,
    ),
    "max": (lambda x: x.max(), lambda torch, x: x.max()),
    "min of rows": (
        lambda x: x.min(axis=1, keepdims=True) if x.shape else x,
        lambda torch, x: x.amin(1, keepdim=True) if x.ndim else x,
    ),
    "var": (lambda x: x.var(), lambda torch, x: x.var(correction=0)),
    "transpose": (lambda x: x.transpose(), lambda torch, x: x.T if x.ndim else x),
    "clip": (lambda x: x.clip(-0.7, 0.8), lambda torch, x: x.clamp(-0.7, 0.8)),
    "rows again": (
        lambda x: x[np.arange(N) % x.shape[0]] if x.shape else x,
        lambda torch, x: x[torch.arange(N) % x.shape[0]] if x.ndim else x,
    ),
    "flip": (lambda x: x[::-1] if x.shape else x, lambda torch, x: x.flip(0) if x.ndim else x),
    "detach": (lambda x: x.detach() * 0.5, lambda torch, x: x.detach() * 0.5),
}
BINARY = {
    "add": (ops.add, lambda torch, a, b: a + b),
    "sub": (ops.sub, lambda torch, a, b: a - b),
    "mul": (lambda a, b: a * b * 0.5, lambda torch, a, b: a * b * 0.5),
    "div": (lambda a, b: a / (b * b + 1.0), lambda torch, a, b: a / (b * b + 1)),
    "pow": (lambda a, b: (abs(a) + 0.5) ** b.tanh(), lambda torch, a, b: (a.abs() + 0.5) ** b.tanh()),
    "maximum": (ops.maximum, lambda torch, a, b: torch.maximum(a, b)),
    "where": (
        lambda a, b: ops.where(a.data > 0.1, a, b),
        lambda torch, a, b: torch.where(a.detach() > 0.1, a, b),
    ),
    "einsum": (
        lambda a, b: ops.einsum("ij,kj->ki", whole(a), whole(b)) * 0.3,
        lambda torch, a, b: torch.einsum("ij,kj->ki", a.expand(N, N), b.expand(N, N)) * 0.3,
    ),
    "matmul": (
        lambda a, b: (whole(a) @ whole(b)) * 0.3,
        lambda torch, a, b: (a.expand(N, N) @ b.expand(N, N)) * 0.3,
    ),
    "stack": (
        lambda a, b: ops.stack([whole(a), whole(b)]).sum(axis=0),
        lambda torch, a, b: torch.stack([a.expand(N, N), b.expand(N, N)]).sum(0),
    ),
    "cut and join": (
        lambda a, b: ops.concatenate([*ops.split(whole(a), 2)[::-1], whole(b)])[2:6],
        lambda torch, a, b: torch.cat([*a.expand(N, N).split(2)[::-1], b.expand(N, N)])[2:6],
    ),
}


def whole(x):
    return ops.broadcast_to(x, (N, N))


@st.composite
def graphs(draw):
    """A list of steps: a name and the numbers of the earlier tensors it takes."""
    steps = []
    for i in range(draw(st.integers(3, 14))):
        known = 4 + i
        pick = st.integers(0, known - 1) | st.integers(max(0, known - 3), known - 1)  # old ones, or the latest
        name = draw(st.sampled_from([*UNARY, *BINARY]))
        steps.append((name, [draw(pick) for _ in range(1 if name in UNARY else 2)]))
    return steps


def evaluate(steps, leaves, which, *extra):
    tensors = list(leaves)
    for name, inputs in steps:
        tensors.append((UNARY | BINARY)[name][which](*extra, *(tensors[i] for i in inputs)))
    total = sum((t.sum() * (0.1 * k + 0.3) for k, t in enumerate(tensors)), start=leaves[0].sum() * 0.0)
    return tensors, total


@given(steps=graphs(), seed=st.integers(0, 2**32 - 1))
def test_random_graphs_with_shared_nodes_have_pytorchs_values_and_gradients(steps, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    data = [rng.normal(size=shape) for shape in ((N, N), (1, N), (N, 1), ())]
    ours = [Tensor(x.copy(), requires_grad=True) for x in data]
    theirs = [torch.tensor(x, requires_grad=True) for x in data]
    tensors, total = evaluate(steps, ours, 0)
    references, reference = evaluate(steps, theirs, 1, torch)
    if not math.isfinite(reference.item()) or abs(reference.item()) > 1e6:
        return
    for y, r in zip(tensors, references):
        np.testing.assert_allclose(y.data, r.detach().numpy(), rtol=1e-10, atol=1e-10)
    total.backward()
    reference.backward()
    for x, r in zip(ours, theirs):
        np.testing.assert_allclose(x.grad, r.grad.numpy(), rtol=1e-10, atol=1e-10)

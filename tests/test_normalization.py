"""batch_norm, layer_norm and rms_norm: against the small ops they fuse, running statistics, and bad input."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.ops import normalization

RNG = np.random.default_rng(2)


def inputs(*shape, dtype=np.float64):
    C = shape[-1]
    arrays = RNG.normal(3, 2, size=shape), RNG.normal(size=C), RNG.normal(size=C)
    return [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]


def plain(x, gamma, beta, axes, eps=1e-3):
    """The same with small operations, whose gradients are proven one by one."""
    mean, var = ops.mean(x, axis=axes, keepdims=True), ops.var(x, axis=axes, keepdims=True)
    return gamma * ((x - mean) / ops.sqrt(var + eps)) + beta


def gradients(y, tensors, G):
    for tensor in tensors:
        tensor.grad = None
    y.backward(G)
    return [tensor.grad for tensor in tensors]


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 6), (2, 1, 1, 1), (3, 4, 2)])
@pytest.mark.parametrize("function", [ops.batch_norm, ops.layer_norm])
def test_against_small_operations(function, shape):
    tensors = inputs(*shape)
    axes = -1 if function is ops.layer_norm else tuple(range(len(shape) - 1))
    y, expected = function(*tensors), plain(*tensors, axes)
    np.testing.assert_allclose(y.data, expected.data, atol=1e-12)
    G = RNG.normal(size=shape)
    for fused, small in zip(gradients(y, tensors, G), gradients(expected, tensors, G)):
        np.testing.assert_allclose(fused, small, atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 6), (2, 1), (3, 4, 2)])
def test_rms_norm_against_small_operations(shape):
    x, gamma, _ = inputs(*shape)
    expected = gamma * (x / ops.sqrt(ops.mean(x * x, axis=-1, keepdims=True) + 1e-6))
    y = ops.rms_norm(x, gamma)
    np.testing.assert_allclose(y.data, expected.data, atol=1e-12)
    G = RNG.normal(size=shape)
    for fused, small in zip(gradients(y, (x, gamma), G), gradients(expected, (x, gamma), G)):
        np.testing.assert_allclose(fused, small, atol=1e-12)


def test_rms_norm_gives_every_item_a_mean_square_of_1_and_keeps_its_mean():
    X = RNG.normal(50, 3, size=(64, 8)).astype(np.float32)
    y = ops.rms_norm(Tensor(X), Tensor(np.ones(8, np.float32))).data
    np.testing.assert_allclose((y * y).mean(axis=-1), 1, rtol=1e-5)
    assert (y.mean(axis=-1) > 0.9).all()
    assert y.dtype == np.float32


@pytest.mark.parametrize("eps", [1e-12, 0.1, 3.0])
def test_how_much_of_each_direction_the_gradient_keeps(eps):
    """What the derivation says: nothing of a shift, and eps / s^2 of a stretch."""
    x, one, zero = inputs(9, 1)[0], Tensor(np.ones(1)), Tensor(np.zeros(1))
    x_hat, s_squared = ops.batch_norm(x, one, zero, eps=eps).data, x.data.var() + eps
    shift, stretch = (gradients(ops.batch_norm(x, one, zero, eps=eps), [x], G)[0] for G in (np.ones((9, 1)), x_hat))
    np.testing.assert_allclose(shift, 0, atol=1e-14)
    np.testing.assert_allclose(stretch, x_hat / np.sqrt(s_squared) * eps / s_squared, atol=1e-14)


def test_every_channel_has_mean_0_and_variance_1():
    X = RNG.normal(50, 3, size=(64, 8, 8, 3)).astype(np.float32)
    y = ops.batch_norm(Tensor(X), Tensor(np.ones(3, np.float32)), Tensor(np.zeros(3, np.float32)), eps=1e-5).data
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), 1, atol=1e-4)
    assert y.dtype == np.float32


def test_running_statistics():
    x, gamma, beta = inputs(6, 4)
    mean, var = np.zeros(4), np.ones(4)
    ops.batch_norm(x, gamma, beta, mean, var, momentum=0.9)
    np.testing.assert_allclose(mean, 0.1 * x.data.mean(axis=0))
    np.testing.assert_allclose(var, 0.9 + 0.1 * x.data.var(axis=0))
    before = mean.copy(), var.copy()
    y = ops.batch_norm(x, gamma, beta, mean, var, training=False)
    np.testing.assert_allclose(y.data, gamma.data * (x.data - mean) / np.sqrt(var + 1e-3) + beta.data)
    np.testing.assert_array_equal((mean, var), before)


def test_running_statistics_may_be_tensors_whose_arrays_are_moved():
    x, gamma, beta = inputs(6, 4)
    mean, var = np.zeros(4), np.ones(4)
    kept = Tensor(mean.copy()), Tensor(var.copy())
    arrays = [t.data for t in kept]
    for _ in range(2):
        ops.batch_norm(x, gamma, beta, mean, var)
        y = ops.batch_norm(x, gamma, beta, *kept)
    assert all(t.data is array for t, array in zip(kept, arrays))
    np.testing.assert_array_equal((kept[0].data, kept[1].data), (mean, var))
    assert y._inputs == (x, gamma, beta)  # so they hang on no tape that would grow from step to step
    y, expected = (ops.batch_norm(x, gamma, beta, *pair, training=False).data for pair in (kept, (mean, var)))
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("mean", "var", "error", "message"),
    [
        (np.zeros(1), np.ones(4), ValueError, r"has 4 channels, so running_mean must be \(4,\); got \(1,\)"),
        (np.zeros(4), np.ones((1, 4)), ValueError, r"so running_var must be \(4,\); got \(1, 4\)"),
        (Tensor(np.zeros(3)), Tensor(np.ones(4)), ValueError, r"so running_mean must be \(4,\); got \(3,\)"),
        (np.zeros(4), np.ones(4, int), TypeError, "running_var must be a Tensor or array of .*; got an array of int64"),
        ([0.0] * 4, np.ones(4), TypeError, r"running_mean must be .* updates in place; got \[0\.0, "),
        (0.0, 1.0, TypeError, r"running_mean must be .*got 0\.0"),
    ],
)
def test_running_statistics_that_cannot_be_kept(mean, var, error, message, training):
    x, gamma, beta = inputs(6, 4)
    before = np.array(var.data if isinstance(var, Tensor) else var)
    with pytest.raises(error, match=f"^batch_norm: .*{message}"):
        ops.batch_norm(x, gamma, beta, mean, var, training=training)
    np.testing.assert_array_equal(before, var.data if isinstance(var, Tensor) else var)


def test_running_statistics_of_another_floating_dtype_keep_it():
    x, gamma, beta = inputs(6, 4, dtype=np.float32)
    mean, var = np.zeros(4), np.ones(4)
    y = ops.batch_norm(x, gamma, beta, mean, var)
    assert (y.dtype, mean.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(mean, 0.01 * x.data.mean(axis=0), rtol=1e-5)
    assert ops.batch_norm(x, gamma, beta, mean, var, training=False).dtype == np.float32


def test_inference_gradients_are_those_of_constants_even_if_the_statistics_move_on():
    x, gamma, beta = inputs(6, 4)
    mean, var = RNG.normal(size=4), RNG.uniform(0.5, 2, size=4)
    y = ops.batch_norm(x, gamma, beta, mean, var, training=False)
    G = RNG.normal(size=y.shape)
    x_hat = (x.data - mean) / np.sqrt(var + 1e-3)
    expected = G * gamma.data / np.sqrt(var + 1e-3), (G * x_hat).sum(axis=0), G.sum(axis=0)
    mean += 1
    var += 1
    for a, b in zip(gradients(y, (x, gamma, beta), G), expected):
        np.testing.assert_allclose(a, b)


def test_chunks_and_parts_only_round_differently(monkeypatch):
    tensors = inputs(50, 6, 6, 4, dtype=np.float32)
    G = RNG.normal(size=(50, 6, 6, 4)).astype(np.float32)

    def run():
        y = ops.batch_norm(*tensors)
        return [y.data, *gradients(y, tensors, G)]

    whole = run()
    monkeypatch.setattr(normalization, "CHUNK", 200)
    monkeypatch.setattr(normalization, "SMALLEST_PART", 1000)
    pieces, again = run(), run()
    for a, b, c in zip(whole, pieces, again):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(b, c)
        assert b.dtype == np.float32


def test_only_the_gradients_asked_for():
    x, gamma, beta = inputs(5, 3)
    x.requires_grad = gamma.requires_grad = False
    for function in (ops.batch_norm, ops.layer_norm):
        beta.grad = None
        function(x, gamma, beta).sum().backward()
        assert x.grad is None
        assert gamma.grad is None
        np.testing.assert_allclose(beta.grad, [5, 5, 5])


@pytest.mark.parametrize("function", [ops.batch_norm, ops.layer_norm, ops.rms_norm])
def test_bad_input(function):
    name = function.__name__
    x, gamma, *beta = inputs(5, 3)
    beta, names = ([], "gamma") if function is ops.rms_norm else (beta, "gamma and beta")
    with pytest.raises(ValueError, match=rf"{name}: x \(5, 3\) has 3 channels, so {names} must be \(3,\); got \(4,\)"):
        function(x, inputs(5, 4)[1], *beta)
    with pytest.raises(ValueError, match=f"{name}: expected x of shape"):
        function(Tensor(np.zeros((0, 3))), gamma, *beta)
    with pytest.raises(ValueError, match=f"{name}: expected x of shape"):
        function(Tensor(np.zeros(3)), gamma, *beta)
    with pytest.raises(TypeError, match=f"{name}: expected floating-point values, got uint8"):
        function(Tensor(np.zeros((5, 3), np.uint8)), gamma, *beta)
    with pytest.raises(TypeError, match=f"{name}: operands of different dtypes"):
        function(Tensor(np.zeros((5, 3), np.float32)), gamma, *beta)


def test_inference_needs_statistics():
    with pytest.raises(ValueError, match="needs running_mean and running_var"):
        ops.batch_norm(*inputs(5, 3), training=False)


def test_rms_norm_of_frozen_images_moves_gamma_alone():
    X, G = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    gradients = []
    for frozen in (False, True):
        x, gamma = Tensor(X, requires_grad=not frozen), Tensor(np.ones(3), requires_grad=True)
        ops.rms_norm(x, gamma).backward(G)
        assert (x.grad is None) == frozen
        gradients.append(gamma.grad.tolist())
    assert gradients[0] == gradients[1]

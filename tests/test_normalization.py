"""batch_norm and layer_norm: against the small ops they fuse, running statistics, and bad input."""

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


@pytest.mark.parametrize("function", [ops.batch_norm, ops.layer_norm])
def test_bad_input(function):
    name = function.__name__
    x, gamma, beta = inputs(5, 3)
    with pytest.raises(ValueError, match=rf"{name}: x \(5, 3\) has 3 channels, so gamma and beta must be \(3,\)"):
        function(x, inputs(5, 4)[1], beta)
    with pytest.raises(ValueError, match=f"{name}: expected x of shape"):
        function(Tensor(np.zeros((0, 3))), gamma, beta)
    with pytest.raises(ValueError, match=f"{name}: expected x of shape"):
        function(Tensor(np.zeros(3)), gamma, beta)
    with pytest.raises(TypeError, match=f"{name}: expected floating-point values, got uint8"):
        function(Tensor(np.zeros((5, 3), np.uint8)), gamma, beta)
    with pytest.raises(TypeError, match=f"{name}: operands of different dtypes"):
        function(Tensor(np.zeros((5, 3), np.float32)), gamma, beta)


def test_inference_needs_statistics():
    with pytest.raises(ValueError, match="needs running_mean and running_var"):
        ops.batch_norm(*inputs(5, 3), training=False)

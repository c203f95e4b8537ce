"""Layers for images, normalising layers, and the learning rate's schedule."""

import math

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops, optim

RNG = np.random.default_rng(3)


def images(*shape):
    return Tensor(RNG.normal(size=shape).astype(np.float32))


def test_conv2d_is_glorot_uniform_and_starts_without_bias():
    layer = nn.Conv2d(48, 128, (3, 5), stride=2, padding="valid", rng=np.random.default_rng(0))
    assert layer.weight.shape == (3, 5, 48, 128)
    limit = math.sqrt(6 / (15 * 48 + 15 * 128))
    assert 0.99 * limit < np.abs(layer.weight.data).max() <= limit
    assert not layer.bias.data.any()
    x = images(2, 7, 9, 48)
    np.testing.assert_array_equal(layer(x).data, ops.conv2d(x, layer.weight, layer.bias, 2, "valid").data)
    assert nn.Conv2d(3, 4, bias=False).bias is None


@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(6, 9, 3), (4, 4, 4), (4, 8, 4)])
def test_conv2d_in_groups_and_dilated(inputs, outputs, groups):
    layer = nn.Conv2d(inputs, outputs, 3, 2, "valid", dilation=(1, 2), groups=groups)
    assert layer.weight.shape == (3, 3, inputs // groups, outputs)
    x = images(2, 7, 9, inputs)
    expected = ops.conv2d(x, layer.weight, layer.bias, 2, "valid", (1, 2), groups)
    np.testing.assert_array_equal(layer(x).data, expected.data)


def test_every_group_of_a_convolution_starts_as_a_convolution_of_its_own():
    """One output sums over 9 * 32 numbers, one input reaches 9 * 64 outputs: of its group."""
    weight = nn.Conv2d(128, 256, 3, groups=4, rng=np.random.default_rng(0)).weight.data
    limit = math.sqrt(6 / (9 * 32 + 9 * 64))
    assert 0.99 * limit < np.abs(weight).max() <= limit
    assert np.unique(weight).size > 0.95 * weight.size  # no group repeats another
    depthwise = nn.Conv2d(512, 512, 3, groups=512, rng=np.random.default_rng(0)).weight.data
    limit = math.sqrt(6 / (9 + 9))
    assert 0.99 * limit < np.abs(depthwise).max() <= limit


def test_conv_transpose2d_goes_the_way_of_conv2d_back():
    layer = nn.ConvTranspose2d(48, 128, (3, 5), stride=2, rng=np.random.default_rng(0))
    assert layer.weight.shape == nn.Conv2d(128, 48, (3, 5)).weight.shape == (3, 5, 128, 48)
    limit = math.sqrt(6 / (15 * 48 + 15 * 128))
    assert 0.99 * limit < np.abs(layer.weight.data).max() <= limit
    assert not layer.bias.data.any()
    x = images(2, 4, 5, 48)
    assert layer(x).shape == (2, 8, 10, 128)
    np.testing.assert_array_equal(layer(x).data, ops.conv_transpose2d(x, layer.weight, layer.bias, 2).data)
    layer = nn.ConvTranspose2d(48, 3, 3, 2, 1, (1, 2), output_size=(8, 12), bias=False)
    assert layer.bias is None
    assert layer(x).shape == (2, 8, 12, 3)


def test_pooling_and_flatten_shapes():
    x = images(2, 6, 6, 3)
    assert nn.MaxPool2d(2)(x).shape == (2, 3, 3, 3)
    assert nn.MaxPool2d(3, stride=2, padding="same")(x).shape == (2, 3, 3, 3)
    assert nn.AvgPool2d(3)(x).shape == (2, 2, 2, 3)
    for layer, op in ((nn.MaxPool2d, ops.max_pool2d), (nn.AvgPool2d, ops.avg_pool2d)):
        y = layer(2, 3, 1, dilation=2, ceil_mode=True)(x)
        assert y.shape == (2, 3, 3, 3)
        np.testing.assert_array_equal(y.data, op(x, 2, 3, 1, 2, True).data)
    assert nn.GlobalAvgPool2d()(x).shape == (2, 3)
    assert nn.Flatten()(x).shape == (2, 108)


def test_batch_norm_learns_statistics_while_training_only():
    layer = nn.BatchNorm(3, momentum=0.5)
    x = Tensor((RNG.normal(size=(50, 2, 2, 3)) * 2 + 7).astype(np.float32))
    for _ in range(30):
        layer(x)
    np.testing.assert_allclose(layer.running_mean.data, x.data.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(layer.running_var.data, x.data.var(axis=(0, 1, 2)), rtol=1e-4)
    layer.eval()
    before = layer.state_dict()
    one, all_ = layer(Tensor(x.data[:1])).data, layer(x).data
    np.testing.assert_array_equal(one, all_[:1])  # whatever else is in the batch
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_running_statistics_are_saved_but_not_learnt():
    layer = nn.BatchNorm(2)
    assert set(layer.state_dict()) == {"gamma", "beta", "running_mean", "running_var"}
    assert [name for name, _ in layer.named_parameters()] == ["gamma", "beta"]


def test_layer_norm():
    layer = nn.LayerNorm(4)
    y = layer(images(5, 3, 4)).data
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-6)


def test_rms_norm():
    layer = nn.RMSNorm(4)
    y = layer(images(5, 3, 4)).data
    np.testing.assert_allclose((y * y).mean(axis=-1), 1, atol=1e-4)
    assert [name for name, _ in layer.named_parameters()] == ["gamma"]
    x = images(5, 4)
    np.testing.assert_array_equal(nn.RMSNorm(4, eps=1.0)(x).data, ops.rms_norm(x, layer.gamma, eps=1.0).data)


def test_residual_adds_its_input():
    x = images(2, 4, 4, 3)
    body = nn.Conv2d(3, 3)
    np.testing.assert_array_equal(nn.Residual(body)(x).data, body(x).data + x.data)
    body, shortcut = nn.Conv2d(3, 8, stride=2), nn.Conv2d(3, 8, 1, stride=2)
    block = nn.Residual(body, shortcut)
    np.testing.assert_array_equal(block(x).data, body(x).data + shortcut(x).data)
    assert len(block.parameters()) == 4


def test_residual_shapes_must_agree():
    with pytest.raises(ValueError, match=r"Residual: the body makes \(2, 4, 4, 8\) of \(2, 4, 4, 3\), the shortcut"):
        nn.Residual(nn.Conv2d(3, 8))(images(2, 4, 4, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(0, 4), "Conv2d: inputs must be a whole number >= 1, got 0"),
        (lambda: nn.Conv2d(3, 4, (3, 0)), r"Conv2d: size must be a whole number >= 1 or two of them, .* got \(3, 0\)"),
        (lambda: nn.Conv2d(3, 4, stride=0)(images(1, 4, 4, 3)), "stride must be a whole number >= 1"),
        (lambda: nn.MaxPool2d(0)(images(1, 4, 4, 3)), "size must be a whole number >= 1"),
        (lambda: nn.BatchNorm(0), "BatchNorm: channels must be"),
        (lambda: nn.BatchNorm(3, momentum=1), "0 <= momentum < 1"),
        (lambda: nn.LayerNorm(0), "LayerNorm: channels must be"),
        (lambda: nn.RMSNorm(0), "RMSNorm: channels must be"),
        (lambda: nn.Conv2d(4, 6, groups=4), "Conv2d: groups must divide inputs and outputs; got 4 for 4 and 6"),
        (lambda: nn.Conv2d(4, 6, groups=0), "Conv2d: groups must be a whole number >= 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 3, 1, "same", False)(images(1, 4, 4, 3)), "dilation must be .* got False"),
        (lambda: nn.ConvTranspose2d(3, 0), "ConvTranspose2d: outputs must be a whole number >= 1, got 0"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_cosine():
    rates = [optim.cosine(0.1, step, 100) for step in range(101)]
    assert rates[0] == 0.1
    assert rates[50] == pytest.approx(0.05)
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert (np.diff(rates) < 0).all()
    for step in (101, 150, 200, 500):  # not up again, as the cosine itself would go
        assert optim.cosine(0.1, step, 100) == pytest.approx(0, abs=1e-12)


def test_cosine_with_warmup():
    rates = [optim.cosine(0.1, step, 20, warmup=4) for step in range(21)]
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[12] == pytest.approx(0.05)


def test_cosine_down_to_another_rate_than_zero():
    rates = [optim.cosine(0.1, step, 20, warmup=4, lowest=0.02) for step in range(30)]
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[12] == pytest.approx(0.06)
    np.testing.assert_allclose(rates[20:], 0.02)


@pytest.mark.parametrize(
    "arguments", [(-1, 0, 10), (0.1, -1, 10), (0.1, 0, 0), (0.1, 0, 10, 10), (math.nan, 0, 10), (0.1, 0, 10, 0, 0.2)]
)
def test_cosine_refuses(arguments):
    with pytest.raises(ValueError, match=r"cosine: .*(must be|fewer|is larger than)"):
        optim.cosine(*arguments)

"""The summary table, and that looking at a model leaves it as it was."""

import doctest
import functools

import numpy as np
import pytest

from tinygrad_edu import inspection, nn, ops
from tinygrad_edu.inspection import layers_of, stages_of, summary
from tinygrad_edu.inspection.summary import in_bytes


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8), nn.BatchNorm(8), nn.Dropout(0.5), nn.MaxPool2d(2),
        nn.Residual(nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def test_the_example_in_the_docstring():
    assert doctest.testmod(inspection).failed == 0


def test_rows():
    rows = layers_of(network(), (4, 4, 3))
    assert [(row.name, row.kind, row.output_shape, row.parameters, row.state) for row in rows] == [
        ("layers.0", "Conv2d", (4, 4, 8), 224, 0),
        ("layers.1", "BatchNorm", (4, 4, 8), 16, 16),
        ("layers.2", "Dropout", (4, 4, 8), 0, 0),
        ("layers.3", "MaxPool2d", (2, 2, 8), 0, 0),
        ("layers.4.body.layers.0", "Conv2d", (2, 2, 8), 72, 0),
        ("layers.4.body.layers.1", "ReLU", (2, 2, 8), 0, 0),
        ("layers.4", "Residual", (2, 2, 8), 0, 0),
        ("layers.5", "Flatten", (32,), 0, 0),
        ("layers.6", "Linear", (10,), 330, 0),
    ]


def test_totals():
    text = summary(network(), (4, 4, 3))
    assert "Parameters: 642 (2.6 kB)" in text
    assert "Kept, but not learnt: 16" in text
    assert "(N, 2, 2, 8)" in text
    assert len({len(line) for line in text.split("\n")[:12]}) <= 2  # columns line up


def test_nothing_changes():
    model = network()
    model.layers[2].eval()
    before = model.state_dict()
    summary(model, (4, 4, 3))
    assert model.training
    assert not model.layers[2].training
    assert all("forward" not in vars(module) for module in model.modules())
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_nothing_changes_after_an_error_either():
    model = network()
    with pytest.raises(ValueError, match="input has 4 channels but the kernel expects 3"):
        summary(model, (4, 4, 4))
    assert model.training
    assert all("forward" not in vars(module) for module in model.modules())


def test_a_model_with_parameters_and_functions_of_its_own():
    class Model(nn.Module):
        def __init__(self):
            self.W = nn.Parameter(np.zeros((4, 2), np.float32))
            self.twice = nn.Linear(2, 2)

        def forward(self, x):
            return self.twice(ops.relu(self.twice(x @ self.W)))

    rows = layers_of(Model(), (4,))
    assert [(row.name, row.parameters) for row in rows] == [("twice", 6), ("twice", 0), ("", 8)]
    assert "Parameters: 14 (" in summary(Model(), (4,))


def test_stages():
    stages, skips = stages_of(network(), (4, 4, 3))
    assert stages == [
        ("input", (4, 4, 3)),
        ("conv 3x3, 8\nbatch norm\ndropout 0.5", (4, 4, 8)),
        ("max pool 2x2, stride 2", (2, 2, 8)),
        ("conv 1x1, 8\nReLU", (2, 2, 8)),
        ("flatten", (32,)),
        ("dense 10", (10,)),
    ]
    assert skips == [(2, 3)]  # what the pooling puts out is added to what the second convolution puts out


def test_plain_functions_are_layers_too_wherever_they_stand():
    class Model(nn.Module):
        def __init__(self):
            self.body = nn.Sequential(nn.Linear(4, 4), ops.relu, nn.Residual(nn.Tanh(), lambda x: x * 2.0), ops.relu)
            self.activation = functools.partial(ops.leaky_relu, slope=0.2)
            self.more = {"list": [ops.exp]}
            self.never_called, self.size_of, self.library = ops.sqrt, len, np

        def forward(self, x):
            assert self.size_of(x) == 1
            return self.more["list"][0](self.activation(self.body(x)))

    model = Model()
    rows = layers_of(model, (4,))
    assert [(row.name, row.kind) for row in rows] == [
        *(("body.layers.0", "Linear"), ("body.layers.1", "relu"), ("body.layers.2.body", "Tanh")),
        *(("body.layers.2.shortcut", "<lambda>"), ("body.layers.2", "Residual"), ("body.layers.3", "relu")),
        *(("activation", "leaky_relu"), ("more.list.0", "exp")),
    ]
    assert all(row.output_shape == (4,) for row in rows)
    assert model.body.layers[1] is model.body.layers[3] is ops.relu  # as it was
    assert model.more["list"] == [ops.exp]
    assert "forward" not in vars(model)
    assert "layers.1 (relu)" in summary(nn.Sequential(nn.Linear(4, 4), ops.relu), (4,))


def test_functions_are_put_back_after_an_error():
    def wrong(x):
        raise ZeroDivisionError

    model = nn.Sequential(ops.relu, wrong)
    with pytest.raises(ZeroDivisionError):
        summary(model, (4,))
    assert model.layers == [ops.relu, wrong]


def test_parts_in_nested_lists_and_their_parameters_have_rows():
    class Model(nn.Module):
        def __init__(self):
            self.blocks = [[nn.Linear(2, 3), nn.Linear(3, 2)]]
            self.scales = [nn.Parameter(np.ones(2, np.float32)), np.ones(3)]
            self.parent = self

        def forward(self, x):
            return self.blocks[0][1](self.blocks[0][0](x)) * self.scales[0]

    rows = layers_of(Model(), (2,))
    assert [(row.name, row.parameters) for row in rows] == [("blocks.0.0", 9), ("blocks.0.1", 8), ("", 2)]


def test_a_forward_of_ones_own_survives():
    model = nn.Sequential(nn.Linear(2, 2))
    own = model.layers[0].forward = lambda x: ops.relu(x)
    assert [row.kind for row in layers_of(model, (2,))] == ["Linear"]
    assert model.layers[0].forward is own


def test_stages_name_kernels_and_strides():
    model = nn.Sequential(
        nn.Conv2d(3, 8, (3, 5), stride=2),
        nn.AvgPool2d(3, stride=(2, 1)),
        nn.Conv2d(8, 4, 1, stride=(1, 2)),
        nn.GlobalAvgPool2d(),
        nn.Sigmoid(),
    )
    assert [label for label, _ in stages_of(model, (12, 12, 3))[0]] == [
        *("input", "conv 3x5, 8, stride 2", "average pool 3x3, stride 2x1", "conv 1x1, 4, stride 1x2"),
        "global average pool\nSigmoid",
    ]


def test_stages_of_residual_blocks():
    """What is before the addition stands before it, what is behind behind it, and a shortcut is not in the chain."""
    conv = functools.partial(nn.Conv2d, 4, 4, 1)
    inner = nn.Residual(nn.Sequential(nn.ReLU(), conv()))  # begins with a layer that would join the stage before
    model = nn.Sequential(
        conv(),
        nn.Residual(nn.Sequential(conv(), inner)),  # both end with the same stage
        nn.ReLU(),  # behind the sum
        nn.Residual(nn.Conv2d(4, 8, 1, stride=2), shortcut=nn.Conv2d(4, 8, 1, stride=2)),
    )
    stages, skips = stages_of(model, (2, 2, 4))
    assert [label for label, _ in stages] == [
        *("input", "conv 1x1, 4", "conv 1x1, 4", "ReLU", "conv 1x1, 4", "ReLU", "conv 1x1, 8, stride 2"),
    ]
    assert skips == [(2, 4), (1, 4), (5, 6)]


def test_a_size_in_bytes_has_a_unit_that_fits():
    sizes = (999, 1000, 3_250_000, 3_200_000_000, 5e12)
    assert [in_bytes(size) for size in sizes] == ["999 B", "1.0 kB", "3.2 MB", "3.2 GB", "5000.0 GB"]

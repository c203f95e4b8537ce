"""Modules find their parts, save and restore them; initialisers have the statistics that their formulas say."""

import copy
import functools
import math

import numpy as np
import pytest

from tinygrad_edu import Tensor, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.gradcheck import gradcheck
from tinygrad_edu.nn import Module, Parameter, init


class Block(Module):
    """Every way in which a part can stand in a module."""

    def __init__(self):
        self.scale = Parameter(np.ones(3, np.float32))
        self.count = Tensor(np.zeros(1, np.float32))  # a buffer
        self.first = nn.Linear(3, 4)
        self.rest = [nn.Linear(4, 4), nn.Dropout(0.5), nn.Sequential(nn.Tanh(), nn.Linear(4, 3, bias=False))]
        self.pair = (nn.ReLU(), nn.Linear(3, 3))
        self.again = self.first  # shared
        self.name, self.sizes, self.nothing = "block", [1, 2], None

    def forward(self, x, flip=False):
        x = self.first(x * self.scale)
        for layer in self.rest:
            x = layer(x)
        for layer in self.pair:
            x = layer(x)
        return -x if flip else x


NAMES = [
    *("scale", "first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "rest.2.layers.1.weight"),
    *("pair.1.weight", "pair.1.bias"),
]


def test_parameters_are_found_in_attributes_lists_tuples_and_parts_of_parts_each_once():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert all(type(p) is Parameter for p in block.parameters())
    assert len(set(block.parameters())) == len(block.parameters()) == len(NAMES)


def test_buffers_are_saved_and_not_learnt():
    names = [name for name, _ in Block().named_tensors()]
    assert "count" in names
    assert "count" not in NAMES
    assert "count" in Block().state_dict()


def test_a_parameter_that_two_parts_share_gets_the_sum_of_both_gradients():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert [name for name, _ in model.named_parameters()] == ["layers.0.weight", "layers.0.bias"]
    for p in model.parameters():
        p.data = np.random.default_rng(0).normal(size=p.shape)
    gradcheck(model, np.random.default_rng(1).normal(size=(3, 2)), parameters=model.parameters())


def test_train_and_eval_reach_every_part_and_return_the_module():
    block = Block()
    assert all(module.training for module in block.modules())
    assert block.eval() is block
    assert not any(module.training for module in block.modules())
    assert block.train() is block
    assert all(module.training for module in block.modules())


def test_zero_grad_forgets_all_gradients():
    block = Block().eval()
    block(Tensor(np.ones((2, 3), np.float32))).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


def test_call_passes_options_and_a_module_without_forward_says_so():
    block = Block().eval()
    x = Tensor(np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(block(x, flip=True).data, -block(x).data)
    with pytest.raises(NotImplementedError, match=r"Module does not define forward\(\)"):
        Module()(1)


def test_sequential_takes_modules_and_functions():
    model = nn.Sequential(nn.Linear(2, 3), ops.relu, lambda x: x * 2.0)
    x = Tensor(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(model(x).data, 2 * np.maximum(model.layers[0](x).data, 0))
    assert len(model.parameters()) == 2


# --- state_dict ------------------------------------------------------------------------------------------------------


def test_a_state_travels_to_another_module_and_is_a_copy():
    manual_seed(0)
    block, other = Block(), Block()
    state = block.state_dict()
    assert all(type(values) is np.ndarray for values in state.values())
    other.load_state_dict(state)
    x = Tensor(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(block.eval()(x).data, other.eval()(x).data)
    for values in state.values():
        values += 1.0
    np.testing.assert_array_equal(block(x).data, other(x).data)
    before = other.state_dict()
    for p in other.parameters():
        p.data += 1.0
    assert all(not np.shares_memory(before[name], p.data) for name, p in other.named_parameters())


def test_loading_keeps_dtype_identity_and_sharing():
    block = Block()
    parameters = block.parameters()
    block.load_state_dict({name: values.astype(np.float64) for name, values in block.state_dict().items()})
    assert block.parameters() == parameters  # the same objects, which an optimiser may hold
    assert all(p.dtype == np.float32 for p in parameters)
    assert block.again is block.first


def test_a_wrong_state_lists_everything_that_is_wrong_and_changes_nothing():
    block = Block()
    before = block.state_dict()
    state = {name: values + 1.0 for name, values in before.items()}
    del state["scale"], state["count"]
    state["first.weight"] = np.zeros((4, 3), np.float32)
    state["rest.9.weight"] = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="these weights do not belong to this Block") as error:
        block.load_state_dict(state)
    for line in (
        "missing: scale (3,)",
        "missing: count (1,)",
        "unknown: rest.9.weight (2,)",
        "shape: first.weight is (3, 4) here, (4, 3) there",
    ):
        assert line in str(error.value)
    assert len(str(error.value).splitlines()) == 5
    for name, values in block.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


# --- layers ----------------------------------------------------------------------------------------------------------


def test_linear_computes_x_w_plus_b():
    layer = nn.Linear(3, 2)
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    layer.bias.data += [1, 2]
    np.testing.assert_allclose(layer(Tensor(x)).data, x @ layer.weight.data + [1, 2], rtol=1e-5, atol=1e-6)
    assert nn.Linear(3, 2, bias=False).bias is None
    assert len(nn.Linear(3, 2, bias=False).parameters()) == 1


@pytest.mark.parametrize("shapes", [((), (3, 2)), ((3,), (3,)), ((2,), (3, 2)), ((4, 2), (3, 2))])
def test_linear_refuses_what_does_not_fit(shapes):
    x, W = map(np.zeros, shapes)
    with pytest.raises(ValueError, match=r"^linear: expected x \(\.\.\., D\) and W \(D, M\)"):
        ops.linear(x, W)


@pytest.mark.parametrize(
    "sizes", [(0, 1), (1, 0), (-1, 1), (1.5, 1), ("3", 1), (None, 1), (True, 2), (np.True_, 2), (2, np.float64(3))]
)
def test_layers_refuse_sizes_that_are_no_whole_numbers(sizes):
    with pytest.raises(ValueError, match=r"Linear: (inputs|outputs) must be a whole number >= 1"):
        nn.Linear(*sizes)


@pytest.mark.parametrize("p", [-0.1, 1.0, 2, math.nan, "0.5", None, [0.5]])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="Dropout: p is a probability"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match="LSTM: recurrent_dropout is a probability"):
        nn.LSTM(2, 3, recurrent_dropout=p)


def test_the_scale_of_dropout_belongs_to_the_probability_that_is_drawn():
    """It is a multiple of 1/65536: 0.1 becomes 6554/65536, and the scale must be that one's, or the mean is off."""
    y = ops.dropout(np.ones(10_000), 0.1, np.random.default_rng(0)).data
    assert set(np.unique(y)) == {0.0, 65536 / (65536 - 6554)}


def test_dropout_drops_while_training_and_nothing_in_evaluation():
    layer = nn.Dropout(0.5, np.random.default_rng(0))
    x = Tensor(np.ones((100, 100), np.float32))
    with no_grad():
        assert 0.45 < (layer(x).data == 0).mean() < 0.55  # no_grad is not evaluation
    assert layer.eval()(x) is x
    assert (layer.train()(x).data == 0).any()


def test_activation_layers_are_their_operations():
    x = Tensor(np.array([-1.0, 0.5]))
    names = ("relu", "tanh", "sigmoid", "gelu", "leaky_relu", "elu", "silu", "softplus")
    layers = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Softplus)
    for layer, name in zip(layers, names, strict=True):
        np.testing.assert_array_equal(layer()(x).data, getattr(ops, name)(x).data)
        assert layer().parameters() == []
    np.testing.assert_array_equal(nn.GELU("tanh")(x).data, ops.gelu(x, "tanh").data)
    np.testing.assert_array_equal(nn.LeakyReLU(0.3)(x).data, ops.leaky_relu(x, 0.3).data)
    np.testing.assert_array_equal(nn.ELU(0.3)(x).data, ops.elu(x, 0.3).data)


# --- randomness ------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_network_and_the_same_dropout():
    def run():
        manual_seed(5)
        block = Block()
        return [*block.state_dict().values(), block(Tensor(np.ones((9, 3), np.float32))).data]

    for a, b in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(a, b)
    manual_seed(6)
    assert not np.array_equal(nn.Linear(3, 4).weight.data, run()[1])


def test_a_generator_of_ones_own_leaves_the_common_one_alone():
    manual_seed(1)
    expected = nn.Linear(3, 3).weight.data
    manual_seed(1)
    own = nn.Linear(3, 3, rng=np.random.default_rng(9)).weight.data
    nn.Dropout(0.5, np.random.default_rng(0))(Tensor(np.ones(4)))
    np.testing.assert_array_equal(nn.Linear(3, 3).weight.data, expected)
    np.testing.assert_array_equal(own, nn.Linear(3, 3, rng=np.random.default_rng(9)).weight.data)


def test_a_copied_dropout_goes_on_from_the_same_place():
    layer = nn.Dropout(0.5, np.random.default_rng(0))
    x = Tensor(np.ones(1000, np.float32))
    layer(x)
    other = copy.deepcopy(layer)
    np.testing.assert_array_equal(layer(x).data, other(x).data)


# --- initialisers ----------------------------------------------------------------------------------------------------

SHAPES = [(300, 500), (3, 3, 40, 80)]


def moments(values):
    return float(values.mean()), float(values.var())


@pytest.mark.parametrize("shape", SHAPES)
def test_glorot_is_uniform_within_its_bounds(shape):
    values = init.glorot_uniform(shape, np.random.default_rng(0))
    window = math.prod(shape[:-2])
    bound = math.sqrt(6 / (window * (shape[-2] + shape[-1])))
    assert values.dtype == np.float32
    assert 0.999 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
    mean, variance = moments(values)
    assert abs(mean) < 5 * bound / math.sqrt(3 * values.size)
    assert variance == pytest.approx(bound**2 / 3, rel=0.03)
    counts = np.histogram(values, 10, (-bound, bound))[0] / values.size
    np.testing.assert_allclose(counts, 0.1, atol=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_he_is_normal_with_variance_two_over_fan_in(shape):
    values = init.he_normal(shape, np.random.default_rng(0))
    fan_in = math.prod(shape[:-1])
    mean, variance = moments(values)
    assert values.dtype == np.float32
    assert abs(mean) < 5 * math.sqrt(2 / fan_in / values.size)
    assert variance == pytest.approx(2 / fan_in, rel=0.03)
    kurtosis = ((values - mean) ** 4).mean() / variance**2
    assert kurtosis == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 8), (1, 4), (1, 1)])
def test_orthogonal_matrices_have_orthonormal_rows_or_columns(shape):
    Q = init.orthogonal(shape, np.random.default_rng(0))
    assert Q.dtype == np.float32
    assert Q.shape == shape
    assert Q.flags.c_contiguous
    product = Q @ Q.T if shape[0] <= shape[1] else Q.T @ Q
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-6)


def test_orthogonal_matrices_are_uniform_not_biased_by_the_signs_of_the_decomposition():
    rng = np.random.default_rng(0)
    corners = np.array([init.orthogonal((3, 3), rng) for _ in range(2000)])
    np.testing.assert_allclose(corners.mean(axis=0), 0, atol=0.08)
    np.testing.assert_allclose((corners**2).mean(axis=0), 1 / 3, atol=0.04)


def test_the_truncated_normal_has_no_tails():
    values = init.truncated_normal((400, 400), std=0.1, rng=np.random.default_rng(0))
    assert values.dtype == np.float32
    assert 0.199 < np.abs(values).max() <= 0.2 + 1e-6
    mean, variance = moments(values)
    assert abs(mean) < 1e-3
    # Of a standard normal cut at +-2: 1 - 4 phi(2) / (2 Phi(2) - 1).
    assert variance == pytest.approx(0.01 * 0.7737, rel=0.02)


def test_zeros_and_fans():
    assert init.zeros((2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert init.zeros((2,)).dtype == np.float32
    assert init.fans((10, 20)) == (10, 20)
    assert init.fans((3, 3, 16, 32)) == (144, 288)
    with pytest.raises(ValueError, match=r"at least two axes.*\(5,\)"):
        init.glorot_uniform((5,))


def test_initialisers_draw_the_same_for_a_seed():
    for make in (
        init.glorot_uniform,
        init.he_normal,
        init.orthogonal,
        lambda s, rng: init.truncated_normal(s, rng=rng),
    ):
        a, b, c = (make((4, 3), np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_parameters_in_lists_and_modules_in_dicts_are_found():
    class Network(nn.Module):
        def __init__(self):
            self.scales = [nn.Parameter([1.0]), nn.Parameter([2.0])]
            self.heads = {"left": nn.Linear(2, 1), "right": nn.Linear(2, 1)}

    names = [name for name, _ in Network().named_parameters()]
    assert names[:2] == ["scales.0", "scales.1"]
    assert names[2:] == ["heads.left.weight", "heads.left.bias", "heads.right.weight", "heads.right.bias"]


def test_a_network_prints_its_parts():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Residual(nn.Sequential(nn.Linear(3, 3, bias=False))))
    assert repr(model).split("\n") == [
        "Sequential()",
        "  layers.0: Linear(weight (4, 3), bias (3,))",
        "  layers.1: ReLU()",
        "  layers.2: Residual()",
        "    body: Sequential()",
        "      layers.0: Linear(weight (3, 3))",
    ]


# --- parts that are nested, printed, named and assigned --------------------------------------------------------------


class Nested(Module):
    """Modules and tensors in containers inside containers."""

    def __init__(self):
        self.blocks = [[nn.Linear(2, 3), nn.Linear(3, 2)], ({"left": nn.Linear(2, 2, bias=False)},)]
        self.scales = {"deep": [(Parameter([1.0]),)]}
        self.own = Parameter([1.0, 1.0])

    def forward(self, x):
        (first, second), ((last),) = self.blocks[0], self.blocks[1]
        return last["left"](second(first(x * self.own))) * self.scales["deep"][0][0]


NESTED_NAMES = [
    *("scales.deep.0.0", "own", "blocks.0.0.weight", "blocks.0.0.bias", "blocks.0.1.weight", "blocks.0.1.bias"),
    "blocks.1.0.left.weight",
]


def test_what_is_nested_is_found_trained_saved_and_printed():
    manual_seed(0)
    model, other = Nested(), Nested()
    assert [name for name, _ in model.named_parameters()] == NESTED_NAMES
    assert list(model.state_dict()) == NESTED_NAMES
    before = model.state_dict()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    (model(Tensor(np.ones((4, 2), np.float32))) ** 2).sum().backward()
    optimizer.step()
    for name, values in model.state_dict().items():
        assert not np.array_equal(values, before[name]), f"{name} did not move"
    other.load_state_dict(model.state_dict())
    x = Tensor(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(other(x).data, model(x).data)
    model.eval()
    assert not any(module.training for _, module in model.named_modules())
    assert repr(model).split("\n") == [
        "Nested(scales.deep.0.0 (1,), own (2,))",
        "  blocks.0.0: Linear(weight (2, 3), bias (3,))",
        "  blocks.0.1: Linear(weight (3, 2), bias (2,))",
        "  blocks.1.0.left: Linear(weight (2, 2))",
    ]


def test_named_modules_come_depth_first_each_with_the_way_to_it():
    model = nn.Sequential(nn.Residual(nn.Sequential(nn.Tanh())), nn.Linear(1, 1))
    assert [(name, type(module).__name__) for name, module in model.named_modules()] == [
        *(("", "Sequential"), ("layers.0", "Residual"), ("layers.0.body", "Sequential")),
        *(("layers.0.body.layers.0", "Tanh"), ("layers.1", "Linear")),
    ]
    assert list(model.modules()) == [module for _, module in model.named_modules()]
    assert [name for name, _ in Block().named_modules() if name in ("first", "again")] == ["first", "again"]


def test_functions_and_settings_are_printed():
    class Own(Module):
        def __init__(self):
            self.size, self.sides, self.mode, self.sure = 3, ((1, 2), (0, 0)), "same", True
            self.eps, self._secret, self.nothing = 0.5, 1, None
            self.values, self.table, self.kind = np.ones(3), {"a": 1}, nn.Linear
            self.vocabulary = "abcdefghij" * 1000

    text = repr(Own())
    assert text.startswith("Own(size=3, sides=((1, 2), (0, 0)), mode='same', sure=True, eps=0.5, vocabulary='abcde")
    assert len(text) < 200
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding="valid"), ops.relu, nn.MaxPool2d(2), nn.MaxPool2d((2, 1), padding=1),
        nn.Dropout(0.3), functools.partial(ops.leaky_relu, slope=0.2), nn.Residual(nn.Tanh(), lambda x: x), np.tanh,
    )  # fmt: skip
    assert repr(model.eval()).split("\n") == [
        "Sequential()",
        "  layers.0: Conv2d(weight (3, 3, 3, 8), bias (8,), stride=2, padding='valid', dilation=1, groups=1)",
        "  layers.1: relu",
        "  layers.2: MaxPool2d(size=2, padding='valid', dilation=1, ceil_mode=False)",
        "  layers.3: MaxPool2d(size=(2, 1), padding=1, dilation=1, ceil_mode=False)",
        "  layers.4: Dropout(p=0.3)",
        "  layers.5: leaky_relu",
        "  layers.6: Residual()",
        "    body: Tanh()",
        "    shortcut: <lambda>",
        "  layers.7: tanh",
    ]


@pytest.mark.parametrize("use", [Module.state_dict, Module.parameters, lambda m: m.load_state_dict({}), Module.astype])
def test_two_tensors_of_one_name_are_an_error_that_names_both(use):
    model = Module()
    model.heads = {1: nn.Linear(1, 1), "1": nn.Linear(1, 1)}
    with pytest.raises(ValueError, match=r"Module: two tensors have the name 'heads\.1\.weight'") as error:
        use(model) if use is not Module.astype else use(model, np.float64)
    assert "('heads', 1, 'weight') and ('heads', '1', 'weight')" in str(error.value)
    model = Module()
    model.scales = {"a.b": Parameter([1.0]), "a": {"b": Parameter([2.0])}}
    with pytest.raises(ValueError, match=r"\('scales', 'a\.b'\) and \('scales', 'a', 'b'\)"):
        model.state_dict()


def test_one_tensor_under_one_name_twice_is_no_collision():
    model = Module()
    model.heads = dict.fromkeys((1, "1"), nn.Linear(1, 1))
    model.other = {2: nn.Dropout(0.1), "2": nn.Tanh()}  # nothing to save
    assert list(model.state_dict()) == ["heads.1.weight", "heads.1.bias"]


class Child(Module):
    def __init__(self, parent):
        self.parent, self.weight = parent, Parameter([1.0, 2.0])


class Parent(Module):
    def __init__(self):
        self.child, self.me, self.bias = Child(self), {"self": [self]}, Parameter([0.0])
        self.parts_list = [Child(self)]
        self.parts_list.append(self.parts_list)


def test_a_part_that_is_its_own_ancestor_is_not_gone_into_again():
    model = Parent()
    names = ["bias", "child.weight", "parts_list.0.weight"]
    assert list(model.state_dict()) == names
    assert [name for name, _ in model.named_modules()] == ["", "child", "parts_list.0"]
    assert list(model.child.state_dict()) == ["weight", "parent.bias", "parent.parts_list.0.weight"]
    model.load_state_dict({name: values + 1 for name, values in model.state_dict().items()})
    assert model.bias.data.tolist() == [1.0]
    model.eval().to("cpu").astype(np.float64).zero_grad()
    assert not model.child.training
    assert repr(model).split("\n") == [
        "Parent(bias (1,))",
        "  child: Child(weight (2,))",
        "    parent: ...",
        "  me.self.0: ...",
        "  parts_list.0: Child(weight (2,))",
        "    parent: ...",
    ]
    assert list(copy.deepcopy(model).state_dict()) == names


def test_a_parameter_is_not_taken_out_of_training_by_an_assignment():
    layer, x = nn.Linear(2, 2), Tensor(np.ones((1, 2), np.float32))
    weight, before = layer.weight, layer.weight.data.copy()
    with pytest.raises(TypeError, match=r"Linear\.weight = the result of 'add'.* write into Linear\.weight\.data"):
        layer.weight += 1
    with no_grad(), pytest.raises(TypeError, match=r"Linear\.weight is a Parameter.* not be trained.* got Tensor"):
        layer.weight *= 2.0
    for wrong in (Tensor(np.ones((2, 2))), np.ones((2, 2)), 0.0, nn.Linear(1, 1)):
        with pytest.raises(TypeError, match=r"Linear\.weight is a Parameter"):
            layer.weight = wrong
    assert layer.weight is weight
    np.testing.assert_array_equal(weight.data, before)
    layer.weight.data += 1  # what the message says
    layer.weight = new = Parameter(np.ones((2, 2), np.float32))
    layer.bias = None
    assert layer.parameters() == [new]
    layer.bias = Parameter(np.zeros(2, np.float32))
    assert layer(x).data.tolist() == [[2.0, 2.0]]
    with pytest.raises(TypeError, match=r"Linear\.scaled = the result of 'mul'"):
        layer.scaled = layer.weight * 2.0  # as in `self.weight = nn.Parameter(...) * 0.01`
    with pytest.raises(TypeError, match=r"Linear\.free = a plain Tensor that requires a gradient.*nn\.Parameter"):
        layer.free = Tensor([1.0], requires_grad=True)


def test_buffers_take_plain_tensors_and_nothing_with_a_history():
    layer = nn.BatchNorm(2)
    layer.running_mean = Tensor([3.0, 4.0])
    layer.running_var = (layer.gamma * 2.0).detach()
    assert layer.state_dict()["running_mean"].tolist() == [3.0, 4.0]
    assert layer.state_dict()["running_var"].tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match=r"BatchNorm\.running_mean = the result of 'mul'.*\.detach\(\)"):
        layer.running_mean = layer.gamma * 2.0
    with pytest.raises(TypeError, match=r"BatchNorm\.running_mean is a Tensor.* not be saved any more, got ndarray"):
        layer.running_mean = np.zeros(2)
    layer.running_mean = None
    assert "running_mean" not in layer.state_dict()


def test_whole_numbers_of_numpy_are_sizes_and_become_plain_ints():
    for kind in (np.int64, np.int32, np.uint8):
        assert nn.Linear(kind(3), kind(2)).weight.shape == (3, 2)
        assert nn.Embedding(kind(3), kind(2)).weight.shape == (3, 2)
        layer = nn.LSTM(kind(100), kind(100))  # 4 x 100 is more than a uint8 holds
        assert layer.kernel.shape == (100, 400)
        assert type(layer.units) is int
    assert type(nn.Dropout(np.float32(0.5)).p) is float


def test_sequential_refuses_what_cannot_be_called_and_says_where_it_is():
    wrongs = ((3, "got 3"), (None, "got None"), ([ops.relu], r"Sequential\(\*layers\)"), (nn.ReLU, r"ReLU\("))
    for wrong, hint in wrongs:
        with pytest.raises(TypeError, match=f"Sequential: entry 1 must be a module or a function.*{hint}"):
            nn.Sequential(nn.Linear(1, 1), wrong)


def test_a_network_stays_in_floating_point():
    with pytest.raises(TypeError, match="astype: parameters are floating-point numbers; int64"):
        nn.Linear(1, 1).astype(np.int64)


def test_a_state_of_anything_but_numbers_changes_nothing():
    layer = nn.Linear(1, 1)
    before = layer.state_dict()
    with pytest.raises(ValueError, match="could not convert"):
        layer.load_state_dict({"weight": np.ones((1, 1)), "bias": np.array(["x"])})
    np.testing.assert_array_equal(layer.weight.data, before["weight"])


def test_the_children_of_a_module_are_its_own_parts_alone():
    inner = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    model = nn.Sequential(inner, nn.Linear(3, 1))
    assert [(name, type(child)) for name, child in model.children()] == [
        ("layers.0", nn.Sequential),
        ("layers.1", nn.Linear),
    ]
    assert [name for name, _ in inner.children()] == ["layers.0", "layers.1"]


def test_a_message_about_strange_weights_stays_short_and_prints():
    strange = {f"x{i}\a" + 100_000 * "y": np.zeros(2) for i in range(50)}
    with pytest.raises(ValueError, match="do not belong to this Linear") as caught:
        nn.Linear(2, 3).load_state_dict(strange)
    _first, *lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "  and 42 more"  # of 2 that are missing and 50 that are unknown
    assert max(map(len, lines)) <= 202
    assert "\a" not in str(caught.value)

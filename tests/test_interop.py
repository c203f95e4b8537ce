"""Weights of PyTorch and Keras, both ways; where a port goes wrong."""

import os

import numpy as np
import ports
import pytest
from safetensors.numpy import save_file

from tinygrad_edu import Tensor, interop, nn
from tinygrad_edu.training import CheckpointError

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def numbers(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def fill(module, torch, rng):
    """A module of PyTorch's with random weights, and variances above 0."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                values = rng.uniform(-0.5, 0.5, tuple(tensor.shape)).astype(np.float32)
                tensor.copy_(torch.from_numpy(values + (1 if name.endswith("running_var") else 0)))
    return module


def fill_keras(model, rng):
    shapes = [(v.path, v.shape) for v in model.weights]
    model.set_weights([rng.uniform(-0.5, 0.5, s) + (1 if p.endswith("variance") else 0) for p, s in shapes])
    return model


def in_torch(torch, module, x):
    """What a module computes, as NumPy in our layout."""
    x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x)
    with torch.no_grad():
        y = module.eval()(x)
    y = (y[0] if isinstance(y, tuple) else y).numpy()
    return y.transpose(0, 2, 3, 1) if y.ndim == 4 else y


def assert_close(a, b, tolerance=1e-5):
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance


# --- the networks of models/ ---


@pytest.mark.parametrize("name", ports.PORTS)
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_network_of_models_computes_and_learns_alike(framework, name, request):
    modules = [request.getfixturevalue(framework)]
    if framework == "keras":
        modules.append(pytest.importorskip("tensorflow"))
    logits, gradients, _ = ports.compare(framework, name, 1, modules)
    assert logits <= 1e-5
    assert gradients <= 1e-5


# --- single layers, PyTorch ---

TORCH_LAYERS = {
    "linear": (lambda n: n.Linear(3, 5), lambda: nn.Linear(3, 5), (3,)),
    "linear without bias": (lambda n: n.Linear(4, 4, bias=False), lambda: nn.Linear(4, 4, bias=False), (4,)),
    "conv": (lambda n: n.Conv2d(3, 4, (3, 2)), lambda: nn.Conv2d(3, 4, (3, 2), padding="valid"), (6, 7, 3)),
    "square conv": (lambda n: n.Conv2d(3, 3, 3), lambda: nn.Conv2d(3, 3, 3, padding="valid"), (5, 5, 3)),
    "grouped conv": (
        lambda n: n.Conv2d(4, 6, 3, padding=1, groups=2),
        lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
        (5, 5, 4),
    ),
    "depthwise conv": (
        lambda n: n.Conv2d(3, 6, 3, padding=1, groups=3),
        lambda: nn.Conv2d(3, 6, 3, groups=3),
        (5, 5, 3),
    ),
    "transposed conv": (
        lambda n: n.ConvTranspose2d(3, 4, (3, 2), stride=2),
        lambda: nn.ConvTranspose2d(3, 4, (3, 2), stride=2, padding="valid"),
        (4, 5, 3),
    ),
    "batch norm": (lambda n: n.BatchNorm2d(3, eps=1e-3), lambda: nn.BatchNorm(3), (4, 4, 3)),
    "layer norm": (lambda n: n.LayerNorm(6, eps=1e-3), lambda: nn.LayerNorm(6), (6,)),
    "rms norm": (lambda n: n.RMSNorm(6, eps=1e-6), lambda: nn.RMSNorm(6), (6,)),
    "RNN": (lambda n: n.RNN(2, 3, batch_first=True), lambda: nn.SimpleRNN(2, 3, return_sequences=True), (4, 2)),
    "LSTM": (lambda n: n.LSTM(2, 3, batch_first=True), lambda: nn.LSTM(2, 3, return_sequences=True), (4, 2)),
    "GRU": (lambda n: n.GRU(2, 3, batch_first=True), lambda: nn.GRU(2, 3, return_sequences=True), (4, 2)),
    "GRU without bias": (
        lambda n: n.GRU(2, 3, bias=False, batch_first=True),
        lambda: nn.GRU(2, 3, return_sequences=True),
        (4, 2),
    ),
}


@pytest.mark.parametrize("name", TORCH_LAYERS)
def test_a_layer_of_pytorch_both_ways(torch, name, rng):
    build, own, item = TORCH_LAYERS[name]
    theirs, ours = fill(build(torch.nn), torch, rng), own().eval()
    x = numbers(rng, 2, *item)
    interop.from_torch(ours, theirs.state_dict())
    assert_close(ours(Tensor(x)).numpy(), in_torch(torch, theirs, x))
    other = build(torch.nn)
    other.load_state_dict({k: torch.from_numpy(v) for k, v in interop.to_torch(ours, like=other).items()})
    assert_close(in_torch(torch, other, x), in_torch(torch, theirs, x))


def test_without_a_model_of_theirs_the_names_are_ours_with_pytorch_s_endings(torch):
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent, self.output = torch.nn.LSTM(1, 3), torch.nn.Linear(3, 1)

    class Ours(nn.Module):
        def __init__(self):
            self.recurrent, self.output, self.norm = nn.LSTM(1, 3), nn.Linear(3, 1), nn.BatchNorm(1)

    theirs = Theirs()
    theirs.norm = torch.nn.BatchNorm1d(1)
    state = interop.to_torch(Ours())
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})
    assert state["norm.num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_cells(torch, kind, rng):
    theirs = fill(getattr(torch.nn, kind.replace("Simple", "") + "Cell")(2, 3), torch, rng)
    ours = getattr(nn, f"{kind}Cell")(2, 3)
    interop.from_torch(ours, theirs)
    x = numbers(rng, 4, 2)
    zeros = Tensor(np.zeros((4, 3), np.float32))
    output, _ = ours(Tensor(x), (zeros, zeros) if kind == "LSTM" else zeros)
    assert_close(output.numpy(), in_torch(torch, theirs, x))
    assert list(interop.to_torch(ours)) == list(theirs.state_dict())


def test_the_two_biases_of_pytorch_are_one_here_and_one_and_zeros_there(torch, rng):
    theirs, ours = fill(torch.nn.LSTM(2, 3), torch, rng), nn.LSTM(2, 3)
    interop.from_torch(ours, theirs)
    np.testing.assert_array_equal(ours.bias.data, (theirs.bias_ih_l0 + theirs.bias_hh_l0).detach().numpy())
    state = interop.to_torch(ours)
    np.testing.assert_array_equal(state["bias_ih_l0"], ours.bias.data)
    assert not state["bias_hh_l0"].any()


def test_a_recurrent_layer_of_two_depths_is_two_of_ours(torch, rng):
    theirs = fill(torch.nn.GRU(2, 3, num_layers=2, batch_first=True), torch, rng)
    ours = nn.Sequential(nn.GRU(2, 3, return_sequences=True), nn.GRU(3, 3, return_sequences=True))
    interop.from_torch(ours, theirs)
    x = numbers(rng, 2, 5, 2)
    assert_close(ours(Tensor(x)).numpy(), in_torch(torch, theirs, x))
    found = interop.first_difference(ours, theirs, x)
    assert (found.layer, found.gradient) == (None, None)
    assert found.gradients == 10  # of eight parameters there, of what goes in and of what comes out
    for name, values in interop.to_torch(ours, like=theirs).items():
        np.testing.assert_array_equal(values, theirs.state_dict()[name].numpy())


def test_a_linear_behind_a_flatten_sees_the_channels_first_in_pytorch(torch, rng):
    n = torch.nn
    theirs = fill(n.Sequential(n.Conv2d(2, 3, 3, padding=1), n.Flatten(), n.Linear(60, 7)), torch, rng)
    ours = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(60, 7))
    x, flattened = numbers(rng, 2, 4, 5, 2), {"layers.2": (4, 5, 3)}
    interop.from_torch(ours, theirs, flattened=flattened)
    assert_close(ours(Tensor(x)).numpy(), in_torch(torch, theirs, x))
    for name, values in interop.to_torch(ours, like=theirs, flattened=flattened).items():
        np.testing.assert_array_equal(values, theirs.state_dict()[name].numpy())
    found = interop.first_difference(ours, theirs, x, flattened=flattened)
    assert (found.layer, found.gradient) == (None, None)

    interop.from_torch(ours, theirs)
    found = interop.first_difference(ours, theirs, x).layer
    assert (found.what, found.ours, found.theirs) == ("output", "layers.2 (Linear)", "2 (Linear)")
    assert "flattened" in found.hint
    with pytest.raises(ValueError, match=r"flattened gives \(H, W, C\) for a Linear, got 'layers.2': \(4, 5, 4\)"):
        interop.from_torch(ours, theirs, flattened={"layers.2": (4, 5, 4)})


def test_running_var_after_a_training_step_differs_by_bessel_s_factor_and_nothing_else_does(torch, rng):
    theirs, ours = fill(torch.nn.BatchNorm1d(3, eps=1e-3, momentum=0.1), torch, rng), nn.BatchNorm(3, momentum=0.9)
    interop.from_torch(ours, theirs)
    x = numbers(rng, 6, 3)
    before = ours.running_var.numpy().copy()
    assert_close(ours(Tensor(x)).numpy(), theirs.train()(torch.from_numpy(x)).detach().numpy())
    assert_close(ours.running_mean.numpy(), theirs.running_mean.numpy())
    moved = ours.running_var.numpy() - 0.9 * before
    assert_close(0.9 * before + moved * 6 / 5, theirs.running_var.numpy())
    assert np.abs(ours.running_var.numpy() - theirs.running_var.numpy()).max() > 1e-3


# --- single layers, Keras ---

KERAS_LAYERS = {
    "dense": (lambda k: k.Dense(5), lambda: nn.Linear(3, 5), (3,)),
    "conv": (lambda k: k.Conv2D(4, (3, 2)), lambda: nn.Conv2d(3, 4, (3, 2), padding="valid"), (6, 7, 3)),
    "grouped conv": (
        lambda k: k.Conv2D(6, 3, padding="same", groups=2),
        lambda: nn.Conv2d(4, 6, 3, groups=2),
        (5, 5, 4),
    ),
    "depthwise conv": (
        lambda k: k.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
        lambda: nn.Conv2d(3, 6, 3, groups=3),
        (5, 5, 3),
    ),
    "transposed conv": (
        lambda k: k.Conv2DTranspose(4, 3, strides=2, padding="same"),
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2),
        (4, 5, 3),
    ),
    "batch norm": (lambda k: k.BatchNormalization(), lambda: nn.BatchNorm(3), (4, 4, 3)),
    "batch norm without gamma": (lambda k: k.BatchNormalization(scale=False), lambda: nn.BatchNorm(3), (4, 4, 3)),
    "layer norm": (lambda k: k.LayerNormalization(), lambda: nn.LayerNorm(6), (6,)),
    "rms norm": (lambda k: k.RMSNormalization(epsilon=1e-6), lambda: nn.RMSNorm(6), (6,)),
    "SimpleRNN": (
        lambda k: k.SimpleRNN(3, return_sequences=True),
        lambda: nn.SimpleRNN(2, 3, return_sequences=True),
        (4, 2),
    ),
    "LSTM": (lambda k: k.LSTM(3), lambda: nn.LSTM(2, 3), (4, 2)),
    "LSTM without bias": (lambda k: k.LSTM(3, use_bias=False), lambda: nn.LSTM(2, 3), (4, 2)),
    "GRU": (lambda k: k.GRU(3), lambda: nn.GRU(2, 3), (4, 2)),
}


@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_a_layer_of_keras_both_ways(keras, name, rng):
    build, own, item = KERAS_LAYERS[name]

    def new():
        return keras.Sequential([keras.Input(item), build(keras.layers)])

    theirs, ours = fill_keras(new(), rng), own().eval()
    x = numbers(rng, 2, *item)
    interop.from_keras(ours, {variable.path: variable.numpy() for variable in theirs.weights})
    assert_close(ours(Tensor(x)).numpy(), np.asarray(theirs(x)))
    other = new()
    other.set_weights(list(interop.to_keras(ours, like=other).values()))
    assert_close(np.asarray(other(x)), np.asarray(theirs(x)))


@pytest.mark.parametrize("form", [lambda m: m, lambda m: m.weights, lambda m: m.get_weights()])
def test_every_form_in_which_keras_hands_out_weights(keras, form, rng):
    k = keras.layers
    theirs = keras.Sequential([keras.Input((4, 2)), k.GRU(3), k.BatchNormalization(), k.Dropout(0.5), k.Dense(2)])
    fill_keras(theirs, rng)
    ours = nn.Sequential(nn.GRU(2, 3), nn.BatchNorm(3), nn.Dropout(0.5), nn.Linear(3, 2)).eval()
    interop.from_keras(ours, form(theirs))
    x = numbers(rng, 2, 4, 2)
    assert_close(ours(Tensor(x)).numpy(), np.asarray(theirs(x)))
    paths = list(interop.to_keras(ours))
    assert paths[:4] == [*(f"layers.0/{name}" for name in ("kernel", "recurrent_kernel", "bias")), "layers.1/gamma"]
    for given, expected in zip(interop.to_keras(ours).values(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(given, expected)


# --- which layer is which ---


def two_layers():
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))


def state_of(*names, rng, size=3):
    """A state dict of Linear layers as PyTorch keeps it, under any names."""
    return {
        f"{n}.{part}": numbers(rng, *shape)
        for n in names
        for part, shape in (("weight", (size, size)), ("bias", (size,)))
    }


def test_names_decide_before_the_order_does(rng):
    model, state = two_layers(), state_of("layers.2", "layers.0", rng=rng)
    interop.from_torch(model, state)
    np.testing.assert_array_equal(model.layers[2].weight.data, state["layers.2.weight"].T)
    state = state_of("b", "a", rng=rng)
    interop.from_torch(model, state)
    np.testing.assert_array_equal(model.layers[0].weight.data, state["b.weight"].T)
    interop.from_torch(model, state, names={"layers.0": "a"})
    np.testing.assert_array_equal(model.layers[0].weight.data, state["a.weight"].T)
    np.testing.assert_array_equal(model.layers[2].weight.data, state["b.weight"].T)


def test_a_file_keeps_the_order_only_where_names_are_numbered(tmp_path, rng):
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(11)))
    state = state_of(*map(str, range(11)), rng=rng)
    save_file(state, tmp_path / "theirs.safetensors")
    interop.from_torch(model, tmp_path / "theirs.safetensors")
    for i, layer in enumerate(model.layers):
        np.testing.assert_array_equal(layer.weight.data, state[f"{i}.weight"].T)

    model = two_layers()
    save_file(state_of("second", "first", rng=rng), tmp_path / "theirs.safetensors")
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"sorted by name.*first: .*second: .*names={'layers.0'"):
        interop.from_torch(model, str(tmp_path / "theirs.safetensors"))
    for name, values in before.items():
        np.testing.assert_array_equal(model.state_dict()[name], values)
    interop.from_torch(model, tmp_path / "theirs.safetensors", names={"layers.0": "first", "layers.2": "second"})
    with pytest.raises(CheckpointError, match="there is no file"):
        interop.from_torch(model, tmp_path / "nothing.safetensors")


def test_a_file_of_keras_tells_the_order_by_the_kinds_of_layers_and_their_numbers(keras, tmp_path, rng):
    k = keras.layers
    layers = [*(part for _ in range(3) for part in (k.Conv2D(3, 3, use_bias=False), k.BatchNormalization()))]
    dense = [k.Flatten(), *(k.Dense(3) for _ in range(12))]
    theirs = fill_keras(keras.Sequential([keras.Input((7, 7, 3)), *layers, *dense]), rng)
    path = tmp_path / "theirs.safetensors"
    save_file({variable.path: variable.numpy() for variable in theirs.weights}, path)
    conv = (part for _ in range(3) for part in (nn.Conv2d(3, 3, 3, padding="valid", bias=False), nn.BatchNorm(3)))
    ours = nn.Sequential(*conv, nn.Flatten(), *(nn.Linear(3, 3) for _ in range(12))).eval()
    interop.from_keras(ours, path)
    for given, expected in zip(interop.to_keras(ours).values(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(given, expected)


def test_numbers_decide_the_order_of_what_does_not_fit_too(tmp_path, rng):
    """The error is about what is missing, and not about an order that was never lost."""
    state = state_of("2", "10", rng=rng)
    del state["10.bias"]
    save_file(state, tmp_path / "theirs.safetensors")
    with pytest.raises(ValueError, match=r"from_torch: layers.2 \(Linear\) here, .* and 10 there do not fit:\n  bias"):
        interop.from_torch(two_layers(), tmp_path / "theirs.safetensors")


def test_what_is_not_used_may_stand_before_its_layer_or_alone(rng):
    model = nn.Sequential(nn.Linear(3, 3))
    state = {"0.num_batches_tracked": np.array(5), "1.num_batches_tracked": np.array(5), **state_of("0", rng=rng)}
    interop.from_torch(model, state)
    np.testing.assert_array_equal(model.layers[0].weight.data, state["0.weight"].T)


def test_two_arrays_of_one_name_are_refused(keras):
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="dense")])
    with pytest.raises(ValueError, match=r"two arrays of theirs are called .*dense/kernel; give the layers names of"):
        interop.from_keras(two_layers(), [*theirs.weights, *theirs.weights])


def test_a_name_that_both_know_is_not_given_to_another_layer(rng):
    class Ours(nn.Module):
        def __init__(self):
            self.inner, self.output = nn.Linear(3, 3), nn.Linear(3, 3)

    with pytest.raises(ValueError, match=r"'output' is the name of a layer here, too, but stands elsewhere"):
        interop.from_torch(Ours(), state_of("output", "hidden", rng=rng))


def test_a_module_that_stands_twice(torch, keras, rng):
    shared, theirs = nn.Linear(3, 3), torch.nn.Linear(3, 3)
    ours, twice = nn.Sequential(shared, nn.ReLU(), shared), torch.nn.Sequential(theirs, torch.nn.ReLU(), theirs)
    interop.from_torch(ours, twice)
    np.testing.assert_array_equal(shared.weight.data, theirs.weight.detach().numpy().T)
    assert list(interop.to_torch(ours, like=twice)) == list(twice.state_dict())
    dense = keras.layers.Dense(3)
    x = keras.Input((3,))
    model = keras.Model(x, dense(keras.layers.ReLU()(dense(x))))
    interop.from_keras(ours, model)
    np.testing.assert_array_equal(shared.weight.data, dense.get_weights()[0])


def test_weights_reach_a_network_on_another_device_and_in_another_dtype(cupy, rng):
    model, state = two_layers().astype(np.float64).to("cuda"), state_of("a", "b", rng=rng)
    interop.from_torch(model, state)
    assert model.layers[0].weight.device == "cuda"
    assert model.layers[0].weight.dtype == np.float64
    given = interop.to_torch(model, like=state)
    assert list(given) == list(state)
    for name, values in given.items():
        assert type(values) is np.ndarray
        np.testing.assert_array_equal(values, state[name])
    x = numbers(rng, 2, 3).astype(np.float64)
    output = model(Tensor(x).to("cuda")).numpy()
    assert interop.first_difference(model, {"layers.2": output}, x).layer is None


# --- what does not fit ---


def refused(model, *arguments, match, error=ValueError, call=interop.from_torch, **options):
    before = model.state_dict()
    with pytest.raises(error, match=match):
        call(model, *arguments, **options)
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def changed(state, **changes):
    return {**state, **changes}


def test_one_error_names_the_layers_the_shapes_and_what_to_do(rng):
    state = state_of("a", "b", rng=rng)
    wide = {
        name.replace("b.", "b."): values for name, values in changed(state, **{"b.weight": numbers(rng, 4, 3)}).items()
    }
    refused(
        two_layers(),
        wide,
        match=r"from_torch: layers.2 \(Linear\) here, with weight \(3, 3\), bias \(3,\), and b there do not fit:\n"
        r"  weight is \(3, 3\) here in PyTorch's layout, \(4, 3\) there\nBuild the layer as theirs is",
    )
    without = {name: values for name, values in state.items() if name != "a.bias"}
    refused(two_layers(), without, match=r"layers.0 .* and a there.*\n  bias \(3,\) is missing there\n.*bias=False")
    bare = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3))
    refused(bare, state, match=r"bias \(3,\) is there and not here\n.*bias=True")
    turned = {"weight": numbers(rng, 2, 5), "bias": numbers(rng, 5)}
    refused(nn.Linear(2, 5), turned, match=r"weight is \(5, 2\) here.*\(2, 5\) there\n.*another order.*Keras's, or")
    refused(nn.Linear(3, 3), state, match=r"1 layers with weights here, 2 there; in order:\n  Linear +a: weight")


def test_what_is_no_weight_is_refused(torch, rng):
    state = state_of("a", "b", rng=rng)
    integers = changed(state, **{"a.weight": np.ones((3, 3), np.int8)})
    refused(two_layers(), integers, match="a.weight is int8; dequantize", error=TypeError)
    bfloat = {name: torch.from_numpy(values).bfloat16() for name, values in state.items()}
    refused(two_layers(), bfloat, match="convert it to float32 first", error=TypeError)
    refused(two_layers(), changed(state, **{"a.bias": "x"}), match="a.bias is <U1 and not numbers", error=TypeError)
    refused(two_layers(), 3, match="a state dict, .*; got int", error=TypeError)
    refused(
        two_layers(),
        np.zeros(3),
        match="Keras' weights as a model, .*; got ndarray",
        error=TypeError,
        call=interop.from_keras,
    )
    refused(two_layers(), state, names=["a", "b"], match="names must be a dict", error=TypeError)
    refused(two_layers(), state, flattened=3, match="flattened must be a dict", error=TypeError)
    refused(two_layers(), state, flattened={"layers.0": 3}, match="flattened gives")
    refused(two_layers(), {3: np.ones(3)}, match="under their names, there is 3", error=TypeError)
    refused(two_layers(), {"a.weight": [[1.0], [1.0, 2.0]]}, match=r"a\.weight is no array for NumPy", error=TypeError)
    with pytest.raises(ValueError, match=r"0 <= tolerance < 1; got nan"):
        interop.first_difference(two_layers(), {}, np.ones((1, 3), np.float32), tolerance=float("nan"))
    with pytest.raises(TypeError, match="a network of ours first"):
        interop.from_torch(state, two_layers())


def test_a_module_that_nothing_of_theirs_corresponds_to_is_named(rng):
    class Strange(nn.Module):
        def __init__(self):
            self.table = nn.Parameter(np.ones((2, 3), np.float32))

    model = nn.Sequential(nn.Linear(3, 3), Strange())
    refused(model, {}, match=r"layers.1 is a Strange with table \(2, 3\).*load_state_dict", error=TypeError)


def test_other_formulas_are_refused(torch, keras, rng):
    refused(nn.LSTM(2, 3), torch.nn.LSTM(2, 3, bidirectional=True), match="bidirectional")
    refused(nn.LSTM(2, 3), torch.nn.LSTM(2, 3, proj_size=2), match="weight_hr")
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.GRU(3, reset_after=False)])
    refused(nn.GRU(2, 3), model, match="reset_after=True", call=interop.from_keras)
    refused(
        nn.GRU(2, 3), [np.ones(3)], match=r"3 arrays here, 1 there, of shapes \(3,\); here", call=interop.from_keras
    )


def test_names_that_are_not_there(rng):
    state = state_of("a", "b", rng=rng)
    refused(
        two_layers(), state, names={"x": "a"}, match=r"no layer 'x' with weights here; there are layers.0, layers.2"
    )
    refused(two_layers(), state, names={"layers.0": "x"}, match=r"'x' is 0 layers of theirs; there are a, b")
    refused(two_layers(), state, names={"layers.0": "a", "layers.2": "a"}, match="'a' is a layer that has been paired")


def test_a_bias_that_theirs_cannot_hold_is_not_dropped(torch):
    ours, theirs = nn.GRU(2, 3), torch.nn.GRU(2, 3, bias=False)
    assert list(interop.to_torch(ours, like=theirs)) == ["weight_ih_l0", "weight_hh_l0"]
    ours.bias.data = ours.bias.data + 1
    with pytest.raises(ValueError, match=r"to_torch: GRU here.*\n  bias_ih \(9,\) is missing there"):
        interop.to_torch(ours, like=theirs)

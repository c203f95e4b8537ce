"""first_difference names the layer, and the gradient, in which a port was got wrong."""

import os

import numpy as np
import pytest

from tinygrad_edu import Tensor, interop, nn, ops
from tinygrad_edu.tensor import record

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
def x():
    return np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)


def network(first_padding="same", eps=1e-3, dense=nn.Linear):
    """Square in its layers, so that a transposed kernel fits."""
    nn.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=first_padding), nn.BatchNorm(4, eps=eps), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.GlobalAvgPool2d()),
        *(dense(4, 4), nn.Tanh(), nn.Linear(4, 4)),
    )


def torch_network(torch, padding=1, eps=1e-3):
    n = torch.nn
    return n.Sequential(
        *(n.Conv2d(3, 4, 3, padding=padding), n.BatchNorm2d(4, eps=eps), n.ReLU(inplace=True), n.MaxPool2d(2)),
        *(n.Conv2d(4, 4, 3, padding=1), n.ReLU(inplace=True), n.AdaptiveAvgPool2d(1), n.Flatten()),
        *(n.Linear(4, 4), n.Tanh(), n.Linear(4, 4)),
    )


def keras_network(keras, padding="same", eps=1e-3):
    k = keras.layers
    return keras.Sequential(
        [
            *(keras.Input((8, 8, 3)), k.Conv2D(4, 3, padding=padding), k.BatchNormalization(epsilon=eps), k.ReLU()),
            *(k.MaxPooling2D(2), k.Conv2D(4, 3, padding="same", activation="relu"), k.GlobalAveragePooling2D()),
            *(k.Dense(4, activation="tanh"), k.Dense(4)),
        ]
    )


def give(framework, ours, theirs):
    """Ours in theirs, however they are built."""
    if framework == "keras":
        theirs.set_weights(list(interop.to_keras(ours, like=theirs).values()))
        return theirs
    import torch  # the test that asked for it has it

    state = interop.to_torch(ours, like=theirs)
    theirs.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})
    return theirs


BUILDERS = {"torch": torch_network, "keras": keras_network}
LABELS = {  # of the layers that the tests plant something in, as theirs are called
    "torch": {0: "0 (Conv2d)", 1: "1 (BatchNorm2d)", 4: "4 (Conv2d)", 7: "8 (Linear)", 9: "10 (Linear)"},
    "keras": {0: "Conv2D", 1: "BatchNormalization", 4: "Conv2D", 7: "Dense", 9: "Dense"},
}
both = pytest.mark.parametrize("framework", ["torch", "keras"])


@pytest.fixture
def built(framework, request):
    """(the framework's name, its builder of the network)."""
    module = request.getfixturevalue(framework)
    return framework, lambda **options: BUILDERS[framework](module, **options)


def named(found, framework, layer, what):
    """Whether a Difference is about our layer of that number and its partner."""
    assert found is not None
    assert found.ours.startswith(f"layers.{layer} (")
    assert found.theirs.endswith(LABELS[framework][layer] if framework == "torch" else f"({LABELS[framework][layer]})")
    assert found.what == what
    return found


@both
@pytest.mark.parametrize("training", [False, True])
def test_equal_networks_agree_and_are_left_as_they_were(built, x, training):
    framework, build = built
    ours = network()
    ours(Tensor(x)).sum().backward()  # moves the running statistics, and leaves gradients
    theirs = give(framework, ours, build())
    state, gradients = ours.state_dict(), [p.grad for p in ours.parameters()]
    as_before = interop.to_torch(ours) if framework == "torch" else theirs.get_weights()
    found = interop.first_difference(ours, theirs, x, training=training)
    assert (found.layer, found.gradient) == (None, None)
    assert found.layers >= 7
    assert found.gradients >= 20
    assert "the forward agrees\nthe backward agrees\n" in str(found)
    for name, values in ours.state_dict().items():
        np.testing.assert_array_equal(values, state[name])
    for p, gradient in zip(ours.parameters(), gradients, strict=True):
        assert p.grad is gradient
    assert all(module.training for module in ours.modules())
    if framework == "keras":
        for values, before in zip(theirs.get_weights(), as_before, strict=True):
            np.testing.assert_array_equal(values, before)
    else:
        assert theirs.training
        assert all(p.grad is None for p in theirs.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in theirs.modules())
        np.testing.assert_array_equal(theirs[1].running_mean.numpy(), ours.layers[1].running_mean.data)


@both
@pytest.mark.parametrize("layer", [7, 9])
def test_a_transposed_kernel(built, x, layer):
    framework, build = built
    ours = network()
    theirs = give(framework, ours, build())
    ours.layers[layer].weight.data = ours.layers[layer].weight.data.T.copy()
    found = named(interop.first_difference(ours, theirs, x).layer, framework, layer, "output")
    assert found.hint == f"the weights differ: {'weight' if framework == 'torch' else 'kernel'}"
    assert found.shapes == ((3, 4), (3, 4))


@both
def test_a_bias_that_is_not_there(built, x):
    framework, build = built
    ours = network()
    ours.layers[4].bias.data = ours.layers[4].bias.data + 0.1
    theirs = give(framework, ours, build())
    ours.layers[4].bias.data = ours.layers[4].bias.data * 0
    named(interop.first_difference(ours, theirs, x).layer, framework, 4, "output")
    ours.layers[4].bias = None
    found = interop.first_difference(ours, theirs, x)
    assert named(found.layer, framework, 4, "output").hint == "the weights differ: bias"


@both
@pytest.mark.parametrize("training", [False, True])
def test_another_eps_of_the_batch_norm(built, x, training):
    framework, build = built
    ours = network(eps=1e-5)
    theirs = give(framework, ours, build(eps=1e-3))
    found = named(interop.first_difference(ours, theirs, x, training=training).layer, framework, 1, "output")
    assert "the weights are equal, so look at the settings" in found.hint
    assert "eps" in str(found)


@both
def test_another_padding(built, x):
    framework, build = built
    ours = network(first_padding=((0, 2), (0, 2)))  # to the right and below alone
    found = interop.first_difference(ours, give(framework, ours, build()), x)
    named(found.layer, framework, 0, "output")
    ours = network(first_padding="valid")
    found = named(interop.first_difference(ours, give(framework, ours, build()), x).layer, framework, 0, "output")
    assert found.shapes == ((3, 6, 6, 4), (3, 8, 8, 4))
    assert "differs in shape, (3, 6, 6, 4) here and (3, 8, 8, 4) there" in str(found)


def wrong_linear(of_weight, of_input):
    """A Linear whose forward is right, and whose backward has its gradients multiplied by these."""

    class WrongLinear(nn.Linear):
        def forward(self, x):
            X, W, b = x.data, self.weight.data, self.bias.data

            def backward(G):
                return of_input * (G @ W.T), of_weight * (X.T @ G), G.sum(axis=0)

            return record(X @ W + b, (x, self.weight, self.bias), backward)

    return WrongLinear


@both
def test_a_wrong_backward_alone(built, x):
    framework, build = built
    weight = "weight" if framework == "torch" else "kernel"
    for wrong, what in (((1.01, 1), f"gradient of {weight}"), ((1, 1.01), "gradient of the input")):
        ours = network(dense=wrong_linear(*map(np.float32, wrong)))
        found = interop.first_difference(ours, give(framework, ours, build()), x)
        assert found.layer is None
        named(found.gradient, framework, 7, what)
        assert "the forward agrees\nfirst difference of the backward: " in str(found)


@both
def test_a_gradient_in_another_order_is_a_wrong_one(built, x):
    class Reversed(nn.Linear):
        def forward(self, x):
            X, W, b = x.data, self.weight.data, self.bias.data
            return record(
                X @ W + b, (x, self.weight, self.bias), lambda G: ((G @ W.T)[:, ::-1], X.T @ G, G.sum(axis=0))
            )

    framework, build = built
    ours = network(dense=Reversed)
    found = interop.first_difference(ours, give(framework, ours, build()), x)
    named(found.gradient, framework, 7, "gradient of the input")


@both
def test_a_wrong_backward_of_a_function_between_two_layers(built, x):
    def doubled(x):
        return record(np.tanh(x.data), (x,), lambda G: (2 * G * (1 - np.tanh(x.data) ** 2),))

    framework, build = built
    ours = network()
    theirs = give(framework, ours, build())
    ours.layers[8] = doubled
    found = interop.first_difference(ours, theirs, x)
    assert found.layer is None
    assert (
        named(found.gradient, framework, 7, "gradient of the output").hint
        == "what stands behind it hands back something else"
    )


@both
def test_a_gradient_that_never_arrives(built, x):
    framework, build = built
    ours = network()
    theirs = give(framework, ours, build())
    ours.layers[4].weight.requires_grad = False
    found = interop.first_difference(ours, theirs, x)
    weight = "weight" if framework == "torch" else "kernel"
    assert "no gradient arrives" in named(found.gradient, framework, 4, f"gradient of {weight}").hint
    ours.layers[4].weight.requires_grad = True
    assert interop.first_difference(ours, theirs, x).gradient is None
    if framework == "torch":  # Keras freezes whole layers
        theirs[4].weight.requires_grad_(False)
        found = interop.first_difference(ours, theirs, x)
        assert "no gradient arrives" in named(found.gradient, framework, 4, f"gradient of {weight}").hint


@pytest.mark.parametrize("frozen", ["kernel", "recurrent_kernel", "bias"])
def test_a_gradient_that_never_arrives_in_a_recurrent_layer(torch, frozen):
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(2, 3, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[1][0][0]

    ours = nn.LSTM(2, 3)
    theirs = give("torch", ours, Theirs())
    getattr(ours, frozen).requires_grad = False
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    found = interop.first_difference(ours, theirs, x)
    assert found.layer is None
    assert "no gradient arrives" in found.gradient.hint
    part = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias_ih"}[frozen]
    assert found.gradient.what == f"gradient of {part}"


def test_networks_that_learn_nothing_are_compared_by_their_outputs(torch):
    ours, theirs = nn.Sequential(nn.Embedding(5, 4)), torch.nn.Sequential(torch.nn.Embedding(5, 4))
    give("torch", ours, theirs)
    ours.layers[0].weight.requires_grad = False
    theirs[0].weight.requires_grad_(False)
    ids = np.array([[0, 4], [2, 2]])
    found = interop.first_difference(ours, theirs, ids)
    assert (found.layer, found.gradient, found.layers, found.gradients) == (None, None, 1, 0)
    ours.layers[0].weight.data[4] += 1
    assert interop.first_difference(ours, theirs, ids).layer.theirs == "0 (Embedding)"


def test_of_a_layer_that_stands_twice_the_first_call_is_compared(torch):
    tanh, theirs_tanh = nn.Tanh(), torch.nn.Tanh()
    ours = nn.Sequential(nn.Linear(3, 3), tanh, nn.Linear(3, 3), tanh)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 3), theirs_tanh, torch.nn.Linear(3, 3), theirs_tanh)
    give("torch", ours, theirs)
    batch = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = interop.first_difference(ours, theirs, batch)
    assert (found.layer, found.gradient) == (None, None)


def test_keras_layers_within_a_layer_and_activations_of_their_own(keras):
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.activation = keras.layers.Dense(3), keras.layers.Activation("tanh")

        def call(self, x):
            return self.activation(self.inner(x))

    theirs = keras.Sequential([keras.Input((3,)), Block(), keras.layers.Dense(2)])
    ours = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    give("keras", ours, theirs)
    batch = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = interop.first_difference(ours, theirs, batch)
    assert (found.layer, found.gradient, found.layers) == (None, None, 3)
    ours.layers[0].weight.data[0, 0] += 1
    assert interop.first_difference(ours, theirs, batch).layer.ours == "layers.0 (Linear)"


def test_keras_on_another_backend_is_refused(keras, monkeypatch):
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(TypeError, match="Keras' gradients are read on TensorFlow; it runs on 'jax' here"):
        interop.first_difference(nn.Sequential(nn.Linear(3, 2)), theirs, np.ones((1, 3), np.float32))


@both
def test_an_activation_that_is_missing_is_seen_by_the_next_layer_s_input(built, x):
    framework, build = built
    ours = network()
    theirs = give(framework, ours, build())
    ours.layers[8] = lambda x: x * 0.5
    assert named(interop.first_difference(ours, theirs, x).layer, framework, 9, "input").hint.startswith(
        "what stands before"
    )


@both
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_swapped_gates(framework, kind, request):
    module = request.getfixturevalue(framework)
    nn.manual_seed(0)
    ours = nn.Sequential(nn.Embedding(5, 4), getattr(nn, kind)(4, 3), nn.Linear(3, 2))
    if framework == "torch":

        class Theirs(module.nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding = module.nn.Embedding(5, 4)
                self.recurrent = getattr(module.nn, kind)(4, 3, batch_first=True)
                self.output = module.nn.Linear(3, 2)

            def forward(self, ids):
                return self.output(self.recurrent(self.embedding(ids))[0][:, -1])

        theirs = Theirs()
    else:
        k = module.layers
        layers = [module.Input((6,), dtype="int64"), k.Embedding(5, 4), getattr(k, kind)(3), k.Dense(2)]
        theirs = module.Sequential(layers)
    give(framework, ours, theirs)
    ids = np.random.default_rng(1).integers(0, 5, (3, 6))
    found = interop.first_difference(ours, theirs, ids)
    assert (found.layer, found.gradient) == (None, None)
    kernel = ours.layers[1].kernel
    kernel.data = np.concatenate([kernel.data[:, 3:6], kernel.data[:, :3], kernel.data[:, 6:]], axis=1)
    found = interop.first_difference(ours, theirs, ids).layer
    first = "weight_ih" if framework == "torch" else "kernel"
    assert (found.what, found.ours, found.hint) == ("output", f"layers.1 ({kind})", f"the weights differ: {first}")
    assert found.theirs.endswith(f"({kind})")


def test_time_first(torch):
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.output = torch.nn.LSTM(2, 3), torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.output(self.lstm(x)[1][0][0])

    ours, theirs = nn.Sequential(nn.LSTM(2, 3), nn.Linear(3, 2)), Theirs()
    interop.from_torch(ours, theirs)
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    found = interop.first_difference(ours, theirs, x, their_batch=x.swapaxes(0, 1))
    assert (found.layer, found.gradient) == (None, None)
    theirs.lstm.weight_hh_l0.data *= 1.1
    found = interop.first_difference(ours, theirs, x, their_batch=x.swapaxes(0, 1)).layer
    assert (found.what, found.ours, found.theirs) == ("output", "layers.0 (LSTM)", "lstm (LSTM)")


def test_double_precision_can_be_held_to_double_precision(torch, x):
    ours = network()
    theirs = give("torch", ours, torch_network(torch)).double()
    ours.astype(np.float64)
    found = interop.first_difference(ours, theirs, x.astype(np.float64), tolerance=1e-12)
    assert (found.layer, found.gradient) == (None, None)
    ours.layers[9].weight.data *= 1 + 1e-10
    assert (
        interop.first_difference(ours, theirs, x.astype(np.float64), tolerance=1e-12).layer.ours == "layers.9 (Linear)"
    )


def test_dropout_is_off_and_put_back(keras, torch):
    k = keras.layers
    ours = nn.Sequential(nn.LSTM(2, 3, dropout=0.5, recurrent_dropout=0.5), nn.Dropout(0.9), nn.Linear(3, 2))
    lstm, drop = k.LSTM(3, dropout=0.5, recurrent_dropout=0.5), k.Dropout(0.9)
    model = give("keras", ours, keras.Sequential([keras.Input((4, 2)), lstm, drop, k.Dense(2)]))
    x = np.random.default_rng(0).normal(size=(2, 4, 2)).astype(np.float32)
    found = interop.first_difference(ours, model, x, training=True)
    assert (found.layer, found.gradient) == (None, None)
    assert (drop.rate, lstm.cell.dropout, lstm.cell.recurrent_dropout) == (0.9, 0.5, 0.5)


def test_outputs_from_anywhere(x):
    ours = network().eval()
    outputs, y = {}, Tensor(x)
    for i, layer in enumerate(ours.layers):
        y = layer(y)
        outputs[f"block{i}"] = y.numpy().copy()
    names = {f"layers.{i}": f"block{i}" for i in range(len(ours.layers))}
    found = interop.first_difference(ours, outputs, x, names=names)
    assert (found.layer, found.layers) == (None, 10)
    outputs["block4"][0, 0, 0, 0] += 1
    outputs["block8"] += 1
    del outputs["block2"]
    found = interop.first_difference(ours, outputs, x, names=names)
    assert (found.layer.ours, found.layer.theirs) == ("layers.4 (Conv2d)", "block4 (an array)")
    assert found.layer.largest == pytest.approx(1, rel=1e-3)
    assert found.alone == ["layers.2 (ReLU) here"]
    with pytest.raises(
        ValueError, match=r"'block0' is no layer here; say by names=.* which one it is of layers.0, layers.1"
    ):
        interop.first_difference(ours, outputs, x)


def test_nan_on_one_side_is_a_difference(torch, x):
    ours = network()
    theirs = give("torch", ours, torch_network(torch))
    ours.layers[4].weight.data[0, 0, 0, 0] = np.nan
    assert interop.first_difference(ours, theirs, x).layer.ours == "layers.4 (Conv2d)"
    interop.from_torch(ours, interop.to_torch(ours))
    with torch.no_grad():
        theirs[4].weight[0, 0, 0, 0] = torch.nan
    assert interop.first_difference(ours, theirs, x).layer is None


def test_something_else_entirely(x):
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, a Keras model or a dict of outputs, got 3"):
        interop.first_difference(network(), 3, x)
    with pytest.raises(TypeError, match="expected a network of ours first"):
        interop.first_difference(ops.relu, {}, x)

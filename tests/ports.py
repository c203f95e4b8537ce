"""The networks of `models/`, and the same ones as a user of PyTorch or Keras would build them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.airline_lstm import AirlineNetwork
from models.mini_alexnet import VARIANTS
from models.shakespeare_lstm import CharacterLSTM
from models.sine_rnn import SineNetwork
from models.softmax_regression import SoftmaxRegression
from tinygrad_edu import Tensor, interop, nn, ops

CHARACTERS = 65


@dataclass(frozen=True)
class Port:
    """One network of ours, a batch for it, and its builders in the two frameworks.

    Attributes
    ----------
    items : shape of one item, numbers or, with `ids`, whole numbers below 65
    in_torch, in_keras : function of the framework's module that builds the network
    ids, size : what a batch holds, and how many items
    """

    ours: Callable[[], Any]
    items: tuple[int, ...]
    in_torch: Callable[[Any], Any]
    in_keras: Callable[[Any], Any]
    ids: bool = False
    size: int = 4

    def batch(self, rng):
        """Inputs as ours take them, and dL/d(output) of a loss."""
        if self.ids:
            return rng.integers(0, CHARACTERS, (self.size, *self.items))
        return rng.normal(size=(self.size, *self.items)).astype(np.float32)


def shaken(model, rng):
    """A network of ours, its zeros and ones moved, so that they hide no mistake; variances stay above 0."""
    for name, tensor in model.named_tensors():
        if len(np.unique(tensor.data)) <= 2:  # an LSTM's bias begins with zeros and ones
            noise = rng.uniform(-0.1, 0.1, tensor.shape).astype(np.float32)
            tensor.data = tensor.data + (np.abs(noise) if name.endswith("running_var") else noise)
    return model


# --- PyTorch ---


def torch_classes(torch):
    """Modules that stand for what is not a layer of PyTorch's."""

    class Last(torch.nn.Module):
        """A recurrent layer's last output, and the dense layer's result of it; ids go through an embedding first."""

        def __init__(self, recurrent, outputs, embedding=None):
            super().__init__()
            if embedding is not None:
                self.embedding = embedding
            self.recurrent = recurrent
            self.output = torch.nn.Linear(recurrent.hidden_size, outputs)

        def forward(self, x):
            x = self.embedding(x) if hasattr(self, "embedding") else x
            return self.output(self.recurrent(x)[0][:, -1])

    class Block(torch.nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.body = torch.nn.Sequential(*layers)

        def forward(self, x):
            return x + self.body(x)

    return Last, Block


def torch_convolution(torch, inputs, outputs, norm=True, pool=None):
    n = torch.nn
    normalization = [n.BatchNorm2d(outputs, eps=1e-3, momentum=0.1)] if norm else []
    pooling = [n.MaxPool2d(pool)] if pool else []
    return [n.Conv2d(inputs, outputs, 3, padding=1, bias=not norm), *normalization, *pooling, n.ReLU()]


def torch_alexnet(norm):
    def build(torch):
        n = torch.nn
        return n.Sequential(
            *torch_convolution(torch, 3, 48, norm, pool=3),
            *torch_convolution(torch, 48, 128, norm, pool=3),
            *torch_convolution(torch, 128, 192, norm),
            *torch_convolution(torch, 192, 192, norm),
            *torch_convolution(torch, 192, 128, norm, pool=3),
            n.Flatten(),
            *(n.Linear(128, 1024), n.ReLU(), n.Dropout(0.5)),
            *(n.Linear(1024, 1024), n.ReLU()),
            n.Linear(1024, 10),
        )

    return build


def torch_residual(torch):
    _, Block = torch_classes(torch)

    def block(channels):
        layers = (torch_convolution(torch, channels, channels) for _ in range(2))
        return Block(*(layer for part in layers for layer in part))

    return torch.nn.Sequential(
        *torch_convolution(torch, 3, 32, pool=2),
        *torch_convolution(torch, 32, 64, pool=2),
        block(64),
        *torch_convolution(torch, 64, 128),
        block(128),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 10),
    )


def torch_recurrent(kind, inputs, units, outputs, characters=0):
    def build(torch):
        Last, _ = torch_classes(torch)
        embedding = torch.nn.Embedding(characters, inputs) if characters else None
        return Last(getattr(torch.nn, kind)(inputs, units, batch_first=True), outputs, embedding)

    return build


# --- Keras ---


def keras_convolution(keras, outputs, norm=True, pool=None):
    k = keras.layers
    normalization = [k.BatchNormalization(momentum=0.9)] if norm else []
    pooling = [k.MaxPooling2D(pool)] if pool else []
    return [k.Conv2D(outputs, 3, padding="same", use_bias=not norm), *normalization, *pooling, k.ReLU()]


def keras_alexnet(norm):
    def build(keras):
        k = keras.layers
        return keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                *keras_convolution(keras, 48, norm, pool=3),
                *keras_convolution(keras, 128, norm, pool=3),
                *keras_convolution(keras, 192, norm),
                *keras_convolution(keras, 192, norm),
                *keras_convolution(keras, 128, norm, pool=3),
                k.Flatten(),
                *(k.Dense(1024, activation="relu"), k.Dropout(0.5), k.Dense(1024, activation="relu"), k.Dense(10)),
            ]
        )

    return build


def keras_residual(keras):
    def chain(x, layers):
        for layer in layers:
            x = layer(x)
        return x

    def block(x, channels):
        layers = (keras_convolution(keras, channels) for _ in range(2))
        return keras.layers.Add()([x, chain(x, [layer for part in layers for layer in part])])

    images = keras.Input((32, 32, 3))
    x = chain(images, [*keras_convolution(keras, 32, pool=2), *keras_convolution(keras, 64, pool=2)])
    x = chain(block(x, 64), keras_convolution(keras, 128))
    x = keras.layers.GlobalAveragePooling2D()(block(x, 128))
    return keras.Model(images, keras.layers.Dense(10)(x))


def keras_recurrent(kind, shape, units, outputs, characters=0):
    def build(keras):
        k = keras.layers
        embedding = [k.Embedding(characters, 32)] if characters else []
        dtype = "int64" if characters else None
        layers = [keras.Input(shape, dtype=dtype), *embedding, getattr(k, kind)(units), k.Dense(outputs)]
        return keras.Sequential(layers)

    return build


def keras_dense(keras):
    return keras.Sequential([keras.Input((784,)), keras.layers.Dense(10)])


PORTS = {
    "softmax regression": Port(SoftmaxRegression, (784,), lambda torch: torch.nn.Linear(784, 10), keras_dense),
    "mini-AlexNet": Port(VARIANTS["plain"], (32, 32, 3), torch_alexnet(False), keras_alexnet(False)),
    "mini-AlexNet, batch norm": Port(VARIANTS["batchnorm"], (32, 32, 3), torch_alexnet(True), keras_alexnet(True)),
    "residual network": Port(VARIANTS["residual"], (32, 32, 3), torch_residual, keras_residual),
    "sine, SimpleRNN": Port(
        lambda: SineNetwork("rnn", 1),
        (2, 1),
        torch_recurrent("RNN", 1, 1, 1),
        keras_recurrent("SimpleRNN", (2, 1), 1, 1),
    ),
    "sine, LSTM": Port(
        lambda: SineNetwork("lstm", 3),
        (10, 1),
        torch_recurrent("LSTM", 1, 3, 1),
        keras_recurrent("LSTM", (10, 1), 3, 1),
    ),
    "sine, GRU": Port(
        lambda: SineNetwork("gru", 3), (10, 1), torch_recurrent("GRU", 1, 3, 1), keras_recurrent("GRU", (10, 1), 3, 1)
    ),
    "airline LSTM": Port(
        lambda: AirlineNetwork(1), (12, 1), torch_recurrent("LSTM", 1, 4, 1), keras_recurrent("LSTM", (12, 1), 4, 1)
    ),
    "character LSTM": Port(
        lambda: CharacterLSTM(CHARACTERS, 0.0, 0.0),
        (30,),
        torch_recurrent("LSTM", 32, 128, CHARACTERS, CHARACTERS),
        keras_recurrent("LSTM", (30,), 128, CHARACTERS, CHARACTERS),
        ids=True,
    ),
}


# --- one training step ---


def without_dropout(model):
    """A network of ours for training, its dropout off."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    return model


def first(output):
    return output[0] if isinstance(output, tuple) else output


TARGET = (
    2  # where there are no classes; far from what is predicted, so that the errors do not cancel in a bias's gradient
)


def our_step(model, x, labels):
    """The logits; the gradients of the mean cross-entropy, or of half the squared error, are left in the parameters."""
    model.zero_grad()
    logits = first(model(x if x.dtype.kind == "i" else Tensor(x)))
    error = logits - TARGET
    loss = ops.sum(error * error) * 0.5 if labels is None else ops.softmax_cross_entropy(logits, labels)
    loss.backward()
    return logits.numpy()


def torch_step(torch, module, x, labels):
    """(logits, gradients by the names of PyTorch's state dict)."""
    module.zero_grad()
    logits = module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if x.ndim == 4 else x))
    if labels is None:
        (0.5 * ((logits - TARGET) ** 2).sum()).backward()
    else:
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).backward()
    return logits.detach().numpy(), {name: p.grad.numpy() for name, p in module.named_parameters()}


def keras_step(tensorflow, model, x, labels, training):
    """(logits, gradients by the paths of Keras' variables)."""
    with tensorflow.GradientTape() as tape:
        logits = model(x, training=training)
        if labels is None:
            loss = 0.5 * tensorflow.reduce_sum((logits - TARGET) ** 2)
        else:
            losses = tensorflow.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tensorflow.reduce_mean(losses)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    dense = [tensorflow.convert_to_tensor(g).numpy() for g in gradients]  # an embedding's comes as rows
    return logits.numpy(), dict(zip((v.path for v in model.trainable_variables), dense))


def through_torch(modules, port, ours, back, x, labels):
    """Give a module the weights of `ours`, and take them `back`.

    Returns its logits in evaluation and in training, its gradients, and those of `back` as it names them.
    """
    (torch,) = modules
    theirs = port.in_torch(torch).to(torch.from_numpy(ours.parameters()[0].data).dtype)
    state = interop.to_torch(ours, like=theirs)
    theirs.load_state_dict({key: torch.from_numpy(values) for key, values in state.items()})
    interop.from_torch(back, theirs)
    evaluated, _ = torch_step(torch, theirs.eval(), x, labels)
    for module in theirs.train().modules():
        module.train(not isinstance(module, torch.nn.Dropout))
    logits, gradients = torch_step(torch, theirs, x, labels)
    our_step(without_dropout(back), x, labels)
    return evaluated, logits, gradients, interop.to_torch(back, like=theirs, gradients=True)


def set_precision(keras, dtype):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def through_keras(modules, port, ours, back, x, labels):
    """As `through_torch`. Keras takes the precision of inputs and layers from settings that must hold until the end."""
    keras, tensorflow = modules
    before = keras.config.floatx()
    set_precision(keras, ours.parameters()[0].dtype.name)
    try:
        theirs = port.in_keras(keras)
        theirs.set_weights(list(interop.to_keras(ours, like=theirs).values()))
        interop.from_keras(back, theirs)
        evaluated, _ = keras_step(tensorflow, theirs, x, labels, training=False)
        for layer in theirs.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0
        logits, gradients = keras_step(tensorflow, theirs, x, labels, training=True)
    finally:
        set_precision(keras, before)
    our_step(without_dropout(back), x, labels)
    return evaluated, logits, gradients, interop.to_keras(back, like=theirs, gradients=True)


def compare(framework, name, seed, modules, dtype=np.float32):
    """Largest differences of one network, ours and theirs: (of the logits, of the gradients, our gradients).

    Those of the gradients are over each one's largest entry, see `apart`.

    The weights go there first, and come back into a second network of ours. `modules`: those of the framework needed.
    """
    rng = np.random.default_rng(seed)
    nn.manual_seed(seed)
    port = PORTS[name]
    ours, back = shaken(port.ours(), rng).astype(dtype), port.ours().astype(dtype)
    x = port.batch(rng)
    x = x if port.ids else x.astype(dtype)
    our_logits = first(ours.eval()(x if port.ids else Tensor(x))).numpy()
    labels = rng.integers(0, 10, len(x)) if our_logits.shape[1] > 1 else None
    through = {"torch": through_torch, "keras": through_keras}[framework]
    evaluated, logits, gradients, own = through(modules, port, ours, back, x, labels)
    trained = our_step(without_dropout(ours), x, labels)  # both have made one step of normalisation
    for key, values in ours.state_dict().items():
        np.testing.assert_array_equal(back.state_dict()[key], values, err_msg=f"{name}: {key}, there and back")
    differences = [np.abs(our_logits - evaluated).max(), np.abs(trained - logits).max()]
    return float(max(differences)), apart(own, gradients), dict(enumerate(own.values()))


def apart(own, gradients):
    """The largest difference of two sets of gradients, each over the gradient's largest entry."""
    assert own.keys() == gradients.keys()
    return float(max(np.abs(own[key] - g).max() / max(1e-3, np.abs(g).max()) for key, g in gradients.items()))

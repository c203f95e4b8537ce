"""Keras 3 on TensorFlow's CPU, as the practicals' users know it: `compile`, then `train_on_batch` on NumPy arrays.

Everything is left at Keras' defaults. A model's weights are set from ours, whose layouts are Keras'; gradients come
from a `GradientTape` on the same model.
"""

import os
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.practicals.problems import AIRLINE, SINE, TEXT, AlexNet, Recurrent, Softmax


class Keras(Contender):
    """A training step is one `train_on_batch`, which returns the loss as a number; a subclass makes the model."""

    requires, extra = "tensorflow", "keras"
    weights: dict[str, np.ndarray]  # by our names, in the order of the model's layers
    model: Any
    x: np.ndarray
    y: np.ndarray

    def __init__(self, seed: int) -> None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow

        self.tensorflow: Any = tensorflow
        self.keras: Any = keras
        keras.utils.set_random_seed(seed)  # of dropout
        self.losses = {
            "classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "numbers": keras.losses.MeanSquaredError(),
        }

    def compile(self, layers: list[Any], optimizer: Any, loss: str) -> None:
        self.model = self.keras.Sequential([self.keras.Input(self.x.shape[1:], dtype=self.x.dtype), *layers])
        self.model.compile(optimizer, self.losses[loss])
        self.model.set_weights(list(self.weights.values()))

    def step(self) -> None:
        self.model.train_on_batch(self.x, self.y)

    def gradients(self) -> dict[str, np.ndarray | None]:
        with self.tensorflow.GradientTape() as tape:
            loss = self.model.compute_loss(self.x, self.y, self.model(self.x, training=False))
        gradients = tape.gradient(loss, [weight.value for weight in self.model.trainable_weights])
        # That of an embedding comes as rows and their numbers.
        return {name: self.tensorflow.convert_to_tensor(g).numpy() for name, g in zip(self.weights, gradients)}


class SoftmaxKeras(Keras):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.x, self.y, W, b = Softmax.problem(seed)
        self.weights = {"W": W, "b": b}
        optimizer = self.keras.optimizers.SGD(Softmax.LEARNING_RATE)
        self.compile([self.keras.layers.Dense(Softmax.CLASSES)], optimizer, "classes")


class RecurrentKeras(Keras):
    setup: Recurrent

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        s, layers = self.setup, self.keras.layers
        self.x, self.y, weights = s.problem(seed)
        self.weights = {name: weights[name] for name in ("E", "W", "U", "b", "V", "c") if name in weights}
        embedding = [layers.Embedding(s.vocabulary, s.D)] if s.vocabulary else []
        recurrent = (layers.LSTM if s.cell == "lstm" else layers.SimpleRNN)(s.H)
        optimizer = self.keras.optimizers.Adam(s.LEARNING_RATE)
        loss = "classes" if s.vocabulary else "numbers"
        self.compile([*embedding, recurrent, layers.Dense(s.outputs)], optimizer, loss)


class SineKeras(RecurrentKeras):
    setup = SINE


class AirlineKeras(RecurrentKeras):
    setup = AIRLINE


class TextKeras(RecurrentKeras):
    setup = TEXT


class AlexNetKeras(Keras):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.x, self.y, weights = AlexNet.problem(seed)
        self.weights = {f"{'Wb'[i]}{n}": p for n, pair in enumerate(weights) for i, p in enumerate(pair)}
        k = self.keras.layers
        layers: list[Any] = []
        for _, channels, pool in AlexNet.CONVOLUTIONS:
            pooling = [k.MaxPooling2D(pool)] if pool else []
            layers += [k.Conv2D(channels, 3, padding="same"), *pooling, k.ReLU()]
        (_, first), (_, second), _ = AlexNet.DENSE
        layers += [k.Flatten(), k.Dense(first, activation="relu"), k.Dropout(AlexNet.DROPOUT)]
        layers += [k.Dense(second, activation="relu"), k.Dense(AlexNet.CLASSES)]
        optimizer = self.keras.optimizers.Adam(AlexNet.LEARNING_RATE, epsilon=AlexNet.EPS)
        self.compile(layers, optimizer, "classes")

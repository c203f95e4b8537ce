"""What the contenders compute: shapes, data and initial weights of the five practicals, drawn from a seed.

The data are random: the arithmetic does not look at the values. Layouts are Keras' and ours: images (N, H, W, C),
kernels (KH, KW, C, O), matrices (D, M), sequences (N, T, D), an LSTM's gates in the order i, f, g, o.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinygrad_edu import nn


class Softmax:
    """Softmax regression on a batch of MNIST's shape; SGD."""

    BATCH, PIXELS, CLASSES = 100, 784, 10
    LEARNING_RATE = 0.1

    @classmethod
    def problem(cls, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A batch of images (100, 784) and labels (100,), and initial weights W (784, 10) and b (10,); float32."""
        rng = np.random.default_rng(seed)
        images = rng.random((cls.BATCH, cls.PIXELS), dtype=np.float32)
        labels = rng.integers(0, cls.CLASSES, cls.BATCH)
        W = rng.normal(0, 0.01, (cls.PIXELS, cls.CLASSES)).astype(np.float32)
        return images, labels, W, np.zeros(cls.CLASSES, np.float32)


@dataclass(frozen=True)
class Recurrent:
    """A sequence model: N sequences of T steps; `vocabulary` and embedding for text, else D features; Adam."""

    cell: str  # "lstm" or "rnn"
    N: int
    T: int
    D: int
    H: int
    outputs: int
    vocabulary: int = 0  # 0: the input is numbers, the loss a squared error

    LEARNING_RATE = 1e-3

    def problem(self, seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Inputs, targets and initial weights: W, U, b of the cell, V, c of the layer after it, E the embedding."""
        rng = np.random.default_rng(seed)
        columns = self.H * (4 if self.cell == "lstm" else 1)
        shapes: Mapping[str, tuple[int, ...]] = {"W": (self.D, columns), "U": (self.H, columns), "b": (columns,)}
        shapes = {**shapes, "V": (self.H, self.outputs), "c": (self.outputs,)}
        if self.vocabulary:
            shapes = {**shapes, "E": (self.vocabulary, self.D)}
        weights = {name: rng.uniform(-0.3, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
        if self.vocabulary:
            inputs = rng.integers(0, self.vocabulary, (self.N, self.T))
            return inputs, rng.integers(0, self.vocabulary, self.N), weights
        x = rng.normal(size=(self.N, self.T, self.D)).astype(np.float32)
        return x, rng.normal(size=(self.N, 1)).astype(np.float32), weights


SINE = Recurrent("rnn", N=600, T=2, D=1, H=1, outputs=1)
AIRLINE = Recurrent("lstm", N=1, T=1, D=1, H=4, outputs=1)
TEXT = Recurrent("lstm", N=128, T=30, D=32, H=128, outputs=65, vocabulary=65)


class AlexNet:
    """Mini-AlexNet on a batch of CIFAR-10's shape; Adam.

    All contenders compute the same graph, ReLU after pooling included (the same values as before it, on a ninth of the
    elements). Dropout draws anew at every step, and is off when gradients are compared.
    """

    BATCH, CLASSES = 128, 10
    CONVOLUTIONS = ((3, 48, 3), (48, 128, 3), (128, 192, 0), (192, 192, 0), (192, 128, 3))  # channels in, out, pooling
    DENSE = ((128, 1024), (1024, 1024), (1024, CLASSES))
    LEARNING_RATE, EPS, DROPOUT = 1e-3, 1e-7, 0.5

    @classmethod
    def problem(cls, seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Images (128, 32, 32, 3), labels (128,), and (W, b) of every layer; float32, Glorot-uniform and zero."""
        rng = np.random.default_rng(seed)
        images = rng.random((cls.BATCH, 32, 32, 3), dtype=np.float32)
        labels = rng.integers(0, cls.CLASSES, cls.BATCH)
        shapes = [(3, 3, c, o) for c, o, _ in cls.CONVOLUTIONS] + list(cls.DENSE)
        return images, labels, [(nn.init.glorot_uniform(s, rng), np.zeros(s[-1], np.float32)) for s in shapes]

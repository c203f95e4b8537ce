"""Wrong backwards that remember: masks, and layers that keep something from call to call.

A layer is a class here, and a check at one point may see nothing of what it keeps.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


def kept(x):
    """Which entries dropout with p = 0.75 keeps: the same at every call, as a check wants it."""
    return np.random.default_rng(1).random(x.shape) >= 0.75


def dropout(x):
    return x * (kept(x) / 0.25)


@mistake(
    "dropout: no mask on the way back",
    "Entries that were set to zero had no part in the result, and get a gradient as if they had.",
    (4, 3),
    right=dropout,
)
def dropout_unmasked(x):
    def backward(G):
        return (G / 0.25,)

    return record(x.data * kept(x) / 0.25, (x,), backward)


@mistake(
    "dropout: scaled twice",
    "The mask that is kept is 0 or 4 already, since inverted dropout divides by the part that is kept; the backward "
    "divides once more.",
    (4, 3),
    right=dropout,
)
def dropout_twice(x):
    mask = kept(x) / 0.25

    def backward(G):
        return (G * mask / 0.25,)

    return record(x.data * mask, (x,), backward)


@mistake(
    "dropout: scaled in the forward alone",
    "The mask that is kept is 0 or 1, and the division by the part that is kept is forgotten on the way back.",
    (4, 3),
    right=dropout,
)
def dropout_unscaled(x):
    mask = kept(x)

    def backward(G):
        return (G * mask,)

    return record(x.data * mask / 0.25, (x,), backward)


@mistake(
    "dropout: the backward draws a mask of its own",
    "The generator goes on between forward and backward, so that others are dropped on the way back. Nothing is kept, "
    "which saves memory, and the noise of training hides it.",
    (4, 3),
    right=dropout,
)
def dropout_draws(x):
    rng = np.random.default_rng(1)
    Y = x.data * (rng.random(x.shape) >= 0.75) / 0.25

    def backward(G):
        return (G * (rng.random(x.shape) >= 0.75) / 0.25,)

    return record(Y, (x,), backward)


@mistake(
    "dropout: forgets G",
    "The mask itself is returned. With a G of ones that is the gradient, and with any other it is not.",
    (4, 3),
    right=dropout,
)
def dropout_without_G(x):
    mask = kept(x) / 0.25

    def backward(G):
        return (mask.copy(),)

    return record(x.data * mask, (x,), backward)


@mistake(
    "relu: keeps the mask of its first call",
    "`if self.mask is None` was meant for the first call of each batch. At the point where it was first called, the "
    "layer is right for ever.",
    (3, 4),
    right=ops.relu,
)
class FirstMask:
    def __init__(self):
        self.mask = None

    def __call__(self, x):
        if self.mask is None:
            self.mask = x.data > 0

        def backward(G):
            return (G * self.mask,)

        return record(np.maximum(x.data, 0), (x,), backward)


@mistake(
    "relu: the next forward overwrites the mask",
    "The mask is an attribute of the layer, read when the backward comes. A layer that is used twice before it, as in "
    "a recurrent network or for two images to compare, reads the second mask both times.",
    (3, 4),
    right=ops.relu,
)
class LatestMask:
    def __call__(self, x):
        self.mask = x.data > 0

        def backward(G):
            return (G * self.mask,)

        return record(np.maximum(x.data, 0), (x,), backward)


@mistake(
    "linear: keeps the weights of its first call",
    "The transposed weights are stored, since transposing them at each call seemed dear. After the first step of the "
    "optimiser, they are those of another network.",
    (4, 3),
    (3, 2),
    right=ops.linear,
)
class FirstWeights:
    def __init__(self):
        self.transposed = None

    def __call__(self, x, w):
        if self.transposed is None:
            self.transposed = w.data.T.copy()

        def backward(G):
            return G @ self.transposed, x.data.T @ G

        return record(x.data @ w.data, (x, w), backward)


@mistake(
    "linear: wrong on the first walk, right on later ones",
    "An array for the weights' gradient is made on the first walk, and filled on the later ones. A check that walks "
    "once to warm up never sees it; of a training, the first step is lost.",
    (4, 3),
    (3, 2),
    right=ops.linear,
)
class FirstWalk:
    def __init__(self):
        self.memory = None

    def __call__(self, x, w):
        def backward(G):
            if self.memory is None:
                self.memory = np.zeros_like(w.data)
            else:
                self.memory[...] = x.data.T @ G
            return G @ w.data.T, self.memory.copy()

        return record(x.data @ w.data, (x, w), backward)


@mistake(
    "linear: adds to the gradient of the walk before",
    "Gradients are summed over several backward() calls, but by the engine; the layer does it as well, and is right "
    "on the first walk alone.",
    (4, 3),
    (3, 2),
    right=ops.linear,
)
class SumOfWalks:
    def __init__(self):
        self.dW = np.zeros(())

    def __call__(self, x, w):
        def backward(G):
            self.dW = self.dW + x.data.T @ G
            return G @ w.data.T, self.dW.copy()

        return record(x.data @ w.data, (x, w), backward)


@mistake(
    "square: one buffer for the gradients of all calls",
    "The backward writes into an array of the layer and returns it. The next one writes over it, while the first "
    "gradient is still in use: in x -> f(x) + f(2 x), the first is lost.",
    (3, 4),
    right=lambda x: x * x,
)
class OneBuffer:
    def __init__(self):
        self.buffer = None

    def __call__(self, x):
        if self.buffer is None:
            self.buffer = np.empty_like(x.data)

        def backward(G):
            return (np.multiply(2 * x.data, G, out=self.buffer),)

        return record(x.data * x.data, (x,), backward)

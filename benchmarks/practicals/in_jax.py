"""JAX: the whole training step, from the forward pass to the updated weights, compiled into one function by `jax.jit`.

The old weights and moments are given up to the compiled step (`donate_argnums`), which may write the new ones in their
place. A step has ended when `block_until_ready` returns.
"""

import os
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.practicals.problems import AIRLINE, SINE, TEXT, AlexNet, Recurrent, Softmax


class Jax(Contender):
    """A subclass gives the batch, the weights by our names, and the loss as a function of them."""

    requires = "jax"
    batch: tuple[np.ndarray, np.ndarray]
    weights: dict[str, Any]
    learning_rate: float
    eps: float | None = 1e-7  # of Adam; None: SGD

    def __init__(self, seed: int) -> None:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax

        self.jax: Any = jax
        self.prepare(seed)
        self.x, self.y = (jax.numpy.asarray(array) for array in self.batch)
        self.weights = jax.tree.map(jax.numpy.asarray, self.weights)
        zeros = jax.tree.map(jax.numpy.zeros_like, self.weights)
        self.state = (zeros, jax.tree.map(jax.numpy.copy, zeros), 0, jax.random.key(seed))
        self.compiled = jax.jit(self.update, donate_argnums=(0, 1))

    def prepare(self, seed: int) -> None:
        """Set the attributes above."""
        raise NotImplementedError

    def loss(self, weights: dict[str, Any], x: Any, y: Any, key: Any) -> Any:
        """The loss; `key` draws dropout's mask, None switches it off."""
        raise NotImplementedError

    def update(self, weights: dict[str, Any], state: Any, x: Any, y: Any) -> tuple[dict[str, Any], Any]:
        """The weights and the optimiser's state after one step."""
        tree_map = self.jax.tree.map
        m, v, t, key = state
        key, mask_key = self.jax.random.split(key)
        g = self.jax.grad(self.loss)(weights, x, y, mask_key)
        lr, eps, t = self.learning_rate, self.eps, t + 1
        if eps is None:
            return tree_map(lambda p, g: p - lr * g, weights, g), (m, v, t, key)
        m = tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        scale, root = lr / (1 - 0.9**t), self.jax.numpy.sqrt(1 - 0.999**t)
        sqrt = self.jax.numpy.sqrt
        weights = tree_map(lambda p, m, v: p - scale * m / (sqrt(v) / root + eps), weights, m, v)
        return weights, (m, v, t, key)

    def step(self) -> None:
        self.weights, self.state = self.compiled(self.weights, self.state, self.x, self.y)
        self.jax.block_until_ready(self.weights)

    def gradients(self) -> dict[str, np.ndarray | None]:
        gradient = self.jax.jit(self.jax.grad(self.loss))  # compiled at once, not operation by operation
        gradients = gradient(self.weights, self.x, self.y, None)
        return {name: np.asarray(g) for name, g in gradients.items()}

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        chosen = self.jax.numpy.take_along_axis(self.jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return -chosen.mean()


class SoftmaxJax(Jax):
    learning_rate, eps = Softmax.LEARNING_RATE, None

    def prepare(self, seed: int) -> None:
        *self.batch, W, b = Softmax.problem(seed)  # type: ignore[assignment]
        self.weights = {"W": W, "b": b}

    def loss(self, weights: dict[str, Any], x: Any, y: Any, key: Any) -> Any:
        return self.cross_entropy(x @ weights["W"] + weights["b"], y)


class RecurrentJax(Jax):
    """The sequence is a `lax.scan` over time; the inputs' product, the same at every step, stands before it."""

    setup: Recurrent
    learning_rate = Recurrent.LEARNING_RATE

    def prepare(self, seed: int) -> None:
        *self.batch, self.weights = self.setup.problem(seed)  # type: ignore[assignment]

    def loss(self, weights: dict[str, Any], x: Any, y: Any, key: Any) -> Any:
        w, s, jax = weights, self.setup, self.jax
        if s.vocabulary:
            x = w["E"][x]
        inputs = x.swapaxes(0, 1) @ w["W"] + w["b"]  # (T, N, H) or (T, N, 4H)
        zeros = jax.numpy.zeros((s.N, s.H), np.float32)

        def lstm(state: Any, a: Any) -> Any:
            h, c = state
            i, f, g, o = jax.numpy.split(a + h @ w["U"], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
            return (jax.nn.sigmoid(o) * jax.numpy.tanh(c), c), None

        def simple_rnn(h: Any, a: Any) -> Any:
            return jax.numpy.tanh(a + h @ w["U"]), None

        if s.cell == "lstm":
            (h, _), _ = jax.lax.scan(lstm, (zeros, zeros), inputs)
        else:
            h, _ = jax.lax.scan(simple_rnn, zeros, inputs)
        y_hat = h @ w["V"] + w["c"]
        return self.cross_entropy(y_hat, y) if s.vocabulary else ((y_hat - y) ** 2).mean()


class SineJax(RecurrentJax):
    setup = SINE


class AirlineJax(RecurrentJax):
    setup = AIRLINE


class TextJax(RecurrentJax):
    setup = TEXT


class AlexNetJax(Jax):
    learning_rate, eps = AlexNet.LEARNING_RATE, AlexNet.EPS

    def prepare(self, seed: int) -> None:
        *self.batch, weights = AlexNet.problem(seed)  # type: ignore[assignment]
        self.weights = {f"{'Wb'[i]}{n}": p for n, pair in enumerate(weights) for i, p in enumerate(pair)}

    def loss(self, weights: dict[str, Any], x: Any, y: Any, key: Any) -> Any:
        w, jax = weights, self.jax
        relu = jax.nn.relu
        for n, (_, _, pool) in enumerate(AlexNet.CONVOLUTIONS):
            layout = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, w[f"W{n}"], (1, 1), "SAME", dimension_numbers=layout) + w[f"b{n}"]
            if pool:  # `lax.reduce_window` says it in one line, and the whole step takes 203 ms instead of 164
                rows = x.shape[1] // pool
                cut = x[:, : rows * pool, : rows * pool]
                x = cut.reshape(len(x), rows, pool, rows, pool, -1).max((2, 4))
            x = relu(x)
        x = relu(x.reshape(len(x), -1) @ w["W5"] + w["b5"])
        if key is not None:
            kept = 1 - AlexNet.DROPOUT
            x = jax.numpy.where(jax.random.bernoulli(key, kept, x.shape), x / kept, 0)
        x = relu(x @ w["W6"] + w["b6"])
        return self.cross_entropy(x @ w["W7"] + w["b7"], y)

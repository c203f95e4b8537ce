"""Lesson 7: gradients that vanish or explode, and clipping."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import Tensor
from tinygrad_edu.lessons.exercise import Gold, Wrong, case
from tinygrad_edu.lessons.keys.walks import backwards, forwards, without_first, without_last
from tinygrad_edu.optim import clip_grad_norm


def _power(x, W, steps):
    for _ in range(steps):
        x = x @ W
    return x


def _power_back(terms=None, term=None, back=None, walk=backwards, steps_of_dx=None):
    """An answer to 7.1 with some of dL/dW's terms alone, other ones, or another way back.

    terms(t, steps) says which, term(h, t, dh, G, W) is one, back(dh, W) leads to the state before.
    """

    def answer(G, x, W, steps):
        h = [x]
        for _ in range(steps):
            h.append(h[-1] @ W)
        dW, dh = np.zeros_like(W), G
        for t in walk(steps):
            if terms is None or terms(t, steps):
                dW = dW + (term(h, t, dh, G, W) if term else h[t - 1].T @ dh)
            dh = back(dh, W) if back else dh @ W.T
        return G @ steps_of_dx(W, steps) if steps_of_dx else dh, dW

    return answer


def _as_for_numbers(G, x, W, steps):
    """d(x w^n)/dw = n x w^(n-1), with matrices for numbers."""
    powers = [np.linalg.matrix_power(W.T, n) for n in (steps, steps - 1)]
    return G @ powers[0], steps * x.T @ G @ powers[1]


def _clipped(a, b, max_norm):
    """What the package makes of two gradients."""
    parameters = [Tensor(np.zeros(g.shape), requires_grad=True) for g in (a, b)]
    for parameter, gradient in zip(parameters, (a, b)):
        parameter.grad = gradient.copy()
    clip_grad_norm(parameters, max_norm)
    return tuple(parameter.grad for parameter in parameters)


def _length(a, b):
    return np.sqrt((a**2).sum() + (b**2).sum())


def _scaled_by(factor):
    """An answer to 7.2 that multiplies both by `factor(a, b, max_norm)`."""
    return lambda a, b, max_norm: (a * factor(a, b, max_norm), b * factor(a, b, max_norm))


def _each_by_itself(a, b, max_norm):
    return tuple(g * min(1.0, max_norm / max(np.linalg.norm(g), 1e-300)) for g in (a, b))


EXERCISES = (
    Gold(
        number="7.1",
        title="the gradient of x W W ... W",
        function="power_backward",
        forward=_power,
        cases=(case((2, 3), (3, 3), steps=3), case((1, 2), (2, 2), steps=5), case((4, 2), (2, 2), steps=2)),
        wrong=(
            Wrong(
                "dL/dW has one term for each time that W is used, and you took that of the last step alone",
                _power_back(terms=lambda t, steps: t == steps),
            ),
            Wrong(
                "dL/dW has one term for each time that W is used, and you kept that of the first step alone: += in "
                "place of =",
                _power_back(terms=lambda t, steps: t == 1),
            ),
            Wrong(
                "dL/dW has one term for each time that W is used, and you added up their mean: do not divide by steps",
                _power_back(term=lambda h, t, dh, G, W: h[t - 1].T @ dh / (len(h) - 1)),
            ),
            Wrong(
                "n w^(n-1) holds for numbers. Matrices do not change places: each use of W has another state before it "
                "and another way behind it",
                _as_for_numbers,
            ),
            Wrong(
                "you took `steps` times the term of the last step; each use of W has another state before it and "
                "another way behind it",
                _power_back(term=lambda h, t, dh, G, W: h[-2].T @ G),
            ),
            Wrong(
                "on the way back every step multiplies by W^T, and you took W",
                _power_back(back=lambda dh, W: dh @ W),
            ),
            Wrong(
                "in step t W multiplies h_(t-1): dL/dW needs that one, and you took h_t",
                _power_back(term=lambda h, t, dh, G, W: h[t].T @ dh),
            ),
            Wrong(
                "dh is led back one step too early: first dW += h_(t-1)^T dh, with what has come to h_t, and then "
                "dh = dh W^T",
                _power_back(term=lambda h, t, dh, G, W: h[t - 1].T @ dh @ W.T),
            ),
            Wrong(
                "the terms of dL/dW have G in place of dh, what has come back as far as h_t",
                _power_back(term=lambda h, t, dh, G, W: h[t - 1].T @ G),
            ),
            Wrong(
                "the terms of dL/dW have x in place of h_(t-1), the state before the step",
                _power_back(term=lambda h, t, dh, G, W: h[0].T @ dh),
            ),
            Wrong(
                "the terms of dL/dW have x and G, as for a single step: each needs h_(t-1), and what has come to h_t",
                _power_back(term=lambda h, t, dh, G, W: h[0].T @ G),
            ),
            Wrong(
                "you walk from the first step to the last; the gradient comes from the last one",
                _power_back(walk=forwards),
            ),
            Wrong(
                "dh is added to what it was a step later: it must replace it, dh = dh W^T, with = in place of +=",
                _power_back(back=lambda dh, W: dh + dh @ W.T),
            ),
            Wrong(
                "the walk ends a step too early: the first step, from x to h_1, is missing",
                _power_back(walk=without_first),
            ),
            Wrong(
                "the walk begins a step too late: the last step, from h_(steps-1) to y, is missing",
                _power_back(walk=without_last),
            ),
            Wrong(
                "dL/dx must go back through all the steps, and yours goes through one",
                _power_back(steps_of_dx=lambda W, steps: W.T),
            ),
            Wrong(
                "W ** steps raises each entry by itself; W^steps is the product of `steps` matrices",
                _power_back(steps_of_dx=lambda W, steps: (W**steps).T),
            ),
        ),
        hints=(
            "Write it for two steps: y = (x W) W is a product of A = x W and W, and A depends on W as well.",
            "For one product Y = A W: dL/dA = G W^T and dL/dW = A^T G. Go back from the last product to the first.",
            "Keep h_0 ... h_steps. Then, for t from steps to 1: dW += h_(t-1)^T dh, and then dh = dh W^T.",
        ),
    ),
    Gold(
        number="7.2",
        title="clip two gradients by their common length",
        function="clip",
        right=_clipped,
        cases=(
            case((3, 4), (4,), max_norm=1.0),
            case((2,), (3, 2), max_norm=0.5),
            case([[30.0, 0.4]], [-0.2], max_norm=5.0),
            case([0.03, 0.04], [0.1], max_norm=2.0),
            case([0.0, 0.0], [0.0], max_norm=1.0),
        ),
        wrong=(
            Wrong(
                "each array is clipped by its own length, which turns the step: they have one in common",
                _each_by_itself,
            ),
            Wrong(
                "every number is limited by itself, which turns the step; the length limits all of them together",
                lambda a, b, max_norm: (np.clip(a, -max_norm, max_norm), np.clip(b, -max_norm, max_norm)),
            ),
            Wrong(
                "short gradients are lengthened: those that are no longer than max_norm must stay as they are",
                _scaled_by(lambda a, b, max_norm: max_norm / _length(a, b) if _length(a, b) else 1.0),
            ),
            Wrong(
                "you scale whatever the length is: short gradients are lengthened, and those of length 0 are 0 / 0; "
                "those that are no longer than max_norm must stay as they are",
                _scaled_by(lambda a, b, max_norm: max_norm / _length(a, b)),
            ),
            Wrong(
                "the square root is missing: the sum of squares is the square of the length",
                _scaled_by(lambda a, b, max_norm: min(1.0, max_norm / max(_length(a, b) ** 2, 1e-300))),
            ),
            Wrong(
                "the common length is not the sum of the two lengths: add the squares, and then take the root",
                _scaled_by(
                    lambda a, b, max_norm: min(1.0, max_norm / max(np.linalg.norm(a) + np.linalg.norm(b), 1e-300))
                ),
            ),
        ),
        hints=(
            "Think of all entries of a and b as one long vector. How long is it?",
            "One factor for both arrays: 1 where the length is at most max_norm, else max_norm / length.",
            "length = np.sqrt((a**2).sum() + (b**2).sum()); if length <= max_norm, return a, b as they are.",
        ),
    ),
)

"""Lesson 5: max pooling, batch normalisation, dropout."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo import ZOO
from tinygrad_edu.lessons.exercise import Coals, Gold, Wrong, case


def _pool(x, size, stride):
    return ops.max_pool2d(x.reshape(1, 1, -1, 1), (1, size), (1, stride)).reshape(-1)


def _pooled(pay):
    """An answer to 5.1 in which `pay(dX, start, window, g, t, size)` does with each window what it likes."""

    def answer(G, X, size, stride):
        dX = np.zeros_like(X)
        for t, g in enumerate(G):
            pay(dX, t * stride, X[t * stride : t * stride + size], g, t, size)
        return dX

    return answer


def _pay_all(dX, start, window, g, t, size):
    dX[start : start + size] += g * (window == window.max())


def _share(dX, start, window, g, t, size):
    winners = window == window.max()
    dX[start : start + size] += g * winners / winners.sum()


def _pay_last(dX, start, window, g, t, size):
    dX[start + size - 1 - window[::-1].argmax()] += g


def _assign(dX, start, window, g, t, size):
    dX[start + window.argmax()] = g


def _side_by_side(dX, start, window, g, t, size):
    dX[min(size * t + window.argmax(), len(dX) - 1)] += g


def _no_start(dX, start, window, g, t, size):
    dX[window.argmax()] += g


def _everybody(dX, start, window, g, t, size):
    dX[start : start + size] += g / size


def _normalised(mean=True, variance=True, gamma_inside=True, x_for_x_hat=False, unscaled=False):
    """An answer to 5.2 with some of its parts left out or exchanged."""

    def answer(G, X, gamma, beta, eps):
        s = np.sqrt(X.var(axis=0) + eps)
        x_hat = (X - X.mean(axis=0)) / s
        g = G * gamma if gamma_inside else G
        dX = g - mean * g.mean(axis=0) - variance * x_hat * (g * x_hat).mean(axis=0)
        return dX if unscaled else dX / s, (G * (X if x_for_x_hat else x_hat)).sum(axis=0), G.sum(axis=0)

    return answer


def _dropout(p, seed):
    """A right dropout. As in training, each call draws a mask of its own."""
    rng = np.random.default_rng(seed)
    return lambda x: ops.dropout(x, p, rng)


def _called_once(check):
    """Let a check call each operation once: the mask of a second call would be another one."""

    def judge(operation, x):
        calls = iter([operation])

        def once(leaf):
            for first in calls:
                return first(leaf)
            raise ValueError("called a second time, dropout draws another mask; the backward belongs to the first call")

        return check(once, x)

    return judge


# A zero of x would hide its mask.
NO_ZEROS = np.linspace(-2.0, 3.0, 30).reshape(5, 6)

EXERCISES = (
    Gold(
        number="5.1",
        title="the backward of max pooling where windows overlap",
        function="max_pool_backward",
        forward=_pool,
        cases=(
            case((9,), size=3, stride=1),
            case((11,), size=3, stride=2),
            case((10,), size=2, stride=3),
            case([0, 0, 0, 1, 1, 0, 2, 2.0], size=2, stride=2),
            case([3, 3, 3, 3, 3.0], size=3, stride=1),
        ),
        wrong=(
            Wrong("you paid every tied maximum: a window hands out more than it was given", _pooled(_pay_all)),
            Wrong(
                "tied maxima share the gradient here. That is possible at a kink; asked for is that the first takes it",
                _pooled(_share),
            ),
            Wrong("of several equal maxima you paid the last, and the first was asked for", _pooled(_pay_last)),
            Wrong(
                "one number may win in several windows, and you kept the last window's gradient alone: += for =",
                _pooled(_assign),
            ),
            Wrong(
                "the winner's place is counted from t * size, and the window begins at t * stride",
                _pooled(_side_by_side),
            ),
            Wrong(
                "argmax counts from the window's first number, and you took that for a place in X", _pooled(_no_start)
            ),
            Wrong("this is the backward of the mean over each window, not of the maximum", _pooled(_everybody)),
        ),
        hints=(
            "If you nudge one number of a window, when does its maximum move? Go through the windows one by one.",
            "Window t begins at t * stride. np.argmax counts from there, and gives the first of equal maxima.",
            "Start with zeros and, for each t, add G[t] with += at the place t * stride + (argmax of window t).",
        ),
    ),
    Gold(
        number="5.2",
        title="the backward of batch normalisation while training",
        function="batch_norm_backward",
        forward=lambda x, gamma, beta, eps: ops.batch_norm(x, gamma, beta, eps=eps),
        cases=(
            case((5, 3), (3,), (3,), eps=1e-3),
            case((2, 4), (4,), (4,), eps=1e-3),
            case((6, 1), (1,), (1,), eps=0.5),
        ),
        wrong=(
            Wrong(
                "you took mean and variance for constants; that is right in use. While training, both depend on X",
                _normalised(mean=False, variance=False),
            ),
            Wrong(
                "the term of the variance is missing: the deviation depends on every x, too",
                _normalised(variance=False),
            ),
            Wrong("the term of the mean is missing: the mean depends on every x, too", _normalised(mean=False)),
            Wrong(
                "dL/dX is right but for gamma: y = gamma x_hat + beta, so dL/dx_hat is G gamma",
                _normalised(gamma_inside=False),
            ),
            Wrong(
                "dL/dgamma is the sum of G x_hat; you multiplied by X, as it was before", _normalised(x_for_x_hat=True)
            ),
            Wrong("dL/dX still has to be divided by the deviation sqrt(v + eps)", _normalised(unscaled=True)),
        ),
        hints=(
            "Begin at the end: Y = gamma x_hat + beta gives dL/dgamma, dL/dbeta (sums over rows) and g = dL/dx_hat.",
            "Three ways lead from X to x_hat: directly, through m, and through v. Each gives a term, all divided by s.",
            "dL/dX = (g - mean(g) - x_hat * mean(g * x_hat)) / s, with means over the rows and s = sqrt(v + eps).",
        ),
    ),
    Coals(
        number="5.3",
        title="a check that finds wrong dropouts",
        function="check_dropout",
        right=(
            (_dropout(0.75, 1), (NO_ZEROS,)),
            (_dropout(0.1, 2), (NO_ZEROS[:2],)),
            (_dropout(0.5, 4), (NO_ZEROS,)),
            (_dropout(0.0, 3), (NO_ZEROS,)),
        ),
        wrong=tuple(m for m in ZOO if m.operation == "dropout"),
        adapt=_called_once,
        hints=(
            "You know x and y, and that y = m x. What is m, then?",
            "y.data / x is the mask with its factor, whatever p is. What must leaf.grad be for a G of your choice?",
            "Compare leaf.grad with G * (y.data / x) by np.allclose, for a random G.",
        ),
    ),
)

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


def _deviation(X, eps):
    return np.sqrt(X.var(axis=0) + eps)


def _mean(x):
    return x.mean(axis=0)


def _mean_of_row(x):
    return x.mean(axis=1, keepdims=True)


def _normalised(s=_deviation, s_of_dX=None, mean=_mean, terms=None, gamma_inside=True, sums=None):
    """An answer to 5.2 with another deviation, mean or sums, or other `terms` to subtract from g."""

    def answer(G, X, gamma, beta, eps):
        x_hat = (X - mean(X)) / s(X, eps)
        g = G * gamma if gamma_inside else G
        away = terms(g, X, x_hat) if terms else mean(g) + x_hat * mean(g * x_hat)
        dX = (g - away) / (s_of_dX or s)(X, eps)
        dgamma, dbeta = sums(G, gamma, X, x_hat) if sums else (G * x_hat, G)
        return dX, dgamma.sum(axis=0), dbeta.sum(axis=0)

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
            case((3, 4), (4,), (4,), eps=1e-3),  # of two rows, x_hat is 1 and -1, and dL/dX is all rounding without eps
            case((6, 1), (1,), (1,), eps=0.5),
        ),
        wrong=(
            Wrong(
                "you took mean and variance for constants; that is right in use. While training, both depend on X",
                _normalised(terms=lambda g, X, x_hat: 0 * g),
            ),
            Wrong(
                "the term of the variance is missing: the deviation depends on every x, too",
                _normalised(terms=lambda g, X, x_hat: _mean(g)),
            ),
            Wrong(
                "the term of the mean is missing: the mean depends on every x, too",
                _normalised(terms=lambda g, X, x_hat: x_hat * _mean(g * x_hat)),
            ),
            Wrong(
                "dL/dX is right but for gamma: y = gamma x_hat + beta, so dL/dx_hat is G gamma",
                _normalised(gamma_inside=False),
            ),
            Wrong(
                "dL/dgamma is the sum of G x_hat; you multiplied by X, as it was before",
                _normalised(sums=lambda G, gamma, X, x_hat: (G * X, G)),
            ),
            Wrong(
                "gamma belongs to dL/dx_hat alone: dL/dgamma is the sum of G x_hat, dL/dbeta that of G, and you took "
                "G gamma for G",
                _normalised(sums=lambda G, gamma, X, x_hat: (G * gamma * x_hat, G * gamma)),
            ),
            Wrong(
                "eps is added to the variance, under the root; you added it to the deviation: sqrt(v + eps), and not "
                "sqrt(v) + eps",
                _normalised(s=lambda X, eps: X.std(axis=0) + eps),
            ),
            Wrong("eps is missing: the deviation is sqrt(v + eps)", _normalised(s=lambda X, eps: X.std(axis=0))),
            Wrong(
                "dL/dX is divided by the deviation without its eps: it is sqrt(v + eps) there, too",
                _normalised(s_of_dX=lambda X, eps: X.std(axis=0)),
            ),
            Wrong(
                "dL/dX is divided by sqrt(v + eps) + eps: eps is under the root already",
                _normalised(s_of_dX=lambda X, eps: _deviation(X, eps) + eps),
            ),
            Wrong(
                "eps is squared, and should be added to v as it is", _normalised(s=lambda X, eps: _deviation(X, eps**2))
            ),
            Wrong("the root is missing: you divided by v + eps", _normalised(s=lambda X, eps: X.var(axis=0) + eps)),
            Wrong(
                "the variance is the mean of (X - m)^2, over N rows; you divided by N - 1 (ddof=1)",
                _normalised(s=lambda X, eps: np.sqrt(X.var(axis=0, ddof=1) + eps)),
            ),
            Wrong(
                "dL/dX still has to be divided by the deviation sqrt(v + eps)",
                _normalised(s_of_dX=lambda X, eps: 1),
            ),
            Wrong(
                "dL/dX is divided by the deviation twice: x_hat holds one of them already, and once is enough",
                _normalised(s_of_dX=lambda X, eps: _deviation(X, eps) ** 2),
            ),
            Wrong(
                "m and v are means over the rows, so their terms are means of g and of g x_hat; you took sums",
                _normalised(terms=lambda g, X, x_hat: g.sum(axis=0) + x_hat * (g * x_hat).sum(axis=0)),
            ),
            Wrong(
                "v is a mean over the rows, so its term has the mean of g x_hat; you took the sum",
                _normalised(terms=lambda g, X, x_hat: _mean(g) + x_hat * (g * x_hat).sum(axis=0)),
            ),
            Wrong(
                "m is a mean over the rows, so its term is the mean of g; you took the sum",
                _normalised(terms=lambda g, X, x_hat: g.sum(axis=0) + x_hat * _mean(g * x_hat)),
            ),
            Wrong(
                "the term of the variance has the wrong sign: where x_hat is large, the deviation grows, and the "
                "gradient shrinks",
                _normalised(terms=lambda g, X, x_hat: _mean(g) - x_hat * _mean(g * x_hat)),
            ),
            Wrong(
                "the term of the mean has the wrong sign: who raises every x alike moves no x_hat",
                _normalised(terms=lambda g, X, x_hat: x_hat * _mean(g * x_hat) - _mean(g)),
            ),
            Wrong(
                "mean and variance are taken over everything; each column has its own: axis=0",
                _normalised(s=lambda X, eps: np.sqrt(X.var() + eps), mean=np.mean),
            ),
            Wrong(
                "mean and variance are taken over each row; they are over the rows, of each column: axis=0",
                _normalised(s=lambda X, eps: np.sqrt(X.var(axis=1, keepdims=True) + eps), mean=_mean_of_row),
            ),
            Wrong(
                "the term of the variance has X - m where x_hat = (X - m) / s belongs",
                _normalised(terms=lambda g, X, x_hat: _mean(g) + (X - _mean(X)) * _mean(g * x_hat)),
            ),
            Wrong(
                "in the term of the variance, x_hat stands inside the mean as well: x_hat * mean(g * x_hat)",
                _normalised(terms=lambda g, X, x_hat: _mean(g) + x_hat * _mean(g)),
            ),
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

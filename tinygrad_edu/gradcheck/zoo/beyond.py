"""Wrong backwards that no check at one point can see, since at that point, then, they are right.

Each says in `remedy` what to do about it, and the tests do it.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


@mistake(
    "exp: wrong for large inputs alone",
    "The backward limits x to 10 before it takes the exponential, so that nothing overflows; the forward does not. "
    "Tests draw from the standard normal distribution, where 10 does not occur.",
    (3, 4),
    right=ops.exp,
    remedy="Check at several points: small, large, of both signs, 0, and on both sides of every number in the code.",
)
def exp_limited(x):
    X = x.data

    def backward(G):
        return (G * np.exp(np.minimum(X, 10)),)

    return record(np.exp(X), (x,), backward)


@mistake(
    "relu: wrong after a thousand calls",
    "A table of masks is kept by the number of the call and starts again after 1,000, with what was there before. So "
    "do counters of eight bits, pools of buffers and caches with a limit.",
    (3, 4),
    right=ops.relu,
    remedy="Check once more at the end of a long run, with the layer that made it; better, let layers keep nothing.",
)
class ThousandCalls:
    def __init__(self):
        self.calls, self.table = 0, {}

    def __call__(self, x):
        self.calls += 1
        mask = self.table.setdefault(self.calls % 1000, x.data > 0)

        def backward(G):
            return (G * mask,)

        return record(np.maximum(x.data, 0), (x,), backward)


@mistake(
    "square: wrong for more than 4,096 numbers",
    "Large arrays are worked on in pieces of 4,096, and the rest after the last whole piece is left out. A small "
    "array is a single piece.",
    (3, 4),
    right=lambda x: x * x,
    remedy="Check at a size above each limit in the code, and not a multiple of it; gradcheck takes large arrays.",
)
def square_pieces(x):
    X, piece = x.data, 4096

    def backward(G):
        dX = 2 * X * G
        if X.size > piece:
            dX.reshape(-1)[X.size // piece * piece :] = 0
        return (dX,)

    return record(X * X, (x,), backward)


@mistake(
    "square: wrong in float32 alone",
    "float32 goes another way, to a faster kernel, and that one has lost the 2. Difference quotients need float64 and "
    "never come there.",
    (3, 4),
    right=lambda x: x * x,
    remedy="Compute the gradient in float32 as well and compare it with the one in float64, to some six digits.",
)
def square_single(x):
    X = x.data

    def backward(G):
        return ((1 if X.dtype == np.float32 else 2) * X * G,)

    return record(X * X, (x,), backward)


@mistake(
    "mean: wrong with another setting",
    "With `keepdims=False`, which is checked, it is right; with True, G has an axis more and is spread along the "
    "wrong one. So do strides, paddings, and modes have branches of their own.",
    (3, 3),
    right=lambda x: x.mean(axis=1),
    remedy="Check every setting that the code asks for, as the table of `python -m tinygrad_edu.gradcheck` does.",
)
def mean_setting(x, keepdims=False):
    X = x.data

    def backward(G):
        G = G.T if keepdims else G[:, None]
        return (G * np.ones_like(X) / X.shape[1],)

    return record(X.mean(axis=1, keepdims=keepdims), (x,), backward)

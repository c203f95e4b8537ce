"""Wrong answers to exercise 2.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def unbroadcast_1(G, x):
    "those where it has length 1 are missing"
    while G.ndim > x.ndim:
        G = G.sum(axis=0)
    return G


def unbroadcast_2(G, x):
    "those in front that it does not have are missing"
    added = G.ndim - x.ndim
    for i, n in enumerate(x.shape):
        if n == 1:
            G = G.sum(axis=added + i, keepdims=True)
    return G


def unbroadcast_3(G, x):
    "axes of length 1 are gone that x has"
    shape = (1,) * (G.ndim - x.ndim) + x.shape
    missing = tuple(range(G.ndim - x.ndim))
    return G.sum(axis=missing + tuple(i for i, n in enumerate(shape) if n == 1 and i not in missing))


def unbroadcast_4(G, x):
    "the mean over the copies"
    while G.ndim > x.ndim:
        G = G.mean(axis=0)
    for i, n in enumerate(x.shape):
        if n == 1:
            G = G.mean(axis=i, keepdims=True)
    return G


def unbroadcast_5(G, x):
    "from one of the copies"
    while G.ndim > x.ndim:
        G = G[0]
    for i, n in enumerate(x.shape):
        if n == 1:
            G = np.take(G, [0], axis=i)
    return G


def unbroadcast_6(G, x):
    r"dL/dx must have shape \(3,\), it has \(\)"
    return np.sum(G)

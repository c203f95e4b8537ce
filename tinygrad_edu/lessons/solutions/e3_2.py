"""Solution of exercise 3.2."""

import numpy as np


def softmax_cross_entropy_backward(G, Z, labels):
    """What the network believes minus what is true, a share of 1/N for each example."""
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    P[np.arange(len(Z)), labels] -= 1
    return G * P / len(Z)

"""Wrong answers to exercise 3.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def softmax(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def softmax_cross_entropy_backward_1(G, Z, labels):
    "without the 1/N"
    P = softmax(Z)
    P[range(len(Z)), labels] -= 1
    return P * G


def softmax_cross_entropy_backward_2(G, Z, labels):
    "but not G"
    P = softmax(Z)
    P[range(len(Z)), labels] -= 1
    return P / len(P)


def softmax_cross_entropy_backward_3(G, Z, labels):
    "the number of scores"
    P = softmax(Z)
    P[range(len(Z)), labels] -= 1
    return G * P / P.size


def softmax_cross_entropy_backward_4(G, Z, labels):
    "the sign is turned round"
    T = np.eye(Z.shape[1])[labels]
    return G * (T - softmax(Z)) / len(Z)


def softmax_cross_entropy_backward_5(G, Z, labels):
    "not subtracted"
    return G * softmax(Z) / len(Z)


def softmax_cross_entropy_backward_6(G, Z, labels):
    "from whole columns"
    P = softmax(Z)
    P[:, labels] -= 1
    return G * P / len(Z)


def softmax_cross_entropy_backward_7(G, Z, labels):
    "infinity over infinity"
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    P[np.arange(len(Z)), labels] -= 1
    return G * P / len(Z)


def softmax_cross_entropy_backward_8(G, Z, labels):
    "runs over the examples"
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    P = E / E.sum(axis=0, keepdims=True)
    P[np.arange(len(Z)), labels] -= 1
    return G * P / len(Z)


def softmax_cross_entropy_backward_9(G, Z, labels):
    r"E.sum\(\) without an axis"
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum()
    P[np.arange(len(Z)), labels] -= 1
    return G * P / len(Z)


def softmax_cross_entropy_backward_one_maximum(G, Z, labels):
    "largest of all scores is subtracted"
    P = np.exp(Z - Z.max())
    P /= P.sum(axis=1, keepdims=True)
    P[np.arange(len(Z)), labels] -= 1
    return G * P / len(Z)

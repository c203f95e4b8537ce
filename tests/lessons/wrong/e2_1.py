"""Wrong answers to exercise 2.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def scale_and_bias_backward_1(G, X, s, b):
    "right but for the sum over the rows"
    return G * s, G * X, G


def scale_and_bias_backward_2(G, X, s, b):
    "get the mean of what the rows send back"
    N = len(X)
    return G * s, np.sum(G * X, axis=0) / N, np.sum(G, axis=0) / N


def scale_and_bias_backward_3(G, X, s, b):
    "what the first row sends back"
    return G * s, (G * X)[0], G[0]


def scale_and_bias_backward_4(G, X, s, b):
    "you add first and multiply then"
    return G * s, G.sum(0) * X.sum(0), G.sum(0)


def scale_and_bias_backward_5(G, X, s, b):
    "add G first and multiply by the mean"
    return G * s, G.sum(0) * np.mean(X, 0), G.sum(0)


def scale_and_bias_backward_6(G, X, s, b):
    "dL/ds lacks its factor"
    total = G.sum(axis=0)
    return G * s, total, total


def scale_and_bias_backward_7(G, X, s, b):
    "keep the axis that was summed"
    ones = np.ones((1, len(X)))
    return G * s, ones @ (G * X), ones @ G


def scale_and_bias_backward_8(G, X, s, b):
    r"dL/ds must have shape \(2,\), it has \(4,\)"
    return G * s, (G * X).sum(axis=1), G.sum(axis=1)

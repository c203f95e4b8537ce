"""Wrong answers to exercise 1.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def mul_backward_1(G, a, b):
    "the two gradients are exchanged"
    return a * G, b * G


def mul_backward_2(G, a, b):
    "multiplies each by G"
    return b, a


def mul_backward_3(G, a, b):
    "negative of the gradient .*dL/da: right"
    return G * b, -G * a


def mul_backward_4(G, a, b):
    r"must return a tuple of 2 arrays; it returned an array"
    return G * a * b


def mul_backward_5(G, a, b):
    r"dL/da must have shape \(3,\), it has \(\)"
    return np.sum(G * b), np.sum(G * a)


def mul_backward_6(G, a, b):
    "wrote into G"
    G *= b
    return G, a * G / b

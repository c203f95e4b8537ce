"""Wrong answers to exercise 7.1, as learners write them; the docstring is what the diagnosis must say."""

from numpy.linalg import matrix_power


def power_backward_like_numbers(G, x, W, steps):
    r"n w\^\(n-1\) holds for numbers"
    return G @ matrix_power(W, steps).T, steps * (x.T @ (G @ matrix_power(W, steps - 1).T))


def power_backward_last(G, x, W, steps):
    "that of the last step alone"
    return G @ matrix_power(W, steps).T, (x @ matrix_power(W, steps - 1)).T @ G


def power_backward_first(G, x, W, steps):
    "that of the first step alone"
    dh = G @ matrix_power(W, steps - 1).T
    return dh @ W.T, x.T @ dh


def power_backward_not_transposed(G, x, W, steps):
    r"multiplies by W\^T, and you took W"
    dW, dh = 0, G
    for t in range(steps):
        dW = dW + (x @ matrix_power(W, steps - 1 - t)).T @ dh
        dh = dh @ W
    return dh, dW


def power_backward_one_too_many(G, x, W, steps):
    r"W multiplies h_\(t-1\)"
    dW, dh = 0, G
    for t in range(steps):
        dW = dW + (x @ matrix_power(W, steps - t)).T @ dh
        dh = dh @ W.T
    return dh, dW


def power_backward_transposed(G, x, W, steps):
    "dL/dW is the right one transposed"
    dW, dh = 0, G
    for t in range(steps):
        dW = dW + dh.T @ (x @ matrix_power(W, steps - 1 - t))
        dh = dh @ W.T
    return dh, dW

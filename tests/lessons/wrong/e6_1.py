"""Wrong answers to exercise 6.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def forward(x, W, U, b):
    h = np.zeros((x.shape[0], x.shape[1] + 1, len(b)))
    for t in range(x.shape[1]):
        h[:, t + 1] = np.tanh(x[:, t] @ W + h[:, t] @ U + b)
    return h[:, :-1], h[:, 1:]


def rnn_backward_no_time(G, x, W, U, b):
    "each step is treated by itself"
    before, after = forward(x, W, U, b)
    da = G * (1 - after**2)
    return da @ W.T, np.einsum("ntd,nth->dh", x, da), np.einsum("ntk,nth->kh", before, da), da.sum((0, 1))


def through_time(G, x, W, U, b, back):
    before, after = forward(x, W, U, b)
    da = np.zeros_like(after)
    dh = np.zeros_like(after[:, 0])
    for t in reversed(range(x.shape[1])):
        da[:, t] = (G[:, t] + dh) * (1 - after[:, t] ** 2)
        dh = da[:, t] @ back
    return before, after, da


def rnn_backward_wrong_state(G, x, W, U, b):
    r"dL/dU needs h_\(t-1\)"
    _, after, da = through_time(G, x, W, U, b, U.T)
    return da @ W.T, np.einsum("ntd,nth->dh", x, da), np.einsum("ntk,nth->kh", after, da), da.sum((0, 1))


def rnn_backward_not_transposed(G, x, W, U, b):
    "multiplied by U.T, and you took U"
    before, _, da = through_time(G, x, W, U, b, U)
    return da @ W.T, np.einsum("ntd,nth->dh", x, da), np.einsum("ntk,nth->kh", before, da), da.sum((0, 1))


def rnn_backward_first_step(G, x, W, U, b):
    "over the steps they add up"
    before, _, da = through_time(G, x, W, U, b, U.T)
    return da @ W.T, x[:, 0].T @ da[:, 0], before[:, 0].T @ da[:, 0], da[:, 0].sum(0)


def rnn_backward_bias_kept(G, x, W, U, b):
    r"dL/db must have shape \(2,\), it has \(2, 2\).*a sum over the axes"
    before, _, da = through_time(G, x, W, U, b, U.T)
    return da @ W.T, np.einsum("ntd,nth->dh", x, da), np.einsum("ntk,nth->kh", before, da), da.sum(1)


def rnn_backward_slope_of_the_step_before(G, x, W, U, b):
    r"you took 1 - h_\(t-1\)\^2"
    before, _ = forward(x, W, U, b)
    da, dh = np.zeros_like(before), 0
    for t in reversed(range(x.shape[1])):
        da[:, t] = (G[:, t] + dh) * (1 - before[:, t] ** 2)
        dh = da[:, t] @ U.T
    return da @ W.T, np.einsum("ntd,nth->dh", x, da), np.einsum("ntk,nth->kh", before, da), da.sum((0, 1))

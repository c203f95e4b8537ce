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


def rnn(G, x, W, U, b, assigned="", back=lambda dh, da, U, before: da @ U.T, da=None):
    before, after = forward(x, W, U, b)
    dx, dW, dU, db, nxt = np.zeros_like(x), 0 * W, 0 * U, 0 * b, 0.0
    for t in range(x.shape[1])[::-1]:
        dh = G[:, t] + nxt
        d = dh * (1 - after[:, t] ** 2) if da is None else da(G[:, t], nxt, after[:, t])
        dx[:, t] = d @ W.T
        dW = x[:, t].T @ d + (dW if "W" not in assigned else 0)
        dU = before[:, t].T @ d + (dU if "U" not in assigned else 0)
        db = d.sum(0) + (db if "b" not in assigned else 0)
        nxt = back(dh, d, U, nxt)
    return dx, dW, dU, db


def rnn_backward_assigns_W(G, x, W, U, b):
    r"known mistake: of the weights you kept the last step .* \+= in place of = \(dL/dx and dL/dU and dL/db: right\)"
    return rnn(G, x, W, U, b, "W")


def rnn_backward_assigns_W_and_U(G, x, W, U, b):
    r"known mistake: of the weights you kept the last step .* \+= in place of = \(dL/dx and dL/db: right\)"
    return rnn(G, x, W, U, b, "WU")


def rnn_backward_adds_up_what_comes(G, x, W, U, b):
    "known mistake: what comes from the next step is added to what came before it"
    return rnn(G, x, W, U, b, back=lambda dh, da, U, before: before + da @ U.T)


def rnn_backward_dh_not_set_anew(G, x, W, U, b):
    "known mistake: dL/dh_t is carried on to .* as it is, beside da U\\^T"
    return rnn(G, x, W, U, b, back=lambda dh, da, U, before: dh + da @ U.T)


def rnn_backward_behind_the_slope(G, x, W, U, b):
    "known mistake: what comes from the next step comes to h_t, before tanh's derivative"
    return rnn(G, x, W, U, b, da=lambda own, nxt, h: own * (1 - h * h) + nxt)


def rnn_backward_way_without_slope(G, x, W, U, b):
    "known mistake: .* you took dL/dh_t U\\^T, without the derivative of tanh"
    return rnn(G, x, W, U, b, back=lambda dh, da, U, before: dh @ U.T)

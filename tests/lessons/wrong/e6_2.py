"""Wrong answers to exercise 6.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def parts(G, a, c):
    H = c.shape[1]
    i, f, o = (1 / (1 + np.exp(-a[:, k * H : (k + 1) * H])) for k in (0, 1, 3))
    g = np.tanh(a[:, 2 * H : 3 * H])
    return i, f, g, o, f * c + i * g, G[:, :H], G[:, H:]


def lstm_step_backward_gates_in_another_order(G, a, c):
    "you joined the gates as i, f, o, g"
    i, f, g, o, new, dh, dc = parts(G, a, c)
    dc = dc + dh * o * (1 - np.tanh(new) ** 2)
    d_o = dh * np.tanh(new) * o * (1 - o)
    return np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), d_o, dc * i * (1 - g * g)]), dc * f


def lstm_step_backward_through_h_alone(G, a, c):
    "comes to c_new itself, .* is lost"
    i, f, g, o, new, dh, _ = parts(G, a, c)
    dc = dh * o * (1 - np.tanh(new) ** 2)
    d_o = dh * np.tanh(new) * o * (1 - o)
    return np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), d_o]), dc * f


def lstm_step_backward_name_reused(G, a, c):
    "needs the old c, and you took c_new"
    i, f, g, o, c, dh, dc = parts(G, a, c)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    d_o = dh * np.tanh(c) * o * (1 - o)
    return np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), d_o]), dc * f


def lstm_step_backward_gates_not_left(G, a, c):
    "lead on to a"
    i, f, g, o, new, dh, dc = parts(G, a, c)
    dc = dc + dh * o * (1 - np.tanh(new) ** 2)
    return np.hstack([dc * g, dc * c, dc * i, dh * np.tanh(new)]), dc * f


def lstm_step_backward_two_axes(G, a, c):
    r"dL/da must have shape \(2, 8\), it has \(4, 2, 2\)"
    i, f, g, o, new, dh, dc = parts(G, a, c)
    dc = dc + dh * o * (1 - np.tanh(new) ** 2)
    d_o = dh * np.tanh(new) * o * (1 - o)
    return np.array([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), d_o]), dc * f

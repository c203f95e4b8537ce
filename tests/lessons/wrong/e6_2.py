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


def right(i, f, g, o, c, new, dh, dc):
    """di, df, dg, do and dc_new."""
    t = np.tanh(new)
    dc = dc + dh * o * (1 - t * t)
    return dc * g, dc * c, dc * i, dh * t, dc


def lstm_step_backward_f_before_i(G, a, c):
    "known mistake: you joined the gates as f, i, g, o"
    i, f, g, o, new, dh, dc = parts(G, a, c)
    di, df, dg, do, dc = right(i, f, g, o, c, new, dh, dc)
    return np.hstack([df * f * (1 - f), di * i * (1 - i), dg * (1 - g * g), do * o * (1 - o)]), dc * f


def lstm_step_backward_i_for_f(G, a, c):
    "known mistake: i and f are exchanged: c_new = f c \\+ i g, so di = dc_new g and df = dc_new c"
    i, f, g, o, new, dh, dc = parts(G, a, c)
    df, di, dg, do, dc = right(i, f, g, o, c, new, dh, dc)
    return np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)]), dc * f


def lstm_step_backward_taken_as_f_i(G, a, c):
    "known mistake: you took the gates out of a as f, i, g, o"
    f, i, g, o, _, dh, dc = parts(G, a, c)
    di, df, dg, do, dc = right(i, f, g, o, c, f * c + i * g, dh, dc)
    return np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)]), dc * f


def lstm_step_backward_slope_of_o(G, a, c):
    "known mistake: do is the gradient of the gate o; the derivative of sigmoid still leads on to a"
    i, f, g, o, new, dh, dc = parts(G, a, c)
    di, df, dg, do, dc = right(i, f, g, o, c, new, dh, dc)
    return np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do]), dc * f

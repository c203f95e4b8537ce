"""Lesson 6: backpropagation through time."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.lessons.exercise import Gold, Wrong, case
from tinygrad_edu.lessons.keys.lstm_step import NO_SLOPES, lstm_step, wrong_step
from tinygrad_edu.lessons.keys.walks import backwards, forwards, without_first, without_last


def _rnn(da=None, back=None, keeps_last=False, state=0, walk=backwards, per_step=False):
    """An answer to 6.1 with another da(own, from_next, h, t), or another way to h_(t-1), back(dh, da, U, before)."""

    def answer(G, x, W, U, b):
        h = [np.zeros((len(x), len(U)))]
        for t in range(x.shape[1]):
            h.append(np.tanh(x[:, t] @ W + h[t] @ U + b))
        dx, dW, dU, db = np.zeros_like(x), 0 * W, 0 * U, 0 * b
        from_next = 0 * h[0]
        for t in walk(len(h) - 1):
            own = G[:, t - 1]
            d = da(own, from_next, h, t) if da else (own + from_next) * (1 - h[t] ** 2)
            dx[:, t - 1] = d @ W.T
            dW, dU, db = (0 * old if keeps_last else old for old in (dW, dU, db))
            dW = dW + x[:, t - 1].T @ d
            dU = dU + h[t - 1 + state].T @ d
            db = db + d.sum(axis=0)
            from_next = back(own + from_next, d, U, from_next) if back else d @ U.T
        scale = len(h) - 1 if per_step else 1
        return dx, dW / scale, dU / scale, db / scale

    return answer


def _cell_path(F, Z, c0):
    c, states = c0, []
    for t in range(len(F)):
        c = F[t] * c + Z[t]
        states.append(c)
    return ops.stack(states)


def _path(old=True, from_next=True, gate=0, last_only=False, to_start=True):
    """An answer to 6.3 with some of its parts left out or exchanged."""

    def answer(G, F, Z, c0):
        c = [c0]
        for f, z in zip(F, Z):
            c.append(f * c[-1] + z)
        dF, dZ, back = np.zeros_like(F), np.zeros_like(Z), np.zeros_like(c0)
        for t in range(len(F), 0, -1):
            own = G[t - 1] if t == len(F) or not last_only else 0
            dc = own + (back if from_next else 0)
            dF[t - 1] = dc * c[t - 1 if old else t]
            dZ[t - 1] = dc
            back = dc * F[max(t - 1 - gate, 0)]
        return dF, dZ, back if to_start else dZ[0]

    return answer


EXERCISES = (
    Gold(
        number="6.1",
        title="backpropagation through time for a whole layer",
        function="rnn_backward",
        forward=lambda x, W, U, b: ops.simple_rnn(x, W, U, b)[0],
        cases=(
            case((2, 4, 3), (3, 2), (2, 2), (2,)),
            case((3, 5, 1), (1, 3), (3, 3), (3,)),
            case((1, 3, 2), (2, 2), (2, 2), (2,)),
        ),
        wrong=(
            Wrong(
                "each step is treated by itself: what the next step says about h_t, da U^T, is not added to G",
                _rnn(back=lambda dh, da, U, before: 0 * da),
            ),
            Wrong(
                "of the weights you kept the last step that was visited; over the steps they add up: += in place of =",
                _rnn(keeps_last=True),
            ),
            Wrong(
                "what comes from the next step is added to what came before it: it holds all of that already, so it "
                "must replace it, = in place of +=",
                _rnn(back=lambda dh, da, U, before: before + da @ U.T),
            ),
            Wrong(
                "dL/dh_t is carried on to h_(t-1) as it is, beside da U^T: set it anew in each step, = in place of +=",
                _rnn(back=lambda dh, da, U, before: dh + da @ U.T),
            ),
            Wrong("U multiplies the state before the step: dL/dU needs h_(t-1), and you took h_t", _rnn(state=1)),
            Wrong(
                "the derivative of tanh, 1 - h_t^2, is missing",
                _rnn(da=lambda own, from_next, h, t: own + from_next),
            ),
            Wrong(
                "the derivative of tanh in step t is 1 - h_t^2, and you took 1 - h_(t-1)^2",
                _rnn(da=lambda own, from_next, h, t: (own + from_next) * (1 - h[t - 1] ** 2)),
            ),
            Wrong(
                "h_t is a tanh already: its derivative is 1 - h_t^2, and you took tanh once more",
                _rnn(da=lambda own, from_next, h, t: (own + from_next) * (1 - np.tanh(h[t]) ** 2)),
            ),
            Wrong(
                "the derivative of tanh is 1 - h_t^2, and you took 1 - h_t",
                _rnn(da=lambda own, from_next, h, t: (own + from_next) * (1 - h[t])),
            ),
            Wrong(
                "what comes from the next step comes to h_t, before tanh's derivative: (G + from_next) (1 - h_t^2)",
                _rnn(da=lambda own, from_next, h, t: own * (1 - h[t] ** 2) + from_next),
            ),
            Wrong(
                "back to h_(t-1) goes da U^T, and you took dL/dh_t U^T, without the derivative of tanh",
                _rnn(back=lambda dh, da, U, before: dh @ U.T),
            ),
            Wrong(
                "on the way back to h_(t-1) da is multiplied by U^T, and you took U",
                _rnn(back=lambda dh, da, U, before: da @ U),
            ),
            Wrong(
                "on the way back to h_(t-1) da must be multiplied by U^T, and you hand it on as it is",
                _rnn(back=lambda dh, da, U, before: da),
            ),
            Wrong(
                "G has something for every step, and you took that of the last step alone",
                _rnn(da=lambda own, from_next, h, t: ((own if t == len(h) - 1 else 0) + from_next) * (1 - h[t] ** 2)),
            ),
            Wrong(
                "you walk from the first step to the last; the gradient comes from the last one", _rnn(walk=forwards)
            ),
            Wrong(
                "the walk begins a step too late: what G has for the last step is lost; range(T, 0, -1) is T ... 1",
                _rnn(walk=without_last),
            ),
            Wrong(
                "the walk ends a step too early, before the first step; range(T, 0, -1) is T ... 1",
                _rnn(walk=without_first),
            ),
            Wrong(
                "the weights' gradients are sums over the steps, and you took means: whether to divide is the loss's "
                "decision",
                _rnn(per_step=True),
            ),
        ),
        hints=(
            "Unrolled, this is a network of T layers. Take the last one: what are dL/da_T, and dL/dh_(T-1)?",
            "dL/dh_t = G[:, t-1] + da_(t+1) U^T and da_t = dL/dh_t (1 - h_t^2). Walk t from T to 1.",
            "In the loop: dx_t = da W^T, dW += x_t^T da, dU += h_(t-1)^T da, db += the sum of da over its rows.",
        ),
    ),
    Gold(
        number="6.2",
        title="the backward of one step of an LSTM",
        function="lstm_step_backward",
        forward=lstm_step,
        cases=(case((2, 8), (2, 2)), case((3, 12), (3, 3)), case((1, 4), (1, 1))),
        wrong=(
            Wrong("you joined the gates as i, f, o, g; a holds them as i, f, g, o", wrong_step(order="ifog")),
            Wrong("you joined the gates as f, i, g, o; a holds them as i, f, g, o", wrong_step(order="figo")),
            Wrong(
                "you took the gates out of a as f, i, g, o; a holds them as i, f, g, o",
                wrong_step(unpacked="figo"),
            ),
            Wrong(
                "you took the gates out of a as i, f, o, g; a holds them as i, f, g, o",
                wrong_step(unpacked="ifog"),
            ),
            Wrong(
                "i and f are exchanged: c_new = f c + i g, so di = dc_new g and df = dc_new c",
                wrong_step(di=lambda q: q.d_new * q.old, df=lambda q: q.d_new * q.g),
            ),
            Wrong(
                "i and f have each other's slopes: di is multiplied by i (1 - i), df by f (1 - f)",
                wrong_step(slope_i=lambda q: q.f * (1 - q.f), slope_f=lambda q: q.i * (1 - q.i)),
            ),
            Wrong(
                "i and g are exchanged: they multiply each other, so di = dc_new g and dg = dc_new i",
                wrong_step(di=lambda q: q.d_new * q.i, dg=lambda q: q.d_new * q.g),
            ),
            Wrong(
                "the halves of G are exchanged: G[:, :H] comes to h, and G[:, H:] to c_new",
                wrong_step(exchanged=True),
            ),
            Wrong(
                "the gradient that comes to c_new itself, G[:, H:], is lost: that is the path an LSTM is built for",
                wrong_step(d_new=lambda q: q.through_h),
            ),
            Wrong(
                "c_new goes into h as well: the gradient through h is missing from dL/dc_new",
                wrong_step(d_new=lambda q: q.own),
            ),
            Wrong(
                "between h and c_new lies a tanh, and its derivative 1 - tanh(c_new)^2 is missing",
                wrong_step(through_h=lambda q: q.dh * q.o),
            ),
            Wrong(
                "tanh's derivative at c_new is 1 - tanh(c_new)^2, and you took 1 - c_new^2",
                wrong_step(through_h=lambda q: q.dh * q.o * (1 - q.new**2)),
            ),
            Wrong(
                "tanh's derivative at c_new is 1 - tanh(c_new)^2; the square is missing",
                wrong_step(through_h=lambda q: q.dh * q.o * (1 - q.tanh)),
            ),
            Wrong(
                "h = o tanh(c_new), so what comes to c_new through h has the factor o, which is missing",
                wrong_step(through_h=lambda q: q.dh * (1 - q.tanh**2)),
            ),
            Wrong(
                "c_new = f c + ..., so the forget gate's gradient needs the old c, and you took c_new",
                wrong_step(df=lambda q: q.d_new * q.new),
            ),
            Wrong(
                "h = o tanh(c_new), so do = dh tanh(c_new); the tanh is missing", wrong_step(do=lambda q: q.dh * q.new)
            ),
            Wrong(
                "o goes into h alone, so do = dh tanh(c_new), and you took dc_new for dh",
                wrong_step(do=lambda q: q.d_new * q.tanh),
            ),
            Wrong(
                "these are the gradients of the gates; the derivatives of sigmoid and tanh lead on to a",
                wrong_step(**NO_SLOPES),
            ),
            *(
                Wrong(
                    f"d{gate} is the gradient of the gate {gate}; the derivative of {name} still leads on to a",
                    wrong_step(**{f"slope_{gate}": lambda q: 1}),
                )
                for gate, name in (("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid"))
            ),
            Wrong(
                "g is a tanh, with the derivative 1 - g^2; you took that of a sigmoid, g (1 - g)",
                wrong_step(slope_g=lambda q: q.g * (1 - q.g)),
            ),
            Wrong(
                "g is a tanh already: its derivative is 1 - g^2, and you took tanh once more",
                wrong_step(slope_g=lambda q: 1 - np.tanh(q.g) ** 2),
            ),
            Wrong(
                "i, f and o are sigmoids, with the derivative s (1 - s); you took that of tanh, 1 - s^2",
                wrong_step(slope_i=lambda q: 1 - q.i**2, slope_f=lambda q: 1 - q.f**2, slope_o=lambda q: 1 - q.o**2),
            ),
            Wrong(
                "the derivative of sigmoid is s (1 - s), and you took 1 - s",
                wrong_step(slope_i=lambda q: 1 - q.i, slope_f=lambda q: 1 - q.f, slope_o=lambda q: 1 - q.o),
            ),
            Wrong("dL/dc still has to be multiplied by the forget gate", wrong_step(d_old=lambda q: q.d_new)),
            Wrong(
                "c_new = f c + i g, so dL/dc = dc_new f; you took the input gate's factor",
                wrong_step(d_old=lambda q: q.d_new * q.i),
            ),
            Wrong(
                "c_new = f c + i g, so dL/dc = dc_new f; you took c for f", wrong_step(d_old=lambda q: q.d_new * q.old)
            ),
            Wrong(
                "dL/dc needs all of dL/dc_new, also what comes through h, and you took G[:, H:] alone",
                wrong_step(d_old=lambda q: q.own * q.f),
            ),
        ),
        hints=(
            "Start with c_new: by which two ways does it move the loss? The rest but the output gate follows.",
            "dL/dc_new = G[:, H:] + dL/dh * o * (1 - tanh(c_new)^2). In a product, each factor gets G times the other.",
            "di = dc g, df = dc c, dg = dc i, do = dh tanh(c_new); then s (1 - s) or 1 - g^2; and dL/dc = dc f.",
        ),
    ),
    Gold(
        number="6.3",
        title="the cell path of an LSTM",
        function="cell_path_backward",
        forward=_cell_path,
        cases=(case((4, 3), (4, 3), (3,)), case((6, 2), (6, 2), (2,)), case((2, 1), (2, 1), (1,))),
        wrong=(
            Wrong(
                "each step is treated by itself: what the next one hands back, dL/dc_(t+1) F_(t+1), is missing",
                _path(from_next=False),
            ),
            Wrong("F_t multiplies the state before: dL/dF_t needs c_(t-1), and you took c_t", _path(old=False)),
            Wrong("back from step t the factor is F_t; yours is the gate of one step earlier", _path(gate=1)),
            Wrong("G has something for every step, and you took that of the last step alone", _path(last_only=True)),
            Wrong("c_0 goes into c_1 through the gate F_1, which is missing from dL/dc_0", _path(to_start=False)),
        ),
        hints=(
            "c_t is used twice: it is an output, and it goes into c_(t+1). So two gradients come to it.",
            "dL/dc_t = G_t + dL/dc_(t+1) F_(t+1). Keep all c_t of the forward: dL/dF_t = dL/dc_t c_(t-1).",
            "for t from T to 1: dc = G[t-1] + back; dZ[t-1] = dc; dF[t-1] = dc * c_(t-1); back = dc * F[t-1].",
        ),
    ),
)

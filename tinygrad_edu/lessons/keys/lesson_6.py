"""Lesson 6: backpropagation through time."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.lessons.exercise import Gold, Wrong, case


def _rnn(cut=False, keeps_first=False, state=0, slope=True, slope_at=0, transposed=True, last_output_only=False):
    """An answer to 6.1 with some of its parts left out or exchanged."""

    def answer(G, x, W, U, b):
        h = [np.zeros((len(x), len(U)))]
        for t in range(x.shape[1]):
            h.append(np.tanh(x[:, t] @ W + h[t] @ U + b))
        dx, dW, dU, db = np.zeros_like(x), 0 * W, 0 * U, 0 * b
        from_next = 0 * h[0]
        last = x.shape[1]
        for t in range(last, 0, -1):
            own = 0 * from_next if last_output_only and t < last else G[:, t - 1]
            da = (own + from_next) * ((1 - h[t - slope_at] ** 2) if slope else 1)
            dx[:, t - 1] = da @ W.T
            dW, dU, db = (0 * old if keeps_first else old for old in (dW, dU, db))
            dW = dW + x[:, t - 1].T @ da
            dU = dU + h[t - 1 + state].T @ da
            db = db + da.sum(axis=0)
            from_next = 0 * da if cut else da @ (U.T if transposed else U)
        return dx, dW, dU, db

    return answer


def _lstm_step(a, c):
    i, f, g, o = ops.split(a, 4, axis=1)
    c_new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return ops.concatenate([o.sigmoid() * c_new.tanh(), c_new], axis=1)


def _step(order="ifgo", own=True, through_h=True, slope=True, old=True, gate_slopes=True, forget=True):
    """An answer to 6.2 with some of its parts left out or exchanged."""

    def answer(G, a, c):
        parts = np.split(a, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-parts[k])) for k in (0, 1, 3))
        g = np.tanh(parts[2])
        c_new = f * c + i * g
        dh, dc = np.split(G, 2, axis=1)
        dc = own * dc + through_h * dh * o * ((1 - np.tanh(c_new) ** 2) if slope else 1)
        da = {"i": dc * g, "f": dc * (c if old else c_new), "g": dc * i, "o": dh * np.tanh(c_new)}
        if gate_slopes:
            slopes = {"i": i * (1 - i), "f": f * (1 - f), "g": 1 - g**2, "o": o * (1 - o)}
            da = {gate: da[gate] * slopes[gate] for gate in da}
        return np.concatenate([da[gate] for gate in order], axis=1), dc * f if forget else dc

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
                _rnn(cut=True),
            ),
            Wrong(
                "of the weights you kept the last step that was visited; over the steps they add up",
                _rnn(keeps_first=True),
            ),
            Wrong("U multiplies the state before the step: dL/dU needs h_(t-1), and you took h_t", _rnn(state=1)),
            Wrong("the derivative of tanh, 1 - h_t^2, is missing", _rnn(slope=False)),
            Wrong("the derivative of tanh in step t is 1 - h_t^2, and you took 1 - h_(t-1)^2", _rnn(slope_at=1)),
            Wrong("on the way back to h_(t-1) da is multiplied by U^T, and you took U", _rnn(transposed=False)),
            Wrong(
                "G has something for every step, and you took that of the last step alone", _rnn(last_output_only=True)
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
        forward=_lstm_step,
        cases=(case((2, 8), (2, 2)), case((3, 12), (3, 3)), case((1, 4), (1, 1))),
        wrong=(
            Wrong("you joined the gates as i, f, o, g; a holds them as i, f, g, o", _step(order="ifog")),
            Wrong(
                "the gradient that comes to c_new itself, G[:, H:], is lost: that is the path an LSTM is built for",
                _step(own=False),
            ),
            Wrong(
                "c_new goes into h as well: the gradient through h is missing from dL/dc_new", _step(through_h=False)
            ),
            Wrong(
                "between h and c_new lies a tanh, and its derivative 1 - tanh(c_new)^2 is missing", _step(slope=False)
            ),
            Wrong(
                "c_new = f c + ..., so the forget gate's gradient needs the old c, and you took c_new", _step(old=False)
            ),
            Wrong(
                "these are the gradients of the gates; the derivatives of sigmoid and tanh lead on to a",
                _step(gate_slopes=False),
            ),
            Wrong("dL/dc still has to be multiplied by the forget gate", _step(forget=False)),
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

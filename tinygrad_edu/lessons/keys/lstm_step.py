"""One step of an LSTM, and answers to 6.2 that differ from the right one in one place."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from tinygrad_edu import ops


def lstm_step(a, c):
    i, f, g, o = ops.split(a, 4, axis=1)
    c_new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return ops.concatenate([o.sigmoid() * c_new.tanh(), c_new], axis=1)


def wrong_step(unpacked="ifgo", order="ifgo", exchanged=False, **instead):
    """An answer to 6.2 with other orders of the gates; `instead` has other functions for some of BACK."""

    def answer(G, a, c):
        q = SimpleNamespace(old=c)
        i, f, g, o = np.split(a, 4, axis=1)
        for name, gate in zip(unpacked, (sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o))):
            setattr(q, name, gate)
        q.new = q.f * c + q.i * q.g
        q.tanh = np.tanh(q.new)
        q.dh, q.own = reversed(np.split(G, 2, axis=1)) if exchanged else np.split(G, 2, axis=1)
        for name, right in BACK.items():
            setattr(q, name, instead.get(name, right)(q))
        da = {gate: getattr(q, f"d{gate}") * getattr(q, f"slope_{gate}") for gate in "ifgo"}
        return np.concatenate([da[gate] for gate in order], axis=1), q.d_old

    return answer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# The backward: name -> its value, from all that is there by then.
BACK = {
    "through_h": lambda q: q.dh * q.o * (1 - q.tanh**2),
    "d_new": lambda q: q.own + q.through_h,
    "di": lambda q: q.d_new * q.g,
    "df": lambda q: q.d_new * q.old,
    "dg": lambda q: q.d_new * q.i,
    "do": lambda q: q.dh * q.tanh,
    "slope_i": lambda q: q.i * (1 - q.i),
    "slope_f": lambda q: q.f * (1 - q.f),
    "slope_g": lambda q: 1 - q.g**2,
    "slope_o": lambda q: q.o * (1 - q.o),
    "d_old": lambda q: q.d_new * q.f,
}
NO_SLOPES = {f"slope_{gate}": lambda q: 1 for gate in "ifgo"}

"""The table of operations, part four: products, normalisation, recurrence, losses, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from programs.building import Builder, broadcasts
from programs.program import Generator, torch
from programs.table import functional, operation

# --- products ---


@operation("matmul", lambda a, b: a @ b)
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.ndim > 0, lambda: make.shape(1))
    A = make.values[a].shape

    def fits(X: np.ndarray) -> bool:
        if X.ndim == 0 or X.shape[-2 if X.ndim > 1 else 0] != A[-1]:
            return False
        return X.ndim == 1 or broadcasts((*A[:-2], *A[-2:-1], 1), (*X.shape[:-2], 1, X.shape[-1]))

    def fresh() -> tuple[int, ...]:
        lead = make.beside(A[:-2]) if len(A) > 2 else ()
        return make.choose((*lead, A[-1], make.whole(1, 3)), (A[-1],))

    return (a, make.tensor(fits, fresh)), {}


@operation("linear", lambda x, W, b=None: x @ W if b is None else x @ W + b)
def _(make: Builder) -> tuple[tuple, dict]:
    x = make.tensor(lambda X: X.ndim > 0, lambda: make.shape(1))
    D, M = make.values[x].shape[-1], make.whole(1, 3)
    return (x, make.like((D, M)), *([make.like((M,))] if make.flag() else [])), {}


@operation("einsum", lambda subscripts, a, b: torch.einsum(subscripts, a, b))
def _(make: Builder) -> tuple[tuple, dict]:
    subscripts = make.choose(
        *("i,i->", "i,j->ij", "ij,jk->ik", "ij,ij->i", "ij,kj->ki", "ij,jk", "ji,i", "ijk,k->ji", "bij,bkj->bik"),
        *("...ij,jk->...ik", "ij,k->jk", "nhd,nkd->nhk", "ij,j->"),
    )
    left, right = subscripts.split("->")[0].split(",")
    if left.startswith("..."):
        a = make.tensor(lambda X: X.ndim >= 2, lambda: make.shape(2))
    else:
        a = make.tensor(lambda X: X.ndim == len(left), lambda: make.shape(len(left), len(left)))
    named = left.removeprefix("...")
    length = dict(zip(named, make.values[a].shape[-len(named) :]))
    shape = tuple(length[letter] if letter in length else make.whole(1, 3) for letter in right)
    return (subscripts, a, make.like(shape)), {}


# --- normalisation ---

EPS = 2.0**-8


def batch_norm_of_theirs(x, gamma, beta, running_mean=None, running_var=None, training=True, eps=1e-3):
    rows = x.reshape(-1, x.shape[-1])
    mean, var = (rows.mean(0), rows.var(0, correction=0)) if training else (running_mean, running_var)
    return ((rows - mean) / (var + eps).sqrt() * gamma + beta).reshape(x.shape)


@operation("batch_norm", batch_norm_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    def spread_out(X: np.ndarray) -> bool:
        return X.ndim >= 2 and X.reshape(-1, X.shape[-1]).var(axis=0).min() > 0.05

    x = make.tensor(spread_out, lambda: (make.whole(3, 4), *make.shape(1, 3, 3)))
    C = make.values[x].shape[-1]
    settings: dict[str, Any] = {} if make.flag() else {"eps": EPS}
    if make.flag():
        settings |= {"running_mean": make.numbers((C,)), "running_var": make.numbers((C,), 0.5, 2.0)}
        settings |= {"training": False} if make.flag() else {}
    return (x, make.like((C,)), make.like((C,))), settings


def layer_norm_of_theirs(x, gamma, beta, eps=1e-3):
    return functional().layer_norm(x, x.shape[-1:], gamma, beta, eps)


@operation("layer_norm", layer_norm_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    x = make.tensor(
        lambda X: X.ndim >= 2 and X.var(axis=-1).min() > 0.05, lambda: (*make.shape(1, 2), make.whole(3, 4))
    )
    C = make.values[x].shape[-1]
    return (x, make.like((C,)), make.like((C,))), {} if make.flag() else {"eps": EPS}


@operation("rms_norm", lambda x, gamma, eps=1e-6: x / ((x * x).mean(-1, keepdim=True) + eps).sqrt() * gamma)
def _(make: Builder) -> tuple[tuple, dict]:
    x = make.tensor(lambda X: X.ndim >= 2 and (X * X).mean(axis=-1).min() > 0.05, lambda: (*make.shape(1, 2), 3), 0.3)
    return (x, make.like(make.values[x].shape[-1:])), {} if make.flag() else {"eps": EPS}


# --- sequences ---


def recurrent(name: str, gates: int, biases: tuple[int, ...], states: int, cell) -> None:
    """`cell(x_t W, (h_{t-1} * mask) U, b, states)` gives the next states, the first of which is h."""

    def theirs(x, W, U, b, *initial, input_mask=None, recurrent_mask=None, **named):
        initial = (*initial, *named.values())
        state = initial or tuple(x.new_zeros(len(x), len(U)) for _ in range(states))
        outputs = []
        for t in range(x.shape[1]):
            x_t = x[:, t] if input_mask is None else x[:, t] * input_mask
            h = state[0] if recurrent_mask is None else state[0] * recurrent_mask
            state = cell(x_t @ W, h @ U, b, state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), tuple(part.clone() for part in state)  # not one of those that are stacked

    @operation(name, theirs)
    def draw(make: Builder) -> tuple[tuple, dict]:
        x = make.tensor(lambda X: X.ndim == 3, lambda: make.shape(3, 3, 3))
        N, _, D = make.values[x].shape
        H = make.whole(1, 3)
        learnt = [make.like(s, -1.0, 1.0) for s in ((D, gates * H), (H, gates * H), (*biases, gates * H))]
        initial = [make.like((N, H)) for _ in range(states)] if make.flag() else []
        masks = {}
        if make.flag():
            masks["input_mask"] = make.mask((N, D)) * 1.5
        if make.flag():
            masks["recurrent_mask"] = make.mask((N, H)) * 2.0
        return (x, *learnt, *initial), masks


def simple_cell(a, q, b, state):
    return ((a + q + b).tanh(),)


def lstm_cell(a, q, b, state):
    i, f, g, o = (a + q + b).chunk(4, 1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_cell(a, q, b, state):
    (p_z, p_r, p_k), (q_z, q_r, q_k) = (a + b[0]).chunk(3, 1), (q + b[1]).chunk(3, 1)
    z, r = (p_z + q_z).sigmoid(), (p_r + q_r).sigmoid()
    return (z * state[0] + (1 - z) * (p_k + r * q_k).tanh(),)


recurrent("simple_rnn", 1, (), 1, simple_cell)
recurrent("lstm", 4, (), 2, lstm_cell)
recurrent("gru", 3, (2,), 1, gru_cell)


def attention_of_theirs(q, k, v, mask=None, causal=False):
    T, S = q.shape[2], k.shape[2]
    seen = torch.ones(T, S, dtype=torch.bool) if mask is None else mask
    if causal:
        seen = seen & torch.ones(T, S, dtype=torch.bool).tril(S - T)
    return functional().scaled_dot_product_attention(q, k, v, seen)


@operation("attention", attention_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    q = make.tensor(lambda X: X.ndim == 4, lambda: make.shape(4, 4, 3))
    N, heads, T, D = make.values[q].shape
    S, settings = make.whole(T, max(T, 4)), {"causal": True} if make.flag() else {}
    if make.flag():
        settings["mask"] = make.mask((T, S))
        settings["mask"][:, 0] = True
    return (q, make.like((N, heads, S, D)), make.like((N, heads, S, make.whole(1, 3)))), settings


@operation("embedding", lambda table, ids: table[ids])
def _(make: Builder) -> tuple[tuple, dict]:
    table = make.tensor(lambda X: X.ndim == 2, lambda: make.shape(2, 2))
    return (table, make.integers(make.shape(0, 2, 3), 0, len(make.values[table]))), {}


# --- losses, and dropout ---


def mean_sum_or_none(make: Builder) -> dict[str, str]:
    return make.choose({}, {"reduction": "sum"}, {"reduction": "none"})


@operation("mse", lambda p, t, reduction="mean": functional().mse_loss(p, t, reduction=reduction))
def _(make: Builder) -> tuple[tuple, dict]:
    prediction = make.tensor()
    shape = make.values[prediction].shape
    return (prediction, make.like(shape) if make.flag() else make.numbers(shape)), mean_sum_or_none(make)


def cross_entropy_of_theirs(logits, labels, reduction="mean", **settings):
    K = logits.shape[-1]
    labels = labels.reshape(-1) if labels.ndim < logits.ndim else labels.reshape(-1, K)
    settings = {"ignore_index": -100} | settings
    losses = functional().cross_entropy(logits.reshape(-1, K), labels, reduction=reduction, **settings)
    return losses.reshape(logits.shape[:-1]) if reduction == "none" else losses


@operation("softmax_cross_entropy", cross_entropy_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    logits = make.tensor(lambda X: X.ndim > 0, lambda: (*make.shape(0, 2), make.whole(2, 4)))
    *lead, K = make.values[logits].shape
    settings: dict[str, Any] = mean_sum_or_none(make)
    if make.flag():
        settings = settings | {"weight": make.numbers((K,), 0.5, 2.0)}
    if make.flag():
        settings = settings | {"label_smoothing": 0.25}
    if make.whole(0, 3) == 3:
        chances = make.numbers((*lead, K), 0.2, 2.0)
        return (logits, chances / chances.sum(axis=-1, keepdims=True)), settings
    labels = make.integers(tuple(lead), 0, K)
    if lead and make.flag():
        labels.flat[0] = 0
        ignored = K if K > 1 else -1
        if labels.size > 1:
            labels.flat[-1] = ignored
        settings = settings | {"ignore_index": ignored}
    return (logits, labels), settings


@operation(
    "binary_cross_entropy_with_logits",
    lambda z, t, reduction="mean": functional().binary_cross_entropy_with_logits(z, t, reduction=reduction),
)
def _(make: Builder) -> tuple[tuple, dict]:
    logits = make.tensor()
    shape = make.values[logits].shape
    if make.flag():
        return (logits, np.asarray(make.mask(shape) * 1.0)), mean_sum_or_none(make)
    targets = make.tensor(lambda X: X.shape == shape and X.min() > 0.01 and X.max() < 0.99, shape, 0.02, 0.98)
    return (logits, targets), mean_sum_or_none(make)


def dropout_of_theirs(x, p, generator):
    """As `ops.dropout` says: each element has a random 16-bit number, and is dropped where it is below p * 65536."""
    threshold = round(p * 65536)
    numbers = np.frombuffer(np.random.default_rng(generator.seed).bytes(2 * x.numel()), np.uint16)
    return x * torch.from_numpy((numbers >= threshold).reshape(x.shape)) * (65536 / (65536 - threshold))


@operation("dropout", dropout_of_theirs)
def _(make: Builder) -> tuple[tuple, dict]:
    return (make.tensor(), make.choose(0.5, 0.25, 0.9), Generator(make.whole(0, 9999))), {}

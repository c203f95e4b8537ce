"""How the gradient travels through time: pictures of ||dL/dh_t|| from real backward passes. Used by `sine_rnn.py`.

The state h_t is inside the network, where no gradient is left behind. The trick: add a leaf e_t = 0 to it. Then
h_t + e_t is used wherever h_t was, and dL/de_t = dL/dh_t.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import Tensor, nn, ops, optim, plots
from tinygrad_edu.optim import clip_grad_norm

STEPS, UNITS, BATCH = 100, 32, 16


def gradient_norms(cell, x):
    """||dL/dh_t|| for t = 1 ... T, where L depends on the last output alone: x (N, T, D) to norms (T,)."""
    N, T, _ = x.shape
    leaves = [Tensor(np.zeros((N, cell.units), dtype=np.float32), requires_grad=True) for _ in range(T)]
    h = c = Tensor(np.zeros((N, cell.units), dtype=np.float32))
    for t in range(T):
        if isinstance(cell, nn.LSTMCell):
            _, (h, c) = cell(x[:, t], (h, c))
        else:
            _, h = cell(x[:, t], h)
        h = h + leaves[t]
    ops.mean(h * h).backward()
    norms = np.array([np.sqrt(np.sum(np.square(np.asarray(leaf.grad)))) for leaf in leaves])
    return norms / norms[-1]  # relative to the end: how much is left of it


def draw_gradient_flow(folder, seed):
    """Three kinds of cells; three sizes of recurrent weights; and what clipping does for one that explodes."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, (BATCH, 1))
    x = Tensor(np.sin(phases + 2 * np.pi * np.arange(STEPS) / 20).astype(np.float32)[:, :, None])  # (N, T, 1)

    cells = {"SimpleRNN": gradient_norms(new(nn.SimpleRNNCell, seed), x)}
    # A gate's bias decides how much of the state is kept, sigmoid(1) = 0.73 or sigmoid(5) = 0.993, and so how much of
    # the gradient. Training can open a gate; nothing can be opened in a SimpleRNN. The LSTM's curves fall steeply near
    # the end, where L reads h and not c; from there on they show what came along the cell path, and enters h_t through
    # the gates of the next step.
    for bias in (1, 5):
        lstm, gru = new(nn.LSTMCell, seed), new(nn.GRUCell, seed)
        lstm.bias.data[UNITS : 2 * UNITS] = bias
        gru.bias.data[0, :UNITS] = bias
        cells[f"LSTM, forget bias {bias}"] = gradient_norms(lstm, x)
        cells[f"GRU, update bias {bias}"] = gradient_norms(gru, x)

    weights = {}
    for factor in (0.9, 1.0, 1.1):
        cell = new(nn.SimpleRNNCell, seed)
        cell.kernel.data *= 1e-6  # so small an input keeps tanh in its straight part: the weights alone decide
        cell.recurrent_kernel.data *= factor
        weights[f"orthogonal x {factor:g}"] = gradient_norms(cell, x)
    plots.gradient_flow(
        folder / "gradient_flow.png",
        {"cells by how far their gates are open": cells, "SimpleRNN by recurrent weights": weights},
        f"Untrained cells of {UNITS} units: how much of the gradient reaches step t of {STEPS}",
        r"$\|dL/dh_t\| \;/\; \|dL/dh_{100}\|$",
    )
    draw_clipping(folder, seed)


def new(kind, seed):
    """A cell of some kind with one input, the same at every call."""
    return kind(1, UNITS, rng=np.random.default_rng(seed))


def draw_clipping(folder, seed):
    """Let a SimpleRNN learn to say, after 100 steps, what its first input was: with and without `clip_grad_norm`.

    Its recurrent weights are orthogonal x 1.1, so the gradient grows on its way back. A few steps that are far too
    long, and whatever the input, the state runs into a fixed point, around which every step back shrinks the gradient.
    After 100 of them nothing is left of it, and the loss stays where it is.
    """
    first = np.linspace(-1, 1, BATCH, dtype=np.float32)[:, None]  # (N, 1)
    x = np.zeros((BATCH, STEPS, 1), dtype=np.float32)
    x[:, 0] = first
    losses: dict[str, list[float]] = {}
    norms: dict[str, list[float]] = {}
    for name, longest in (("without clipping", float("inf")), ("clipped to length 1", 1.0)):
        layer, output = new(nn.SimpleRNN, seed), nn.Linear(UNITS, 1, rng=np.random.default_rng(seed))
        layer.recurrent_kernel.data *= 1.1
        parameters = [*layer.parameters(), *output.parameters()]
        optimizer = optim.SGD(parameters, lr=0.01)
        losses[name], norms[name] = [], []
        for _ in range(200):
            optimizer.zero_grad()
            loss = ops.mse(output(layer(Tensor(x))), first)
            loss.backward()
            norms[name].append(clip_grad_norm(parameters, longest))
            optimizer.step()
            losses[name].append(loss.item())
    title = f"SimpleRNN of {UNITS} units, a gradient that explodes over {STEPS} steps, and clip_grad_norm"
    plots.clipping(folder / "clipping.png", losses, norms, title)

# %% [markdown]
# # Lesson 6: backpropagation through time
#
# A recurrent network uses one cell again and again. Written out, three steps are three layers that share their weights,
# and the chain rule needs nothing new. All there is to know: *a state is used twice, a weight is used at every step,
# and what is used more than once adds up.* The equations are those of `tinygrad_edu/textbook/simple_rnn.py`; here they
# get numbers.

# %%
import numpy as np

from tinygrad_edu import Tensor, ops, plots

plots.unrolled_network("runs/lessons/lesson_6_unrolled.png", 3, "SimpleRNN", 1, "One cell, three steps: three layers")

# %% [markdown]
# One sequence, one unit, three steps:
#
# $$h_t = \tanh(w x_t + u h_{t-1}), \qquad h_0 = 0, \qquad L = h_3.$$
#
# (The dense layer of the picture plays no part.) Only the last state is in the loss, so everything that the first input
# says must come through $h_1$ and $h_2$. Backwards, with $\delta_t = \partial L/\partial h_t\,(1 - h_t^2)$:
#
# $$\frac{\partial L}{\partial h_3} = 1, \qquad \frac{\partial L}{\partial h_{t-1}} = \delta_t\,u, \qquad
#   \frac{\partial L}{\partial w} = \sum_t \delta_t x_t, \qquad
#   \frac{\partial L}{\partial u} = \sum_t \delta_t h_{t-1}.$$

# %%
x, w, u = [1.0, -0.5, 0.25], 0.8, 0.6
h = [0.0]
for x_t in x:
    h.append(float(np.tanh(w * x_t + u * h[-1])))

print(" t      h_t   dL/dh_t   delta_t   share of dL/dw   share of dL/du")
dw = du = 0.0
dh = 1.0
for t in (3, 2, 1):
    delta = dh * (1 - h[t] ** 2)
    print(f"{t:>2} {h[t]:>+8.4f} {dh:>+9.4f} {delta:>+9.4f} {delta * x[t - 1]:>+16.4f} {delta * h[t - 1]:>+16.4f}")
    dw += delta * x[t - 1]
    du += delta * h[t - 1]
    dh = delta * u
print(f"{'sum':<30} {dw:>+16.4f} {du:>+16.4f}")

# %% [markdown]
# The tape does the same without being told that this is a recurrent network: it sees nine small operations, finds $w$
# and $u$ used three times each, and adds. And `ops.simple_rnn`, where the whole sequence is one step of the tape, has
# this loop in its backward.

# %%
W, U = Tensor(w, requires_grad=True), Tensor(u, requires_grad=True)
state = Tensor(0.0)
for x_t in x:
    state = (W * x_t + U * state).tanh()
state.backward()
print(f"\nby hand      dL/dw = {dw:+.6f}   dL/du = {du:+.6f}")
print(f"by the tape  dL/dw = {W.grad:+.6f}   dL/du = {U.grad:+.6f}")

W, U = Tensor([[w]], requires_grad=True), Tensor([[u]], requires_grad=True)
_, last = ops.simple_rnn(Tensor([[[x_t] for x_t in x]]), W, U, Tensor([0.0]))
last.backward()
print(f"as one step  dL/dw = {W.grad.item():+.6f}   dL/du = {U.grad.item():+.6f}")

# %% [markdown]
# Three mistakes give numbers of the right shape. Which lines of the table does each of them use?

# %%
deltas = [1 - h[3] ** 2]
deltas.insert(0, deltas[0] * u * (1 - h[2] ** 2))
deltas.insert(0, deltas[0] * u * (1 - h[1] ** 2))
print(
    f"\ndL/dw, with = for += : {deltas[0] * x[0]:+.4f}; cut after one step: {deltas[2] * x[2]:+.4f}; right: {dw:+.4f}"
)
print(f"dL/du, with h_t for h_(t-1): {sum(d * s for d, s in zip(deltas, h[1:])):+.4f}; right: {du:+.4f}")

# %% [markdown]
# ## The cell path of the LSTM
#
# On the way from $h_t$ to $h_{t-1}$ the gradient is multiplied by $u\,(1 - h_t^2)$, whatever the network wants. An LSTM
# has a second state, $c_t = f_t c_{t-1} + i_t g_t$. On the straight way from $c_t$ to $c_{t-1}$ it is multiplied by the
# forget gate $f_t$, which the network sets itself. See "How the cell path avoids vanishing" in
# `tinygrad_edu/textbook/lstm.py`.
#
# Three steps of an LSTM with two units, and $\partial (\text{sum of } c_3)/\partial c_0$ in three ways: the product of
# the forget gates; the tape, with the recurrent weights at zero, where no other way exists; the tape with recurrent
# weights, where $c_0$ also reaches the gates of later steps through $h$.

# %%
rng = np.random.default_rng(6)
H, T = 2, 3
inputs = rng.normal(size=(1, T, 1))
kernel, recurrent, bias = rng.normal(size=(1, 4 * H)), rng.normal(size=(H, 4 * H)), np.zeros(4 * H)
bias[H : 2 * H] = 1  # the forget gate's bias


def cell_gradient(recurrent):
    """d(sum of c_T)/dc_0 by the tape, (H,)."""
    h0, c0 = Tensor(np.zeros((1, H))), Tensor(np.full((1, H), 0.5), requires_grad=True)
    _, (_, c) = ops.lstm(Tensor(inputs), Tensor(kernel), Tensor(recurrent), Tensor(bias), h0, c0)
    c.sum().backward()
    return c0.grad[0]


gates = 1 / (1 + np.exp(-(inputs @ kernel + bias)[0, :, H : 2 * H]))  # f_1, f_2, f_3 where U is zero
print(f"\nforget gates, step by step\n{gates.round(3)}")
print(f"their product           {gates.prod(axis=0).round(6)}")
print(f"the tape, U = 0         {cell_gradient(0 * recurrent).round(6)}")
print(f"the tape, with U        {cell_gradient(recurrent).round(6)}   the ways through h are added")

# %% [markdown]
# What is left after $n$ steps of a gate that stands at $f$ is $f^n$. A bias of 0 is half open, 1 is where training
# starts here, 5 is where training can arrive.

# %%
steps = np.arange(41)
curves = {}
for opening in (5, 1, 0):
    f = 1 / (1 + np.exp(-opening))
    curves[f"bias {opening}: f = {f:.3f}"] = steps, f**steps
    print(f"forget bias {opening}: f = {f:.3f}, of the gradient {f**40:.1e} is left after 40 steps")
plots.series(
    "runs/lessons/lesson_6.png",
    curves,
    "steps back in time",
    "what is left of dL/dc",
    "The cell path of an LSTM, by its forget gate",
)

# %% [markdown]
# **Exercises.** `python -m tinygrad_edu.lessons start 6`: backpropagation through time for a whole layer (6.1), one
# step of an LSTM (6.2), and the cell path alone, gates given (6.3).

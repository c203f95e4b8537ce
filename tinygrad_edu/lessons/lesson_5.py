# %% [markdown]
# # Lesson 5: layers that choose, drop and normalise
#
# Three layers whose backward is short and often wrong. Max pooling must know who won. Dropout must remember whom it
# dropped. Batch normalisation must not forget that its mean depends on every input; and the last two compute one thing
# while training and another in use.

# %%
import numpy as np

from tinygrad_edu import Tensor, nn, ops, plots
from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.gradcheck.zoo import ZOO

rng = np.random.default_rng(5)

# %% [markdown]
# ## Max pooling: the winner takes all
#
# $y = \max_k x_k$ moves with the largest $x_k$ alone, so that one gets the window's whole gradient. A relu comes before
# most poolings, hence windows full of zeros are frequent: who has won there?

# %%
image = np.array([[3.0, 1, 0, 0], [2, 0, 0, 0], [0, 5, 1, 1], [4, 5, 0, 1]])
G = np.array([[10.0, 20], [30, 40]])  # dL/dY: a number for each window of 2 x 2

x = Tensor(image[None, :, :, None], requires_grad=True)
ops.max_pool2d(x, 2).backward(G[None, :, :, None])
first = x.grad[0, :, :, 0]

winners = image == np.kron(ops.max_pool2d(x, 2).data[0, :, :, 0], np.ones((2, 2)))
everyone = winners * np.kron(G, np.ones((2, 2)))
print(f"the image\n{image}\n\nits gradient: the first winner is paid\n{first}\n\neach winner is paid\n{everyone}\n")
print(
    f"given to the four windows: {G.sum():g}; handed on: {first.sum():g} by the first, {everyone.sum():g} by the other"
)

# %% [markdown]
# The second answer is wrong, though a maximum has no derivative at a tie. Lift the four zeros of the upper right window
# together by $h$: the maximum grows by $h$. So what they get must sum to what the window was given. To pay the first,
# or a quarter to each, are both possible. `tinygrad_edu/gradcheck/kinks.py` says what is to be held against a backward
# at such a point, and `textbook/pooling.py` why windows that overlap *add* what they give to one winner.

# %% [markdown]
# ## Dropout: the same mask on the way back
#
# $y = m\,x$ with $m = 0$ with probability $p$, else $1/(1-p)$. The mask is random, but once it is drawn it is a
# constant: $\partial L/\partial x = G\,m$ with *that* $m$. Drawing a new one trains another network than the one whose
# loss was measured; and the noise of training hides it.

# %%
x = Tensor(np.ones(6), requires_grad=True)
y = ops.dropout(x, 0.5, np.random.default_rng(3))
y.backward(np.ones(6))
print(f"\ndropout of ones  {y.data}\nits gradient     {x.grad}")

layer = nn.Dropout(0.5)
activations = Tensor(rng.normal(2.0, 1.0, size=(10_000, 4)).astype(np.float32))
training, use = layer(activations), layer.eval()(activations)
print(f"\nmean activation  before {activations.data.mean():.3f}", end="")
print(f"  while training {training.data.mean():.3f}  in use {use.data.mean():.3f}")
print("The division by 1 - p keeps the mean, so that in use the layer does nothing at all.")

# %% [markdown]
# ## Batch normalisation: two functions under one name
#
# While training, mean and variance are the batch's own. So the result for one item depends on its neighbours, and the
# gradient of one item too; two terms of equation (9) in `textbook/batch_norm.py` say how. In use, mean and variance are
# constants that training left behind (here, after two batches), and only $\partial L/\partial x = G\,\gamma/s$
# remains, equation (10).

# %%
nn.manual_seed(0)
norm = nn.BatchNorm(1).astype("float64")
same = np.array([[1.0]])
with_small, with_large = np.vstack([same, [[0.0], [2.0]]]), np.vstack([same, [[5.0], [9.0]]])
print("\nthe item 1.0     among 0, 2   among 5, 9")
print(f"while training   {norm(Tensor(with_small)).data[0, 0]:<12.3f} {norm(Tensor(with_large)).data[0, 0]:.3f}")
norm.eval()
print(f"in use           {norm(Tensor(with_small)).data[0, 0]:<12.3f} {norm(Tensor(with_large)).data[0, 0]:.3f}")

X, G = rng.normal(size=(8, 1)), rng.normal(size=(8, 1))
for training in (True, False):
    norm.train(training)
    x = Tensor(X, requires_grad=True)
    norm(x).backward(G)
    x_hat = (X - X.mean()) / X.std()
    mode = "while training" if training else "in use"
    sums = abs(x.grad.sum()), abs((x.grad * x_hat).sum())
    print(f"{mode:<16} |sum of dL/dx| = {sums[0]:.4f}   |sum of dL/dx * x_hat| = {sums[1]:.4f}")

# %% [markdown]
# In training both sums are zero (the second up to $\varepsilon$): shifting or stretching the whole batch changes
# nothing, so no gradient points that way. A backward that takes mean and variance for constants keeps both directions.
# The gradient check sees that at once:

# %%
mistake = next(m for m in ZOO if m.name == "batch_norm: mean and variance taken for constants")
try:
    gradcheck(mistake.function, *mistake.inputs)
except GradientError as error:
    print(f"\n{error}")

# %% [markdown]
# ## How long the statistics take
#
# After each batch the running variance goes $1 - \text{momentum}$ of the way to the batch's. It starts at 1, and after
# $t$ batches $\text{momentum}^t$ of that start is left: with 0.99, 37 % after 100. Whoever evaluates too early
# divides by a number that no batch ever had. The data here have the variance 9.

# %%
STEPS = 400
norms = {momentum: nn.BatchNorm(1, momentum) for momentum in (0.9, 0.99)}
curves = {"variance of the data": (np.arange(STEPS), np.full(STEPS, 9.0))}
for momentum, norm in norms.items():
    seen = []
    for _ in range(STEPS):
        seen.append(norm.running_var.data[0])
        norm(Tensor(rng.normal(0, 3, size=(32, 1)).astype(np.float32)))
    curves[f"running variance, momentum {momentum}"] = np.arange(STEPS), np.array(seen)
    print(f"\nmomentum {momentum}: running variance after 20, 100, 399 batches ", end="")
    print(", ".join(f"{seen[t]:.2f}" for t in (20, 100, 399)), end="")
print()
plots.series(
    "runs/lessons/lesson_5.png",
    curves,
    "batches seen in training",
    "variance",
    "The variance that batch normalisation would use, if training ended here",
)

# %% [markdown]
# A small momentum forgets its start soon and stays noisy; a large one is slow and smooth. If a network is good while
# training and useless in use, look here first.
#
# **Exercises.** `python -m tinygrad_edu.lessons start 5`: a pooling whose windows overlap (5.1), batch normalisation
# (5.2), and a check that finds four wrong dropouts (5.3).

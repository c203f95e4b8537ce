# %% [markdown]
# # Lesson 7: gradients that vanish, gradients that explode
#
# Through a chain of steps the chain rule multiplies. A product of many factors is small or large, and hardly ever in
# between: $0.9^{100} = 0.00003$ and $1.1^{100} = 13781$. `tinygrad_edu/textbook/simple_rnn.py` derives what the factors
# of a recurrent network are; here we look at them, and at what is done about it.

# %%
import numpy as np

from tinygrad_edu import Tensor, ops, plots
from tinygrad_edu.optim import clip_grad_norm

UNITS, STEPS, BATCH = 24, 60, 8
rng = np.random.default_rng(7)
orthogonal = np.linalg.qr(rng.normal(size=(UNITS, UNITS)))[0]  # stretches nothing, shrinks nothing

# %% [markdown]
# We want $\|\partial L/\partial h_t\|$ for every $t$, and $h_t$ is inside of the network. A trick: add a leaf $e_t = 0$
# to each state. Then $\partial L/\partial e_t = \partial L/\partial h_t$, and the tape leaves it in `e.grad`.


# %%
def gradient_norms(U, size_of_inputs):
    """||dL/dh_t|| for t = 1 ... STEPS, in parts of the last one; the loss reads the last state alone."""
    generator = np.random.default_rng(1)
    leaves = [Tensor(np.zeros((BATCH, UNITS)), requires_grad=True) for _ in range(STEPS)]
    h = Tensor(np.zeros((BATCH, UNITS)))
    for e in leaves:
        inputs = size_of_inputs * generator.normal(size=(BATCH, UNITS))
        h = (h @ Tensor(U) + inputs).tanh() + e
    h.backward(np.random.default_rng(2).normal(size=h.shape))
    norms = np.array([np.linalg.norm(e.grad) for e in leaves])
    return norms / norms[-1]


print(f"of the gradient at step {STEPS}, how much is left at step 1")
print("recurrent weights   inputs 1e-30   inputs 0.3   inputs 1")
panels: dict[str, dict[str, np.ndarray]] = {"inputs next to nothing": {}, "inputs of size 0.3": {}}
for factor in (0.9, 1.0, 1.1):
    name = f"orthogonal x {factor:g}"
    tiny, usual, large = (gradient_norms(factor * orthogonal, size) for size in (1e-30, 0.3, 1.0))
    panels["inputs next to nothing"][name] = tiny
    panels["inputs of size 0.3"][name] = usual
    print(f"{name:<19} {tiny[0]:<14.2e} {usual[0]:<12.2e} {large[0]:.2e}")
print(f"0.9^{STEPS - 1} = {0.9 ** (STEPS - 1):.2e}, 1.1^{STEPS - 1} = {1.1 ** (STEPS - 1):.2e}")

plots.gradient_flow(
    "runs/lessons/lesson_7.png",
    panels,
    f"How much of the gradient at step {STEPS} arrives at step t",
    r"$\|dL/dh_t\| \;/\; \|dL/dh_{60}\|$",
)

# %% [markdown]
# On the left tanh is in its straight part, and the weights alone decide: a line on the logarithmic axis, of slope
# $\log_{10} 0.9$, $0$, $\log_{10} 1.1$. On the right each step is multiplied by $1 - h^2 < 1$ as well, so that even
# orthogonal weights lose the gradient. Weights that stretch just as much as tanh shrinks would not stay so when they
# learn.
#
# The same holds for depth. A layer of $n$ units with independent weights of variance $v$ multiplies the variance of
# what passes by about $n v$, half of it with relu: that is why initial weights are drawn with $v = 1/n$ or $2/n$
# (`tinygrad_edu/nn/init.py`).

# %%
print("\nlayers of 100 relu units, ||dL/dx|| in parts of ||G||")
print("depth   v = 1/n    v = 2/n    v = 4/n")
for depth in (1, 10, 30):
    left = []
    for gain in (1, 2, 4):
        generator = np.random.default_rng(depth)
        x = Tensor(generator.normal(size=(16, 100)), requires_grad=True)
        y = x
        for _ in range(depth):
            y = ops.relu(y @ Tensor(generator.normal(0, np.sqrt(gain / 100), (100, 100))))
        G = generator.normal(size=y.shape)
        y.backward(G)
        left.append(np.linalg.norm(x.grad) / np.linalg.norm(G))
    print(f"{depth:>5}   " + "   ".join(f"{norm:<8.2g}" for norm in left))

# %% [markdown]
# ## Clipping
#
# An exploding gradient is right, and of no use as a step: it holds for a way that is far shorter than itself. The
# smallest example has one weight, $h_t = u\,h_{t-1}$ with $h_0 = 0.5$, twenty steps, and
# $L = \frac12 (h_{20} - 1)^2$. To the right of the best $u = 2^{1/20} = 1.0353$ the loss is a cliff.

# %%
lr = 0.002


def slope(u):
    """The loss, and a tensor with its gradient in `.grad`."""
    weight, h = Tensor(np.array(u), requires_grad=True), Tensor(np.array(0.5))
    for _ in range(20):
        h = h * weight
    loss = 0.5 * (h - 1.0) ** 2
    loss.backward()
    return loss.item(), weight


for longest in (np.inf, 5.0):
    how = "clipped to length 5 (its length before is shown)" if longest == 5 else "as it is"
    print(f"\nthe gradient {how}\n step         u       loss   gradient")
    u = 1.3
    for step in range(61):
        loss, weight = slope(u)
        length = clip_grad_norm([weight], longest) if longest < np.inf else abs(weight.grad)
        if step in (0, 1, 2, 20, 40, 60):
            print(f"{step:>5} {u:>9.5g} {loss:>10.2g} {length:>10.2g}")
        if abs(u) > 10:
            print("      and is lost: the next numbers are too large for float64")
            break
        u -= lr * float(weight.grad)

# %% [markdown]
# Several parameters are clipped *together*: one length for all, one factor for all. The step gets shorter and keeps its
# direction. To limit each number by itself is another method, and turns the step.

# %%
parameters = [Tensor(np.zeros(2), requires_grad=True), Tensor(np.zeros(1), requires_grad=True)]
gradient = np.array([30.0, 0.4, -0.2])
parameters[0].grad, parameters[1].grad = gradient[:2].copy(), gradient[2:].copy()
length = clip_grad_norm(parameters, 1.0)
together = np.concatenate([p.grad for p in parameters])
each = np.clip(gradient, -1, 1)
print(f"\nthe gradient       {gradient}, of length {length:.3f}")
for name, clipped in (("clipped together", together), ("number by number", each)):
    cosine = clipped @ gradient / np.linalg.norm(clipped) / np.linalg.norm(gradient)
    print(f"{name:<18} {clipped.round(3)}, turned by {np.degrees(np.arccos(min(cosine, 1.0))):.0f} degrees")

# %% [markdown]
# Clipping does nothing for gradients that vanish: what is lost to rounding cannot be made longer. Against that there is
# the cell path of lesson 6. `python -m models.sine_rnn` draws how far gradients come in whole cells, and a training
# with and without clipping.
#
# **Exercises.** `python -m tinygrad_edu.lessons start 7`: a power of a matrix, the bare recurrent network (7.1), and
# clipping by the common length (7.2).

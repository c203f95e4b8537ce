# %% [markdown]
# # Lesson 2: broadcasting, and the sum that undoes it
#
# NumPy lets operands of different shapes meet: where one has length 1, or no axis at all, it is repeated. Nobody writes
# that down, so it is easily forgotten on the way back. A number that was copied $n$ times acts on $L$ in $n$ places:
#
# $$y_1 = \ldots = y_n = x \quad\Rightarrow\quad
#   \frac{\partial L}{\partial x} = \sum_{i=1}^{n} \frac{\partial L}{\partial y_i}.$$
#
# It is lesson 1's rule, "what comes along several paths is added".

# %%
import numpy as np

from tinygrad_edu import Tensor, plots

rng = np.random.default_rng(2)
X = rng.integers(-3, 4, size=(4, 3)).astype(float)  # four examples with three numbers each
b = np.array([10.0, 20.0, 30.0])  # a bias: one for all examples
G = rng.integers(-3, 4, size=(4, 3)).astype(float)  # dL/dY, as if it came from a loss

print("Y = X + b, each row of X plus the same b:")
print(X + b)
print("dL/db = the sum of G's rows:", G.sum(axis=0))

# %% [markdown]
# Copying is linear, so it is a matrix, even if nobody ever builds it. With $Y$'s entries in one long line,
# $y = C\,b$, where each row of $C$ has a single 1: the entry of $b$ that was copied there. The chain rule then says
# $\partial L/\partial b = C^{\mathsf T} G$. **The transpose of copying is adding up.** (And the other way round: what a
# sum brought together, its backward copies to all. Lesson 4 meets the same pair again, as im2col and col2im.)

# %%
C = np.tile(np.eye(3), (4, 1))  # (12, 3)
print("\nC b, as (4, 3), is b in each row:", np.array_equal((C @ b).reshape(4, 3), np.broadcast_to(b, (4, 3))))
print("C^T G, as a matrix product:      ", C.T @ G.reshape(12))

plots.number_tables(
    "runs/lessons/lesson_2.png",
    {"b, (3,)": b, "Y = X + b sees 4 copies": np.tile(b, (4, 1)), "G = dL/dY, (4, 3)": G, "dL/db, (3,)": G.sum(axis=0)},
    "What is copied on the way forward is added up on the way back",
)

# %% [markdown]
# ## Which axes?
#
# Shapes are compared from the last axis backwards, and missing ones count as 1. So the gradient is summed over
#
# 1. the axes in front that the operand does not have at all, and these go away;
# 2. the axes where it has length 1 and the result has not, and these stay, with length 1.
#
# Here are all operands that fit a result of shape (2, 4, 3), and what the engine's gradient of $\sum G \cdot (Z + x)$
# says. (`unbroadcast` in `tinygrad_edu/ops/support.py` does it, in four lines. Exercise 2.2 asks for your own.)

# %%
Z = rng.normal(size=(2, 4, 3))
G3 = rng.normal(size=(2, 4, 3))
print("\noperand    axes that go away  axes that stay, with length 1  the same as the engine's")
for shape in [(), (3,), (1,), (4, 1), (4, 3), (1, 4, 3), (2, 1, 1), (1, 1, 3)]:
    missing = 3 - len(shape)
    away = tuple(range(missing))
    stretched = tuple(missing + i for i, n in enumerate(shape) if n == 1)
    gradient = G3.sum(axis=stretched, keepdims=True).sum(axis=away)
    x = Tensor(rng.normal(size=shape), requires_grad=True)
    (Tensor(Z) + x).backward(G3)
    print(f"{shape!s:<10} {away!s:<18} {stretched!s:<30} {np.allclose(gradient, x.grad)}")

# %% [markdown]
# ## Four ways to be wrong, and who notices
#
# Each of these has been written in earnest. The columns say whether a test sees it: one with a single example in the
# batch, one with an incoming gradient of ones, and one with a random gradient. In the last two $Y$ is 3 x 3 and $b$ a
# column, so that the sum belongs to axis 1.

# %%
MISTAKES = {
    "the first row alone": lambda G, axis: np.take(G, 0, axis),
    "the mean": lambda G, axis: G.mean(axis=axis),
    "the other axis": lambda G, axis: G.sum(axis=1 - axis) if G.shape[0] == G.shape[1] else G.sum(axis=axis),
    "no sum at all": lambda G, axis: G,
}
random, ones = rng.normal(size=(3, 3)), np.ones((3, 3))
trials = {"one example": (random[:1], 0), "G of ones": (ones, 1), "random G": (random, 1)}
print("\n" + " " * 22 + "  ".join(f"{name:<12}" for name in trials))
for name, wrong in MISTAKES.items():
    seen = []
    for gradient, axis in trials.values():
        right, found = gradient.sum(axis=axis), wrong(gradient, axis)
        seen.append("seen" if found.size != right.size or not np.allclose(found.reshape(-1), right) else "not seen")
    print(f"{name:<22}" + "  ".join(f"{word:<12}" for word in seen))

# %% [markdown]
# The two tests that come to mind first miss something; a random $G$ and more than one example see all four. The last
# mistake is the only one that an engine can notice by itself, by the shape, as ours does. In an engine that does not,
# `b = b - lr * b.grad` quietly makes a matrix of the bias.
#
# ## Products
#
# In $Y = X \cdot s$ with one scale $s_d$ for each column, both things happen: the chain rule's factor, and the sum.
#
# $$\frac{\partial L}{\partial s_d} = \sum_n G_{nd} X_{nd}$$
#
# First multiply, then add: the sum of the products, not the product of the sums.

# %%
s = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
(Tensor(X) * s).backward(G)
print("\ndL/ds, the engine:      ", s.grad)
print("sum of the products:    ", (G * X).sum(axis=0))
print("product of the sums:    ", G.sum(axis=0) * X.sum(axis=0), " (wrong)")

# %% [markdown]
# **Exercises.** `python -m tinygrad_edu.lessons start 2`: the backward of a scale and a bias (2.1), the sum for any
# shape (2.2), and a check that is to see all of the mistakes above (2.3).

# %% [markdown]
# # Lesson 3: a classifier by hand
#
# Softmax regression is one matrix product and one loss. Both derivatives fit on a page, and together they are all that
# learning to read digits takes. This lesson goes through them step by step, with numbers small enough to print.
#
# ## The matrix product
#
# $$Y_{nm} = \sum_d A_{nd} B_{dm}$$
#
# Who uses $A_{nd}$? Row $n$ of $Y$, and there each $Y_{nm}$ with the factor $B_{dm}$. So
# $\partial L/\partial A_{nd} = \sum_m G_{nm} B_{dm}$: row $n$ of $G$ times row $d$ of $B$, that is $G B^{\mathsf T}$.
# The same question for $B_{dm}$ gives $A^{\mathsf T} G$.

# %%
import numpy as np

from tinygrad_edu import Tensor, ops, optim, plots

A = Tensor(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), requires_grad=True)
B = Tensor(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]), requires_grad=True)
G = np.array([[1.0, 0.0], [0.0, 10.0]])  # dL/dY
(A @ B).backward(G)
print("dL/dA = G B^T, and the engine's:")
print(np.hstack([G @ B.data.T, A.grad]))
print("dL/dB = A^T G, and the engine's:")
print(np.hstack([A.data.T @ G, B.grad]))

# %% [markdown]
# Shapes alone nearly tell the formula: $G$ is $(N, M)$, $B$ is $(D, M)$, and only $G B^{\mathsf T}$ is $(N, D)$. But
# only nearly: between layers of equal width all three are square, $G B$ fits as well, and nothing complains.

# %%
square = np.array([[1.0, 2.0], [3.0, 4.0]])
print("\nsquare B: G B^T is", (G @ square.T).tolist(), "and G B is", (G @ square).tolist())

# %% [markdown]
# ## Softmax and cross-entropy
#
# Scores $z_1 \ldots z_K$ become probabilities, and the loss is how surprised the network is by the right class $y$:
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}, \qquad \ell = -\ln p_y = \ln \sum_j e^{z_j} - z_y.$$
#
# The second form is differentiated in one line: the derivative of the logarithm is $e^{z_k} / \sum_j e^{z_j}$, which
# is $p_k$ again, and $z_y$ is one of the scores:
#
# $$\frac{\partial \ell}{\partial z_k} = p_k - [k = y]
#   \qquad\text{over a batch:}\qquad \frac{\partial L}{\partial Z} = \frac{P - T}{N},$$
#
# with $T$ the right classes as rows of one 1 each ("one-hot"). It says: what the network believes, minus what is true.
# Smoothed labels, class weights and the numerically safe form are derived in `tinygrad_edu/textbook/cross_entropy.py`.


# %%
def softmax(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


scores = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
labels = np.array([0, 2, 2])
P, T = softmax(scores), np.eye(3)[labels]
Z = Tensor(scores, requires_grad=True)
loss = ops.softmax_cross_entropy(Z, labels)
loss.backward()
print(f"\nthe loss, by hand {-np.log(P[np.arange(3), labels]).mean():.6f}, by the engine {loss.item():.6f}")
print("(P - T) / N is the engine's gradient:", np.allclose((P - T) / 3, Z.grad))
print("each row of it sums to 0, up to rounding:", np.allclose(Z.grad.sum(axis=1), 0))
print("softmax by itself, G of ones, gradient all 0:", end=" ")
alone = Tensor(scores, requires_grad=True)
alone.softmax().backward(np.ones((3, 3)))
print(np.allclose(alone.grad, 0))

plots.number_tables(
    "runs/lessons/lesson_3.png",
    {"scores Z": scores, "P = softmax(Z)": P, "T, one-hot": T, "P - T": P - T},
    "Three examples: right, undecided, and sure of the wrong class",
)

# %% [markdown]
# Read the picture's last table by rows. The third example, sure of the wrong class, pulls hardest, with nearly 1 and
# $-1$; no error can pull harder, and that is why this loss is kind to training. The rows sum to zero, because
# adding one number to all scores changes nothing.
#
# The last printed line is the reason why exercise 3.3 asks for a check. The probabilities of a row sum to 1 whatever
# the scores are, so for a $G$ of ones the right gradient of softmax is 0, and so is that of many a wrong one.
#
# ## The whole network
#
# $Z = XW + b$, so by lesson 2 and the first part, with $D = (P - T)/N$:
#
# $$\frac{\partial L}{\partial W} = X^{\mathsf T} D, \qquad \frac{\partial L}{\partial b_k} = \sum_n D_{nk}.$$
#
# Points of three kinds in the plane, 60 steps downhill, by hand and by the engine side by side:

# %%
rng = np.random.default_rng(3)
centres = np.array([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])
y = np.arange(150) % 3
X = centres[y] + rng.normal(size=(150, 2))
T = np.eye(3)[y]

W, b = np.zeros((2, 3)), np.zeros(3)
W_engine, b_engine = Tensor(np.zeros((2, 3)), requires_grad=True), Tensor(np.zeros(3), requires_grad=True)
optimizer = optim.SGD([W_engine, b_engine], lr=0.5)
print("\nstep  loss by hand     loss by the engine")
for step in range(61):
    P = softmax(X @ W + b)
    D = (P - T) / len(X)
    loss = ops.softmax_cross_entropy(ops.linear(Tensor(X), W_engine, b_engine), y)
    if step % 20 == 0:
        print(f"{step:>4}  {-np.log(P[np.arange(150), y]).mean():.12f}   {loss.item():.12f}")
    W -= 0.5 * X.T @ D
    b -= 0.5 * D.sum(axis=0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"{np.mean((X @ W + b).argmax(axis=1) == y):.0%} of the points lie on the right side")

# %% [markdown]
# With 784 pixels for the 2 coordinates and 10 digits for the 3 kinds, this is `models/softmax_by_hand.py`; with the
# gradients left to the engine it is `models/softmax_regression.py`. They print the same table.
#
# **Exercises.** `python -m tinygrad_edu.lessons start 3`: the backward of a matrix product (3.1), of softmax
# cross-entropy (3.2), and a check that softmax with a wrong gradient does not pass (3.3).

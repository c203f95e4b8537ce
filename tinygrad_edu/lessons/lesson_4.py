# %% [markdown]
# # Lesson 4: im2col, index by index, and its transpose
#
# A convolution looks at every window of an image. As loops it is slow to run and hard to differentiate. `im2col` copies
# each window into a row of a matrix $P$, and the convolution becomes a matrix product, which we can differentiate since
# lesson 3:
#
# $$Y = P K, \qquad
#   \frac{\partial L}{\partial K} = P^{\mathsf T} G, \qquad
#   \frac{\partial L}{\partial P} = G K^{\mathsf T}.$$
#
# What is left is the way from $\partial L/\partial P$ to the image. A 4 x 4 image is enough to see all of it. (For
# 3 x 3 windows, channels, stride and padding, see `tinygrad_edu/textbook/convolution.py`.)

# %%
import numpy as np

from tinygrad_edu import Tensor, ops, plots

X = np.arange(16.0).reshape(4, 4)  # the pixel at (h, w) holds its own number, 4 h + w
SIZE = 2  # windows of 2 x 2, in steps of 1: there are 3 x 3 of them


def im2col(X, size=SIZE):
    """Row oh * places + ow holds the window whose upper left corner is at (oh, ow), read row by row."""
    places = X.shape[0] - size + 1
    P = np.zeros((places * places, size * size))
    for oh in range(places):
        for ow in range(places):
            for kh in range(size):
                for kw in range(size):
                    P[oh * places + ow, kh * size + kw] = X[oh + kh, ow + kw]
    return P


P = im2col(X)
print("P = im2col(X), a window in each row:")
print(P.astype(int))

# %% [markdown]
# A kernel that compares a pixel with the one below, as a column of 4 numbers, and the convolution is done:

# %%
K = np.array([[1.0, 0.0], [-1.0, 0.0]])
Y = (P @ K.reshape(4)).reshape(3, 3)
x, kernel = Tensor(X[None, :, :, None], requires_grad=True), Tensor(K[:, :, None, None], requires_grad=True)
y = ops.conv2d(x, kernel, padding="valid")  # the package has images (N, H, W, C) and kernels (KH, KW, C, O)
print("\nP K, as 3 x 3, is the package's convolution:", np.array_equal(Y, y.data[0, :, :, 0]))

# %% [markdown]
# ## The way back
#
# Where did a pixel go? Since every pixel holds its own number, $P$ answers that itself: look for the number.

# %%
print()
for pixel, name in {0: "the corner (0, 0)", 1: "on the edge, (0, 1)", 5: "inside, (1, 1)"}.items():
    rows, columns = np.nonzero(P == pixel)
    places = ", ".join(f"P[{r},{c}]" for r, c in zip(rows.tolist(), columns.tolist()))
    print(f"pixel {pixel}, {name:<20} went to {places}")

# %% [markdown]
# Whatever comes back to these places belongs to the pixel, and by lesson 1 it is added. That is `col2im`: the same
# four loops, the same indices, and the assignment turned round, with `+=`.


# %%
def col2im(dP, size=SIZE, side=4):
    """The transpose of im2col: each entry of dP is added to the pixel that was copied there."""
    places = side - size + 1
    dX = np.zeros((side, side))
    for oh in range(places):
        for ow in range(places):
            for kh in range(size):
                for kw in range(size):
                    dX[oh + kh, ow + kw] += dP[oh * places + ow, kh * size + kw]
    return dX


G = np.random.default_rng(4).normal(size=(3, 3))
y.backward(G[None, :, :, None])
dP = np.outer(G, K)  # (9, 4): G as a column, K as a row
print("\ncol2im(G K^T) is the engine's dL/dX:", np.allclose(col2im(dP), x.grad[0, :, :, 0]))
print("P^T G is the engine's dL/dK:        ", np.allclose(P.T @ G.reshape(9), kernel.grad.reshape(4)))

# %% [markdown]
# ## Transpose, not inverse
#
# With image and columns each in one long line, im2col is a matrix $S$ of 36 rows, one 1 in each, and col2im is
# $S^{\mathsf T}$. Two things follow. For any $x$ and $g$, $(Sx) \cdot g = x \cdot (S^{\mathsf T} g)$: the test of a
# transpose that needs no derivative. And $S^{\mathsf T} S$ is not the identity: it multiplies every pixel by how often
# it was used.

# %%
S = np.stack([im2col(pixel.reshape(4, 4)).reshape(36) for pixel in np.eye(16)], axis=1)  # (36, 16)
g = np.random.default_rng(5).normal(size=(9, 4))
print(f"\nS has shape {S.shape} and {int(S.sum())} ones; col2im is its transpose:", end=" ")
print(np.allclose(S.T @ g.reshape(36), col2im(g).reshape(16)))
print(f"(S x) . g = {np.sum(im2col(X) * g):.6f}   x . (S^T g) = {np.sum(X * col2im(g)):.6f}")
print("col2im(im2col(X)) is X times the counts:", np.array_equal(col2im(im2col(X)), X * col2im(np.ones((9, 4)))))

plots.number_tables(
    "runs/lessons/lesson_4.png",
    {
        "the image X": X,
        "P = im2col(X),\na window a row": P,
        "col2im(ones): how\noften each was used": col2im(np.ones((9, 4))),
    },
    "A 4 x 4 image, its nine windows of 2 x 2, and how often each pixel was used",
)

# %%
plots.image_grid(
    "runs/lessons/lesson_4_matrix.png",
    0.85 * (1 - S[None].repeat(2, axis=1).repeat(2, axis=2)),
    ["36 rows: the entries of P\n16 columns: the pixels"],
    "im2col as a matrix S: one 1 (black) in each row",
)

# %% [markdown]
# ## When `=` is as good as `+=`
#
# The most frequent mistake here is `=` in place of `+=`: the last window wins. It is invisible where windows do not
# overlap, which is how pooling mostly steps. A test has to have windows that do:

# %%
last = np.zeros((4, 4))
for row in range(9):
    h, w = divmod(row, 3)
    last[h : h + 2, w : w + 2] = dP[row].reshape(2, 2)
wrong = ~np.isclose(last, col2im(dP))
print("\nentries of dL/dX that `=` gets wrong, windows in steps of 1:", int(wrong.sum()), "of 16")
apart, added = np.zeros((4, 4)), np.zeros((4, 4))
for h in (0, 2):
    for w in (0, 2):
        apart[h : h + 2, w : w + 2] = K
        added[h : h + 2, w : w + 2] += K
print("                                     windows in steps of 2:", int((apart != added).sum()), "of 16")

# %% [markdown]
# **Exercises.** `python -m tinygrad_edu.lessons start 4`: im2col with a stride (4.1), its transpose (4.2), and with
# both the gradients of a convolution (4.3).

# %% [markdown]
# # Lesson 8: how to check a gradient
#
# A backward is a claim about slopes, and slopes can be measured. That is done in a few lines, and each of them can be
# done so that wrong gradients pass or right ones fail. Four questions: which step, which $G$, what at a kink, and what
# do the numbers not show?

# %%
import numpy as np

from tinygrad_edu import Tensor, ops, plots
from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.gradcheck.other_checks import central_differences
from tinygrad_edu.gradcheck.zoo import BEYOND, ZOO

rng = np.random.default_rng(8)

# %% [markdown]
# ## Which step?
#
# $$\frac{f(x+h)-f(x)}{h} = f' + \frac h2 f'' + \ldots \qquad\qquad
#   \frac{f(x+h)-f(x-h)}{2h} = f' + \frac{h^2}{6} f''' + \ldots$$
#
# A large $h$ is wrong by what the dots stand for. A small one is wrong by rounding: the values of $f$ are off by some
# $\varepsilon |f|$, which is divided by $h$. In between lies the best step: for the central quotient near
# $\varepsilon^{1/3}$, and it gives about two thirds of the digits that the numbers have.

# %%
exponents = np.arange(0.0, 13.01, 0.25)
x = np.linspace(0.5, 2.0, 301)
true = np.exp(x) * (np.sin(x) + np.cos(x))  # the slope of f(x) = e^x sin x
curves = {}
for name, dtype, central in (
    ("one-sided, float64", np.float64, False),
    ("central, float64", np.float64, True),
    ("central, float32", np.float32, True),
):
    errors = []
    for h in 10.0**-exponents:
        right = (x + h).astype(dtype)
        left = (x - h if central else x).astype(dtype)
        rise = np.exp(right) * np.sin(right) - np.exp(left) * np.sin(left)
        slope = np.divide(rise, right - left, out=np.zeros_like(rise), where=right != left)
        errors.append(np.median(np.abs(slope / true - 1)))  # over many x: at a single one, luck makes dents
    best = int(np.argmin(errors))
    print(f"{name:<19} best step 10^-{exponents[best]:<5g} relative error {errors[best]:.0e}")
    curves[name] = 10.0**-exponents, errors
plots.series(
    "runs/lessons/lesson_8.png",
    curves,
    "step h",
    "relative error of the slope",
    r"Difference quotients of $e^x \sin x$, the median over x from 0.5 to 2",
    logarithmic=True,
)

# %% [markdown]
# So a gradient is checked in float64, whatever it is used in later. `tinygrad_edu/gradcheck/difference.py` measures how
# large the rounding is and goes on from here.
#
# ## Which $G$?
#
# A backward returns $G J$, and a bare `loss = f(x).sum()` has $G = (1, 1, \ldots)$. Softmax is where that is worst: its
# outputs sum to 1 whatever $x$ is, so with this $G$ the right gradient is zero, and a backward that returns zeros
# passes. With a random $G$, what is wrong cancels by chance only, and that chance is nil.


# %%
def off(operation, inputs, G_of):
    """How far the backward is from the measured slopes, beside the largest of them, for the given kind of G."""
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = operation(*leaves)
    G = G_of(y.shape)
    y.backward(G)
    wrong = size = 0.0
    for x, J in zip(leaves, central_differences(operation, inputs)):
        measured = (G.reshape(-1) @ J).reshape(x.shape)
        wrong = max(wrong, np.abs(x.grad - measured).max())
        size = max(size, np.abs(measured).max())
    return wrong / max(size, 1e-3)


def animal(name):
    return next(mistake for mistake in (*ZOO, *BEYOND) if mistake.name == name)


print(f"\n{'how far off the backward is:':<50} G of ones   random G")
for name in (
    "softmax: gradient zero",
    "log_softmax: takes the sum of G for 1",
    "exp: forgets G",
    "cumsum: not reversed",
    "matmul: B for its transpose",
):
    wrong = animal(name)
    errors = [off(wrong.function, wrong.inputs, G_of) for G_of in (np.ones, lambda shape: rng.normal(size=shape))]
    print(f"{name:<50} {errors[0]:<11.1e} {errors[1]:.1e}")
errors = [off(ops.softmax, animal("softmax: gradient zero").inputs, G) for G in (np.ones, lambda s: rng.normal(size=s))]
print(f"{'softmax of the package, right':<50} {errors[0]:<11.1e} {errors[1]:.1e}")

# %% [markdown]
# ## What at a kink?
#
# At 0 relu has two slopes. The central quotient takes their mean, 0.5, which nobody's backward returns; and it does so
# already for $|x| < h$, or something between. A right backward would be blamed. The two one-sided quotients tell: where
# they differ, no number is *the* slope, and anything between them will do, and nothing else.

# %%
h = 1e-5
print("\n      x    from the left   central   from the right   relu's backward")
for at in (-1.0, 0.0, 3e-6, 1.0):
    values = [float(ops.relu(Tensor(np.array(at + move))).data) for move in (-h, 0.0, h)]
    leaf = Tensor(np.array(at), requires_grad=True)
    ops.relu(leaf).backward()
    left, right = (values[1] - values[0]) / h, (values[2] - values[1]) / h
    print(f"{at:>7g} {left:>16.2f} {(left + right) / 2:>9.2f} {right:>16.2f} {leaf.grad:>17.2f}")

# %% [markdown]
# ## What do the numbers not show?
#
# A backward may return what is right and still do harm: write into the $G$ that it was given, return float32, or
# remember the last call. `gradcheck` therefore has rules besides *equal*; its docstring lists them.

# %%
print()
for name in ("relu: writes into the gradient it is given", "scale: returns float32 for float64", "relu: slope 7 at 0"):
    wrong = animal(name)
    try:
        gradcheck(wrong.function, *wrong.inputs)
    except GradientError as error:
        print(str(error).splitlines()[0])

# %% [markdown]
# And a check sees the points that it is shown. What is right there and wrong elsewhere passes any check; what to do
# then is written beside each of these:

# %%
print()
for mistake in BEYOND:
    passed = gradcheck(mistake.function, *mistake.inputs).relative < 1e-6
    print(f"{mistake.name} - {'passes' if passed else 'is caught'}.\n    {mistake.remedy}")

# %% [markdown]
# `python -m tinygrad_edu.gradcheck --zoo` shows the whole zoo to six checks, from a sum with $G = 1$ to ours.
#
# **Exercises.** `python -m tinygrad_edu.lessons start 8`. Here you write the checks: of values (8.1), at kinks (8.2),
# and of manners (8.3). Each must accept what is right, and catch what is wrong.

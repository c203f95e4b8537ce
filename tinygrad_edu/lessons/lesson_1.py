# %% [markdown]
# # Lesson 1: the chain rule on a tape
#
# An engine for gradients writes down, while a result is computed, which operation made which number from which: the
# *tape*. To differentiate, it walks the tape backwards. At every number $y$ it holds $G = \partial L / \partial y$, and
# hands $G \, \partial y / \partial x$ to each $x$ that $y$ was computed from. There, it adds up:
#
# $$\frac{\partial L}{\partial x} = \sum_{y \text{ computed from } x}
#   \frac{\partial L}{\partial y} \, \frac{\partial y}{\partial x}.$$
#
# One question is left, and this lesson is about it: *in which order* are the numbers to be visited?

# %%
from tinygrad_edu import Tensor, inspection, plots
from tinygrad_edu.plots import Graph, Node


class Number:
    """A number that remembers what it was computed from: pairs (input, derivative of this number by that input)."""

    births = 0

    def __init__(self, value, inputs=()):
        self.value, self.inputs = value, inputs
        Number.births += 1
        self.serial = Number.births  # inputs are born before what is computed from them

    def __mul__(self, other):
        return Number(self.value * other.value, ((self, other.value), (other, self.value)))


# %% [markdown]
# The smallest graph on which the order matters: two paths lead from $a$ to $L$, a short one and a long one, and there
# is something behind $a$ that waits for its gradient.
#
# $$a = x^2, \qquad b = 3a, \qquad L = ab = 3x^4, \qquad \frac{dL}{dx} = 12 x^3.$$


# %%
def example():
    x = Number(2.0)
    a = x * x
    b = a * Number(3.0)
    return x, a, b, a * b


def walk_as_reached(L):
    """Visit what was reached first, first; each number once. Returns {number: gradient} and the order of the visits."""
    gradients, queue, visited = {L: 1.0}, [L], []
    while queue:
        y = queue.pop(0)
        visited.append(y)
        for x, slope in y.inputs:
            if x not in gradients:
                queue.append(x)
            gradients[x] = gradients.get(x, 0.0) + gradients[y] * slope
    return gradients, visited


def walk_youngest_first(L):
    """The same, but of all that were reached, the youngest comes next."""
    gradients, reached, visited = {L: 1.0}, [L], []
    while reached:
        y = max(reached, key=lambda number: number.serial)
        reached.remove(y)
        visited.append(y)
        for x, slope in y.inputs:
            if x not in gradients:
                reached.append(x)
            gradients[x] = gradients.get(x, 0.0) + gradients[y] * slope
    return gradients, visited


def report(walk):
    x, a, b, L = example()
    gradients, visited = walk(L)
    names = {x: "x", a: "a", b: "b", L: "L"}
    order = " ".join(names[number] for number in visited if number in names)
    print(f"{walk.__name__:<20} visits {order}:  dL/da = {gradients[a]:g}  dL/dx = {gradients[x]:g}")
    return [gradients[number] for number in names]


print("L = 3 x^4 at x = 2, so dL/dx = 12 x^3 = 96")
wrong = report(walk_as_reached)
right = report(walk_youngest_first)

# %% [markdown]
# Both walks know $\partial L/\partial a = 24$ in the end. But the first one *left* $a$ when only the short path had
# arrived: it passed 12 on, and the other 12, which came from $b$ later, stayed behind.
#
# A number may be left when everything that was computed from it has been left before. Whatever was computed from $a$ is
# younger than $a$. So if of all numbers reached the youngest is taken, nothing can come after it that still has to pay
# into it. No search is needed and no counting: a serial number at birth is enough.


# %%
def drawn(gradients, passed_on):
    """The example's graph with the gradient at each number; what the walk got wrong stands out."""
    places = {"x": (0.5, 0.07), "a": (0.5, 0.35), "b": (0.2, 0.62), "L": (0.5, 0.92)}
    values = {"x": "x = 2", "a": "a = x x = 4", "b": "b = 3 a = 12", "L": "L = a b = 48"}
    nodes = {
        name: Node(places[name], f"{values[name]}\ndL/d{name} = {gradient:g}", marked=gradient != expected)
        for name, gradient, expected in zip(places, gradients, right)
    }
    return Graph(nodes, [("L", "b", "4"), ("L", "a", "12"), ("b", "a", "12"), ("a", "x", passed_on)])


plots.small_graphs(
    "runs/lessons/lesson_1.png",
    {"as reached: a is left too early": drawn(wrong, "4 · 12"), "youngest first": drawn(right, "4 · (12 + 12)")},
    "Two walks over L = a b, with b = 3 a and a = x x: each arrow with what it carries",
)

# %% [markdown]
# There is a walk that needs no order at all: follow every path from $L$ to the leaves by itself, and add up at the end.
# It is right, and of no use: in $x_1 = x_0 + x_0$, $x_2 = x_1 + x_1$, ..., $x_n = 2^n x_0$ there are $2^n$ paths, and a
# network has many more levels than these.


# %%
def walk_each_path(y, G, gradients):
    """Add to the gradients below y what comes down each path; returns how many visits that took."""
    gradients[y] = gradients.get(y, 0.0) + G
    return 1 + sum(walk_each_path(x, G * slope, gradients) for x, slope in y.inputs)


print("\nlevels  dx_n/dx_0  visits, path by path  visits, youngest first")
for levels in (1, 4, 8, 12):
    y = x0 = Number(1.0)
    for _ in range(levels):
        y = Number(y.value + y.value, ((y, 1.0), (y, 1.0)))
    visits = walk_each_path(y, 1.0, {})
    gradients, visited = walk_youngest_first(y)
    print(f"{levels:>6}  {gradients[x0]:>9g}  {visits:>20,}  {len(visited):>22,}")

# %% [markdown]
# The package's engine is `walk_youngest_first` with arrays for numbers and a heap for `max`: read `Tensor.backward` in
# `tinygrad_edu/tensor.py`, some thirty lines. `inspection.explain` asks it how a gradient came about:

# %%
x = Tensor(2.0, requires_grad=True)
a = x * x
print("\nThe engine: where the paths meet, what they carry is added.\n")
print(inspection.explain(a * (a * 3.0), a, entry=()))
print(f"\ndL/dx = {x.grad:g}")

# %% [markdown]
# **Exercises.** `python -m tinygrad_edu.lessons start 1` puts them into your folder: a first backward (1.1), a
# gradient that comes along two paths (1.2), and the walk itself (1.3).

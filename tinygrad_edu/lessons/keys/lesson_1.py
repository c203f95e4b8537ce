"""Lesson 1: the chain rule on a tape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinygrad_edu.lessons.exercise import Gold, Wrong, case
from tinygrad_edu.tensor import Tensor

# --- 1.3: a tape as nodes, and walks over it ---


@dataclass(eq=False)
class Node:
    """What the learner's walk sees of a tensor."""

    serial: int
    inputs: tuple[Node, ...] = ()
    backward: Callable | None = None


def nodes_of(y: Tensor) -> dict[Tensor, Node]:
    """A node for each tensor that y was computed from."""
    nodes: dict[Tensor, Node] = {}
    waiting = [y]
    while waiting:
        tensor = waiting.pop()
        missing = [x for x in tensor._inputs if x not in nodes]
        if missing:
            waiting += [tensor, *missing]
        elif tensor not in nodes:
            inputs = tuple(nodes[x] for x in tensor._inputs)
            nodes[tensor] = Node(-tensor._serial, inputs, tensor._backward)  # the engine's own count downwards
    return nodes


def doubled(x: Tensor, levels: int) -> Tensor:
    """2^levels paths lead back to x."""
    for _ in range(levels):
        x = x + x
    return x


GRAPHS: dict[str, Callable[..., Tensor]] = {
    "a product": lambda a, b: a * b,
    "x used twice, x * x - x": lambda a, b: (a * a - a) * b,
    "a short and a long path": lambda a, b: _short_and_long(a * b),
    "a long and a short path": lambda a, b: _long_and_short(a * b),
    "a sum whose inputs share G": lambda a, b: _shared(a, b),
    "60 levels of two paths": lambda a, b: doubled(a * a, 60) * b,
}


def _short_and_long(a: Tensor) -> Tensor:
    return a * a.tanh().exp()


def _long_and_short(a: Tensor) -> Tensor:
    return a.tanh() * a


def _shared(a: Tensor, b: Tensor) -> Tensor:
    t = a.exp()  # older than the sum: it pays into a when b has its share already
    return (a + b) * t


def gradients_by_tape(G: np.ndarray, a: np.ndarray, b: np.ndarray, graph: str) -> tuple[np.ndarray, ...]:
    leaves = [Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)]
    GRAPHS[graph](*leaves).backward(G)
    return tuple(np.asarray(leaf.grad) for leaf in leaves)


def over_a_graph(walk: Callable) -> Callable:
    """Let a walk find the leaves' gradients."""

    def gradients(G, a, b, graph):
        leaves = [Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)]
        y = GRAPHS[graph](*leaves)
        nodes = nodes_of(y)
        found = walk(nodes[y], G)
        if not isinstance(found, dict):
            raise TypeError(f"walk() must return a dict, node -> gradient; it returned {found!r:.60}")
        missing = [name for name, leaf in zip("ab", leaves) if nodes[leaf] not in found]
        if missing:
            raise KeyError(f"walk() gave no gradient for the leaf {missing[0]} (graph: {graph})")
        return tuple(found[nodes[leaf]] for leaf in leaves)

    return gradients


def walk_with(y, G, next_node, add):
    """A walk that takes `next_node(reached)` next, each node once, and joins gradients by `add`."""
    gradients, reached, visited = {y: G}, [y], set()
    while reached:
        node = next_node(reached)
        reached.remove(node)
        if node in visited or node.backward is None:
            continue
        visited.add(node)
        for x, g in zip(node.inputs, node.backward(gradients[node])):
            gradients[x] = add(gradients[x], g) if x in gradients else g
            reached.append(x)
    return gradients


def youngest(reached):
    return max(reached, key=lambda node: node.serial)


def plus(a, b):
    return a + b


def plus_in_place(a, b):
    a += b
    return a


EXERCISES = (
    Gold(
        number="1.1",
        title="the backward of y = a * b",
        function="mul_backward",
        forward=lambda a, b: a * b,
        cases=(case((3,), (3,)), case((2, 4), (2, 4)), case((), ())),
        wrong=(
            Wrong(
                "the two gradients are exchanged: dy/da = b, so b belongs to a's gradient",
                lambda G, a, b: (G * a, G * b),
            ),
            Wrong(
                "these are dy/da and dy/db; the chain rule still multiplies each by G = dL/dy", lambda G, a, b: (b, a)
            ),
            Wrong("this is the backward of a + b, which hands G on as it is", lambda G, a, b: (G, G)),
        ),
        hints=(
            "Hold b fixed: by how much does y grow when a grows by 1?",
            "dy/da = b and dy/db = a, entry by entry. The chain rule: dL/da = dL/dy dy/da, and dL/dy is G.",
            "The first of the two is G * b.",
        ),
    ),
    Gold(
        number="1.2",
        title="a gradient that comes along two paths, y = (a + b) * a",
        function="two_paths_backward",
        forward=lambda a, b: (a + b) * a,
        cases=(case((3,), (3,)), case((2, 4), (2, 4)), case((), ())),
        wrong=(
            Wrong(
                "of the two paths to a, only the one through the product is there; the one through the sum is lost",
                lambda G, a, b: (G * (a + b), G * a),
            ),
            Wrong(
                "of the two paths to a, only the one through the sum is there: the second gradient has replaced the "
                "first, where it should be added",
                lambda G, a, b: (G * a, G * a),
            ),
            Wrong(
                "the sum got G itself; but it is a factor of the product, so what arrives there is G * a",
                lambda G, a, b: (G * (a + b) + G, G),
            ),
            Wrong(
                "these are dy/da and dy/db; the chain rule still multiplies each by G = dL/dy",
                lambda G, a, b: (2 * a + b, a),
            ),
        ),
        hints=(
            "Draw the graph: which arrows leave a? As many gradients come back to it.",
            "The product y = s * a sends G * a to s, and G * s to a. The sum hands what it got to a and to b.",
            "dL/da = G * s + G * a: what comes from the product, plus what comes through the sum.",
        ),
    ),
    Gold(
        number="1.3",
        title="the walk over the tape",
        function="walk",
        right=gradients_by_tape,
        adapt=over_a_graph,
        cases=tuple(case((2, 3), (2, 3), (2, 3), graph=graph) for graph in GRAPHS),
        wrong=(
            Wrong(
                "nodes are left in the order in which they were reached, so that one is left before everything has "
                "been paid into it: of those reached, take the youngest",
                lambda y, G: walk_with(y, G, lambda reached: reached[0], plus),
            ),
            Wrong(
                "the node that was reached last is left first; it may have been left before everything has been paid "
                "into it: of those reached, take the youngest",
                lambda y, G: walk_with(y, G, lambda reached: reached[-1], plus),
            ),
            Wrong(
                "of those reached you take the oldest, to which most is still to be paid: take the youngest",
                lambda y, G: walk_with(y, G, lambda reached: min(reached, key=lambda node: node.serial), plus),
            ),
            Wrong(
                "where paths meet, the later gradient replaces the earlier one: they must be added",
                lambda y, G: walk_with(y, G, youngest, lambda a, b: b),
            ),
            Wrong(
                "where paths meet, only the first gradient counts: they must be added",
                lambda y, G: walk_with(y, G, youngest, lambda a, b: a),
            ),
            Wrong(
                "you add in place (+=), into an array that another node holds as well: write a + b, which makes a new "
                "one",
                lambda y, G: walk_with(y, G, youngest, plus_in_place),
            ),
        ),
        hints=(
            "Keep two things: the gradients so far, in a dict by node, and the nodes that were reached and not yet "
            "left. Both begin with y.",
            "Leave the one with the largest serial number: whatever was computed from it is younger, and has been left "
            "before. For each input, add what its backward returned to what is there, and note a new one as reached.",
            "while reached: node = max(reached, key=lambda n: n.serial); reached.remove(node); then, unless it is a "
            "leaf, go through zip(node.inputs, node.backward(gradients[node])).",
        ),
    ),
)

"""Exercise 1.3: the walk over the tape.

The tape is given as nodes, and you write what `Tensor.backward` does. A node has

    node.inputs    a tuple of the nodes that it was computed from; empty for a leaf. A node may stand there twice.
    node.serial    a whole number; whoever is born later has a larger one.
    node.backward  a function: for G = dL/d(node), an array, backward(G) returns a tuple of arrays, one for each of the
                   inputs, in their order. A leaf has None.

Two things to mind. There may be more paths through a graph than anybody can count, so each node is to be visited once.
And an array that a backward returns may be in use elsewhere (an addition hands the same one to both its inputs): add
with `a + b`, which makes a new array, and not with `+=`.

An example: for y = x * x with x = 3 and G = 1, the result is {y: 1, x: 6}.
"""


def walk(y, G):
    """Return a dict, node -> dL/d(node), for y and all nodes that it was computed from; G is dL/dy."""
    raise NotImplementedError

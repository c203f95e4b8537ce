"""Wrong backwards of reading and rearranging: every entry's gradient goes back to where the entry came from."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record

IDS = np.array([[0, 2], [2, 1]])  # 2 twice
ROWS = np.array([1, 1, 0])
LATER = np.triu(np.ones((3, 3), bool), 1)  # what attention must not see


@mistake(
    "embedding: = for +=",
    "A word that occurs twice in the batch gets the gradient of its last occurrence alone. With words that are all "
    "different, as in a small test, it is right.",
    (4, 3),
    right=lambda table: ops.embedding(table, IDS),
)
def embedding_assigns(table):
    def backward(G):
        D = np.zeros_like(table.data)
        D[IDS] = G
        return (D,)

    return record(table.data[IDS], (table,), backward)


@mistake(
    "getitem: += with repeated indices",
    "D[rows] += G looks as if it added, but NumPy reads, adds and writes once: of repeated indices, the last one "
    "stays. np.add.at adds up.",
    (3, 4),
    right=lambda x: x[ROWS],
)
def getitem_buffered(x):
    def backward(G):
        D = np.zeros_like(x.data)
        D[ROWS] += G
        return (D,)

    return record(x.data[ROWS], (x,), backward)


@mistake(
    "flip: not flipped back",
    "The result is x read backwards, and so must be its gradient. It is handed on as it came.",
    (5,),
    right=lambda x: x[::-1],
)
def flip_not(x):
    def backward(G):
        return (G,)

    return record(x.data[::-1], (x,), backward)


@mistake(
    "concatenate: the offset does not move",
    "Each part's gradient is cut out from the beginning, since the offset is never increased. Parts of equal size "
    "hide it from checks of the shape.",
    (2, 3),
    (2, 3),
    right=lambda a, b: ops.concatenate([a, b]),
)
def concatenate_offset(a, b):
    def backward(G):
        offset, parts = 0, []
        for x in (a, b):
            parts.append(G[offset : offset + len(x.data)])
        return tuple(parts)

    return record(np.concatenate([a.data, b.data]), (a, b), backward)


@mistake(
    "stack: taken apart along the first axis",
    "The forward stacks along the last axis, the backward takes G[0] and G[1]. Two vectors of length two let it.",
    (2,),
    (2,),
    right=lambda a, b: ops.stack([a, b], axis=-1),
)
def stack_axis(a, b):
    def backward(G):
        return G[0], G[1]

    return record(np.stack([a.data, b.data], axis=-1), (a, b), backward)


@mistake(
    "pad: cut at the other side",
    "Two zeros before and one after: the backward skips one before, the other side's number. With padding that is "
    "equal on both sides, which is the usual case, it is right.",
    (4,),
    right=lambda x: ops.pad(x, ((2, 1),)),
)
def pad_other_side(x):
    before, after, n = 2, 1, len(x.data)

    def backward(G):
        return (G[after : after + n],)

    return record(np.pad(x.data, (before, after)), (x,), backward)


@mistake(
    "pad: the copies of the edge send nothing back",
    "Padding that repeats the edge makes two copies of the first entry and one of the last, and their gradients "
    "belong to these entries. The backward is that of padding with zeros.",
    (4,),
    right=lambda x: x[np.array([0, 0, 0, 1, 2, 3, 3])],
)
def pad_edge(x):
    n = len(x.data)

    def backward(G):
        return (G[2 : 2 + n],)

    return record(np.pad(x.data, (2, 1), mode="edge"), (x,), backward)


@mistake(
    "transpose: the permutation in place of its inverse",
    "Axes (2, 0, 1) are undone by (1, 2, 0). Exchanging two axes is its own inverse, and that is what is mostly "
    "tried; a cube has the right shape in any case.",
    (3, 3, 3),
    right=lambda x: ops.transpose(x, (2, 0, 1)),
)
def transpose_again(x):
    axes = (2, 0, 1)

    def backward(G):
        return (G.transpose(axes),)

    return record(x.data.transpose(axes), (x,), backward)


@mistake(
    "swapaxes: a reshape for a transposition",
    "Both give a (2, 3) from a (3, 2). A reshape keeps the order of the numbers in memory, and that is not the order "
    "that was asked for.",
    (2, 3),
    right=lambda x: ops.swapaxes(x, 0, 1),
)
def swapaxes_reshape(x):
    def backward(G):
        return (G.reshape(x.shape),)

    return record(x.data.swapaxes(0, 1), (x,), backward)


@mistake(
    "repeat: summed like a tile",
    "repeat gives a a b b c c, tile a b c a b c. What belongs together is a row of G.reshape(n, 2) for the one, a "
    "column of G.reshape(2, n) for the other.",
    (3,),
    right=lambda x: x[np.array([0, 0, 1, 1, 2, 2])],
)
def repeat_tile(x):
    n = len(x.data)

    def backward(G):
        return (G.reshape(2, n).sum(axis=0),)

    return record(np.repeat(x.data, 2), (x,), backward)


@mistake(
    "roll: rolled on",
    "What was rolled by one to the right must be rolled to the left on the way back, and goes on to the right.",
    (4,),
    right=lambda x: ops.concatenate([x[-1:], x[:-1]]),
)
def roll_on(x):
    def backward(G):
        return (np.roll(G, 1),)

    return record(np.roll(x.data, 1), (x,), backward)


@mistake(
    "sort: the order in place of its inverse",
    "y = x[order], so the gradient of entry order[i] is G[i]: D[order] = G. G[order] is another permutation, unless "
    "order is its own inverse, as when two numbers are exchanged.",
    [3.0, 1.0, 4.0, 1.5, 2.0],
    right=lambda x: x[np.argsort(x.data)],
)
def sort_order(x):
    order = np.argsort(x.data)

    def backward(G):
        return (G[order],)

    return record(x.data[order], (x,), backward)


@mistake(
    "masked_fill: the filled places get a gradient",
    "Scores of what must not be seen are overwritten with -9. The result does not depend on what stood there, but the "
    "backward hands all of G on.",
    (3, 3),
    right=lambda x: ops.where(LATER, -9.0, x),
)
def masked_fill_all(x):
    def backward(G):
        return (G,)

    return record(np.where(LATER, -9.0, x.data), (x,), backward)


@mistake(
    "upsample: one of four copies",
    "Every pixel becomes a square of 2 x 2, and gets the gradient of its upper left copy alone. Reading every second "
    "pixel is the way back for the values, not for the gradients.",
    (3, 2),
    right=lambda x: x[np.arange(6) // 2][:, np.arange(4) // 2],
)
def upsample_one(x):
    def backward(G):
        return (G[::2, ::2],)

    return record(x.data.repeat(2, axis=0).repeat(2, axis=1), (x,), backward)


@mistake(
    "diagonal: as if the whole matrix had been read",
    "The result is the diagonal, and G is laid out as columns of a matrix: every entry gets something.",
    (3, 3),
    right=lambda x: x[np.arange(3), np.arange(3)],
)
def diagonal_columns(x):
    def backward(G):
        return (G * np.ones((3, 1)),)

    return record(np.diagonal(x.data).copy(), (x,), backward)

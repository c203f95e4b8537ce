"""Embedding: a learnt vector for each of K things."""

from __future__ import annotations

from tinygrad_edu.backend import array_module, scatter_add
from tinygrad_edu.ops.embedding import checked_ids
from tinygrad_edu.ops.support import Operand, as_tensor
from tinygrad_edu.tensor import Tensor, record


def embedding(table: Operand, ids: Operand) -> Tensor:
    """Look a row up for each id. Arguments and errors are those of `ops.embedding`.

    Shapes: table E (K, D), ids (...,) of integers 0..K-1, Y (..., D).

        Y[...] = E[ids[...]]                                                        (1)

    A row that is looked up several times was copied several times, so its gradients add up:

        dL/dE[k] = sum over all places where ids = k of G                           (2)

    Plain `dE[ids] += G` reads, adds and writes once for each *distinct* id, and only the last gradient would survive.
    """
    table = as_tensor("embedding", table)
    ids = checked_ids(table, ids)
    E = table.data

    def backward(G):
        dE = array_module(E).zeros_like(E)
        scatter_add(dE, ids, G)  # (2)
        return (dE,)

    return record(E[ids], (table,), backward)  # (1)

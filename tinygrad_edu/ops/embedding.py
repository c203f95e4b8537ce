"""Embedding: a learnt vector for each of K things."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.backend import Array, array_module, device_of, scatter_add
from tinygrad_edu.ops.support import Operand, array_of, as_tensor, below
from tinygrad_edu.runtime.parallel import product
from tinygrad_edu.tensor import Tensor, record

# Up to about this many rows the product, whose time grows with them, is faster than adding one by one.
SMALL_TABLE = 512


def embedding(table: Operand, ids: Operand) -> Tensor:
    """Y[...] = E[ids[...]]: look a row up for each id.

    Shapes: table E (K, D), ids (...,) of integers 0..K-1, Y (..., D).

    Derived and written plainly in `textbook/embedding.py`; gradients of a repeated id add up. What is different here:

    - for a small table they add up in a matrix product: with the ids as a one-hot matrix B, B[k, n] = [ids[n] = k],
      Y = B^T E and so dL/dE = B G. With 3,840 ids and 65 rows that is some five times as fast as one addition after
      the other.

    Beside a table on a GPU, ids are best given as they come from the data, on the CPU: checked there, they are copied
    over. Those that are on the GPU already cost a transfer to the host, which waits for all that the GPU has to do.

    Raises TypeError for ids that are not integers, ValueError for an id outside 0..K-1.
    """
    table = as_tensor("embedding", table)
    ids = checked_ids(table, ids)
    E = table.data
    xp = array_module(E)

    def backward(G):
        K, D = E.shape
        order = "F" if G.flags.f_contiguous else "C"  # any order of the places will do: take G's own, without a copy
        G, flat = G.reshape(ids.size, D, order=order), ids.reshape(-1, order=order)
        if K <= SMALL_TABLE:
            B = xp.arange(K)[:, None] == flat  # (K, N)
            return (product(B.astype(E.dtype), G),)
        dE = xp.zeros_like(E)
        scatter_add(dE, flat, G)
        return (dE,)

    return record(E[ids], (table,), backward)


def checked_ids(table: Tensor, ids: Any) -> Array:
    """The ids as an array on the table's device, or the error that says what is wrong with them.

    A copy: their owner may go on to the next batch before the backward.
    """
    if table.data.ndim != 2:
        raise ValueError(f"embedding: expected a table (K, D), a row for each id; got {table.shape}")
    ids = array_of("embedding", ids)
    if device_of(ids) not in ("cpu", table.device):
        raise TypeError(f"embedding: the table is on {table.device!r}, the ids on {device_of(ids)!r}; move one of them")
    if ids.dtype.kind not in "iu":
        raise TypeError(f"embedding: ids must be integers (row numbers), got dtype {ids.dtype}")
    K = len(table.data)
    if not below(ids, K):
        raise ValueError(
            f"embedding: ids must lie in 0..{K - 1}, for a table of {K} rows; "
            f"they range from {ids.min()} to {ids.max()}"
        )
    return array_module(table.data).array(ids)

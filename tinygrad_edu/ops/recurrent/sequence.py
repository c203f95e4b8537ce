"""What the recurrent operations share: checks, and the layout in which they compute. The mathematics is in their files.

**Feature-major.** In NumPy's row-major (N, 4H), one gate of all N sequences is a slice of every row: many small pieces.
In (4H, N) it is one block of memory, and tanh, products and sums run through it without a jump.

**Stacked.** A step computes x_t W + b + h_{t-1} U. With the inputs on top of each other, V_t = [x_t; 1; h_{t-1}], and
the weights too, S = [W; b; U], that is one matrix product, S^T V_t (two in the GRU, whose halves have a bias each). The
LSTM's backward makes one product a step for all of dL/dV_t, which holds dL/dx_t and dL/dh_{t-1}; the others take these
apart, and leave the first out where x wants no gradient. After the last step comes one product for dL/dS, which holds
dL/dW, dL/db and dL/dU: the sum over the steps becomes part of it, see `sum_over_time`.

**In parts.** The sequences of a batch do not know of each other, so two halves of a large batch run side by side on two
cores; only the gradients of the weights are sums over the batch. An LSTM with 128 units on 128 sequences of 30 steps
takes 17.7 ms, forward and backward, in one piece (BLAS uses both cores then), and 16.2 in two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.recurrent.arguments import check, check_masks
from tinygrad_edu.ops.support import Operand, record_many, same_kind
from tinygrad_edu.runtime.parallel import in_parts
from tinygrad_edu.tensor import Tensor

# Worth a thread: 40 million multiplications take 0.9 ms. A product with fewer than 64 columns is a tenth slower.
PART_WORK, PART_COLUMNS = 40_000_000, 64

SUMMED_AT_ONCE = 2**18  # so many numbers of dL/da are multiplied at once in `sum_over_time`: 1 MiB of float32

# The forward of an operation for n of the N sequences:
#     forward(V, S, O, states, mask) -> (last states, backward)
# with V (T, D+1+H, n), whose rows for h_0 are filled and whose later rows it fills; S (D+1+H, gates * H), both with two
# rows for the biases in the GRU; O (T, H, n), which it fills with the outputs; each state (H, n), or 0 for zeros; mask
# (H, n) or None, the dropout of h_{t-1}. Its backward is
#     backward(G, G_last, dX, want_weights, want_states) -> (dS, dL/d(initial states))
# with G (T, H, n) or None; G_last, a (H, n) or None for each state; dX (D, T, n) to be filled, or None if not wanted.
# dS and dL/d(initial states) mean nothing unless they are wanted.
Forward = Callable[[Array, Array, Array, list[Array], Array | None], tuple[list[Array], Callable]]


def run_sequence(
    op: str,
    forward: tuple[Forward, Forward],
    gates: int,
    tensors: tuple[Operand, Operand, Operand, Operand],
    states: dict[str, Operand | None],
    masks: dict[str, Array | None],
) -> tuple[Tensor, ...]:
    """Check, stack, run `forward` in parts, and put the whole sequence on the tape as one step.

    Parameters
    ----------
    op : the operation's name, for messages.
    forward : computes the sequence from arrays, see above; one form for the CPU and one for a GPU.
    gates : how many blocks of H columns the weights have.
    tensors : x, W, U, b.
    states : the initial states by name, h0 first; None stands for zeros.
    masks : input_mask and recurrent_mask by name.

    Returns
    -------
    The outputs (N, T, H), and for each state its last value (N, H).
    """
    x, W, U, b = same_kind(op, *tensors)
    states = {name: None if state is None else same_kind(op, x, state)[1] for name, state in states.items()}
    given = [state for state in states.values() if state is not None]
    N, T, D, H = check(op, gates, x, W, U, b, states)
    input_mask, recurrent_mask = masks.values()
    if input_mask is not None or recurrent_mask is not None:
        check_masks(x, H, op, masks)
        copies = (None if mask is None else mask.copy() for mask in masks.values())
        input_mask, recurrent_mask = copies  # their owner may fill them anew before the backward
    X = x.data
    xp = array_module(X)
    S = xp.concatenate((W.data, b.data.reshape(-1, gates * H), U.data))
    u = len(S) - H  # where U begins
    O = xp.empty((T, H, N), dtype=X.dtype)
    backwards = {}  # where a part starts -> its backward

    def forward_part(start: int, stop: int) -> list[Array]:
        part = slice(start, stop)
        V = xp.empty((T, len(S), stop - start), dtype=X.dtype)
        V[:, :D] = X[part].transpose(1, 2, 0)
        if input_mask is not None:
            V[:, :D] *= input_mask[part].T
        V[:, D:u] = 1
        mask = None if recurrent_mask is None else recurrent_mask[part].T
        initial = [0 if s is None else s.data[part].T for s in states.values()]
        V[0, u:] = initial[0] if mask is None else initial[0] * mask
        last, backwards[start] = forward[xp is not np](V, S, O[:, :, part], initial, mask)
        return last

    smallest = max(PART_COLUMNS, PART_WORK // (T * S.size))
    last = _joined(in_parts(forward_part, N, smallest, X))  # (H, N) each
    last = [whole.T.copy() for whole in last]  # not views: who keeps a state shall not keep the whole sequence

    def backward(Gs: list[Array | None]) -> tuple[Array | None, ...]:
        G, *G_last = Gs  # (N, T, H), then (N, H) each, or None
        want_weights = W.requires_grad or U.requires_grad or b.requires_grad
        want_states = any(state.requires_grad for state in given)
        dX = xp.empty((D, T, N), dtype=X.dtype) if x.requires_grad else None

        def backward_part(start: int, stop: int) -> tuple[Array, list[Array]]:
            part = slice(start, stop)
            return backwards[start](
                None if G is None else G[part].transpose(1, 2, 0),
                [None if g is None else g[part].T for g in G_last],
                None if dX is None else dX[:, :, part],
                want_weights,
                want_states,
            )

        (dS, *others), d_initials = zip(*in_parts(backward_part, N, smallest, X))
        if want_weights:
            for other in others:
                dS += other
        d_states = _joined(d_initials) if want_states else [None] * len(states)
        if dX is not None:
            dX = dX.T
            if input_mask is not None:
                dX *= input_mask[:, None]
        return (
            dX,
            dS[:D] if W.requires_grad else None,
            dS[u:] if U.requires_grad else None,
            dS[D:u].reshape(b.shape) if b.requires_grad else None,
            *[d.T if s.requires_grad else None for d, s in zip(d_states, states.values()) if s is not None],
        )

    backward.__qualname__ = op  # what a tensor of ours shows as its operation
    return record_many((O.transpose(2, 0, 1), *last), (x, W, U, b, *given), backward)


def sum_over_time(V: Array, dA: Array) -> Array:
    """dL/dS = sum_t V_t dA_t^T, for V (T, L, n) and dA (T, M, n): with time beside the batch, one large product.

    The two are copied for it. A long sequence is halved until its copies fit into the processor's cache; on a GPU
    every half would be four more launches.
    """
    T, L, n = V.shape
    if T > 1 and dA.size > SUMMED_AT_ONCE and array_module(dA) is np:
        half = T // 2
        return sum_over_time(V[:half], dA[:half]) + sum_over_time(V[half:], dA[half:])
    return V.swapaxes(0, 1).reshape(L, T * n).dot(dA.swapaxes(0, 1).reshape(-1, T * n).T)


def _joined(parts: Sequence[Sequence[Array]]) -> list[Array]:
    """What the parts returned, each array put together with its counterparts along the batch, the last axis."""
    if len(parts) == 1:
        return list(parts[0])
    return [array_module(pieces[0]).concatenate(pieces, axis=-1) for pieces in zip(*parts)]

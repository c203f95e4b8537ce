"""What the recurrent operations are given: checked, and for the textbook's form completed."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.backend import Array, array_module, device_of, is_array
from tinygrad_edu.ops.support import Operand, same_kind
from tinygrad_edu.tensor import Tensor


def complete(
    op: str,
    gates: int,
    tensors: tuple[Operand, Operand, Operand, Operand],
    states: dict[str, Operand | None],
    masks: tuple[Array | None, Array | None],
) -> tuple[tuple[Tensor, ...], tuple[Array, Array]]:
    """x, W, U, b and the initial states, zeros where none is given; and the two masks, ones where none is given.

    Parameters
    ----------
    op : the operation's name, for messages.
    gates : how many blocks of H columns the weights have.
    tensors : x, W, U, b.
    states : the initial states by name, h0 first.
    masks : input_mask and recurrent_mask.
    """
    x, W, U, b, *given = same_kind(op, *tensors, *[state for state in states.values() if state is not None])
    remaining = iter(given)
    named = {name: None if state is None else next(remaining) for name, state in states.items()}
    N, _, D, H = check(op, gates, x, W, U, b, named)
    check_masks(x, H, op, dict(zip(("input_mask", "recurrent_mask"), masks)))
    xp, dtype = array_module(x.data), x.dtype
    initial = (Tensor(xp.zeros((N, H), dtype)) if state is None else state for state in named.values())
    ones = (xp.ones((N, n), dtype) if mask is None else mask.copy() for n, mask in zip((D, H), masks))
    return (x, W, U, b, *initial), tuple(ones)


def check(
    op: str, gates: int, x: Tensor, W: Tensor, U: Tensor, b: Tensor, states: dict[str, Tensor | None]
) -> tuple[int, int, int, int]:
    """(N, T, D, H), or the error that says which shape, dtype or device does not fit."""
    if x.data.ndim != 3:
        raise ValueError(f"{op}: expected x of shape (N, T, D): sequences, time steps, features; got {x.shape}")
    N, T, D = x.data.shape
    if T == 0 or N == 0:
        what = "sequences of length 0" if T == 0 else "no sequence at all"
        raise ValueError(f"{op}: x {x.shape} holds {what}; expected (N, T, D) with N and T at least 1")
    H = len(U.data) if U.data.ndim == 2 else 0
    M = gates * H
    bias: tuple[int, ...] = (2, M) if op == "gru" else (M,)
    if H == 0 or W.data.shape != (D, M) or U.data.shape != (H, M) or b.data.shape != bias:
        columns, two = ("H" if gates == 1 else f"{gates}H"), "2, " if op == "gru" else ""
        raise ValueError(
            f"{op}: expected W (D, {columns}), U (H, {columns}), b ({two}{columns}) with D = {D} as in x {x.shape}; "
            f"got W {W.shape}, U {U.shape}, b {b.shape}"
        )
    if x.data.dtype.kind != "f":
        raise TypeError(f"{op}: expected floating-point tensors, got {x.dtype}; convert them with .astype('float32')")
    for name, state in states.items():
        if state is not None and state.shape != (N, H):
            raise ValueError(
                f"{op}: expected {name} of shape (N, H) = ({N}, {H}), a state for each of the {N} sequences in x; "
                f"got {state.shape}"
            )
    return N, T, D, H


def check_masks(x: Tensor, H: int, op: str, masks: dict[str, Any]) -> None:
    """ValueError or TypeError unless the masks that are given are arrays (N, D) and (N, H) that can multiply x."""
    N, _, D = x.shape
    for (name, mask), shape in zip(masks.items(), ((N, D), (N, H))):
        if mask is None:
            continue
        if not is_array(mask):
            raise TypeError(f"{op}: expected {name} as an array of shape {shape}, got {type(mask).__name__}")
        if mask.shape != shape:
            raise ValueError(f"{op}: expected {name} of shape {shape}, a mask for each sequence; got {mask.shape}")
        if mask.dtype != x.dtype or device_of(mask) != x.device:
            raise TypeError(
                f"{op}: expected {name} of {x.dtype} on {x.device!r} like x; got {mask.dtype} on {device_of(mask)!r}"
            )

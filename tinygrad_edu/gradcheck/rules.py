"""What a backward must keep to besides being right: see `record` in `tensor.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError, flat
from tinygrad_edu.tensor import Tensor


def check_rules(at: Evaluation) -> list[np.ndarray]:
    """The rules of a backward that need no differences; returns v J for each leaf."""
    _check_steps(at)
    gradients = at.vjp(at.V)
    again = at.vjp(at.V)
    zeros = at.vjp([np.zeros_like(v) for v in at.V])
    values_again = flat([out.data for out in at.call()])
    for i, leaf in enumerate(at.leaves):
        if not np.array_equal(leaf.data, at.leaf_values[i]):
            raise GradientError(f"rule 'untouched': {at.name}, {at.leaf_name(i)}: f or its backward wrote into it")
    for i in range(len(at.leaves)):
        where = f"{at.name}, {at.leaf_name(i)}"
        if not np.array_equal(gradients[i], again[i], equal_nan=True):
            raise GradientError(f"rule 'repeatable': {where}: a second backward gave another gradient")
        if np.any(zeros[i] != 0):
            raise GradientError(f"rule 'linear': {where}: a zero gradient v gave {_worst(zeros[i])}, not zeros")
    if not np.array_equal(values_again, at.values, equal_nan=True):
        raise GradientError(f"rule 'repeatable': {at.name}: a second call gave other values; seed its randomness")
    return gradients


def _check_steps(at: Evaluation) -> None:
    """Walk the tape once with a guard at every step, who looks at what its backward is given and returns."""
    steps, waiting = set(), list(at.outputs)
    while waiting:
        step = waiting.pop()
        if step._backward is not None and step not in steps:
            steps.add(step)
            waiting.extend(step._inputs)
    backwards = [(step, step._backward) for step in steps]
    try:
        for step, backward in backwards:
            step._backward = _guarded(step, backward)
        at.vjp(at.V)
    finally:
        for step, backward in backwards:
            step._backward = backward


def _guarded(step: Tensor, backward: Any) -> Callable:
    op, inputs = step.op, step._inputs

    def guard(G):
        before = G.copy()
        returned = list(backward(G))
        if not np.array_equal(G, before, equal_nan=True):
            raise GradientError(f"rule 'untouched': {op}: its backward wrote into the gradient it was given")
        if len(returned) != len(inputs):
            raise GradientError(f"rule 'count': {op} has {len(inputs)} inputs, {len(returned)} gradients")
        for k, (x, g) in enumerate(zip(inputs, returned)):
            if g is None:
                continue
            if g.shape != x.shape or g.dtype != x.dtype:
                rule = "shape" if g.shape != x.shape else "dtype"
                raise GradientError(f"rule '{rule}': {op}: {g.shape} {g.dtype} for {x.shape} {x.dtype}")
            if any(np.may_share_memory(g, y.data) for y in (*inputs, step)):
                raise GradientError(f"rule 'own memory': {op}: a gradient is a view of an input or the result")
            # The walk adds into arrays that it takes for new; no other gradient may see that.
            new = g is not G and g.base is None
            if new and any(h is not None and np.may_share_memory(g, h) for h in (*returned[:k], *returned[k + 1 :])):
                raise GradientError(f"rule 'own memory': {op}: two of its gradients share one array")
        return returned

    return guard


def _worst(x: np.ndarray) -> float:
    return float(x.reshape(-1)[np.argmax(np.abs(x))])

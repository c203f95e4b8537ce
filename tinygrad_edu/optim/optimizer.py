"""What all optimisers share.

All update in place, `p -= ...`, without a tape. `p` is a parameter, `g` its gradient dL/dp, `lr` the learning rate; in
a formula, `t` counts the steps that p itself has made, from 1. Every optimiser keeps arrays of its own for each
parameter, on the parameter's device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, to_numpy
from tinygrad_edu.tensor import Tensor


class Optimizer:
    """The parameters, `zero_grad`, the step, and what is remembered from step to step.

    A parameter moves if it has a gradient. One that is frozen, `p.requires_grad = False`, stays where it is, whatever
    gradient is left in it, and without weight decay; it can be frozen and unfrozen at any time.

    Attributes
    ----------
    lr, weight_decay : float
    t : int
        Steps done.
    missed : list of int
        How many of them each parameter missed, being frozen or without a gradient.
    state : list of dict
        The arrays remembered of each parameter, named as in `remembers`; none before it first moves.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        name = type(self).__name__
        self.parameters = checks.items(
            name, "parameters", parameters, "a list of parameters, such as model.parameters()"
        )
        if not self.parameters:
            raise ValueError(f"{name}: expected at least one parameter, got none")
        for p in self.parameters:
            if not isinstance(p, Tensor) or p.op or p.dtype.kind != "f":
                raise TypeError(f"{name}: expected leaves that require a gradient, or are frozen; got {p!r:.200}")
        if not any(p.requires_grad for p in self.parameters):
            raise ValueError(f"{name}: no parameter requires a gradient, so none would ever move")
        if len(set(self.parameters)) < len(self.parameters):
            raise ValueError(f"{name}: a parameter was given twice; every step would move it twice")
        self.lr = checks.not_negative(name, "lr", lr)
        self.weight_decay = checks.not_negative(name, "weight_decay", weight_decay)
        self.t = 0
        self.missed = [0 for _ in self.parameters]
        self.state: list[dict[str, Array]] = [{} for _ in self.parameters]

    def zero_grad(self) -> None:
        """Forget all gradients; without it, the next backward() adds to them."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient and is not frozen."""
        self.t += 1
        self.move(range(len(self.parameters)))

    def move(self, numbers: Iterable[int]) -> None:
        """`update` the parameters of these numbers, but for those that miss the step."""
        for i in numbers:
            p = self.parameters[i]
            if p.grad is not None and p.requires_grad:
                self.update(i, p.data, p.grad)
            else:
                self.missed[i] += 1

    def update(self, i: int, p: Array, g: Array) -> None:
        """Change the values `p` of parameter number i in place; `g` must be left as it is."""
        raise NotImplementedError

    def remembers(self) -> dict[str, float]:
        """The names of the arrays that `update` keeps in `state[i]`, and the smallest value that each can have."""
        return {}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything remembered between steps, as NumPy copies named `"t"`, `"0.m"`, `"0.v"`, `"1.m"`, ...

        For a parameter that missed steps there is `"1.missed"` as well.
        """
        arrays = {f"{i}.{name}": np.array(to_numpy(a)) for i, own in enumerate(self.state) for name, a in own.items()}
        missed = {f"{i}.missed": np.array(count) for i, count in enumerate(self.missed) if count}
        return {"t": np.array(self.t), **missed, **arrays}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state_dict`; ValueError like `check_state_dict`, and then nothing has changed."""
        self.check_state_dict(state)
        self.t = int(state["t"])
        self.missed = [int(state.get(f"{i}.missed", 0)) for i in range(len(self.parameters))]
        self.state = [
            {
                name: array_module(p.data).array(state[f"{i}.{name}"], dtype=p.dtype)
                for name in self.remembers()
                if f"{i}.{name}" in state
            }
            for i, p in enumerate(self.parameters)
        ]

    def check_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """ValueError with all that is wrong, unless this is a state of such an optimiser of such parameters.

        Taken unseen, a state of another kind would raise no error: training would go on, as if without a past.
        """
        checks.instance(type(self).__name__, "state", state, dict, "a dict, name -> array, from state_dict()")
        t, wrong, known = _count(state.get("t")), [], {"t"}
        if t is None:
            wrong.append(f"t must be a whole number >= 0, got {state.get('t')!r}")
        for i, p in enumerate(self.parameters):
            known.add(f"{i}.missed")
            missed = _count(state.get(f"{i}.missed", 0))
            if missed is None or missed > (t or 0):
                wrong.append(f"{i}.missed must be a whole number from 0 to t, got {state[f'{i}.missed']!r}")
            if missed == t:  # it has never moved, so there is nothing to remember
                continue
            for name, smallest in self.remembers().items():
                known.add(f"{i}.{name}")
                wrong += _wrong_memory(f"{i}.{name}", state.get(f"{i}.{name}"), p, smallest)
        wrong += [f"unknown: {key} {np.shape(values)}" for key, values in state.items() if key not in known]
        if wrong:
            raise ValueError(f"this state does not belong to this {type(self).__name__}:{checks.lines(wrong)}")


def _count(value: Any) -> int | None:
    """A whole number >= 0 as an int; None for anything else."""
    array = np.asarray(value)
    return int(array) if array.shape == () and array.dtype.kind in "iu" and array >= 0 else None


def _wrong_memory(key: str, values: Any, p: Tensor, smallest: float) -> list[str]:
    """What is wrong with an array that is to be remembered of p: nothing, or one line."""
    if values is None:
        return [f"missing: {key} {p.shape}"]
    if np.shape(values) != p.shape:
        return [f"shape: {key} is {p.shape} here, {np.shape(values)} there"]
    values = np.asarray(values)
    if values.dtype.kind in "fiu":
        with np.errstate(over="ignore"):  # what is too large for p's dtype becomes infinite, and is refused
            values = values.astype(p.dtype)
        if (np.isfinite(values) & (values >= smallest)).all():
            return []
    return [f"values: {key} must be finite numbers" + (f" >= {smallest:g}" if math.isfinite(smallest) else "")]

"""Optimisers: how a parameter moves when its gradient is known.

All update in place, `p -= ...`, without a tape. `p` is a parameter, `g` its gradient dL/dp, `lr` the learning rate; `t`
counts the steps from 1. Every optimiser keeps arrays of its own for each parameter, on the parameter's device.
`cosine` is the learning rate's schedule, see `schedule.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.backend import Array, array_module, to_numpy
from tinygrad_edu.schedule import cosine as cosine
from tinygrad_edu.tensor import Tensor

SMALL = 10_000  # elements: up to this size, Adam's parameters are updated together


class Optimizer:
    """What all optimisers share: the parameters, `zero_grad` and the step over every parameter with a gradient."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: expected at least one parameter, got none")
        for p in self.parameters:
            if not isinstance(p, Tensor) or not p.requires_grad or p.op:
                raise TypeError(f"{type(self).__name__}: expected leaves that require a gradient, got {p!r:.200}")
        if len(set(self.parameters)) < len(self.parameters):
            raise ValueError(f"{type(self).__name__}: a parameter was given twice; every step would move it twice")
        _check_not_negative(type(self).__name__, lr=lr, weight_decay=weight_decay)
        self.lr = lr
        self.weight_decay = weight_decay
        self.t = 0
        self.state: list[dict[str, Array]] = [{} for _ in self.parameters]  # what is remembered of each parameter

    def zero_grad(self) -> None:
        """Forget all gradients; without it, the next backward() adds to them."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        self.t += 1
        for i, p in enumerate(self.parameters):
            if p.grad is not None:
                self.update(i, p.data, p.grad)

    def update(self, i: int, p: Array, g: Array) -> None:
        """Change the values `p` of parameter number i in place; `g` must be left as it is."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything remembered between steps, as NumPy copies named `"t"`, `"0.m"`, `"0.v"`, `"1.m"`, ..."""
        arrays = {f"{i}.{name}": np.array(to_numpy(a)) for i, own in enumerate(self.state) for name, a in own.items()}
        return {"t": np.array(self.t), **arrays}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state_dict` of an optimiser of the same kind with the same parameters."""
        parts = [(key, *key.split(".")) for key in state if key != "t"]
        for key, i, _ in parts:
            shape = self.parameters[int(i)].shape if i.isdigit() and int(i) < len(self.parameters) else None
            if state[key].shape != shape:
                raise ValueError(f"{type(self).__name__}: the state {key} {state[key].shape} fits no parameter here")
        self.t = int(state["t"])
        self.state = [{} for _ in self.parameters]
        for key, i, name in parts:
            p = self.parameters[int(i)].data
            self.state[int(i)][name] = array_module(p).array(state[key], dtype=p.dtype)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and L2 weight decay if wanted.

    g' = g + weight_decay * p
    v  = momentum * v + g'          (v starts at 0; without momentum, v = g')
    p  = p - lr * v
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.01, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        _check_fraction("SGD", momentum=momentum)
        self.momentum = momentum

    def update(self, i: int, p: Array, g: Array) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p
        if self.momentum:
            v = self.state[i].setdefault("velocity", array_module(p).zeros_like(p))
            v *= self.momentum
            v += g
            g = v
        p -= self.lr * g


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): steps of a size near lr, whatever the size of the gradient.

    m = b1 m + (1 - b1) g           a running mean of the gradient
    v = b2 v + (1 - b2) g^2         a running mean of its square
    p = p - lr m^ / (sqrt(v^) + eps),   m^ = m / (1 - b1^t),   v^ = v / (1 - b2^t)

    m and v start at 0 and are too small at first; dividing by 1 - b^t mends that. The three corrections are pulled into
    one scalar: with s = sqrt(1 - b2^t), the step is (lr s / (1 - b1^t)) m / (sqrt(v) + s eps).

    `weight_decay` adds weight_decay * p to g (L2). `AdamW` decays the weights themselves. The defaults are Keras'.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        _check_fraction(type(self).__name__, beta1=betas[0], beta2=betas[1])
        _check_not_negative(type(self).__name__, eps=eps)
        self.betas = betas
        self.eps = eps
        kind = self.parameters[0].dtype, self.parameters[0].device  # one array has one of each
        kinds = [(p.dtype, p.device) for p in self.parameters]
        self.small = [i for i, p in enumerate(self.parameters) if p.data.size <= SMALL and kinds[i] == kind]
        self.large = [i for i in range(len(self.parameters)) if i not in self.small]
        self.small_parameters = [self.parameters[i] for i in self.small]
        self.together: tuple[Any, ...] = (None,)  # see `end_to_end`

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "together": (None,)}  # in a copy, views would be arrays of their own

    def step(self) -> None:
        """Move every parameter that has a gradient; the small ones together."""
        if len(self.small) < 2:
            return super().step()
        for p in self.small_parameters:
            if p.grad is None:
                return super().step()
        self.t += 1
        for i in self.large:
            p = self.parameters[i]
            if p.grad is not None:
                self.update(i, p.data, p.grad)
        self.update_together()

    def update(self, i: int, p: Array, g: Array) -> None:
        xp = array_module(p)
        if not self.state[i]:
            self.state[i] = {"m": xp.zeros_like(p), "v": xp.zeros_like(p)}
        p -= self.change(self.state[i]["m"], self.state[i]["v"], self.decay(p, g), xp.empty_like(p))

    def decay(self, p: Array, g: Array) -> Array:
        """The gradient that the moments see."""
        return g + self.weight_decay * p if self.weight_decay else g

    def change(self, m: Array, v: Array, g: Array, out: Array) -> Array:
        """Update the moments in place, and return what is to be subtracted from p, in `out`."""
        xp = array_module(g)
        b1, b2 = self.betas
        s = math.sqrt(1 - b2**self.t)
        # In place, with one scratch array: on small networks the step is mostly the making of arrays.
        xp.multiply(g, 1 - b1, out=out)
        m *= b1
        m += out
        xp.multiply(g, g, out=out)
        out *= 1 - b2
        v *= b2
        v += out
        xp.sqrt(v, out=out)
        out += s * self.eps
        xp.divide(m, out, out=out)
        out *= self.lr * s / (1 - b1**self.t)
        return out

    # Each of the dozen calls above takes half a microsecond, however few its numbers. Five small parameters, laid end
    # to end in one array, take less than a third of their time one by one: 11 against 39 microseconds. The results are
    # the same to the bit.

    def update_together(self) -> None:
        """`update` for all small parameters, laid end to end."""
        _, m, v, change, changes = self.end_to_end()
        gradients = [self.decay(p.data, p.grad).reshape(-1) for p in self.small_parameters]
        self.change(m, v, array_module(m).concatenate(gradients), change)
        for p, own in zip(self.small_parameters, changes):
            p.data -= own

    def end_to_end(self) -> tuple[Any, ...]:
        """m, v and the change of all small parameters end to end, and each one's view of the change.

        `self.state` holds views of m and v. It comes first in the result, to see that it was not replaced meanwhile.
        """
        if self.together[0] is self.state:
            return self.together
        parameters = [p.data for p in self.small_parameters]  # the first step, or a state that was loaded
        xp = array_module(parameters[0])
        for i, p in zip(self.small, parameters):
            self.state[i] = self.state[i] or {"m": xp.zeros_like(p), "v": xp.zeros_like(p)}
        m, v = (xp.concatenate([self.state[i][name].reshape(-1) for i in self.small]) for name in "mv")
        change, changes, start = xp.empty_like(m), [], 0
        for i, p in zip(self.small, parameters):
            m_own, v_own, own = (whole[start : start + p.size].reshape(p.shape) for whole in (m, v, change))
            self.state[i] = {"m": m_own, "v": v_own}
            changes.append(own)
            start += p.size
        self.together = self.state, m, v, change, changes
        return self.together


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): p = p - lr weight_decay p, then Adam's step.

    In `Adam`, the decay is part of the gradient and is divided by sqrt(v) like it; here all weights decay alike.
    """

    def decay(self, p: Array, g: Array) -> Array:
        p *= 1 - self.lr * self.weight_decay
        return g


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their common length is at most `max_norm`; return the length before.

    length = sqrt(sum over all parameters of sum g^2). The direction of the step stays (Pascanu et al. 2013). A length
    that is not finite is returned, so that it can be seen, and nothing is scaled.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: max_norm must be > 0, got {max_norm}")
    gradients = [(p, p.grad) for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float((g * g).sum()) for _, g in gradients))
    if max_norm < norm < math.inf:
        for p, g in gradients:
            p.grad = g * (max_norm / norm)  # a new array: whoever kept the gradient keeps its values
    return norm


def _check_not_negative(name: str, **values: float) -> None:
    for key, value in values.items():
        if not value >= 0 or math.isinf(value):
            raise ValueError(f"{name}: {key} must be a finite number >= 0, got {value}")


def _check_fraction(name: str, **values: float) -> None:
    for key, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: {key} must lie in 0 <= {key} < 1, got {value}")

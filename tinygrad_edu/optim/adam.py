"""Adam and AdamW. The names are those of `optimizer.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.runtime.fusion import fused
from tinygrad_edu.tensor import Tensor

SMALL = 10_000  # elements: up to this size, parameters are updated together


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): steps of a size near lr, whatever the size of the gradient.

    p = p - lr m^ / (sqrt(v^) + eps),   m^ and v^: running means of the gradient and of its square, corrected.

    Derived and written plainly in `textbook/optimizers.py`, five lines. What is different here:

    - the three corrections are pulled into one scalar: with s = sqrt(1 - b2^t), the step is
      (lr s / (1 - b1^t)) m / (sqrt(v) + s eps);
    - everything is computed in place, with one scratch array;
    - small parameters are laid end to end and updated together, see below;
    - on a GPU, where it is launches that cost, every parameter moves by itself, in one: see `_fused_step`.

    A parameter that was frozen at first begins at t = 1 as well: with the t of the others, its first steps would be up
    to 6.6 lr long.

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
        name = type(self).__name__
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            checks.refuse(name, "betas", "two numbers, such as (0.9, 0.999)", betas)
        self.betas = checks.fraction(name, "beta1", betas[0]), checks.fraction(name, "beta2", betas[1])
        self.eps = checks.not_negative(name, "eps", eps)
        self.keep_together(self.small_ones())

    def remembers(self) -> dict[str, float]:
        return {"m": -math.inf, "v": 0.0}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "together": (None,)}  # in a copy, views would be arrays of their own

    def step(self) -> None:
        """Move every parameter that has a gradient and is not frozen; the small ones together."""
        for p in self.small_parameters:
            if p.grad is None or not p.requires_grad:
                moving = [i for i in self.small if (q := self.parameters[i]).grad is not None and q.requires_grad]
                self.keep_together(moving)
                break
        self.t += 1
        self.move(self.alone)
        if self.small:
            self.update_together()

    def update(self, i: int, p: Array, g: Array) -> None:
        xp = array_module(p)
        if not self.state[i]:
            self.state[i] = {"m": xp.zeros_like(p), "v": xp.zeros_like(p)}
        m, v, t = self.state[i]["m"], self.state[i]["v"], self.t - self.missed[i]
        if xp is np:
            p -= self.change(m, v, self.decay(p, g), t, xp.empty_like(p))
        else:
            (b1, b2), s = self.betas, math.sqrt(1 - self.betas[1] ** t)
            rate, eps = float(self.lr) * s / (1 - b1**t), s * self.eps
            _fused_step(p, m, v, self.decay(p, g), b1, 1 - b1, b2, 1 - b2, rate, eps)

    def decay(self, p: Array, g: Array) -> Array:
        """The gradient that the moments see."""
        return g + self.weight_decay * p if self.weight_decay else g

    def change(self, m: Array, v: Array, g: Array, t: int, out: Array) -> Array:
        """Update the moments in place for the t-th time, and return what is to be subtracted from p, in `out`."""
        xp = array_module(g)
        b1, b2 = self.betas
        s = math.sqrt(1 - b2**t)
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
        out *= self.lr * s / (1 - b1**t)
        return out

    # Each of the dozen calls above takes half a microsecond, however few its numbers. Five small parameters, laid end
    # to end in one array, take less than a third of their time one by one: 11 against 39 microseconds. The results are
    # the same to the bit.

    def small_ones(self) -> list[int]:
        """The small parameters on the CPU that missed no step, by number; of one dtype, since one array has one."""
        kind = self.parameters[0].dtype, "cpu"
        return [
            i
            for i, p in enumerate(self.parameters)
            if p.data.size <= SMALL and (p.dtype, p.device) == kind and not self.missed[i]
        ]

    def keep_together(self, small: list[int]) -> None:
        """From now on, update the parameters of these numbers together, and all others alone.

        Together there is one t for all. So a parameter that misses a step goes alone from then on.
        """
        self.small = small if len(small) > 1 else []
        self.small_parameters = [self.parameters[i] for i in self.small]
        self.alone = [i for i in range(len(self.parameters)) if i not in self.small]
        self.together: tuple[Any, ...] = (None,)  # see `end_to_end`

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        super().load_state_dict(state)
        self.keep_together(self.small_ones())

    def update_together(self) -> None:
        """`update` for all small parameters, laid end to end."""
        _, m, v, change, changes = self.end_to_end()
        gradients = [self.decay(p.data, p.grad).reshape(-1) for p in self.small_parameters]
        self.change(m, v, array_module(m).concatenate(gradients), self.t, change)
        for p, own in zip(self.small_parameters, changes):
            p.data[...] = p.data - own  # for a single number, NumPy takes four times as long in place

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


@fused
def _fused_step(xp, p, m, v, g, b1, b1_rest, b2, b2_rest, rate, eps):
    """`Adam.change` and the move, in one launch: p -= rate m / (sqrt(v) + eps), rate and eps with their corrections."""
    m *= b1
    m += g * b1_rest
    v *= b2
    v += g * g * b2_rest
    p -= m / (xp.sqrt(v) + eps) * rate


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): p = p - lr weight_decay p, then Adam's step.

    In `Adam`, the decay is part of the gradient and is divided by sqrt(v) like it; here all weights decay alike.

    `matrices_only` leaves out biases and the gains of normalisations, parameters of one axis: decay is against rows of
    a matrix that grow long, and a gain that shrinks towards 0 is no simpler than one near 1.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
        matrices_only: bool = False,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)
        self.matrices_only = checks.flag("AdamW", "matrices_only", matrices_only)

    def decay(self, p: Array, g: Array) -> Array:
        if p.ndim > 1 or not self.matrices_only:
            p *= 1 - self.lr * self.weight_decay
        return g

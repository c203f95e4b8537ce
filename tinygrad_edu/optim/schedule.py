"""Learning rates that change during training.

A schedule is a plain function of the number of steps done, so there is no state to save: an optimiser counts its steps
in `optimizer.t`, also across `--resume`. In a training step:

    optimizer.lr = cosine(0.001, optimizer.t, steps)
"""

from __future__ import annotations

import math

from tinygrad_edu import checks


def cosine(lr: float, step: int, steps: int, warmup: int = 0, lowest: float = 0.0) -> float:
    """The learning rate of a step: half a cosine from `lr` down to `lowest` (Loshchilov and Hutter 2017).

    Large steps at first, to get far; ever smaller ones at the end, so that the weights stop jumping from one batch's
    wishes to the next one's.

    lowest + (lr - lowest)/2 (1 + cos(pi t / T)),   t = step - warmup,   T = steps - warmup;
    before, lr (step + 1) / (warmup + 1).

    Parameters
    ----------
    lr : float
        The largest rate.
    step : int
        Steps already done: 0 for the first one. From `steps` on, the rate stays at `lowest`.
    steps : int
        Steps in the whole training.
    warmup : int
        Steps at the beginning, during which the rate grows linearly.
    lowest : float
        The rate at the end, at most `lr`.
    """
    lr, step = checks.not_negative("cosine", "lr", lr), checks.whole("cosine", "step", step)
    steps, warmup = checks.size("cosine", "steps", steps), checks.whole("cosine", "warmup", warmup)
    lowest = checks.not_negative("cosine", "lowest", lowest)
    if lowest > lr:
        raise ValueError(f"cosine: the lowest rate, {lowest:g}, is larger than the largest, lr = {lr:g}")
    if warmup >= steps:
        raise ValueError(f"cosine: expected fewer steps of warmup than steps; got {warmup} of {steps}")
    if step < warmup:
        return lr * (step + 1) / (warmup + 1)
    done = min((step - warmup) / (steps - warmup), 1.0)
    return lowest + (lr - lowest) / 2 * (1 + math.cos(math.pi * done))

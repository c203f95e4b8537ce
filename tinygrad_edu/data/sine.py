"""A noisy sine: the smallest sequence that a recurrent network can learn."""

import numpy as np

from tinygrad_edu import checks


def noisy_sine(
    steps_per_cycle: int = 20, cycles: int = 176, noise: float = 0.1, rng: np.random.Generator | None = None
) -> np.ndarray:
    """x_t = sin(2 pi t / steps_per_cycle + noise * u_t) with u_t uniform in [-1, 1): the noise shakes the phase.

    Parameters
    ----------
    steps_per_cycle : int
        Samples in a period, at least 2.
    cycles : int
        Periods.
    noise : float
        The largest phase error, in radians. 0 gives the pure sine.
    rng : numpy.random.Generator, optional
        Draws the noise; needed unless noise = 0.

    Returns
    -------
    array (steps_per_cycle * cycles,), float32
    """
    steps_per_cycle = checks.whole("noisy_sine", "steps_per_cycle", steps_per_cycle, 2)
    cycles, noise = checks.size("noisy_sine", "cycles", cycles), checks.not_negative("noisy_sine", "noise", noise)
    phase = 2 * np.pi * np.arange(steps_per_cycle * cycles) / steps_per_cycle
    if noise:
        if rng is None:
            raise ValueError("noisy_sine: noise needs a generator; use numpy.random.default_rng(seed)")
        checks.generator("noisy_sine", "rng", rng)
        phase = phase + noise * rng.uniform(-1, 1, len(phase))
    return np.sin(phase).astype(np.float32)

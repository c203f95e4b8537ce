"""The products v J of the walks against the slopes of f: every entry of a small Jacobian, else random directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_edu.gradcheck.difference import Slopes, measured_rounding, slopes_of_each, slopes_of_sum
from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError

DIRECTIONS, SINGLE_ENTRIES = 8, 24  # how many of each, for each input


@dataclass(frozen=True)
class CheckResult:
    """What a passed check found: derivatives compared, and the largest errors among them.

    `unresolved` counts the derivatives that differences cannot tell to rtol, since f's values are rounded too coarsely
    for it: beside a value of 10^9, a slope of 1 is known to few digits. `resolution` is the worst of their relative
    uncertainties: a smaller error would not show there. 0 and 0 where all was seen to rtol.

    `moved` counts the points that were left because of a kink: 0 where the gradients were checked at the inputs.
    """

    entries: int
    absolute: float
    relative: float
    unresolved: int = 0
    resolution: float = 0.0
    moved: int = 0


class WholeJacobian:
    """Every entry of J: columns from differences, rows from walks with v = (0 .. 1 .. 0).

    And a last row for the random v, which a lucky unit cannot replace.
    """

    axes = "output entry, input entry"

    def __init__(self, at: Evaluation, rng: np.random.Generator) -> None:
        self.at, rounding = at, measured_rounding(at, rng)
        self.slopes = [slopes_of_each(at, i, _units(leaf.shape), rounding) for i, leaf in enumerate(at.leaves)]

    def analytic(self, gradients: list[np.ndarray]) -> list[np.ndarray]:
        """v J, for each leaf."""
        rows = [*(self.at.vjp(V) for V in self.at.units()), gradients]
        return [np.array([row[i].reshape(-1) for row in rows]) for i in range(len(gradients))]


class RandomDirections:
    """v J u for random directions u, and for random single entries, where an error cannot average out."""

    def __init__(
        self, at: Evaluation, rng: np.random.Generator, directions: int = DIRECTIONS, singles: int = SINGLE_ENTRIES
    ) -> None:
        rounding = measured_rounding(at, rng)
        self.axes = f"direction ({directions} random ones, then single entries)"
        self.directions = [_random_directions(leaf.shape, rng, directions, singles) for leaf in at.leaves]
        self.slopes = [slopes_of_sum(at, i, directions, rounding) for i, directions in enumerate(self.directions)]

    def analytic(self, gradients: list[np.ndarray]) -> list[np.ndarray]:
        """v J u, for each leaf."""
        return [np.array([[(g * u).sum() for u in U]]) for g, U in zip(gradients, self.directions)]


def _units(shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """For each entry, the direction that moves it alone."""
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        yield unit


def _random_directions(shape: tuple[int, ...], rng: np.random.Generator, number: int, singles: int) -> list[np.ndarray]:
    directions = [rng.normal(size=shape) for _ in range(number)]
    # Of length 1: on the way x + h u each entry moves little, and hardly any of a million ReLUs meets its kink. In
    # multiples of 2^-20, so that x + h u has no rounding error.
    directions = [np.round(u / np.linalg.norm(u) * 2**20) / 2**20 for u in directions]
    size = directions[0].size
    for j in rng.choice(size, min(size, singles), replace=False):
        directions.append(np.eye(1, size, int(j)).reshape(shape))
    return directions


def compare(
    at: Evaluation,
    plan: WholeJacobian | RandomDirections,
    gradients: list[np.ndarray],
    rtol: float,
    atol: float = 0.0,
) -> CheckResult:
    """Rule *equal*: GradientError where analytic and numeric derivatives differ, by more than rtol and atol."""
    result = CheckResult(0, 0.0, 0.0)
    for i, (analytic, slopes) in enumerate(zip(plan.analytic(gradients), plan.slopes)):
        if analytic.size == 0:
            continue
        absolute, relative = _errors(analytic, slopes, rtol)
        if relative[~(absolute <= atol)].max(initial=0.0) > rtol:
            raise GradientError(_report(at, i, plan.axes, analytic, slopes.slope, absolute, relative, rtol))
        unknown = _unresolved(analytic, slopes, rtol)
        result = CheckResult(
            result.entries + analytic.size,
            max(result.absolute, float(absolute.max())),
            max(result.relative, float(relative.max())),
            result.unresolved + unknown.size,
            max(result.resolution, float(unknown.max(initial=0.0))),
        )
    return result


def _unresolved(analytic: np.ndarray, slopes: Slopes, rtol: float) -> np.ndarray:
    """The relative uncertainties of all derivatives that are not known to rtol, and not zero to the last bit."""
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(slopes.slope)), slopes.small)
    unknown = (slopes.uncertainty > rtol * size) & ((analytic != 0) | (slopes.slope != 0))
    return (slopes.uncertainty / np.maximum(size, np.finfo(float).tiny))[unknown]


def _errors(analytic: np.ndarray, slopes: Slopes, rtol: float) -> tuple[np.ndarray, np.ndarray]:
    """Absolute and relative errors of the analytic derivatives; the latter is infinite for NaN."""
    error = np.abs(analytic - slopes.slope)
    floor = np.maximum(slopes.small, slopes.uncertainty / rtol)
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(slopes.slope)), floor)
    relative = error / np.maximum(size, np.finfo(float).tiny)  # 0 / 0 is no error
    return error, np.where(np.isnan(relative), np.inf, relative)


def _report(at, i, axes, analytic, numeric, error, relative, rtol) -> str:
    worst = np.unravel_index(np.argmax(relative), relative.shape)
    index = ", ".join(str(int(k)) for k in worst)
    return (
        f"rule 'equal': {at.name}, {at.leaf_name(i)} of shape {at.leaves[i].shape}: "
        f"{int((relative > rtol).sum())} of {relative.size} derivatives are wrong\n"
        f"  worst at ({index})  [{axes}]\n"
        f"  analytic        {analytic[worst]: .12e}   (the backward)\n"
        f"  numeric         {numeric[worst]: .12e}   (finite differences)\n"
        f"  absolute error  {error[worst]: .3e}\n"
        f"  relative error  {relative[worst]: .3e}   (allowed {rtol:g})"
    )

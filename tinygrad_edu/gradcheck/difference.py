"""Slopes by finite differences: what a backward is held against.

The derivative of f in direction u is what the difference quotients tend to. From the right and from the left:

    right(h) = (f(x + h u) - f(x)) / h  =  f' + h/2 f'' + h^2/6 f''' + ...
    left(h)  = (f(x) - f(x - h u)) / h  =  f' - h/2 f'' + h^2/6 f''' - ...

Their mean is the central quotient, whose error is h^2/6 f''' where f'' is the same on both sides. It need not be: in
x/(1 + |x|) at 0, in ELU at 0, in Huber's loss at 1, the slope is continuous and the curvature jumps. There, the central
quotient is off by h/4 times the jump, which would be blamed on a backward that is right. So the term in h is removed on
each side by a second step, half as long:

    right = 2 right(h/2) - right(h)  =  f' - h^2/12 f''' - ...                                        (1)
    left  = 2 left(h/2)  - left(h)   =  f' - h^2/12 f''' + ...                                        (2)
    slope = (right + left) / 2                                                                        (3)

**Kinks.** Where f is smooth, right and left differ by h^3/16 f'''', which is nothing. Where they differ by more, x lies
at a kink (relu at 0: two slopes, no derivative), or something lies beside x, nearer than h: a kink, or a jump of the
curvature. Mostly one side sees it and the other does not; the slope (3) is then off by half of what they differ.

**Rounding.** If no value of f is off by more than r, then (1) and (2) are off by at most 8 r/h each, their difference
by 16 r/h, and the slope (3), in which f(x) cancels, by 5 r/h. How large r is depends on f: a sum over a million numbers
rounds a million times. So it is measured. Nudge all inputs at once by a tiny p, some 2^-35: in

    f(x + p) - 2 f(x) + f(x - p)                                                                      (4)

the slope cancels, the curvature is multiplied by p^2 = 10^-21, and even a kink by p = 3 10^-11. What shows is rounding.
Around x + p as well: where f(x) has no rounding error by chance, those of f(x + p) and f(x - p) are opposite, and in
(4) they cancel. In log(1 + e^x) at x = -16, so small a p does not even reach the last bit of 1 + e^x. There, p must be
longer, some 2^-24, and a fourth difference cancels all but p^4 f'''' = 10^-29 f'''':

    f(x) - 4 f(x + p) + 6 f(x + 2p) - 4 f(x + 3p) + f(x + 4p)                                         (5)

Errors of one size, independent of each other, are 3.5 times as large in (5) as in (4). More than 64 last bits of 1 or
of the largest output are not believed: that may be a kink, and larger errors show in (4).
For a sum of outputs, weights . f, the errors of the outputs, being independent, add up like the sides of a right angle:
its r is the length of the vector of weights times r, over the outputs that changed at all. One that is the same to the
last bit before and after a step has the same error both times, which cancels.

With h near the cube root of eps, neither rounding, eps |f| / h, nor truncation, h^2 f''', is large: some nine right
digits, for inputs that are not very much larger or smaller than 1. Three cases need another step.

**Large values.** In 10^6 + sin x, the digits of sin x are few, and r/h is 10^-4. A step 64 times as long sees 64 times
as much of the slope. It is believed where it agrees with the shorter one as far as that reaches.

**Fast changes.** Along 1/x at 0.001 or sin(10^4 x), h is no small step: truncation is 10^-5 of the slope, or 10^-3. A
step a 64th as long has a 4096th of it, and is believed where it is the better one and agrees with the longer.

**Slopes that come late.** |x|^1.5 has the slope 0 at 0, but its quotients are sqrt(h): right and left differ as at a
kink. At a kink they differ as much when the step is halved, again and again; here by the same factor less each time,
and so they end up in one slope, which is the end of a geometric sequence.

**Truncation.** The central quotients for h and h/2 are off by h^2/6 f''' and a quarter of that, so that two thirds of
what they differ is the error of (3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.gradcheck.evaluation import Evaluation, NotFinite, flat, largest

STEP = 2.0**-17  # h = 7.6e-6, near the cube root of float64's eps; a power of two, so that x + h has no rounding error
FAR, NEAR = 64 * STEP, STEP / 64
NUDGE, NUDGES = 2.0**-35, 4  # the size of p in each entry, and how many p are tried
LONGER_NUDGE = 2.0**-24  # in (5)
EPS = 2.0**-52  # float64: neighbours of 1 differ by this


@dataclass
class Slopes:
    """Slopes of several numbers y (rows) in several directions u (columns), seen from the right and from the left.

    `rounding` is r, how far each y may be off; `truncation` is how far (3) may be; `size` is how large the largest y
    is, `change` by how much the one that changed most did so on the way h.
    """

    right: np.ndarray
    left: np.ndarray
    rounding: np.ndarray
    truncation: np.ndarray
    change: float
    size: float

    @property
    def slope(self) -> np.ndarray:
        return (self.right + self.left) / 2  # (3)

    @property
    def small(self) -> np.ndarray:
        """Among slopes of the same y that are a thousand times larger, a slope is not known to all its digits.

        And it need not be there at all beside slopes that are 2^52 times larger, or beside 1: tails may be cut off.
        """
        row = np.abs(self.slope).max(axis=1, keepdims=True, initial=0.0)
        return np.maximum(1e-3 * row, EPS * max(1.0, largest(self.slope)))

    @property
    def uncertainty(self) -> np.ndarray:
        """How far rounding and truncation can move a slope.

        Where the curvature jumps, truncation looks larger than it is: it counts as far as it is small beside all.
        """
        return 5 * self.rounding / STEP + np.minimum(2 * self.truncation, max(1e-9 * largest(self.slope), STEP**2))

    def is_smooth(self, rtol: float) -> bool:
        """Whether both sides see the same slopes, to rtol or as well as rounding lets them."""
        larger = np.maximum(np.maximum(np.abs(self.right), np.abs(self.left)), 1e-3 * largest(self.slope))
        unknown = 16 * self.rounding / STEP
        same = np.abs(self.right - self.left) <= np.maximum(rtol * larger, unknown)
        # On a staircase, right and left agree by chance. A jump of the curvature, by 1 say, moves truncation by h.
        same &= self.truncation <= np.maximum(np.maximum(1e-3 * larger, STEP), unknown)
        # Where values jump, as those of floor do, (4) shows the jump: more than the last digits of a value or a change.
        rounded = self.rounding <= max(1e-9 * self.size, 1e-3 * self.change)
        return bool(same.all() and rounded.all())


def slopes_of_each(at: Evaluation, i: int, directions: Iterable[np.ndarray], rounding: np.ndarray) -> Slopes:
    """The slopes of every output, and of v . outputs with the random v: the last row."""
    v = flat(at.V)
    seen = [_seen(at, i, u, rounding) for u in directions]
    columns = np.array(seen).reshape(len(seen), 5, len(v)).transpose(1, 2, 0)
    sums = np.array([_sum(v, column, rounding) for column in seen]).reshape(len(seen), 4).T
    right, left, r, truncation = (np.vstack([each, row]) for each, row in zip(columns, sums))
    return Slopes(right, left, r, truncation, largest(columns[4]), largest(at.values))


def slopes_of_sum(at: Evaluation, i: int, directions: Iterable[np.ndarray], rounding: np.ndarray) -> Slopes:
    """The slopes of v . outputs alone, with the random v."""
    v = flat(at.V)
    sums, change = [], 0.0
    for u in directions:
        column = _seen(at, i, u, rounding, v)
        sums.append(_sum(v, column, rounding))
        change = max(change, float(np.linalg.norm(v * column[4])))
    right, left, r, truncation = np.array(sums).reshape(len(sums), 4).T[:, None]
    return Slopes(right, left, r, truncation, change, float(np.linalg.norm(v * at.values)))


def _sum(v: np.ndarray, column: tuple[np.ndarray, ...], rounding: np.ndarray) -> tuple[float, ...]:
    """What a direction shows of v . outputs: right, left, r and truncation."""
    right, left, r, truncation, change = column
    at_least = largest(v * rounding)  # a change of one output can be rounded away
    r_sum = max(float(np.linalg.norm((v * r)[change > 0])), at_least)
    return float(v @ right), float(v @ left), r_sum, float(np.linalg.norm(v * truncation))


def _seen(
    at: Evaluation, i: int, u: np.ndarray, rounding: np.ndarray, v: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """For all outputs: right, left, r, truncation and change in direction u of leaf i; by other steps where needed.

    Where only v . outputs counts, other steps are needed if its own slope needs them.
    """

    def total(x: np.ndarray) -> Any:
        return x if v is None else np.linalg.norm(v * x)

    right, left, change, truncation = sides(at, {i: u})
    r = np.where(change > 0, rounding, 0.0)
    apart, larger = total(np.abs(right - left)), total(np.maximum(np.abs(right), np.abs(left)))
    if np.any((apart > 1e-6 * larger) & (apart > 16 * total(r) / STEP)):
        ends, slope = _end_of_halving(at, {i: u}, right, left)
        right, left = np.where(ends, slope, right), np.where(ends, slope, left)
        r, truncation = np.where(ends, 64 * r, r), np.where(ends, STEP**2, truncation)
    if np.any(5 * total(r) / STEP > 1e-4 * larger):
        slope, uncertainty = _from_afar(at, {i: u}, r)
        here = (right + left) / 2
        better = (uncertainty < 5 * r / STEP) & (np.abs(slope - here) <= 5 * r / STEP)
        right, left = np.where(better, slope, right), np.where(better, slope, left)
        r = np.where(better, uncertainty * STEP / 5, r)
    if np.any((total(truncation) > 1e-8 * larger) & (total(truncation) > 16 * total(r) / STEP)):
        better, near = _from_nearby(at, {i: u}, r, truncation)
        right, left, truncation = (np.where(better, n, x) for n, x in zip(near, (right, left, truncation)))
        r = np.where(better, r * STEP / NEAR, r)
    return right, left, np.where(change > 0, r, rounding), truncation, change


def _end_of_halving(
    at: Evaluation, moves: dict[int, np.ndarray], right: np.ndarray, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where right and left come together by the same factor at every halving of the step, and the slope they reach."""
    gaps, slopes = [right - left], [(right + left) / 2]
    for n in (2, 4, 8):
        right, left, _, _ = sides(at, moves, STEP / n)
        gaps.append(right - left)
        slopes.append((right + left) / 2)
    q = np.array(gaps[1:]) / np.array(gaps[:-1])  # 0 / 0 is NaN, which fails all that follows
    same = (q > 0.2) & (q < 0.97) & (np.abs(q - q[-1]) < 1e-3)
    return same.all(axis=0), slopes[-1] + (slopes[-1] - slopes[-2]) * q[-1] / (1 - q[-1])


def _from_afar(at: Evaluation, moves: dict[int, np.ndarray], r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slopes that a longer step sees, and how far they may be off: infinitely where right and left differ."""
    try:
        right, left, _, truncation = sides(at, moves, FAR)
    except NotFinite:
        return np.zeros(r.shape), np.full(r.shape, np.inf)
    smooth = np.abs(right - left) <= 16 * r / FAR + truncation
    return (right + left) / 2, np.where(smooth, 5 * r / FAR + truncation, np.inf)


def _from_nearby(
    at: Evaluation, moves: dict[int, np.ndarray], r: np.ndarray, truncation: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Where a shorter step sees slopes better, and right, left and truncation as it sees them.

    It does where truncation falls with the square of the step, and not where a kink or coarse rounding looks like it.
    """
    between = sides(at, moves, STEP / 8)[3]
    falls = np.abs(64 * between - truncation) <= truncation / 4
    right, left, _, nearest = sides(at, moves, NEAR)
    uncertainty = 16 * r / NEAR + nearest
    smooth = np.abs(right - left) <= uncertainty
    return falls & smooth & (uncertainty < truncation), (right, left, nearest)


def sides(
    at: Evaluation, moves: dict[int, np.ndarray], step: float = STEP
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For all outputs: slope from the right, from the left, change and truncation as leaf i moves by step moves[i]."""

    def change(h: float) -> np.ndarray:
        return at.values_beside({i: h * u for i, u in moves.items()}) - at.values

    ahead, behind = change(step), change(-step)
    ahead_half, behind_half = change(step / 2), change(-step / 2)
    right = 2 * ahead_half / (step / 2) - ahead / step  # (1)
    left = behind / step - 2 * behind_half / (step / 2)  # (2)
    central, nearer = (ahead - behind) / (2 * step), (ahead_half - behind_half) / step
    for side, h in ((right, step), (left, -step)):
        if not np.isfinite(side).all():
            raise NotFinite(
                f"gradcheck: {at.name} is finite at these inputs but not beside them, with {_at_the_edge(at, moves, h)}"
                f" moved by {h:+.1e}; at the edge of its domain a function has no derivative to compare: check it at "
                "an interior point"
            )
    return right, left, np.abs(ahead) + np.abs(behind), 2 / 3 * np.abs(nearer - central)


def _at_the_edge(at: Evaluation, moves: dict[int, np.ndarray], h: float) -> str:
    """The entry whose move alone leads out of f's domain, found by halving; or several that do so together."""
    entries = np.array([(i, k) for i, u in moves.items() for k in np.flatnonzero(u)])
    while len(entries) > 1:
        for half in np.array_split(entries, 2):
            part = {i: np.zeros(u.shape) for i, u in moves.items()}
            for i, k in half:
                part[i].flat[k] = h * moves[i].flat[k]
            if not np.isfinite(at.values_beside(part)).all():
                entries = half
                break
        else:
            return "several entries"
    i, k = entries[0]
    index = tuple(int(n) for n in np.unravel_index(k, moves[i].shape))
    return f"entry {index} of {at.leaf_name(i)}"


def measured_rounding(at: Evaluation, rng: np.random.Generator) -> np.ndarray:
    """How far each output may be off: twice the largest that (4) shows, and not less than its last bit."""
    shown = EPS * np.abs(at.values)
    for _ in range(NUDGES):
        p = {i: _nudge(x, NUDGE, rng) for i, x in enumerate(at.leaf_values)}
        behind, ahead, further = (at.values_beside(_times(n, p)) for n in (-1, 1, 2))
        shown = np.maximum(shown, np.abs(ahead - 2 * at.values + behind))  # (4)
        shown = np.maximum(shown, np.abs(further - 2 * ahead + at.values))  # (4) at x + p
    most = 64 * EPS * max(1.0, largest(at.values))
    for _ in range(NUDGES):
        p = {i: _nudge(x, LONGER_NUDGE, rng) for i, x in enumerate(at.leaf_values)}
        y = [at.values_beside(_times(n, p)) for n in (1, 2, 3, 4)]
        fourth = np.abs(at.values - 4 * y[0] + 6 * y[1] - 4 * y[2] + y[3])  # (5)
        shown = np.maximum(shown, np.where(fourth < most, fourth / 3.5, 0.0))
    return 2 * shown


def _times(n: int, p: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    return {i: n * nudge for i, nudge in p.items()}


def _nudge(x: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """A random p: not a power of two, after which a sum of many terms would be rounded as it was before."""
    return np.maximum(size, 2 * EPS * np.abs(x)) * rng.normal(size=x.shape)

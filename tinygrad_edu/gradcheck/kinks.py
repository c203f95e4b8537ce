"""At a kink f has no derivative, and a backward has a choice; but not every choice is one.

Where several smooth pieces of f meet, as the two of relu at 0 or the two of max(a, b) at a = b, the legitimate
gradients p of an output y are the gradients of the pieces that meet, and averages of them. Let D(u) be the slope of y
in direction u from the right; from the left it is -D(-u).

**Where D is convex** (relu, abs, a maximum), each piece p, being the gradient of D in some direction w, lies below D:

    D(u)  >=  D(w) + p (u - w)  =  p u,        since D(w) = p w,

for D grows in proportion to u. The same for -u gives -D(-u) <= p u. So p u, and an average of such, lies between the
slopes from the left and from the right:

    -D(-u)  <=  p u  <=  D(u).                                                                        (1)

For max(a, b) at a = b both sides are 1 along (1, 1): what the two tied entries get sums to 1. Where D is concave, (1)
holds with its sides exchanged. Where D is a sum of functions of one entry each, (1) holds for each entry alone.

**Elsewhere (1) is not true.** The middle one of three equal numbers stays where it is if one of them moves, and yet
its gradient is 1 for one of them. So an output is judged only if it shows what (1) needs. D is convex only if the
slope from the right is never below that from the left, and if

    D(c_1 e_1 + c_2 e_2 + ...)  <=  D(c_1 e_1) + D(c_2 e_2) + ...                                     (2)

where the e are the entries (or, among many, groups of them that move together) and the c are random; concave with >=,
and a sum of functions of one entry each with =.

**Only one operation at a time.** The chain rule through a kink need not give a gradient of the composed function:
relu(x) - relu(-x) is x, and with slope 0 for relu at 0 its gradient there is 0, though each step is right. So f is
judged where it is one step of the tape.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_edu.gradcheck.difference import STEP, measured_rounding, sides
from tinygrad_edu.gradcheck.evaluation import Evaluation, GradientError, NotFinite

GROUPS = 24  # of entries, at least, where there are so many
JOINT, OUTPUTS = 12, 24  # random directions that move all groups; outputs that are judged


def check_kinks(at: Evaluation, rng: np.random.Generator, rtol: float) -> None:
    """Rule *kink*: (1) for every direction and output that allows it."""
    if any(x._backward for out in at.outputs for x in out._inputs):
        return  # more than one operation
    groups, together = _groups(at, rng)
    coefficients = np.vstack([rng.normal(size=(JOINT, len(groups))), np.ones(len(groups))])
    judged = [*groups, *(_combined(groups, c) for c in coefficients), _moves(at, np.ones)]
    dense = [_moves(at, lambda shape: rng.normal(size=shape)) for _ in range(JOINT if together else 0)]
    try:
        right, left, slack = _slopes(at, [*judged, *dense], rng, rtol)
    except NotFinite:  # in a direction that moves all inputs; what is so in an entry alone, is said elsewhere
        return
    bend = right - left
    bent = np.flatnonzero((np.abs(bend) > 100 * slack).any(axis=0))
    for j in rng.permutation(bent)[:OUTPUTS]:
        p = at.vjp(_unit(at, int(j)))
        number = _how_many(coefficients, right[:, j], left[:, j], slack[:, j], together)
        for k, moves in enumerate(judged[:number]):
            slope = sum(float((p[i] * u).sum()) for i, u in moves.items())
            low, high = sorted((left[k, j], right[k, j]))
            if not low - slack[k, j] <= slope <= high + slack[k, j]:
                raise GradientError(
                    f"rule 'kink': {at.name} has a kink at the inputs: in the direction of {_told(at, moves)}, "
                    f"entry {j} of its output has the slope {left[k, j]:.6g} from the left and {right[k, j]:.6g} from "
                    f"the right; the backward says {slope:.6g}, which is not between them"
                )


def _groups(at: Evaluation, rng: np.random.Generator) -> tuple[list[dict[int, np.ndarray]], bool]:
    """The directions e, as moves of leaves: one for each entry; or, if there are many, one for each of some groups.

    All groups are of the same size, so that they see the same: what is left over does not move.
    """
    sizes = [x.size for x in at.leaf_values]
    size = max(1, sum(sizes) // GROUPS)
    owner = rng.permutation(sum(sizes)) // size
    parts = [part.reshape(x.shape) for part, x in zip(np.split(owner, np.cumsum(sizes)[:-1]), at.leaf_values)]
    number = sum(sizes) // size
    groups = [{i: (part == g).astype(float) for i, part in enumerate(parts) if g in part} for g in range(number)]
    return groups, size > 1


def _moves(at: Evaluation, fill: Callable[[tuple[int, ...]], np.ndarray]) -> dict[int, np.ndarray]:
    return {i: fill(x.shape) for i, x in enumerate(at.leaf_values)}


def _combined(groups: list[dict[int, np.ndarray]], c: np.ndarray) -> dict[int, np.ndarray]:
    moves: dict[int, np.ndarray] = {}
    for factor, group in zip(c, groups):
        for i, u in group.items():
            moves[i] = moves.get(i, 0.0) + factor * u
    return moves


def _slopes(
    at: Evaluation, directions: list[dict[int, np.ndarray]], rng: np.random.Generator, rtol: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each direction (rows) and output: the slopes from the right and the left, and how far they may be off.

    At a kink, a step half as long sees the same slopes. Where it does not, the kink lies beside the inputs.
    """
    rounding = 32 * measured_rounding(at, rng) / STEP
    rows = []
    for moves in directions:
        right, left, *_ = sides(at, moves)
        nearer, nearer_left, *_ = sides(at, moves, STEP / 2)
        off = 2 * (np.abs(right - nearer) + np.abs(left - nearer_left)) + rounding
        rows.append((right, left, off + rtol * np.maximum(np.abs(right), np.abs(left))))
    right, left, slack = np.array(rows).reshape(len(rows), 3, at.values.size).transpose(1, 0, 2)
    return right, left, slack


def _how_many(c: np.ndarray, right: np.ndarray, left: np.ndarray, slack: np.ndarray, together: bool) -> int:
    """For how many of the directions (groups, then joint ones, then all entries alike) (1) holds for this output."""
    g = c.shape[1]
    joint = slice(g, g + len(c))
    ahead = np.where(c > 0, c * right[:g], c * left[:g]).sum(axis=1) - right[joint]  # (2)
    behind = np.where(c > 0, c * left[:g], c * right[:g]).sum(axis=1) - left[joint]  # (2) for -c, negated
    sums_slack = np.abs(c) @ slack[:g] + slack[joint]
    bend = right - left
    convex = (bend >= -slack).all() and (ahead >= -sums_slack).all() and (behind <= sums_slack).all()
    concave = (bend <= slack).all() and (ahead <= sums_slack).all() and (behind >= -sums_slack).all()
    if convex or concave:
        return g + len(c) + 1
    alone = (np.abs(ahead) <= sums_slack).all() and (np.abs(behind) <= sums_slack).all()
    return g if alone and not together else 0


def _unit(at: Evaluation, j: int) -> list[np.ndarray | None]:
    """The V that picks out entry j of all outputs."""
    V: list[np.ndarray | None] = []
    for out in at.outputs:
        inside = 0 <= j < out.data.size
        V.append(np.eye(1, out.data.size, j).reshape(out.shape) if inside else None)
        j -= out.data.size
    return V


def _told(at: Evaluation, moves: dict[int, np.ndarray]) -> str:
    moved = [(i, index) for i, u in moves.items() for index in zip(*np.nonzero(np.atleast_1d(u)))]
    if len(moved) > 1:
        return f"several entries at once, {', '.join(at.leaf_name(i) for i in moves)}"
    i, index = moved[0]
    return f"entry {tuple(int(k) for k in index)} of {at.leaf_name(i)}"

"""Figures of merit: how good predictions are, in numbers that people read. Nothing here has a gradient.

Of classes: `accuracy`. Of boxes in pictures, which are plain NumPy arrays: how much two overlap (`box_iou`), which of
several that overlap is kept (`non_maximum_suppression`), and how good a detector is (`mean_average_precision`).

A box is a row (left, top, right, bottom), in pixels or any other unit, x to the right and y down. One whose right is
its left, or whose bottom is its top, is empty: it has no area.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, device_of, to_device
from tinygrad_edu.ops.support import array_of, below
from tinygrad_edu.tensor import Tensor


def accuracy(logits: Tensor | Array, labels: Tensor | Array) -> float:
    """The share of the examples whose largest score is that of the right class: a number from 0 to 1.

    It is computed where the scores are: from a GPU, single numbers are fetched, not the scores. Arguments and errors
    are those of `right`, of which this is the mean.
    """
    return float(right(logits, labels).mean())


def right(logits: Tensor | Array, labels: Tensor | Array) -> Array:
    """Whether the largest score of each example is that of the right class: booleans (...,), where the scores are.

    With labels that come from the CPU, nothing is fetched from a GPU: `right(logits, labels).mean()` is a figure of a
    training step that nobody waits for, see `training.fit`.

    Parameters
    ----------
    logits : Tensor or array (..., K)
        Scores of K classes along the last axis: logits, or probabilities, whose order is the same. Of several equal
        largest scores the first counts.
    labels : Tensor or array (...,) of integers 0..K-1
        The right classes. They are moved to where the scores are.

    Raises
    ------
    TypeError
        The labels are not integers.
    ValueError
        Shapes do not fit, there is no example, or a label lies outside 0..K-1.
    """
    Z, y = (x.data if isinstance(x, Tensor) else array_of("accuracy", x) for x in (logits, labels))
    if y.dtype.kind not in "iu":
        raise TypeError(f"accuracy: labels must be integers (class numbers), got dtype {y.dtype}")
    if Z.ndim == 0 or Z.shape[:-1] != y.shape or Z.size == 0:
        hint = "; of one-hot labels, give labels.argmax(axis=-1)" if Z.shape == y.shape else ""
        raise ValueError(
            f"accuracy: expected logits (..., K) and labels (...,), not empty; got {Z.shape} and {y.shape}{hint}"
        )
    K = Z.shape[-1]
    if not below(y, K):
        raise ValueError(f"accuracy: labels must lie in 0..{K - 1}; they range from {y.min()} to {y.max()}")
    return Z.argmax(axis=-1) == to_device(y, device_of(Z))


# --- boxes ---


def box_iou(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """How much boxes overlap: intersection over union, the area that both cover over the area that either covers.

    1 for equal boxes, 0 for boxes that share no area. An empty box shares none with any box, not even with itself.

    Parameters
    ----------
    a, b : array (M, 4), (N, 4)
        Boxes (left, top, right, bottom).

    Returns
    -------
    array (M, N), float64
        Between each of `a` and each of `b`.

    Raises
    ------
    TypeError, ValueError
        Not numbers, another shape, NaN or infinity, or a box whose right lies left of its left, or bottom above its top
        (perhaps given by its centre and size).
    """
    A, B = _boxes("box_iou", "a", a)[:, None], _boxes("box_iou", "b", b)  # (M, 1, 4), (N, 4)
    corner, opposite = np.maximum(A[..., :2], B[..., :2]), np.minimum(A[..., 2:], B[..., 2:])
    shared = np.maximum(opposite - corner, 0).prod(axis=-1)  # (M, N)
    union = _area(A) + _area(B) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def non_maximum_suppression(
    boxes: ArrayLike, scores: ArrayLike, labels: ArrayLike | None = None, threshold: float = 0.5
) -> np.ndarray:
    """Of boxes that are about the same thing, keep the one with the highest score.

    The best box is kept, those that overlap it by more than the threshold are dropped, and so on with the best of the
    rest.

    Parameters
    ----------
    boxes : array (N, 4)
        Boxes (left, top, right, bottom).
    scores : array (N,)
        Of equal scores the first box counts as better.
    labels : array (N,) of integers, optional
        Classes of the boxes. A box drops those of its own class alone; without labels, those of any.
    threshold : float from 0 to 1
        The largest intersection over union that two kept boxes may have.

    Returns
    -------
    array (K,) of integers
        Which boxes are kept, the best first.

    Raises
    ------
    TypeError, ValueError
        As of `box_iou`; or scores or labels that are not one for each box.
    """
    where = "non_maximum_suppression"
    B, threshold = _boxes(where, "boxes", boxes), checks.share(where, "threshold", threshold)
    s = _scores(where, scores, len(B))
    y = np.zeros(len(B), int) if labels is None else _labels(where, labels, len(B))
    near = (box_iou(B, B) > threshold) & (y[:, None] == y)
    kept: list[int] = []
    for i in np.argsort(-s, kind="stable"):
        if not near[i, kept].any():
            kept.append(int(i))
    return np.array(kept, np.int64)


Found = tuple[ArrayLike, ArrayLike, ArrayLike]  # of one picture: boxes (N, 4), labels (N,), scores (N,)
Truth = tuple[ArrayLike, ArrayLike]  # of one picture: boxes (M, 4), labels (M,)


def mean_average_precision(found: Sequence[Found], true: Sequence[Truth], threshold: float = 0.5) -> float:
    """How good a detector is: the mean over the classes of `average_precision`, a number from 0 to 1.

    Arguments and errors are those of `precision_recall`.

    Source: M. Everingham et al., "The PASCAL visual object classes challenge", International Journal of Computer
    Vision 88(2), 2010. The area is taken at all points of the curve, not at 11 (that paper's first form) or 101 (COCO);
    boxes are given to the things in the pictures as COCO does, see `precision_recall`.
    """
    return float(np.mean([average_precision(*curve) for curve in precision_recall(found, true, threshold).values()]))


def precision_recall(
    found: Sequence[Found], true: Sequence[Truth], threshold: float = 0.5
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Precision against recall of each class, as more and more boxes are believed, those with high scores first.

    In a picture, the found boxes of a class choose in the order of their scores: each takes the true box of its class
    that it overlaps most among those still free, and is right if that overlap is at least the threshold. A second box
    on the same thing is wrong.

    Parameters
    ----------
    found : one (boxes (N, 4), labels (N,), scores (N,)) for each picture, N from 0
    true : one (boxes (M, 4), labels (M,)) for each picture, M from 0
    threshold : float above 0, at most 1
        The least intersection over union of a right box.

    Returns
    -------
    dict, class -> (precision (K,), recall (K,)), float64
        After the best, the two best, ... all K found boxes of the class: which share of them is right, and which share
        of the true boxes they find. For the classes that occur in `true`; what is found of others is left out, as there
        is no recall to measure.

    Raises
    ------
    TypeError, ValueError
        As of `box_iou`; or not one entry for each picture, labels or scores that are not one for each box, or no true
        box at all.
    """
    where = "precision_recall"
    if checks.share(where, "threshold", threshold) == 0:
        checks.refuse(where, "threshold", "above 0", threshold)
    found = checks.items(where, "found", found, "a list, (boxes, labels, scores) for each picture")
    true = checks.items(where, "true", true, "a list, (boxes, labels) for each picture")
    if len(found) != len(true):
        raise ValueError(f"{where}: {len(found)} pictures with found boxes, but {len(true)} with true ones")
    answers = [_answers(where, *pair, threshold) for pair in zip(found, true)]
    if not any(len(there) for *_, there in answers):
        raise ValueError(f"{where}: no picture has a true box, so there is nothing to find")
    labels, scores, right, there = (np.concatenate(parts) for parts in zip(*answers))
    curves = {}
    for label in np.unique(there):
        chosen = np.flatnonzero(labels == label)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        hits = np.cumsum(right[chosen])
        curves[int(label)] = hits / np.arange(1, len(hits) + 1), hits / np.count_nonzero(there == label)
    return curves


def average_precision(precision: ArrayLike, recall: ArrayLike) -> float:
    """The area under precision against recall, where the precision at a recall is the best at that recall or more.

    With (p_k, r_k) the points of the curve, and r_0 = 0: sum_k (r_k - r_(k-1)) max_(j >= k) p_j. Recall that is never
    reached counts as precision 0, so that a curve without points has area 0.

    Parameters
    ----------
    precision, recall : array (K,)
        As `precision_recall` gives them, recall never falling.
    """
    where = "average_precision"
    p, r = checks.numbers(where, "precision", precision), checks.numbers(where, "recall", recall)
    if p.ndim != 1 or p.shape != r.shape:
        raise ValueError(f"{where}: expected precision and recall of one shape (K,), got {p.shape} and {r.shape}")
    if (np.diff(r) < 0).any():
        raise ValueError(f"{where}: recall falls; give the points in the order of the scores")
    best = np.maximum.accumulate(p[::-1])[::-1]
    return float(np.sum(np.diff(r, prepend=0) * best))


def _answers(where: str, found: Found, true: Truth, threshold: float) -> tuple[np.ndarray, ...]:
    """Of one picture: labels (N,), scores (N,) and whether right (N,) of the found boxes; labels (M,) of the true."""
    there, said = (checks.items(where, name, x, "arrays") for name, x in (("true", true), ("found", found)))
    if len(said) != 3 or len(there) != 2:
        raise ValueError(
            f"{where}: expected (boxes, labels, scores) of what is found in a picture and (boxes, labels) of what is "
            f"true, got {len(said)} and {len(there)} arrays"
        )
    F, T = _boxes(where, "found boxes", said[0]), _boxes(where, "true boxes", there[0])
    y, s, t = _labels(where, said[1], len(F)), _scores(where, said[2], len(F)), _labels(where, there[1], len(T))
    overlap = np.where(y[:, None] == t, box_iou(F, T), 0)  # (N, M); between classes there is none
    right = np.zeros(len(F), bool)
    for i in np.argsort(-s, kind="stable") if len(T) else ():
        best = overlap[i].argmax()
        if overlap[i, best] >= threshold:
            right[i] = True
            overlap[:, best] = 0  # taken
    return y, s, right, t


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)


def _boxes(where: str, name: str, boxes: ArrayLike) -> np.ndarray:
    """Boxes (N, 4) in float64; [] is none."""
    B = checks.numbers(where, name, boxes, "fiu").astype(np.float64)
    if B.shape == (0,):
        return B.reshape(0, 4)
    if B.ndim != 2 or B.shape[1] != 4:
        raise ValueError(f"{where}: expected {name} (N, 4), rows (left, top, right, bottom); got {B.shape}")
    if not np.isfinite(B).all():
        raise ValueError(f"{where}: {name} hold NaN or infinity")
    reversed_ = np.flatnonzero((B[:, 2:] < B[:, :2]).any(axis=1))
    if len(reversed_):
        raise ValueError(
            f"{where}: {name} must be (left, top, right, bottom), but box {reversed_[0]} is "
            f"{tuple(B[reversed_[0]].tolist())}: it ends before it begins"
        )
    return B


def _labels(where: str, labels: ArrayLike, count: int) -> np.ndarray:
    y = checks.numbers(where, "labels", labels, "iu" if count else "fiu")  # the dtype of [] says nothing
    return _one_for_each(where, "labels", y, count).astype(np.int64)


def _scores(where: str, scores: ArrayLike, count: int) -> np.ndarray:
    s = checks.numbers(where, "scores", scores, "fiu").astype(np.float64)
    if not np.isfinite(s).all():
        raise ValueError(f"{where}: scores hold NaN or infinity")
    return _one_for_each(where, "scores", s, count)


def _one_for_each(where: str, name: str, array: np.ndarray, count: int) -> np.ndarray:
    if array.shape != (count,):
        raise ValueError(f"{where}: expected {name} ({count},), one for each box; got {array.shape}")
    return array

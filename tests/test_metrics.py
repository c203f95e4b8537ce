"""Figures of merit: right on every kind of input, computed where the scores are, and clear about what does not fit."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, metrics

Z = np.array([[0.1, 0.9, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 5.0], [1.0, 1.0, 0.0]], np.float32)


def test_accuracy_is_the_share_of_right_answers():
    assert metrics.accuracy(Z, np.array([1, 0, 2, 0])) == 1.0  # of equal scores the first counts
    assert metrics.accuracy(Z, np.array([1, 0, 2, 1])) == 0.75
    assert metrics.accuracy(Tensor(Z), Tensor(np.array([0, 1, 0, 2]))) == 0.0
    assert metrics.accuracy(Z.tolist(), [1, 0, 0, 2]) == 0.5
    assert type(metrics.accuracy(Tensor(Z, requires_grad=True), np.array([1, 0, 2, 0], np.uint8))) is float


def test_accuracy_takes_any_leading_axes():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 7, 5)), rng.integers(0, 5, (4, 7))
    right = sum(logits[i, j].argmax() == labels[i, j] for i in range(4) for j in range(7))
    assert metrics.accuracy(logits, labels) == right / 28
    assert metrics.accuracy(Z[0], np.array(1)) == 1.0


def test_accuracy_fetches_no_scores_from_the_gpu(cupy):
    logits = Tensor(Z).to("cuda")
    for labels in (np.array([1, 0, 2, 1]), Tensor(np.array([1, 0, 2, 1])).to("cuda")):
        assert metrics.accuracy(logits, labels) == 0.75
    assert cupy.fetched == 0
    cupy.work.reset()
    right = metrics.right(logits, np.array([1, 0, 2, 1])).mean()
    assert cupy.work.reads == 0  # labels from the CPU are looked at there
    assert float(right) == 0.75
    assert metrics.accuracy(Z, labels) == 0.75  # the other way round the labels are fetched


@pytest.mark.parametrize("labels", [np.ones(4), np.ones(4, bool)])
def test_labels_that_are_no_integers_are_refused(labels):
    with pytest.raises(TypeError, match=f"accuracy: labels must be integers .class numbers., got dtype {labels.dtype}"):
        metrics.accuracy(Z, labels)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (Z, np.zeros(3, int), r"expected logits \(\.\.\., K\) and labels.*got \(4, 3\) and \(3,\)$"),
        (Z, np.zeros((4, 1), int), r"got \(4, 3\) and \(4, 1\)$"),  # would broadcast to a table
        (Z, np.eye(4, 3, dtype=int), r"got \(4, 3\) and \(4, 3\); of one-hot labels, give labels\.argmax\(axis=-1\)"),
        (np.zeros((0, 3)), np.zeros(0, int), "not empty"),
        (np.zeros((2, 0)), np.zeros(2, int), "not empty"),
        (np.array(1.0), np.array(0), r"got \(\) and \(\)"),
        (Z, np.array([1, 2, 3, 0]), r"labels must lie in 0\.\.2; they range from 0 to 3"),
        (Z, np.array([1, 2, -1, 0]), r"they range from -1 to 2"),
    ],
)
def test_what_does_not_fit_is_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.accuracy(logits, labels)

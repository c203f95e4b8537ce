"""Figures of a detector: cases worked out by hand, and random ones against COCO's own evaluation where it is there."""

import contextlib
import io

import numpy as np
import pytest

from tinygrad_edu.metrics import (
    average_precision,
    box_iou,
    mean_average_precision,
    non_maximum_suppression,
    precision_recall,
)

NONE = ([], [], [])  # a picture in which nothing is found


def random_boxes(rng, count):
    corner = rng.uniform(0, 40, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(4, 24, (count, 2))], axis=1)


# --- intersection over union ---


def test_iou_by_hand():
    a = [[0, 0, 4, 2]]
    cases = {
        (0, 0, 4, 2): 1,  # itself
        (2, 0, 6, 2): 4 / 12,  # half of it
        (1, 0, 2, 2): 2 / 8,  # inside
        (3, 1, 5, 3): 1 / 11,  # a corner
        (4, 0, 8, 2): 0,  # they touch
        (9, 9, 10, 10): 0,
    }
    np.testing.assert_allclose(box_iou(a, list(cases)), [list(cases.values())], rtol=1e-15)


def test_iou_of_each_with_each_is_that_of_counted_points():
    rng = np.random.default_rng(0)
    a, b = (np.rint(random_boxes(rng, n)) for n in (5, 7))  # on whole pixels, which can be counted
    y, x = np.indices((70, 70)) + 0.5

    def covered(box):
        return (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])

    counted = [[(covered(p) & covered(q)).sum() / (covered(p) | covered(q)).sum() for q in b] for p in a]
    np.testing.assert_allclose(box_iou(a, b), counted, rtol=1e-14)
    np.testing.assert_array_equal(box_iou(b, a), box_iou(a, b).T)


def test_an_empty_box_overlaps_nothing():
    line, point, whole = [1, 1, 3, 1], [2, 2, 2, 2], [0, 0, 4, 4]
    assert box_iou([line, point, whole], [line, point, whole]).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert box_iou([], [whole]).shape == (0, 1)
    assert box_iou([whole], np.zeros((0, 4))).shape == (1, 0)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([1, 2, 3, 4], r"expected a \(N, 4\).* got \(4,\)"),
        ([[1, 2, 3]], r"got \(1, 3\)"),
        ([[0, 0, 1, 1], [5, 5, 2, 8]], r"box 1 is \(5\.0, 5\.0, 2\.0, 8\.0\): it ends before it begins"),
        ([[0, 3, 1, 1]], "it ends before it begins"),
        ([[0, 0, np.nan, 1]], "a hold NaN or infinity"),
        ([[0, 0, np.inf, 1]], "a hold NaN or infinity"),
    ],
)
def test_what_is_no_box_is_refused(boxes, message):
    with pytest.raises(ValueError, match=f"box_iou: .*{message}"):
        box_iou(boxes, [[0, 0, 1, 1]])


# --- non-maximum suppression ---


def test_the_best_of_those_that_overlap_stays():
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 9]]
    assert non_maximum_suppression(boxes, [0.6, 0.9, 0.7, 0.8]).tolist() == [1, 2]
    assert non_maximum_suppression(boxes, [0.6, 0.9, 0.7, 0.8], [5, 5, 5, 3]).tolist() == [1, 3, 2]
    assert non_maximum_suppression([], []).tolist() == []


def test_what_a_dropped_box_overlaps_is_not_dropped_by_it():
    row = [[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]]  # neighbours overlap by 7/13, the outer two by 4/16
    assert non_maximum_suppression(row, [3, 2, 1]).tolist() == [0, 2]
    assert non_maximum_suppression(row, [1, 3, 2]).tolist() == [1]
    assert non_maximum_suppression(row, [3, 2, 1], threshold=7 / 13).tolist() == [0, 1, 2]  # no more than that
    assert non_maximum_suppression(row, [3, 2, 1], threshold=0.24).tolist() == [0]


def test_of_equal_scores_the_first_box_is_the_better():
    assert non_maximum_suppression([[0, 0, 10, 10]] * 3, np.ones(3, np.uint8)).tolist() == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 0, 1, 1]], [1, 2]), r"expected scores \(1,\), one for each box; got \(2,\)"),
        (([[0, 0, 1, 1]], [1], [1, 2]), r"expected labels \(1,\), one for each box; got \(2,\)"),
        (([[0, 0, 1, 1]], [np.nan]), "scores hold NaN"),
        (([[0, 0, 1, 1]], [1], None, 1.5), "threshold must be a share"),
    ],
)
def test_scores_and_labels_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"non_maximum_suppression: {message}"):
        non_maximum_suppression(*arguments)


def test_labels_must_be_whole_numbers():
    with pytest.raises(TypeError, match="labels must be an array of whole numbers"):
        non_maximum_suppression([[0, 0, 1, 1]], [1], [0.5])


# --- average precision ---


def test_the_area_of_a_curve_by_hand():
    # Right, wrong, right, right, of 4 true boxes. The best precision at recall 1/4 or more is 1, at 2/4 or more 3/4.
    assert average_precision([1, 1 / 2, 2 / 3, 3 / 4], [1 / 4, 1 / 4, 2 / 4, 3 / 4]) == (1 + 3 / 4 + 3 / 4) / 4
    assert average_precision([], []) == 0
    assert average_precision([0, 0], [0, 0]) == 0
    assert average_precision([1, 1], [0.5, 1]) == 1


@pytest.mark.parametrize(
    ("precision", "recall", "message"),
    [
        ([1, 1], [1], r"of one shape \(K,\), got \(2,\) and \(1,\)"),
        ([1, 1], [1, 0.5], "recall falls"),
    ],
)
def test_what_is_no_curve_is_refused(precision, recall, message):
    with pytest.raises(ValueError, match=message):
        average_precision(precision, recall)


def test_a_found_box_takes_one_true_box_and_a_second_on_it_is_wrong():
    true = [([[0, 0, 10, 10], [4, 0, 14, 10]], [7, 7])]
    both, first = [0, 0, 10, 10], [1, 0, 11, 10]
    # `first` overlaps the left one by 9/11 and the right one by 7/13: it takes the left, and `both` finds it taken.
    precision, recall = precision_recall([([both, first, both], [7, 7, 7], [0.8, 0.9, 0.7])], true)[7]
    assert precision.tolist() == [1, 1 / 2, 1 / 3]
    assert recall.tolist() == [1 / 2, 1 / 2, 1 / 2]
    # In the other order `both` takes the left one, and `first` the one that is left over.
    precision, recall = precision_recall([([both, first], [7, 7], [0.9, 0.8])], true)[7]
    assert precision.tolist() == [1, 1]
    assert recall.tolist() == [1 / 2, 1]


def test_classes_and_pictures_are_kept_apart():
    box = [[0, 0, 4, 4]]
    true = [(box, [0]), (box, [1]), ([], [])]
    assert mean_average_precision([(box, [0], [1]), (box, [1], [1]), NONE], true) == 1
    assert mean_average_precision([(box, [0], [1]), (box, [0], [1]), NONE], true) == 0.5
    assert mean_average_precision([(box, [1], [1]), (box, [0], [1]), NONE], true) == 0  # each in the other's picture
    assert mean_average_precision([NONE] * 3, true) == 0
    # A mistake in the empty picture costs more where the network was sure of it; a class that occurs nowhere, nothing.
    assert mean_average_precision([(box, [0], [1]), (box, [1], [1]), (box, [0], [2])], true) == 0.75
    assert mean_average_precision([(box, [0], [1]), (box, [1], [1]), (box, [0], [0])], true) == 1
    assert mean_average_precision([(box, [0], [1]), (box, [1], [1]), (box, [5], [2])], true) == 1


def test_the_threshold_is_the_least_overlap_of_a_right_box():
    true, found = [([[0, 0, 4, 4]], [0])], [([[0, 0, 4, 2]], [0], [1])]
    assert mean_average_precision(found, true, threshold=0.5) == 1
    assert mean_average_precision(found, true, threshold=0.51) == 0


@pytest.mark.parametrize(
    ("found", "true", "message"),
    [
        ([NONE], [([[0, 0, 1, 1]], [0])] * 2, "1 pictures with found boxes, but 2 with true ones"),
        ([], [], "no picture has a true box"),
        ([NONE], [([], [])], "no picture has a true box"),
        ([([], [])], [([[0, 0, 1, 1]], [0])], r"expected \(boxes, labels, scores\).* got 2 and 2 arrays"),
        ([NONE], [([[0, 0, 1, 1]], [0, 1])], r"expected labels \(1,\), one for each box; got \(2,\)"),
        ([NONE], [([[1, 0, 0, 1]], [0])], "true boxes must be .* ends before it begins"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(found, true, message):
    with pytest.raises(ValueError, match=message):
        mean_average_precision(found, true)


def test_a_threshold_of_0_would_call_every_box_right():
    with pytest.raises(ValueError, match="threshold must be above 0"):
        precision_recall([NONE], [([[0, 0, 1, 1]], [0])], threshold=0)


# --- against COCO's evaluation ---


def coco_average_precision(found, true, label, threshold):
    """The area by pycocotools. It reads the curve at given recalls: at 1/n, 2/n, ... 1 that is at all its points."""
    coco = pytest.importorskip("pycocotools.coco", reason="no pycocotools: pip install pycocotools")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")

    def entries(pictures, scored):
        for picture, (boxes, labels, *scores) in enumerate(pictures, 1):
            for k, (left, top, right, bottom) in enumerate(boxes):
                box = [left, top, right - left, bottom - top]
                facts = {"image_id": picture, "category_id": int(labels[k]), "bbox": box, "area": box[2] * box[3]}
                yield facts | ({"score": scores[0][k]} if scored else {"iscrowd": 0})

    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": picture} for picture in range(1, len(true) + 1)],
        "categories": [{"id": k} for k in range(3)],
        "annotations": [entry | {"id": i} for i, entry in enumerate(entries(true, False), 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(list(entries(found, True))), "bbox")
        count = sum(int(np.sum(labels == label)) for _, labels in true)
        evaluation.params.recThrs = np.arange(1, count + 1) / count
        evaluation.params.iouThrs = np.array([threshold])
        evaluation.params.catIds, evaluation.params.maxDets = [label], [1000]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"].mean()


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.75])
def test_average_precision_is_coco_s(threshold):
    rng = np.random.default_rng(0)
    found, true = [], []
    for _ in range(30):
        boxes, labels = random_boxes(rng, rng.integers(0, 7)), None
        labels = rng.integers(0, 3, len(boxes))
        again = np.repeat(np.arange(len(boxes)), rng.integers(0, 4, len(boxes)))  # missed, found once, found again
        near = np.sort((boxes[again] + rng.normal(0, 1.5, (len(again), 4))).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        told = np.where(rng.random(len(again)) < 0.8, labels[again], rng.integers(0, 3, len(again)))
        wrong = random_boxes(rng, rng.integers(0, 3))
        said = np.concatenate([told, rng.integers(0, 3, len(wrong))])
        found.append((np.concatenate([near, wrong]), said, rng.random(len(said)).round(2)))  # with equal scores
        true.append((boxes, labels))
    ours = precision_recall(found, true, threshold)
    areas = [average_precision(*ours[label]) for label in range(3)]
    assert all(0.05 < area < 0.95 for area in areas)
    expected = [coco_average_precision(found, true, label, threshold) for label in range(3)]
    np.testing.assert_allclose(areas, expected, rtol=1e-12)
    assert mean_average_precision(found, true, threshold) == np.mean(areas)

"""Scenes of digits: reproducible, every box where the ink is, digits of the test set in test scenes alone."""

import itertools

import numpy as np
import pytest

from tinygrad_edu.data import DataError, ImageData, load_scenes, make_scenes, scenes
from tinygrad_edu.metrics import box_iou


@pytest.fixture(scope="module")
def data():
    return load_scenes(source="synthetic", train=300, validation=30, test=30)


def test_shapes_dtypes_and_how_many_digits(data):
    for part, count in ((data.train, 300), (data.validation, 30), (data.test, 30)):
        assert part.images.shape == (count, 64, 64)
        assert part.boxes.shape == (count, 4, 4)
        assert part.labels.shape == (count, 4)
        assert (part.images.dtype, part.boxes.dtype, part.labels.dtype) == (np.uint8, np.float32, np.int64)
    assert data.name == "scenes of synthetic digits"
    assert data.source == "synthetic"
    there = data.train.labels >= 0
    assert (there[:, :-1] >= there[:, 1:]).all()  # those that are there come first
    assert not data.train.boxes[~there].any()
    assert np.bincount(there.sum(axis=1), minlength=5)[1:].min() > 300 / 4 * 0.7
    assert set(data.train.labels[there].tolist()) == set(range(10))


def test_boxes_lie_in_the_scene_and_overlap_a_little(data):
    overlaps = []
    for i in range(len(data.train.images)):
        boxes, labels = data.train.truth(i)
        assert len(boxes) == len(labels) > 0
        longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        assert ((boxes >= 0) & (boxes <= 64)).all()
        assert ((longer > 15.99) & (longer < 32.01)).all()
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert len({tuple(cell) for cell in (centres // 8).tolist()}) == len(boxes)  # a cell of its own for each
        overlaps += [box_iou(boxes, boxes)[pair] for pair in itertools.combinations(range(len(boxes)), 2)]
    assert max(overlaps) < 1 / 7 + 1e-6
    assert np.mean(np.array(overlaps) > 0.02) > 0.1  # and they do overlap
    longest = (data.train.boxes[..., 2:] - data.train.boxes[..., :2]).max(axis=-1)[data.train.labels >= 0]
    assert np.percentile(longest, 5) < 18  # of different sizes
    assert np.percentile(longest, 95) > 29


def test_the_ink_is_in_the_box():
    # A white block of 10 x 6 pixels in a picture of 28 x 28, with the faint edge that the box leaves room for.
    digit = np.zeros((1, 28, 28), np.uint8)
    digit[0, 9:19, 11:17] = 255
    made = make_scenes(digit, np.array([3]), 50, np.random.default_rng(0))
    y, x = np.indices((64, 64)) + 0.5
    for i in range(50):
        boxes, labels = made.truth(i)
        assert set(labels.tolist()) == {3}
        inside = np.zeros((64, 64), bool)
        for left, top, right, bottom in boxes:
            assert np.isclose((right - left) / (bottom - top), 8 / 12, rtol=1e-5)
            inside |= (x > left) & (x < right) & (y > top) & (y < bottom)
            middle = made.images[i, int((top + bottom) / 2), int((left + right) / 2)]
            assert middle == 255
            # The block takes 6/8 of the box's width, and 10/12 of its height.
            column = made.images[i, :, int((left + right) / 2)][int(top) : int(bottom) + 1] > 127
            if len(boxes) == 1:
                assert abs(column.sum() - (bottom - top) * 10 / 12) <= 1
        assert not made.images[i][~inside].any()
        assert made.images[i][inside].mean() > 100


def test_where_a_digit_finds_no_place_the_scene_is_begun_again(monkeypatch):
    monkeypatch.setattr(scenes, "TRIES", 1)
    rng, untouched = (np.random.default_rng(0) for _ in range(2))
    for _ in range(20):
        boxes = np.array(scenes._places([(3.0, 3.0, 25.0, 25.0)] * 4, rng))
        assert boxes.shape == (4, 4)
        overlaps = [box_iou(boxes, boxes)[pair] for pair in itertools.combinations(range(4), 2)]
        assert max(overlaps) < 1 / 7 + 1e-6
    untouched.random((20, 4, 3))  # what twenty scenes draw of which each digit finds a place at once
    assert rng.bit_generator.state != untouched.bit_generator.state


def test_the_seed_decides_and_fewer_are_the_first_ones(data):
    again = load_scenes(source="synthetic", train=20, validation=30, test=10)
    other = load_scenes(source="synthetic", train=20, validation=1, test=1, seed=1)
    for part, whole in ((again.train, data.train), (again.validation, data.validation), (again.test, data.test)):
        for name in ("images", "boxes", "labels"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[: len(part.images)])
    assert not np.array_equal(other.train.boxes, again.train.boxes)


def test_every_part_has_digits_of_its_own(monkeypatch):
    # 60 training digits and 20 test digits, each a block as bright as its part says.
    def block(brightness):
        image = np.zeros((28, 28), np.uint8)
        image[6:22, 9:19] = brightness
        return image

    train = np.stack([block(200)] * 50 + [block(220)] * 10)
    test = np.stack([block(240)] * 20)
    digits = ImageData("blocks", "local", train, np.arange(60) % 10, test, np.arange(20) % 10, tuple("0123456789"))
    monkeypatch.setattr(scenes, "load_mnist", lambda *_, **__: digits)
    made = load_scenes(train=30, validation=30, test=30)
    for part, brightness in ((made.train, 200), (made.validation, 220), (made.test, 240)):
        assert set(part.images.max(axis=(1, 2)).tolist()) == {brightness}
    assert made.name == "scenes of blocks"
    assert made.source == "local"


@pytest.mark.parametrize(
    ("images", "labels", "count", "message"),
    [
        (np.zeros((2, 784), np.uint8), np.zeros(2, int), 1, r"expected images \(N, H, W\).*got \(2, 784\), \(2,\)"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(3, int), 1, r".*got \(2, 28, 28\), \(3,\)"),
        (np.zeros((0, 28, 28), np.uint8), np.zeros(0, int), 1, r".*got \(0, 28, 28\), \(0,\)"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(2, int), 0, "count must be a whole number >= 1, got 0"),
    ],
)
def test_what_makes_no_scene_is_refused(images, labels, count, message):
    with pytest.raises(ValueError, match=f"make_scenes: {message}"):
        make_scenes(images, labels, count, np.random.default_rng(0))


def test_pixels_that_are_no_bytes_are_refused():
    with pytest.raises(TypeError, match=r"make_scenes: images must be bytes \(uint8\), pixels from 0 to 255"):
        make_scenes(np.zeros((1, 28, 28)), np.array([1]), 1, np.random.default_rng(0))


def test_a_dark_picture_has_nothing_to_find():
    with pytest.raises(DataError, match="picture 0 of the digits has no pixel brighter than 150"):
        make_scenes(np.full((1, 28, 28), 150, np.uint8), np.array([1]), 1, np.random.default_rng(0))


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(ValueError, match="load_scenes: seed must be a whole number >= 0, got -1"):
        load_scenes(source="synthetic", seed=-1)

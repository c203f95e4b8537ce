"""The detector's baseline: components against a flood by hand, crops, and digits that stand apart are all found."""

import numpy as np
import pytest

from models import connected_components
from tinygrad_edu import data, metrics


def places(pixels):
    return sorted(map(tuple, pixels.tolist()))


def test_pixels_that_touch_at_a_side_or_a_corner_are_one_component():
    ink = np.array(
        [
            [1, 1, 0, 0, 1],
            [0, 0, 1, 0, 0],
            [0, 0, 0, 0, 1],
            [1, 0, 0, 1, 1],
        ],
        bool,
    )
    found = sorted(places(pixels) for pixels in connected_components.components(ink))
    assert found == [[(0, 0), (0, 1), (1, 2)], [(0, 4)], [(2, 4), (3, 3), (3, 4)], [(3, 0)]]
    assert list(connected_components.components(np.zeros((4, 5), bool))) == []


def test_a_crop_takes_the_nearest_pixels():
    image = np.arange(64 * 64).reshape(64, 64)
    np.testing.assert_array_equal(connected_components.crop(image, [10, 20, 38, 48]), image[20:48, 10:38])
    twice = connected_components.crop(image, [50, 0, 64, 56])  # 14 columns, each twice; of 56 rows, every second
    np.testing.assert_array_equal(twice, image[1:56:2, 50:].repeat(2, axis=1))


def block(top, left, height, width):
    image = np.zeros((64, 64), np.uint8)
    image[top : top + height, left : left + width] = 200
    return image


def test_a_component_is_called_by_the_nearest_mean_and_is_as_sure_as_the_second_is_far():
    digits, means = np.array([3, 7]), np.stack([np.full((28, 28), 200.0), np.zeros((28, 28))])
    image = block(10, 5, 10, 26) + block(40, 0, 5, 6) + block(60, 60, 4, 4)  # the last has too few pixels
    boxes, called, sure = connected_components.detect(image, digits, means)
    order = np.argsort(np.array(boxes)[:, 1])
    assert np.array(boxes)[order].tolist() == [[4, 9, 32, 21], [0, 39, 7, 46]]  # one pixel more, but in the picture
    assert called == [3, 3]
    # Of 28 x 28 pixels, the columns of the first box's crop are the picture's own, 26 of 28 with ink; of 12 rows, 10.
    share = np.isin((np.arange(28) + 0.5) * 12 // 28, range(1, 11)).mean() * 26 / 28
    assert sure[order[0]] == pytest.approx(1 - np.sqrt((1 - share) / share))


def test_digits_that_stand_apart_are_found():
    scenes = data.load_scenes(source="synthetic", train=1, validation=1, test=40).test
    digits, means = connected_components.mean_crops(scenes)
    assert digits.tolist() == list(range(10))
    alone = [i for i in range(40) if len(scenes.truth(i)[0]) == 1]
    found = [connected_components.detect(scenes.images[i], digits, means) for i in alone]
    assert metrics.mean_average_precision(found, [scenes.truth(i) for i in alone]) > 0.9


def test_an_empty_scene_has_no_component():
    digits, means = np.arange(2), np.zeros((2, 28, 28))
    assert connected_components.detect(np.zeros((64, 64), np.uint8), digits, means) == ([], [], [])

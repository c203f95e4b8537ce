"""The stand-in digits: reproducible, balanced, neither hopeless nor trivial."""

import numpy as np

from tinygrad_edu.data import batches
from tinygrad_edu.data.synthetic import synthetic_digits


def test_shapes_dtypes_and_balance():
    train_images, train_labels, test_images, test_labels = synthetic_digits()
    assert train_images.shape == (6000, 28, 28)
    assert test_images.shape == (1000, 28, 28)
    assert train_images.dtype == test_images.dtype == np.uint8
    assert train_labels.dtype == test_labels.dtype == np.int64
    assert np.bincount(train_labels).tolist() == [600] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10
    # Mixed, since some scripts take the batches in the order of the files.
    assert len(set(train_labels[:100].tolist())) == 10


def test_the_seed_decides():
    first, again, other = synthetic_digits(50, 20), synthetic_digits(50, 20), synthetic_digits(50, 20, seed=1)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_no_test_picture_is_a_training_picture():
    train_images, _, test_images, _ = synthetic_digits(500, 200)
    assert not {image.tobytes() for image in train_images} & {image.tobytes() for image in test_images}


def test_every_digit_is_whole_wherever_it_is_moved_to():
    # Ink at the border would be a digit that is cut off; noise stays below half of full ink.
    images, labels, *_ = synthetic_digits(2000, 10)
    ink = images > 200
    border = np.concatenate([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]], axis=1)
    assert border.any(axis=1).mean() < 0.02
    for digit in range(10):
        assert ink[labels == digit].any(axis=(1, 2)).all()


def test_softmax_regression_learns_it_but_not_perfectly():
    train_images, train_labels, test_images, test_labels = synthetic_digits()
    W, b = np.zeros((784, 10), np.float32), np.zeros(10, np.float32)
    for _ in range(3):
        for images, labels in batches(train_images, train_labels, batch_size=100):
            x = images.reshape(-1, 784).astype(np.float32) / 255
            p = np.exp(x @ W + b)
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(len(p)), labels] -= 1
            W -= 0.1 * x.T @ p / len(p)
            b -= 0.1 * p.mean(axis=0)
    x = test_images.reshape(-1, 784).astype(np.float32) / 255
    accuracy = ((x @ W + b).argmax(axis=1) == test_labels).mean()
    assert 0.7 < accuracy < 0.97

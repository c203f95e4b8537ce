"""Generated pictures in ten classes: an honest stand-in where CIFAR-10 cannot be had.

Each picture shows a bright shape in a random colour on a dark ground, of random size and place, with noise. What tells
the classes apart is the shape alone, which takes a convolution to see: the colours say nothing.
"""

import numpy as np

SIZE = 32  # pixels, as in CIFAR-10
CLASS_NAMES = ("disc", "ring", "square", "frame", "triangle", "cross", "rows", "columns", "diagonals", "checks")


def synthetic_images(
    train: int = 5_000, test: int = 1_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Generate a training and a test set of pictures.

    Parameters
    ----------
    train, test : int
        Number of pictures. The ten classes are equally frequent (up to one, if ten does not divide the number).
    seed : int
        The same seed gives the same pictures.

    Returns
    -------
    train_images (train, 32, 32, 3) uint8, train_labels (train,) int64, test_images, test_labels
    """
    train_rng, test_rng = np.random.default_rng(seed).spawn(2)
    return *_draw(train, train_rng), *_draw(test, test_rng)


def _draw(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.permutation(np.arange(count) % len(CLASS_NAMES))
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for start in range(0, count, 1000):
        part = slice(start, start + 1000)
        images[part] = _paint(labels[part], rng)
    return images, labels


def _paint(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pictures (N, 32, 32, 3) of shapes with these labels (N,)."""
    N = len(labels)
    radius = rng.uniform(7, 12, size=(N, 1, 1))
    centre = rng.uniform(13, 19, size=(2, N, 1, 1))
    y, x = np.indices((SIZE, SIZE)) + 0.5
    u, v = (x - centre[0]) / radius, (y - centre[1]) / radius  # (N, 32, 32): the shape is where both are within -1..1
    inside = np.empty((N, SIZE, SIZE), bool)
    for label in np.unique(labels):
        chosen = labels == label
        inside[chosen] = _shape(label, u[chosen], v[chosen])
    figure, ground = _colours(N, rng)
    pictures = np.where(inside[..., None], figure, ground) + rng.normal(0, 40, size=(N, SIZE, SIZE, 3))
    return np.clip(pictures, 0, 255).astype(np.uint8)


def _shape(label: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Which points (u, v) belong to the shape."""
    distance, longest = np.hypot(u, v), np.maximum(np.abs(u), np.abs(v))
    square = longest < 1
    return (
        distance < 1,
        (distance < 1) & (distance > 0.6),
        square,
        square & (longest > 0.6),
        square & (np.abs(u) < (v + 1) / 2),
        square & (np.minimum(np.abs(u), np.abs(v)) < 0.3),
        square & (np.floor(2.5 * v) % 2 == 0),
        square & (np.floor(2.5 * u) % 2 == 0),
        square & (np.floor(2 * (u + v)) % 2 == 0),
        square & ((np.floor(2 * u) + np.floor(2 * v)) % 2 == 0),
    )[label]


def _colours(N: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A bright and a dark colour (N, 1, 1, 3) for every picture, at least 100 apart in each channel."""
    dark = rng.uniform(0, 60, size=(N, 1, 1, 3))
    return dark + rng.uniform(100, 195, size=(N, 1, 1, 3)), dark

"""Scenes: pictures of 64 x 64 pixels with one to four MNIST digits, of different sizes, overlapping a little.

What a detector learns from: it must say which digits are there, and where. Each digit of a scene is a picture of MNIST,
made larger or smaller, at a random place; where two overlap, the brighter pixel is seen. Training scenes are made of
training digits alone, test scenes of test digits, validation scenes of training digits that no training scene shows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.mnist import load_mnist

SIZE = 64  # pixels of a scene's side
MOST = 4  # digits of a scene
SMALLEST, LARGEST = 16, 32  # pixels of a digit's longer side
COVERED = 0.25  # of the smaller of two boxes at most; their intersection over union is then at most 1/7
APART = 8  # pixels between two centres at least, in x or in y: a grid of cells that large has one centre in a cell
INK = 150  # a pixel brighter than that belongs to the digit: far above the noise of the stand-in digits
TRIES = 100  # places for one digit, before the whole scene is begun again


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes, and what is to be seen in them.

    Attributes
    ----------
    images : array (N, 64, 64), uint8
        Grey, white on black.
    boxes : array (N, 4, 4), float32
        The box around the ink of each of up to four digits: left, top, right, bottom in pixels, x to the right, y down;
        pixel (0, 0) reaches from 0 to 1. Zero where there is no digit.
    labels : array (N, 4), int64
        Which digit, 0 to 9; -1 where there is none. Those that are there come first.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray

    def truth(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """What scene i shows: boxes (M, 4) and labels (M,), as `metrics.mean_average_precision` takes them."""
        there = self.labels[i] >= 0
        return self.boxes[i, there], self.labels[i, there]


@dataclass(frozen=True, eq=False)
class SceneData:
    """Scenes for training, validation and test. `name` and `source` are as in `ImageData`, of the digits."""

    name: str
    source: str
    train: Scenes
    validation: Scenes
    test: Scenes
    class_names: tuple[str, ...]


def load_scenes(
    data_dir: str | Path | None = None,
    source: str = "auto",
    *,
    train: int = 20_000,
    validation: int = 2_000,
    test: int = 2_000,
    seed: int = 0,
    progress: bool | None = None,
) -> SceneData:
    """Load MNIST, or the stand-in for it, and make scenes of its digits.

    Parameters
    ----------
    data_dir, source, progress : as of `load_mnist`.
    train, validation, test : int
        How many scenes. The last sixth of the training digits is for validation.
    seed : int
        The same seed gives the same scenes, and fewer of them the first ones.

    Raises
    ------
    DataError, ValueError
        As of `load_mnist` and `make_scenes`.
    """
    digits = load_mnist(data_dir, source, progress=progress)
    rngs = np.random.default_rng(checks.seed("load_scenes", seed)).spawn(3)
    split = len(digits.train_labels) * 5 // 6
    parts = (
        (digits.train_images[:split], digits.train_labels[:split], train),
        (digits.train_images[split:], digits.train_labels[split:], validation),
        (digits.test_images, digits.test_labels, test),
    )
    made = [make_scenes(*part, rng) for part, rng in zip(parts, rngs)]
    return SceneData(f"scenes of {digits.name}", digits.source, made[0], made[1], made[2], digits.class_names)


def make_scenes(images: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator) -> Scenes:
    """Make scenes of digits, each with one to four of them, all numbers equally frequent.

    A digit's size and place are drawn until at most a quarter of the smaller of two boxes is covered by the other, and
    centres are 8 pixels apart in x or in y.

    Parameters
    ----------
    images : array (N, H, W), uint8
        Digits, white on black.
    labels : array (N,), integers
    count : int
        How many scenes.
    rng : numpy.random.Generator

    Raises
    ------
    TypeError, ValueError
        Arrays of another kind or shape, no digit, or a number that is not whole and >= 1.
    DataError
        A picture that is to be shown is dark all over, so that it has no box.
    """
    where = "make_scenes"
    images, labels = checks.numbers(where, "images", images), checks.numbers(where, "labels", labels, "iu")
    if images.dtype != np.uint8:
        checks.refuse(where, "images", "bytes (uint8), pixels from 0 to 255", images.dtype, TypeError)
    if images.ndim != 3 or labels.shape != (len(images),) or len(images) == 0:
        raise ValueError(f"{where}: expected images (N, H, W) and labels (N,), got {images.shape}, {labels.shape}")
    checks.size(where, "count", count)
    checks.generator(where, "rng", rng)
    scenes = np.zeros((count, SIZE, SIZE), np.uint8)
    boxes, shown = np.zeros((count, MOST, 4), np.float32), np.full((count, MOST), -1, np.int64)
    for i in range(count):
        chosen = rng.integers(len(images), size=rng.integers(1, MOST + 1))
        inks = [_ink(images, digit) for digit in chosen]
        for k, (digit, ink, box) in enumerate(zip(chosen, inks, _places(inks, rng))):
            boxes[i, k], shown[i, k] = box, labels[digit]
            np.maximum(scenes[i], _enlarged(images[digit], ink, box), out=scenes[i])
    return Scenes(scenes, boxes, shown)


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _ink(images: np.ndarray, digit: int) -> Box:
    """The box around the bright pixels of a digit's picture, and one pixel around them, where a stroke is faint."""
    bright = images[digit] > INK
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if len(rows) == 0:
        raise DataError(f"picture {digit:,} of the digits has no pixel brighter than {INK}: there is nothing to find")
    return float(columns[0] - 1), float(rows[0] - 1), float(columns[-1] + 2), float(rows[-1] + 2)


def _places(inks: list[Box], rng: np.random.Generator) -> list[Box]:
    """Boxes in the scene, of the digits' proportions, that are far enough from each other."""
    while True:
        boxes: list[Box] = []
        for left, top, right, bottom in inks:
            for _ in range(TRIES):
                size, x, y = rng.random(3)
                scale = (SMALLEST + (LARGEST - SMALLEST) * size) / max(right - left, bottom - top)
                width, height = scale * (right - left), scale * (bottom - top)
                x, y = x * (SIZE - width), y * (SIZE - height)
                box = (x, y, x + width, y + height)
                if all(_far_enough(box, other) for other in boxes):
                    boxes.append(box)
                    break
        if len(boxes) == len(inks):
            return boxes


def _far_enough(a: Box, b: Box) -> bool:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    apart = max(abs(a[0] + a[2] - b[0] - b[2]), abs(a[1] + a[3] - b[1] - b[3])) / 2
    return max(width, 0) * max(height, 0) <= COVERED * smaller and apart >= APART


def _enlarged(image: np.ndarray, ink: Box, box: Box) -> np.ndarray:
    """The picture (64, 64) of one digit whose ink (a box of its own pixels) fills `box`, by linear interpolation.

    Rows and columns are enlarged one after the other: Y = R X C^T. Row i of R holds what a row of the scene takes of
    the rows of the digit: its middle falls between two of theirs, and takes more of the nearer one.
    """
    R = _shares(image.shape[0], ink[1], ink[3], box[1], box[3])  # (64, H)
    C = _shares(image.shape[1], ink[0], ink[2], box[0], box[2])  # (64, W)
    return np.rint(R @ image @ C.T).astype(np.uint8)


def _shares(count: int, ink: float, ink_end: float, place: float, place_end: float) -> np.ndarray:
    """What each of 64 rows of the scene takes of each of the digit's `count` rows: nothing outside the box."""
    middles = ink + (np.arange(SIZE) + 0.5 - place) * (ink_end - ink) / (place_end - place)  # in the digit's pixels
    inside = (middles > ink) & (middles < ink_end)
    shares = np.maximum(0, 1 - np.abs(middles[:, None] - (np.arange(count) + 0.5)))
    return (shares * inside[:, None]).astype(np.float32)

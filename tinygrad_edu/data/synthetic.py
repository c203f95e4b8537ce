"""Generated digits: an honest stand-in where MNIST cannot be had.

Each digit is a pen stroke: a broken line in the unit square, x to the right, y down. A *hand* writes all ten digits
in its own way (size, slant, width, pen); every picture takes one digit of one hand, moves it and adds noise. Test
pictures are written by other hands than training pictures, so a network can still overfit.
"""

import numpy as np

SIZE = 28  # pixels, as in MNIST
MARGIN = 2  # a picture is moved by at most this many pixels, in both directions


def synthetic_digits(
    train: int = 6_000, test: int = 1_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Generate a training and a test set of digits.

    Parameters
    ----------
    train, test : int
        Number of pictures. The ten classes are equally frequent (up to one, if ten does not divide the number).
    seed : int
        The same seed gives the same pictures.

    Returns
    -------
    train_images (train, 28, 28) uint8, train_labels (train,) int64, test_images, test_labels
        White on black, as in MNIST, in random order.
    """
    train_rng, test_rng = np.random.default_rng(seed).spawn(2)
    return *_draw(train, 50, train_rng), *_draw(test, 25, test_rng)


def _draw(count: int, hands: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` pictures by `hands` different hands. Returns images (count, 28, 28) and labels (count,)."""
    written = np.stack([_write(stroke, hands, rng) for stroke in STROKES])  # (10, hands, 32, 32)
    labels = rng.permutation(np.arange(count) % 10)
    hand = rng.integers(hands, size=count)
    row, column = rng.integers(2 * MARGIN + 1, size=(2, count))
    # The 5 x 5 places where a window of 28 x 28 fits into 32 x 32 are the 5 x 5 ways to move the digit.
    windows = np.lib.stride_tricks.sliding_window_view(written, (SIZE, SIZE), axis=(2, 3))
    ink = windows[labels, hand, row, column]  # (count, 28, 28)
    noise = rng.standard_normal(ink.shape, dtype=np.float32)
    images = 255 * ink + 40 * noise
    return np.clip(images, 0, 255).astype(np.uint8), labels


def _write(stroke: np.ndarray, hands: int, rng: np.random.Generator) -> np.ndarray:
    """Let every hand write one digit: pictures (hands, 32, 32) of ink between 0 and 1, with room to be moved.

    stroke (P, 2) are the corners of the line. A pixel's darkness depends on its distance to the line alone: full
    within half the pen's width, falling to none over one pixel, which keeps the edges smooth.
    """
    full = SIZE + 2 * MARGIN
    corners = _by_hand(stroke, hands, rng) + full / 2  # (hands, P, 2), in pixels
    pen = rng.uniform(1.0, 2.8, size=(hands, 1))
    y, x = np.indices((full, full), dtype=np.float32) + np.float32(0.5)
    pixels = np.stack([x.ravel(), y.ravel()], axis=-1)  # (32 * 32, 2)
    nearest = np.full((hands, full * full), np.inf, dtype=np.float32)
    for start, end in zip(corners[:, :-1].swapaxes(0, 1), corners[:, 1:].swapaxes(0, 1)):
        nearest = np.minimum(nearest, _distance(pixels, start, end))
    return np.clip(pen / 2 + 0.5 - nearest, 0, 1).astype(np.float32).reshape(hands, full, full)


def _by_hand(stroke: np.ndarray, hands: int, rng: np.random.Generator) -> np.ndarray:
    """Return the stroke in each hand's way, in pixels around the origin: (P, 2) to (hands, P, 2)."""
    width = rng.uniform(11, 17, size=hands)
    height = rng.uniform(14, 19, size=hands)
    slant = rng.uniform(-0.1, 0.4, size=hands)
    x, y = (stroke - 0.5).T  # (P,) each
    wobble = rng.normal(0, 0.5, size=(hands, len(stroke), 2))
    straight = np.stack([width[:, None] * x, height[:, None] * y], axis=-1) + wobble  # (hands, P, 2)
    straight[:, :, 0] -= slant[:, None] * straight[:, :, 1]
    return straight.astype(np.float32)


def _distance(pixels: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance of every pixel (K, 2) to the segments from start (H, 2) to end (H, 2): (H, K).

    The nearest point of the segment is start + t (end - start), where t, the projection of the pixel onto the line,
    is kept within [0, 1].
    """
    along = end - start  # (H, 2)
    x = pixels[:, 0] - start[:, :1]  # (H, K)
    y = pixels[:, 1] - start[:, 1:]
    length2 = np.maximum((along**2).sum(axis=1, keepdims=True), 1e-6)
    t = np.clip((x * along[:, :1] + y * along[:, 1:]) / length2, 0, 1)
    return np.hypot(x - t * along[:, :1], y - t * along[:, 1:])


def _arc(x: float, y: float, rx: float, ry: float, first: float, last: float) -> list[tuple[float, float]]:
    """Corners on an ellipse around (x, y), by the angle in degrees: 0 is right, 90 down, 180 left, 270 up."""
    angles = np.radians(np.linspace(first, last, 2 + round(abs(last - first) / 40)))
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


STROKES = [
    np.array(corners)
    for corners in (
        _arc(0.5, 0.5, 0.40, 0.5, -90, 270),
        [(0.3, 0.25), (0.55, 0.0), (0.55, 1.0)],
        [*_arc(0.5, 0.27, 0.38, 0.27, 190, 390), (0.1, 1.0), (0.9, 1.0)],
        [*_arc(0.45, 0.25, 0.36, 0.25, 200, 430), *_arc(0.45, 0.73, 0.42, 0.27, 280, 510)],
        [(0.7, 1.0), (0.7, 0.0), (0.1, 0.68), (0.95, 0.68)],
        [(0.85, 0.0), (0.22, 0.0), (0.18, 0.42), *_arc(0.46, 0.68, 0.4, 0.32, 240, 500)],
        [(0.75, 0.0), (0.35, 0.3), *_arc(0.5, 0.71, 0.36, 0.29, 180, 540)],
        [(0.1, 0.0), (0.9, 0.0), (0.4, 1.0)],
        [*_arc(0.5, 0.24, 0.32, 0.24, 90, 450), *_arc(0.5, 0.74, 0.38, 0.26, 270, 630)],
        [*_arc(0.5, 0.29, 0.36, 0.29, 0, 360), (0.82, 0.6), (0.6, 1.0)],
    )
]

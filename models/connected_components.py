"""Detection without a network, to compare mini-YOLO with: what hangs together is a digit, called by what it looks like.

What a sceptic would try first. It cannot tell apart digits that touch, and finds two where a stroke is broken.
"""

from __future__ import annotations

import numpy as np

INK = 120  # a pixel brighter than that is ink; this and the next were chosen on validation scenes
SMALLEST = 20  # pixels: fewer are no digit
SIDE = 28  # pixels of a crop, in both directions


def components(ink):
    """The connected components of the ink, an array (H, W) of booleans: for each the rows and columns of its M pixels.

    Two pixels are connected if they touch, at a side or a corner, or if others between them are.
    """
    left = set(zip(*(axis.tolist() for axis in np.nonzero(ink))))
    while left:
        found = [left.pop()]
        for row, column in found:  # which grows meanwhile
            neighbours = left & {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
            left -= neighbours
            found += neighbours
        yield np.array(found)  # (M, 2)


def crop(image, box):
    """What a picture (H, W) shows in a box, enlarged or reduced to (28, 28) by taking nearest pixels."""
    left, top, right, bottom = box
    middles = (np.arange(SIDE) + 0.5) / SIDE
    rows, columns = top + middles * (bottom - top), left + middles * (right - left)
    return image[np.ix_(rows.astype(int), columns.astype(int))]


def mean_crops(scenes):
    """The digits that scenes show, (K,), and the mean crop of each, (K, 28, 28)."""
    there = np.argwhere(scenes.labels >= 0)
    crops, labels = np.array([crop(scenes.images[i], scenes.boxes[i, k]) for i, k in there]), scenes.labels[*there.T]
    digits = np.unique(labels)
    return digits, np.stack([crops[labels == digit].mean(axis=0) for digit in digits])


def detect(image, digits, means):
    """As `mini_yolo.detect`: boxes (N, 4), digits (N,), how sure (N,).

    A component gets the box around it and one pixel more, as the true boxes have it, and the digit whose mean crop is
    the nearest. It is the surer, the farther the second nearest is: 1 - d_1 / d_2, with Euclidean distances.
    """
    boxes, called, sure = [], [], []
    for pixels in components(image > INK):
        if len(pixels) < SMALLEST:
            continue
        (top, left), (bottom, right) = pixels.min(axis=0) - 1, pixels.max(axis=0) + 2
        box = np.clip([left, top, right, bottom], 0, len(image))
        distances = np.sqrt(((means - crop(image, box)) ** 2).sum(axis=(1, 2)))
        nearest, second = np.argsort(distances)[:2]
        boxes.append(box)
        called.append(digits[nearest])
        sure.append(1 - distances[nearest] / distances[second])
    return boxes, called, sure

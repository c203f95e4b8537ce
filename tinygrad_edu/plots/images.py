"""Pictures made of small images: what a classifier sees, and what its weights look like."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu import checks
from tinygrad_edu.plots.style import PAGE_WIDTH, Destination, image_cells, new_figure, set_title


def weight_images(path: Destination, weights: ArrayLike, class_names: Sequence[str], title: str) -> Figure:
    """Draw each column of a linear classifier's weights as the image it looks for.

    The score of class k is sum_d x[d] W[d,k] + b[k]: where W[:,k] is positive, a bright pixel speaks for the class;
    where it is negative, against. All images share one colour scale, symmetric around zero: white means "no say".

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    weights : (784, K), one column per class, rows in the order of the flattened 28x28 image.
    class_names : K names, one over each image.
    title : one line above the images.

    Raises
    ------
    ValueError
        Weights of another shape, NaN or infinity among them, or a number of names that is not K.
    """
    W = checks.numbers("weight_images", "weights", weights)
    class_names = checks.texts("weight_images", "class_names", class_names)
    if W.ndim != 2 or W.shape[0] != 784 or W.shape[1] == 0:
        raise ValueError(f"weight_images: expected weights of shape (784, classes), got {W.shape}")
    classes = W.shape[1]
    if len(class_names) != classes:
        raise ValueError(f"weight_images: {len(class_names)} class names for {classes} columns of weights")
    if not np.isfinite(W).all():
        raise ValueError("weight_images: the weights contain NaN or infinity")

    limit = float(np.abs(W).max()) or 1.0  # all-zero weights still need a scale
    columns = min(5, classes)
    rows = -(-classes // columns)
    with new_figure(path, PAGE_WIDTH, 0.4 + 1.2 * rows) as figure:
        cells = image_cells(figure, rows, columns)
        for k in range(classes):
            image = cells[k].imshow(W[:, k].reshape(28, 28), cmap="RdBu", vmin=-limit, vmax=limit)
            cells[k].set_title(class_names[k], fontsize=9)
        set_title(figure, title)
        bar = figure.colorbar(image, ax=cells, shrink=0.85, aspect=25)
        bar.set_label("weight\n(score per unit of brightness)")
        bar.ax.set_title("for", fontsize=9)
        bar.ax.set_xlabel("against")
        bar.outline.set_visible(False)
    return figure


def image_grid(
    path: Destination,
    images: ArrayLike,
    captions: Sequence[str],
    title: str,
    columns: int = 5,
) -> Figure:
    r"""Draw small images in rows, left to right, with a caption under each.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    images : (N, H, W) grey or (N, H, W, 3) RGB; `uint8` in 0..255, or floating point in [0, 1].
    captions : N captions; `\n` starts a new line.
    title : one line above the grid.
    columns : images per row; the last row may stay unfilled.

    Raises
    ------
    ValueError
        No image, another shape or range, a number of captions that is not N, or fewer than one column.
    """
    pixels, brightest = _checked_images(images)
    captions, columns = checks.texts("image_grid", "captions", captions), checks.size("image_grid", "columns", columns)
    checks.text("image_grid", "title", title)
    count, height, width = pixels.shape[:3]
    if len(captions) != count:
        raise ValueError(f"image_grid: {len(captions)} captions for {count} images")

    columns = min(columns, count)
    rows = -(-count // columns)
    # A wide grid fills the page; a narrow one keeps its images small instead of blowing them up.
    cell_width = min(PAGE_WIDTH / columns, 1.6)
    caption_height = 0.16 * max(caption.count("\n") + 1 for caption in captions) + 0.08
    cell_height = 0.88 * cell_width * height / width + caption_height
    with new_figure(path, max(cell_width * columns, 0.085 * len(title)), cell_height * rows + 0.35) as figure:
        cells = image_cells(figure, rows, columns)
        for cell, image, caption in zip(cells[:count], pixels, captions, strict=True):
            cell.imshow(image, cmap="gray", vmin=0, vmax=brightest)
            cell.set_xlabel(caption, fontsize=8, labelpad=3)
        set_title(figure, title)
    return figure


def _checked_images(images: ArrayLike) -> tuple[NDArray[np.generic], float]:
    """The images as one array, and the value that means white (black is 0)."""
    pixels = checks.numbers("image_grid", "images", images)
    if pixels.size == 0:
        raise ValueError("image_grid: there are no images to draw")
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)):
        raise ValueError(f"image_grid: expected images (N, H, W) or (N, H, W, 3), got {pixels.shape}")
    if pixels.dtype == np.uint8:
        return pixels, 255
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"image_grid: expected uint8 or floating point pixels, got {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        raise ValueError(f"image_grid: floating point pixels must lie in [0, 1], these span [{low:g}, {high:g}]")
    return pixels, 1

"""What an image classifier got right and wrong, and the filters it looks through."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, image_cells, new_figure

ROWS = ("sure\nand right", "unsure\nand right", "unsure\nand wrong", "sure\nand wrong")


def prediction_rows(
    path: str | os.PathLike[str],
    images: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    title: str,
    columns: int = 7,
) -> Path:
    """Draw predictions in four rows: sure and right, unsure and right, unsure and wrong, sure and wrong.

    How sure the network is, is the probability of the class it says. The rows take the surest and the least sure of the
    right ones, then the least sure and the surest of the wrong ones: the last row is where to look for what the
    network has not understood (or the label has not).

    Parameters
    ----------
    path : where the picture goes.
    images : (N, H, W, 3) or (N, H, W), uint8.
    labels : (N,), the true classes.
    probabilities : (N, K), rows that sum to 1.
    class_names : K names.
    title : one line above.
    columns : images in a row; a row stays shorter where there are not so many.
    """
    pixels, y, P = np.asarray(images), np.asarray(labels), np.asarray(probabilities)
    if len(pixels) == 0 or not len(pixels) == len(y) == len(P) or P.ndim != 2 or P.shape[1] != len(class_names):
        raise ValueError(
            f"prediction_rows: expected N images, N labels and probabilities (N, {len(class_names)}); got "
            f"{pixels.shape}, {y.shape} and {P.shape}"
        )
    said, sure = P.argmax(axis=1), P.max(axis=1)
    with new_figure(path, PAGE_WIDTH, 4.9) as figure:
        cells = image_cells(figure, len(ROWS), columns)
        for r, (name, chosen) in enumerate(zip(ROWS, four_kinds(said == y, sure, columns), strict=True)):
            row = cells[r * columns : (r + 1) * columns]
            row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6, fontsize=9)
            if len(chosen) == 0:
                row[0].text(0.5, 0.5, "none", transform=row[0].transAxes, ha="center", va="center", fontsize=8)
            for cell, i in zip(row, chosen):
                cell.imshow(pixels[i], cmap="gray", vmin=0, vmax=255)
                right = said[i] == y[i]
                cell.set_xlabel(
                    f"{class_names[said[i]]} {sure[i]:.0%}" + ("" if right else f"\nis {class_names[y[i]]}"),
                    fontsize=6,
                    labelpad=2,
                    color=COLOURS[0] if right else COLOURS[1],
                )
        figure.suptitle(title)
    return Path(path)


def four_kinds(right: NDArray, sure: NDArray, count: int) -> list[NDArray]:
    """Indices of the surest right, least sure right, least sure wrong and surest wrong; at most `count` of each."""
    order = np.argsort(sure, kind="stable")  # the least sure first
    rights, wrongs = order[right[order]], order[~right[order]]
    half_right, half_wrong = min(count, len(rights) // 2), min(count, len(wrongs) // 2)
    return [
        rights[::-1][: min(count, len(rights) - half_right)],
        rights[:half_right],
        wrongs[:half_wrong],
        wrongs[::-1][: min(count, len(wrongs) - half_wrong)],
    ]


def filter_images(path: str | os.PathLike[str], kernels: ArrayLike, title: str, columns: int = 12) -> Path:
    """Draw the kernels of a first layer as the small colour images they look for.

    Each is scaled by its own largest weight: middle grey is 0, brighter in a colour means "more of it".

    Parameters
    ----------
    path : where the picture goes.
    kernels : (KH, KW, 3, O)
    title : one line above.
    columns : kernels in a row.
    """
    K = np.asarray(kernels)
    if K.ndim != 4 or K.shape[2] != 3 or K.size == 0 or not np.isfinite(K).all():
        raise ValueError(f"filter_images: expected finite kernels of shape (KH, KW, 3, O), got {K.shape}")
    count = K.shape[3]
    columns = min(columns, count)
    rows = -(-count // columns)
    with new_figure(path, PAGE_WIDTH, 0.4 + PAGE_WIDTH / columns * rows * K.shape[0] / K.shape[1]) as figure:
        for o, cell in enumerate(image_cells(figure, rows, columns)[:count]):
            largest = np.abs(K[..., o]).max() or 1.0
            cell.imshow(0.5 + K[..., o] / (2 * largest), vmin=0, vmax=1)
        figure.suptitle(title)
    return Path(path)

"""What an image classifier got right and wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu import checks
from tinygrad_edu.plots.style import COLOURS, PAGE_WIDTH, Destination, image_cells, new_figure, set_title

ROWS = ("sure\nand right", "unsure\nand right", "unsure\nand wrong", "sure\nand wrong")


def prediction_rows(
    path: Destination,
    images: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    title: str,
    columns: int = 6,
) -> Figure:
    """Draw predictions in four rows: sure and right, unsure and right, unsure and wrong, sure and wrong.

    How sure the network is, is the probability of the class it says. The rows take the surest and the least sure of the
    right ones, then the least sure and the surest of the wrong ones: the last row is where to look for what the
    network has not understood (or the label has not).

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    images : (N, H, W, 3) or (N, H, W), uint8.
    labels : (N,), the true classes.
    probabilities : (N, K), rows that sum to 1.
    class_names : K names.
    title : one line above.
    columns : images in a row; a row stays shorter where there are not so many.
    """
    where = "prediction_rows"
    pixels, P = checks.numbers(where, "images", images), checks.numbers(where, "probabilities", probabilities)
    y, class_names = checks.numbers(where, "labels", labels, "iu"), checks.texts(where, "class_names", class_names)
    columns, N, K = checks.size(where, "columns", columns), y.size, len(class_names)
    if N == 0 or y.shape != (N,) or pixels.shape[:1] != (N,) or P.shape != (N, K):
        raise ValueError(
            f"prediction_rows: expected N images, N labels and probabilities (N, {K}); got "
            f"{pixels.shape}, {y.shape} and {P.shape}"
        )
    if not (pixels.ndim == 3 or pixels.shape[3:] == (3,)) or 0 in pixels.shape:
        checks.refuse(where, "images", "of shape (N, H, W, 3) or (N, H, W)", pixels.shape)
    if y.min() < 0 or y.max() >= K or not np.isfinite(P).all():
        raise ValueError(f"{where}: labels must lie in 0..{K - 1}, and probabilities be finite")
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
                    fontsize=6.5,
                    labelpad=2,
                    color=COLOURS[0] if right else COLOURS[1],
                )
        set_title(figure, title)
    return figure


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

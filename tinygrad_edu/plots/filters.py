"""The filters that a convolutional network looks through, and what they see."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu import checks
from tinygrad_edu.plots.style import PAGE_WIDTH, Destination, Picture, new_figure, set_title

# Inches: the title, the image that the maps are of, and left of the filters "start", "end" and "map".
HEAD, IMAGE, NAMES = 0.55, 0.95, 0.55
CELL = 0.46  # a filter, or a map, and the gap to the next
GROUP = 3 * CELL + 0.12
HARDLY_MOVED = 0.7  # correlation


def filter_images(
    path: Destination, start: ArrayLike, end: ArrayLike, image: ArrayLike, maps: ArrayLike, title: str
) -> Picture:
    """Draw the filters of a first layer before and after the training, and what they make of an image.

    A filter is a small colour image, the one that it looks for. Under it stand what the training made of it, and its
    feature map. Middle grey is 0, brighter is more; a filter has the same scale at the start and at the end, and each
    feature map its own.

    The title gives the correlation of all weights at the start with those at the end. Near 1, the filters are still the
    random ones, and look it: such a layer serves the network as it was drawn.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    start, end : (KH, KW, 3, O), the layer's weights before and after the training.
    image : (H, W, 3), uint8.
    maps : (MH, MW, O), what the layer makes of this image.
    title : one line above.

    Raises
    ------
    ValueError
        Other shapes, NaN or infinity.
    """
    where = "filter_images"
    first, last = checks.numbers(where, "start", start), checks.numbers(where, "end", end)
    pixels, M = checks.numbers(where, "image", image), checks.numbers(where, "maps", maps)
    _check(first, last, pixels, M)
    count = first.shape[3]
    columns = min(count, int((PAGE_WIDTH - NAMES) / CELL))
    height = HEAD + IMAGE + 0.2 + GROUP * -(-count // columns)
    with new_figure(path, PAGE_WIDTH, height, by_hand=True) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        set_title(figure, f"{title}\n{_correlation(first, last)}")
        _draw_image(axes, height - HEAD, pixels)
        for o in range(count):
            x, y = NAMES + o % columns * CELL, height - HEAD - IMAGE - 0.2 - o // columns * GROUP
            larger = max(np.abs(first[..., o]).max(), np.abs(last[..., o]).max())
            _draw_signed(axes, x, y, first[..., o], larger)
            _draw_signed(axes, x, y - CELL, last[..., o], larger)
            _draw_signed(axes, x, y - 2 * CELL, M[..., o], np.abs(M[..., o]).max())
            for row, name in enumerate(("start", "end", "map") if o % columns == 0 else ()):
                axes.text(x - 0.08, y - (row + 0.5) * CELL, name, ha="right", va="center", fontsize=8)
        axes.set(xlim=(0, PAGE_WIDTH), ylim=(0, height))
        axes.axis("off")
    return figure


def _check(first: NDArray, last: NDArray, pixels: NDArray, maps: NDArray) -> None:
    if first.ndim != 4 or first.shape[2] != 3 or first.size == 0 or last.shape != first.shape:
        raise ValueError(f"filter_images: expected two sets of kernels (KH, KW, 3, O), got {first.shape}, {last.shape}")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ValueError(f"filter_images: expected an image (H, W, 3) of uint8, got {pixels.shape} of {pixels.dtype}")
    if maps.ndim != 3 or maps.shape[2] != first.shape[3] or maps.size == 0:
        raise ValueError(f"filter_images: expected maps (MH, MW, {first.shape[3]}), one a filter, got {maps.shape}")
    if not all(np.isfinite(values).all() for values in (first, last, maps)):
        raise ValueError("filter_images: there is NaN or infinity among the kernels or maps")


def _correlation(first: NDArray, last: NDArray) -> str:
    """How much of the start is left, in words."""
    if first.std() == 0 or last.std() == 0:
        return "all weights alike, at the start or at the end"
    r = np.corrcoef(first.ravel(), last.ravel())[0, 1]
    return f"correlation with the random start {r:.2f}" + (
        ": still much as they were drawn" if r > HARDLY_MOVED else ""
    )


def _draw_image(axes: Axes, top: float, pixels: NDArray) -> None:
    """The image that the maps are of, and beside it how to read them."""
    bottom, width = top - IMAGE, IMAGE * pixels.shape[1] / pixels.shape[0]
    axes.imshow(pixels, extent=(NAMES, NAMES + width, bottom, bottom + IMAGE))
    text = (
        "start: the filters as they were drawn at random\n"
        "end: the same filters after the training\n"
        "map: what each makes of the image on the left\n"
        "middle grey is 0, brighter is more, darker is less than 0"
    )
    axes.text(NAMES + width + 0.2, bottom + IMAGE / 2, text, ha="left", va="center", fontsize=8, linespacing=1.5)


def _draw_signed(axes: Axes, x: float, y: float, values: NDArray, largest: float) -> None:
    """Numbers from -largest, black, to largest, white, as an image in the cell with this upper left corner."""
    size = (CELL - 0.03) / max(values.shape[:2])
    height, width = size * values.shape[0], size * values.shape[1]
    brightness = np.clip(0.5 + values / (2 * largest or 1), 0, 1)  # rounding may pass 1
    left, top = x + (CELL - 0.03 - width) / 2, y - (CELL - 0.03 - height) / 2
    axes.imshow(brightness, cmap="gray", vmin=0, vmax=1, extent=(left, left + width, top - height, top))

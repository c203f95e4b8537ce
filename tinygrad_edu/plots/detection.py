"""What a detector sees: boxes over scenes, what the cells of its grid say, and how precision falls as recall grows."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu import checks
from tinygrad_edu.plots.style import (
    COLOURS,
    DASHES,
    PAGE_WIDTH,
    Destination,
    image_cells,
    legend_below,
    new_figure,
    set_title,
)

TRUE, FOUND = "#56B4E9", "#E69F00"  # both bright enough on black

Truth = tuple[ArrayLike, ArrayLike]  # boxes (M, 4) (left, top, right, bottom) in pixels, and classes (M,)
Found = tuple[ArrayLike, ArrayLike, ArrayLike]  # the same, and how sure the detector is (M,), from 0 to 1


def scene_boxes(
    path: Destination,
    images: ArrayLike,
    true: Sequence[Truth],
    found: Sequence[Found],
    class_names: Sequence[str],
    title: str,
    columns: int = 4,
) -> Figure:
    """Draw scenes with the true boxes (blue, dashed) and the found ones (orange), at each its class and how sure it is.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    images : (N, H, W), uint8.
    true, found : what is in each scene, and what a detector found there.
    class_names : a name for each class.
    title : one line above.
    columns : scenes in a row.
    """
    where = "scene_boxes"
    pixels, columns = checks.numbers(where, "images", images), checks.size(where, "columns", columns)
    class_names = checks.texts(where, "class_names", class_names)
    there = [_parts(where, "true", x, 2, class_names) for x in checks.items(where, "true", true, "a list of arrays")]
    said = [_parts(where, "found", x, 3, class_names) for x in checks.items(where, "found", found, "a list of arrays")]
    if pixels.ndim != 3 or not len(pixels) == len(there) == len(said) > 0:
        raise ValueError(
            f"{where}: expected images (N, H, W), and for each what is true and what is found; got {pixels.shape}, "
            f"{len(there)} and {len(said)}"
        )
    rows = -(-len(pixels) // columns)
    with new_figure(path, PAGE_WIDTH, 0.7 + 1.65 * rows) as figure:
        cells = image_cells(figure, rows, columns)
        for cell, image, (true_boxes, _), (boxes, labels, sure) in zip(cells, pixels, there, said):
            _draw_scene(cell, image)
            _draw_boxes(cell, true_boxes, TRUE, linestyle="--")
            _draw_boxes(cell, boxes, FOUND)
            _name_boxes(cell, boxes, labels, sure, class_names)
            if len(boxes) == 0:
                cell.set_xlabel("nothing is found", fontsize=7, labelpad=3)
        legend_below(figure, _legend())
        set_title(figure, title)
    return figure


def cell_boxes(
    path: Destination, image: ArrayLike, said: Found, kept: Found, class_names: Sequence[str], title: str
) -> Figure:
    """Draw one scene three times: how sure each cell is, and of which class; the boxes of all cells; those kept.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    image : (H, W), uint8, seen in a grid of G x G cells.
    said : what each of the G^2 cells says, row by row: boxes (G^2, 4), classes (G^2,), how sure (G^2,).
    kept : what is left after suppression.
    class_names : a name for each class.
    title : one line above.
    """
    where = "cell_boxes"
    pixels, class_names = checks.numbers(where, "image", image), checks.texts(where, "class_names", class_names)
    boxes, labels, sure = _parts(where, "said", said, 3, class_names)
    left, labels_left, sure_left = _parts(where, "kept", kept, 3, class_names)
    G = round(len(sure) ** 0.5)
    if pixels.ndim != 2 or sure.shape != (G * G,) or G == 0:
        raise ValueError(f"{where}: expected an image (H, W) and G^2 cells; got {pixels.shape} and {sure.shape}")
    height, width = pixels.shape
    with new_figure(path, PAGE_WIDTH, 2.8) as figure:
        cells = image_cells(figure, 1, 3)
        cells[0].imshow(sure.reshape(G, G), cmap="Blues", vmin=0, vmax=1, extent=(0, width, height, 0))
        edges = np.linspace(0, 1, G + 1)
        cells[0].vlines(edges * width, 0, height, "#BBBBBB", lw=0.5, clip_on=False)
        cells[0].hlines(edges * height, 0, width, "#BBBBBB", lw=0.5, clip_on=False)
        for i in np.flatnonzero(sure > 0.05):
            middle = (i % G + 0.5) * width / G, (i // G + 0.5) * height / G
            colour = "white" if sure[i] > 0.5 else "black"
            cells[0].text(*middle, class_names[labels[i]], ha="center", va="center", fontsize=7, color=colour)
        for cell in cells[1:]:
            _draw_scene(cell, pixels)
        _draw_boxes(cells[1], boxes, FOUND, np.sqrt(sure))  # else nothing is seen of those below a tenth
        _draw_boxes(cells[2], left, FOUND)
        _name_boxes(cells[2], left, labels_left, sure_left, class_names)
        captions = ("how sure each cell is,\nand of which class", "the boxes of all cells,\nthe surer the brighter")
        for cell, caption in zip(cells, (*captions, "those that are kept")):
            cell.set_xlabel(caption, fontsize=8, labelpad=3)
        set_title(figure, title)
    return figure


def precision_recall(path: Destination, curves: Mapping[str, tuple[ArrayLike, ArrayLike]], title: str) -> Figure:
    """Draw precision against recall, a line for each class, as more and more boxes are believed.

    Parameters
    ----------
    path : where the picture goes; None: it is not saved.
    curves : class -> (precision (K,), recall (K,)), as `metrics.precision_recall` gives them.
    title : one line above.
    """
    where = "precision_recall"
    curves = checks.mapping(where, "curves", curves, "a dict, class -> (precision, recall)")
    if not curves:
        raise ValueError(f"{where}: nothing to draw, give at least one curve")
    with new_figure(path, PAGE_WIDTH, 4) as figure:
        axes, lowest = figure.add_subplot(), 1.0
        for i, (name, curve) in enumerate(curves.items()):
            pair = checks.items(where, f"curve {name!r}", curve, "two arrays, (precision, recall)")
            if len(pair) != 2:
                checks.refuse(where, f"curve {name!r}", "two arrays, (precision, recall)", curve)
            precision, recall = (checks.numbers(where, f"curve {name!r}", values) for values in pair)
            if precision.shape != recall.shape or precision.ndim != 1:
                raise ValueError(
                    f"{where}: curve {name!r} needs precision and recall of one shape (K,); got {precision.shape} and "
                    f"{recall.shape}"
                )
            if not ((precision >= 0) & (precision <= 1)).all():
                checks.refuse(where, f"precision of curve {name!r}", "from 0 to 1", precision)
            axes.plot(recall, precision, label=name, color=COLOURS[i % len(COLOURS)], ls=DASHES[i % len(DASHES)], lw=1)
            lowest = precision.min(initial=lowest)
        axes.set(xlabel="recall: share of the true boxes found", ylabel="precision: share of the found boxes right")
        bottom = np.floor(lowest * 10) / 10 if lowest < 1 else 0
        axes.set(xlim=(0, 1.01), ylim=(bottom, 1 + (1 - bottom) / 50))
        legend_below(figure, axes.lines)
        set_title(figure, title)
    return figure


def _parts(where: str, name: str, value: Sequence[ArrayLike], count: int, class_names: Sequence[str]) -> list[NDArray]:
    """Boxes (M, 4), classes (M,) and, where `count` is 3, how sure (M,), of one scene."""
    expected = f"{count} arrays: boxes (M, 4), classes (M,)" + (", how sure (M,) from 0 to 1" if count == 3 else "")
    parts = [checks.numbers(where, name, part) for part in checks.items(where, name, value, expected)]
    if len(parts) != count or any(len(part) != len(parts[0]) for part in parts if part.ndim):
        checks.refuse(where, name, expected, value)
    M = len(parts[0]) if parts[0].ndim else -1
    if M == 0:
        return [np.zeros((0, 4)), np.zeros(0, int), *[np.zeros(0)] * (count - 2)]
    if [part.shape for part in parts] != [(M, 4), *[(M,)] * (count - 1)] or parts[1].dtype.kind not in "iu":
        checks.refuse(where, name, expected, value)
    if not 0 <= parts[1].min() <= parts[1].max() < len(class_names):
        raise ValueError(f"{where}: classes of {name} must lie in 0..{len(class_names) - 1}, for class_names")
    sure = parts[2] if count == 3 else np.ones(M)
    if not np.isfinite(parts[0]).all() or not ((sure >= 0) & (sure <= 1)).all():
        checks.refuse(where, name, expected, value)
    return parts


def _draw_scene(axes: Axes, image: np.ndarray) -> None:
    height, width = image.shape
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))


def _draw_boxes(
    axes: Axes, boxes: ArrayLike, colour: str, sure: np.ndarray | None = None, linestyle: str = "-"
) -> None:
    """Boxes as frames, cut off at the scene's edge; the surer the less transparent."""
    for i, (left, top, right, bottom) in enumerate(np.reshape(boxes, (-1, 4))):
        alpha = 1.0 if sure is None else float(sure[i])
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, ls=linestyle, alpha=alpha)
        axes.add_patch(frame)


def _name_boxes(axes: Axes, boxes: NDArray, labels: NDArray, sure: NDArray, class_names: Sequence[str]) -> None:
    """The class of each box and how sure it is, above it or below it, if one of these places is free."""
    (_, width), (height, _) = axes.get_xlim(), axes.get_ylim()
    behind = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 0.5}
    taken: list[tuple[float, float]] = []
    for (left, top, _, bottom), label, s in zip(boxes, labels, sure):
        x = min(max(left, 0), 0.8 * width)
        for y in (max(top - 0.01 * height, 0.07 * height), min(bottom + 0.08 * height, height)):
            if all(abs(x - other_x) > 0.25 * width or abs(y - other_y) > 0.07 * height for other_x, other_y in taken):
                taken.append((x, y))
                axes.text(x, y, f"{class_names[label]} {s:.0%}", color=FOUND, fontsize=6, va="bottom", bbox=behind)
                break


def _legend() -> list[Rectangle]:
    names = {"true box": (TRUE, "--"), "found box": (FOUND, "-")}
    return [
        Rectangle((0, 0), 1, 1, fill=False, edgecolor=colour, linestyle=line, label=name)
        for name, (colour, line) in names.items()
    ]

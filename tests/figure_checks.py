"""What every picture must keep: its texts on the page, none over another, and no line through one."""

import itertools

import matplotlib
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.text import Annotation, Text

from tinygrad_edu.plots.style import STYLE


def place(figure):
    """Put everything where it will be drawn; pixels take most of the time of a picture, and no test here reads them."""
    with matplotlib.rc_context(STYLE):
        figure.draw_without_rendering()


def check_texts(figure):
    """Every text is on the page, and none runs into another; returns [(text, its box in pixels)]."""
    place(figure)
    undrawn = {text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in undrawn_texts(axes, axis)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    found = [(text.get_text(), text.get_window_extent()) for text in texts if text not in undrawn]
    for text, box in found:
        on_page = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert on_page, f"{text!r} leaves the page: {box}"
    for (one, a), (other, b) in itertools.combinations(found, 2):
        assert not overlap(a, b), f"{one!r} runs into {other!r}"
    return found


def undrawn_texts(axes, axis):
    """The labels of ticks beyond the axis' ends, or everything of an axis that is switched off."""
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_major_ticks() + axis.get_minor_ticks()
    beyond = [tick for tick in ticks if not axes.axison or not low <= tick.get_loc() <= high]
    return [text for tick in beyond for text in tick.findobj(Text)] + ([] if axes.axison else [axis.label])


def overlap(a, b):
    """Whether two boxes have more than a touch in common."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1


def lines(axes):
    """The paths, in pixels, of all lines and arrows in a drawing, the arrows' heads apart."""
    arrows = {*axes.findobj(FancyArrowPatch), *(note.arrow_patch for note in axes.findobj(Annotation))} - {None}
    paths = [artist.get_path().transformed(artist.get_transform()) for artist in (*axes.lines, *arrows)]
    return [Path(corners) for path in paths for corners in path.to_polygons(closed_only=False)]


def check_drawing(figure, standing_on_lines=()):
    """`check_texts`, and: no line runs through a text or off the page; texts and lines are inside a box or outside."""
    texts, paths, page = check_texts(figure), lines(figure.axes[0]), figure.bbox
    for text, box in texts:
        letters = box.shrunk(0.8, 0.6)  # they do not fill their box
        for path in paths if text not in standing_on_lines else ():
            assert not path.intersects_bbox(letters, filled=False), f"a line runs through {text!r}"
    for path in paths:
        (x0, y0), (x1, y1) = path.vertices.min(axis=0), path.vertices.max(axis=0)
        assert min(x0, y0) > 0, path
        assert x1 < page.x1, path
        assert y1 < page.y1, path
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    for one, other in itertools.combinations(boxes, 2):
        assert not overlap(one, other)
    for box in boxes:
        assert 0 < box.x0 < box.x1 < page.x1
        for text, b in texts:
            inside = box.x0 <= b.x0 and b.x1 <= box.x1 and box.y0 <= b.y0 and b.y1 <= box.y1
            assert inside or not overlap(b, box), f"{text!r} runs over the edge of a box"
        for path in paths:  # ends at the edge, or is a line inside the box
            within = [box.x0 + 2 < x < box.x1 - 2 and box.y0 + 2 < y < box.y1 - 2 for x, y in path.vertices]
            assert all(within) or not any(within), "a line runs into a box"
    return texts

"""HTML from Python values, with nothing in it that a name or a file could have smuggled in.

Everything that is not `Html` already is text, and is escaped when it gets into an element. So a page is built of nested
calls, `tag("p", "a < b, says ", tag("code", name))`, and forgetting to escape is not possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# What `html.escape` does, without its import: that brings a table of 2,231 names, a millisecond at every start.
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
EMPTY = {"br", "hr", "img", "input", "link", "meta"}  # elements that have no content and no closing tag


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: Any) -> Html:
    """A value as HTML: `Html` as it is, anything else as text."""
    return value if isinstance(value, Html) else Html(str(value).translate(ESCAPES))


def join(parts: Iterable[Any], between: str = "") -> Html:
    """Several values after one another."""
    return Html(escape(between).join(escape(part) for part in parts))


def tag(name: str, /, *content: Any, **attributes: Any) -> Html:
    """One element: `tag("a", "there", href="there.html")` is `<a href="there.html">there</a>`.

    An attribute may end in an underscore where Python has the word (`class_="note"`), and other underscores become
    hyphens (`aria_label="..."`). True stands for an attribute without a value; None and False leave it out.
    """
    given = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    shown = (
        key if value is True else f'{key}="{escape(value)}"'
        for key, value in given
        if value is not None and value is not False
    )
    opening = f"<{' '.join((name, *shown))}>"
    return Html(opening if name in EMPTY else f"{opening}{join(content)}</{name}>")


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], **attributes: Any) -> Html:
    """A table; cells are text or `Html`. A row that is shorter than the head ends in one wide cell."""
    lines = [tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))] if head else []
    body = []
    for row in rows:
        wide = len(head) - len(row) + 1 if len(row) < len(head) else None
        *cells, last = row
        body.append(tag("tr", *(tag("td", cell) for cell in cells), tag("td", last, colspan=wide)))
    return tag("table", *lines, tag("tbody", *body), **attributes)


def box(*content: Any) -> Html:
    """What an object shows of itself in a notebook: as wide as it is, and scrolling where there is less room."""
    return tag("div", *content, style="max-width: 100%; overflow-x: auto")


def ends(items: Sequence[Any], most: int) -> tuple[Sequence[Any], int, Sequence[Any]]:
    """The first ones, how many are left out, the last ones: of a sequence that is longer than `most`, both ends."""
    if len(items) <= most:
        return items, 0, items[:0]
    first, last = most - most // 2, most // 2
    return items[:first], len(items) - most, items[len(items) - last :]

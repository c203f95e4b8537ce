"""A backward pass as one page, to step through in a browser.

The page has everything inside: what the trace saw, as JSON, and the style and scripts of `page/`. It asks for nothing
from anywhere. Numbers are rounded to five digits, and of large arrays it has the `Grid` of a trace, evenly spaced
entries.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad_edu import checks
from tinygrad_edu.backend import Array
from tinygrad_edu.files import write_whole
from tinygrad_edu.inspection.arrays import Seen
from tinygrad_edu.inspection.diagnosis import diagnose
from tinygrad_edu.inspection.folding import Fold, fold
from tinygrad_edu.inspection.records import Input, Leaf, Step, Trace
from tinygrad_edu.inspection.trace import computed, trace
from tinygrad_edu.markup import escape, tag
from tinygrad_edu.tensor import Tensor

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("common.js", "arrays.js", "tape.js", "detail.js", "player.js")  # in the order in which they run
DIGITS = 5


def player(
    loss: Tensor | Callable[[], Tensor] | Trace,
    path: str | Path,
    gradient: Tensor | Array | None = None,
    *,
    title: str = "",
    differences: int = 3,
) -> Path:
    """Run `loss.backward()`, and write a page that steps through it: the forward downwards, the backward upwards.

    Parameters
    ----------
    loss : Tensor, or function without arguments that computes it, or Trace
        As for `trace`: from a function, or a tensor computed inside `watch()`, the page knows source lines and modules,
        and can measure derivatives by differences.
    path : str or Path
        The file, such as "player.html"; its folder is made.
    gradient
        As for `backward`.
    title : str
        The page's; the name of the file without it.
    differences : int
        How many derivatives of each step's inputs are measured by differences, too.

    Returns the path. Raises as `trace`; OSError where the file cannot be written, and then nothing was walked.
    """
    path, title = checks.path("player", "path", path), checks.text("player", "title", title)
    differences = checks.whole("player", "differences", differences)
    _check_writable(path)
    if not isinstance(loss, Trace):
        loss = trace(computed("player", loss), gradient, differences=differences)
    page = page_of(loss, title or path.stem)
    write_whole(path, page)
    return path


def page_of(seen: Trace, title: str, in_frame: bool = False) -> str:
    """The page as text; for a notebook inside a frame."""
    data = json.dumps(data_of(seen, title), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Inside <script>, text is not parsed as HTML, but "</script>" ends it. JSON may write "<" as \\u003c anywhere.
    parts = {"DATA": data.replace("<", "\\u003c"), "TITLE": escape(title)}
    parts["CSS"] = (PAGE / "player.css").read_text(encoding="utf-8")
    parts["JS"] = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    page = (PAGE / "player.html").read_text(encoding="utf-8")
    pieces = page.split("%%")  # text and names by turns: what was put in is not looked through again
    page = "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))
    style = "width:100%;height:44rem;border:1px solid #8886"
    return tag("iframe", srcdoc=page, title=title, style=style) if in_frame else page


def _check_writable(path: Path) -> None:
    """OSError, before anything is walked, where the file cannot be written: another one is tried in its place."""
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise type(error)(f"player: cannot write {path} ({error.strerror}); name another file") from None


# --- what the page shows, as JSON: lists and dicts, numbers rounded ---


def data_of(seen: Trace, title: str) -> dict[str, Any]:
    """Everything the page knows. Formulas and code, which repeat, stand in a list of texts."""
    texts: dict[str, int] = {}
    rows = [_row(row, texts) for row in seen.rows]
    return {
        "title": title,
        "rows": rows,
        "walk": [step.row for step in seen],
        "fold": [_fold(part) for part in fold(seen)],
        "texts": list(texts),
        "findings": diagnose(seen),
    }


def _fold(part: int | Fold) -> Any:
    return part if isinstance(part, int) else [part.label, *map(_fold, part.parts)]


def _row(row: Leaf | Step, texts: dict[str, int]) -> dict[str, Any]:
    common = {
        "label": row.label,
        "module": row.module,
        "value": _array(row.value),
        "gradient": _array(row.gradient),
        "arrived": row.arrived,
    }
    if isinstance(row, Leaf):
        return {"leaf": True, **common}
    return {
        "number": row.number,
        **common,
        "formula": _index(row.formula, texts),
        "code": _index(row.code, texts),
        "inputs": [_input(x) for x in row.inputs],
        "place": str(row.place),
        "line": _index(row.place.text, texts),
        "held": row.held,
        "seconds": number(row.seconds),
        "unmeasured": row.unmeasured,
    }


def _input(x: Input) -> dict[str, Any]:
    return {
        "name": x.name,
        "row": x.row,
        "shape": x.shape,
        "value": _array(x.value),
        "gradient": _array(x.gradient),
        "summed": x.summed,
        "measured": [
            [m.index, *map(number, (m.analytic, m.difference, m.left, m.right)), m.is_kink] for m in x.measured
        ],
    }


def _array(seen: Seen | None) -> dict[str, Any] | None:
    """Statistics in the order in which the page names them, histogram, and the entries of the picture."""
    if seen is None:
        return None
    statistics = (seen.mean, seen.spread, seen.smallest, seen.largest, seen.norm, seen.zeros)
    return {
        "shape": seen.shape,
        "dtype": seen.dtype,
        "statistics": [*map(number, statistics), seen.nans, seen.infinities],
        "bins": seen.bins,
        "rows": seen.grid.rows,
        "columns": seen.grid.columns,
        "cells": [number(float(value)) for value in seen.grid.values.flat],
    }


def number(x: float) -> float | int | str:
    """Rounded to five digits; what JSON has no number for as a word."""
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "inf" if x > 0 else "-inf"
    rounded = float(f"{x:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _index(text: str, texts: dict[str, int]) -> int:
    return texts.setdefault(text, len(texts))

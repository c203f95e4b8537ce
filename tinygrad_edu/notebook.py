"""How a notebook is written: a list of cells, in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_edu.files import write_whole


@dataclass(frozen=True)
class Cell:
    """One cell: `kind` is "markdown" or "code"."""

    kind: str
    source: str


def notebook(cells: Sequence[Cell]) -> dict[str, Any]:
    """In the notebook format 4.5 (https://nbformat.readthedocs.io)."""
    written = []
    for i, cell in enumerate(cells):
        entry: dict[str, Any] = {"cell_type": cell.kind, "id": f"cell-{i}", "metadata": {}, "source": cell.source}
        written.append(entry | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def save_notebook(path: Path, cells: Sequence[Cell]) -> None:
    """Write cells as a notebook. ValueError for a name that no notebook has, or that a file has already."""
    if path.suffix != ".ipynb":
        raise ValueError(f"a notebook's name ends in .ipynb, got {path.name!r}")
    if path.exists():  # somebody may have worked in it
        raise ValueError(f"there is a file {path} already; remove it, or give another name")
    write_whole(path, json.dumps(notebook(cells), indent=1, ensure_ascii=False) + "\n")

"""Notebooks run in a kernel of their own, as Jupyter runs them; without the extra `notebook`, such tests skip."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Outputs:
    """What the cells printed, and how many pictures they showed."""

    text: str
    pictures: int


def execute(path: Path, replacements: Mapping[str, str] | None = None) -> Outputs:
    """Run a notebook from top to bottom in its own folder. An error in a cell is raised."""
    nbformat = pytest.importorskip("nbformat", reason="needs the extra 'notebook'")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebook'")
    pytest.importorskip("ipykernel", reason="needs the extra 'notebook'")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        for old, new in (replacements or {}).items():
            cell.source = cell.source.replace(old, new)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    return Outputs(text, sum("image/png" in output.get("data", {}) for output in outputs))

"""Notebooks run in a kernel, as Jupyter runs them; without the extra `notebook`, tests that need one skip.

Tests share the kernel, which takes longer to start than a lesson to run. What a notebook named is gone in the next.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Outputs:
    """What the cells printed, and how many pictures they showed."""

    text: str
    pictures: int


class Kernel:
    """A kernel, and the notebooks that run in it one after the other."""

    def __init__(self, manager, client) -> None:
        self.manager, self.client = manager, client

    def execute(self, path: Path, replacements: Mapping[str, str] | None = None) -> Outputs:
        """Run a notebook from top to bottom in its own folder. An error in a cell is raised."""
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            for old, new in (replacements or {}).items():
                cell.source = cell.source.replace(old, new)
        start = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {path.parent}")
        notebook.cells.insert(0, start)
        runner = NotebookClient(notebook, km=self.manager, timeout=120)
        runner.kc = self.client
        runner.execute()
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        text = "".join(output.text for output in outputs if output.output_type == "stream")
        return Outputs(text, sum("image/png" in output.get("data", {}) for output in outputs))


def launch() -> Iterator[Kernel]:
    for name in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(name, reason="needs the extra 'notebook'")
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield Kernel(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)

"""A script as a notebook, for `--notebook`: its docstring as text, its parts as cells, `main` opened up.

The script stays the only source. Its functions and classes keep their docstrings; what stands in `main` comes last, a
cell for each of its paragraphs, so that its variables can be looked at when it has run.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinygrad_edu.notebook import Cell, save_notebook

ROOT = Path(__file__).resolve().parent.parent
START = """import sys

sys.path.append({root!r})  # where the folder models/ is
__doc__ = {description!r}"""
PICTURES = """from IPython.display import Image, display

for picture in sorted(run.out.glob("*.png")):
    display(Image(picture, width=720))"""
DRAWS = re.compile(r"^(draw|plots\.\w+)\(", re.MULTILINE)


def write_notebook(path: Path, model: str, arguments: Sequence[str]) -> None:
    """Write `models/MODEL.py` into `path`; `arguments` are the flags that the notebook runs with."""
    source = (Path(__file__).parent / f"{model}.py").read_text(encoding="utf-8")
    save_notebook(path, cells(model, source, list(arguments) or ["--quick"]))


def cells(model: str, source: str, arguments: Sequence[str]) -> list[Cell]:
    """The whole notebook."""
    tree, lines = ast.parse(source), source.splitlines()
    docstring = ast.get_docstring(tree) or ""
    statements = [
        (node, text)
        for node, text in segments(tree.body[1:], lines, tree.body[0].end_lineno or 0)
        if not text.startswith(("from __future__", "import sys", "if __name__"))
    ]
    imports = [text for node, text in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    (run,) = (node for node, _ in statements if isinstance(node, ast.FunctionDef) and node.name == "main")
    parts = [text for node, text in statements if node is not run and text not in imports]
    return [
        Cell("markdown", prose(docstring)),
        Cell("markdown", how_to_run(model, arguments)),
        Cell("code", f"arguments = {list(arguments)!r}"),
        Cell("markdown", "## What it uses"),
        Cell("code", START.format(root=str(ROOT), description=docstring.partition("\n")[0])),
        Cell("code", "\n".join(imports)),
        Cell("markdown", "## The network, and the parts of the run"),
        *(Cell("code", text) for text in parts),
        Cell("markdown", "## The run"),
        *body_cells(run, lines),
    ]


def how_to_run(model: str, arguments: Sequence[str]) -> str:
    short = (
        "\n`--quick` asks for a short run: without it, the figures are those to compare."
        if "--quick" in arguments
        else ""
    )
    stand_in = "\nThe data is a generated stand-in, of which no figure counts." if "synthetic" in arguments else ""
    listed = f"`python -m models.{model} --help` lists them."
    return f"The flags of the run are those of the script; {listed}{short}{stand_in}"


def segments(nodes: Sequence[ast.stmt], lines: Sequence[str], start: int) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with its source, and with the comments above it."""
    for node in nodes:
        end = node.end_lineno or node.lineno
        yield node, "\n".join(lines[start:end]).strip("\n")
        start = end


def body_cells(run: ast.FunctionDef, lines: Sequence[str]) -> Iterator[Cell]:
    """The statements of `main` as cells, a new one after each empty line; after what draws, the pictures."""
    paragraph: list[str] = []

    def close() -> Iterator[Cell]:
        source = textwrap.dedent("\n".join(paragraph)).strip("\n")
        if source:
            yield Cell("code", source)
        if DRAWS.search(source):
            yield Cell("code", PICTURES)
        paragraph.clear()

    first = run.body[0].lineno - 1
    for node, text in segments(run.body, lines, first):
        start = node.lineno - len(text.splitlines())
        if paragraph and any(not line.strip() for line in lines[start - 1 : node.lineno - 1]):
            yield from close()
        if not ends_early(node):
            paragraph.append(text)
    yield from close()


def ends_early(node: ast.stmt) -> bool:
    """Whether it returns from `main`: what a flag does in place of the run. A notebook is for the run."""
    return isinstance(node, ast.If) and any(isinstance(inside, ast.Return) for inside in node.body)


# --- prose and formulas ---


def prose(docstring: str) -> str:
    """A docstring as Markdown: its first line as the title, indented lines with an "=" as formulas."""
    title, _, rest = docstring.partition("\n")
    written = [f"# {title.rstrip('.')}"]
    for paragraph in re.split(r"\n\s*\n", rest.strip()):
        lines = paragraph.splitlines()
        if lines and all(line.startswith("    ") for line in lines):
            formulas = [latex_line(line) for line in lines]
            several = r" \\ ".join(formulas)
            written.append(f"$$\\begin{{gathered}} {several} \\end{{gathered}}$$" if formulas[1:] else f"$${several}$$")
        else:
            written.append(re.sub(r"(?<![\w`/])([A-Za-z])_(\w)(?!\w)", r"$\1_\2$", paragraph))
    return "\n\n".join(written) + "\n"


def latex_line(line: str) -> str:
    """One line of formulas, far from each other where several stand in it."""
    return r" \qquad ".join(latex(formula) for formula in re.split(r"\s{3,}", line.strip()))


def latex(formula: str) -> str:
    """A formula as it is typed, x_nd and e^(z_k) and sum_n, in LaTeX."""
    text = re.sub(r"\bsum over (\w) of\b", r"sum_\1", formula)
    text = re.sub(r"\^\(((?:[^()]|\([^()]*\))*)\)", r"^{\1}", text)
    text = re.sub(r"_\{([^{}]*)\}", lambda m: "_{" + m[1] + "}", text)
    text = re.sub(r"_([A-Za-z0-9]{2,})", r"_{\1}", text)
    text = re.sub(r"(?<![A-Za-z\\{_])(ln|sin|cos|tanh|exp|pi)(?![A-Za-z])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z\\])sum(?=_)", r"\\sum", text)
    text = re.sub(r"\bgrad([A-Za-z])\b", r"\\nabla_{\1}", text)
    text = re.sub(r"(?<![A-Za-z\\{_])(d?)(loss|noise)\b", r"\1\\mathrm{\2}", text)
    return text.replace(" * ", r"\,")

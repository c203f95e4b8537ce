"""The README's promises: its example prints what it says, and its formulas point at the lines that compute them.

After moving code, `python tests/test_readme.py` sets the line numbers right again.
"""

import contextlib
import io
import itertools
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
ANCHOR = re.compile(r"\[`(?P<code>[^`]+)`\]\((?P<path>[\w/.]+)#L(?P<line>\d+)\)")


def find(anchor):
    """The line numbers, from 1, at which the anchor's file holds the anchor's code."""
    lines = (ROOT / anchor["path"]).read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if anchor["code"] in line]


def test_the_engine_is_as_long_as_it_says():
    lines = sum(len((ROOT / "tinygrad_edu" / name).read_text().splitlines()) for name in ("tensor.py", "backend.py"))
    assert f"two files of {lines} lines together" in " ".join(README.read_text().split())


def test_every_formula_points_at_the_line_that_computes_it():
    anchors = list(ANCHOR.finditer(README.read_text()))
    assert len(anchors) >= 10
    wrong = [
        f"{a['path']}#L{a['line']}: {a['code']!r} stands in lines {find(a)}"
        for a in anchors
        if int(a["line"]) not in find(a)
    ]
    assert not wrong, "run `python tests/test_readme.py` to mend\n" + "\n".join(wrong)


def test_every_relative_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text())
    assert links
    # Beside the files, where GitHub shows them, lie the runs of a workflow.
    links = [re.sub(r"^../../actions/(workflows/\w+.yml)(/badge.svg)?$", r".github/\1", link) for link in links]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_figure_of_the_proof_was_counted():
    section = README.read_text().partition("\n## Proof\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if re.match(r"\| .* \| [\d.,e-]+ \|$", line)]
    assert len(rows) >= 15
    counted = (ROOT / "docs" / "proof.md").read_text().splitlines()
    assert [row for row in rows if row not in counted] == [], "docs/proof.md says otherwise"


BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL)


def blocks():
    """(code, what it prints) of every block of Python in the README."""
    found = list(BLOCK.finditer(README.read_text()))
    return [
        (block["text"], following["text"])
        for block, following in itertools.pairwise(found)
        if block["language"] == "python" and following["language"] == "text"
    ]


def test_every_block_of_python_says_what_it_prints():
    languages = [block["language"] for block in BLOCK.finditer(README.read_text())]
    assert languages.count("python") == len(blocks()) >= 3


@pytest.mark.parametrize("number", range(len(blocks())))
def test_a_block_prints_what_the_readme_says(number, tmp_path, monkeypatch):
    code, printed = blocks()[number]
    if "load_mnist" in code and not os.environ.get("TINYGRAD_EDU_DATA"):
        code = code.replace("load_mnist()", 'load_mnist(source="synthetic")')  # runs as well, to other figures
        printed = None
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "look.py", "exec"), {})  # a name for the lines that it prints
    assert output.getvalue() == printed or (printed is None and output.getvalue())


def test_the_examples_are_as_short_as_their_headings_say():
    lengths = [len([line for line in code.splitlines() if line.strip()]) for code, _ in blocks()]
    autodiff, network, player, operation = lengths
    assert autodiff <= 12
    assert network <= 25 + 3  # imports
    assert player <= 10 + 2
    assert operation <= 10 + 3


def test_the_two_commands_are_named():
    assert {"make run", "make test"} <= set(re.findall(r"make \w+", README.read_text()))


def mend(anchor):
    """The anchor with its right line number: the nearest line with its code."""
    lines = find(anchor)
    if not lines:
        print(f"no line of {anchor['path']} holds {anchor['code']!r}")
        return anchor[0]
    line = min(lines, key=lambda n: abs(n - int(anchor["line"])))
    return f"[`{anchor['code']}`]({anchor['path']}#L{line})"


if __name__ == "__main__":
    README.write_text(ANCHOR.sub(mend, README.read_text()))

"""The README's promises: its example prints what it says, and its formulas point at the lines that compute them.

After moving code, `python tests/test_readme.py` sets the line numbers right again.
"""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
ANCHOR = re.compile(r"\[`(?P<code>[^`]+)`\]\((?P<path>[\w/.]+)#L(?P<line>\d+)\)")


def find(anchor):
    """The line numbers, from 1, at which the anchor's file holds the anchor's code."""
    lines = (ROOT / anchor["path"]).read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if anchor["code"] in line]


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
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_example_prints_what_the_readme_says():
    code, printed = re.search(r"```python\n(.*?)```\s+prints\s+```text\n(.*?)```", README.read_text(), re.S).groups()
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    assert output.getvalue() == printed


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

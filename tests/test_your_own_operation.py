"""The page `docs/your-own-operation.md`: its template works when copied, and it prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from tinygrad_edu import ops
from tinygrad_edu.gradcheck import GradientError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "your-own-operation.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```\n", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TEMPLATE, PRINTED, WRONG_VALUE, WRONG_SHAPE, USE, PRINTED_BY_USE = (text for _, text in BLOCKS)


def run(code):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "bump.py", "exec"), {"__name__": "__main__"})
    return output.getvalue()


def test_the_template_works_when_copied():
    assert run(TEMPLATE) == PRINTED


def test_it_can_be_trained_and_looked_at(tmp_path, monkeypatch):
    (tmp_path / "bump.py").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)
    assert run(USE) == PRINTED_BY_USE


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [("dX = -G *", "dX = G *", WRONG_VALUE), ("W**3).sum()", "W**3)", WRONG_SHAPE)],
    ids=["a minus", "a sum"],
)
def test_its_mistakes_look_as_the_page_says(right, wrong, said):
    assert TEMPLATE.count(right) == 1
    with pytest.raises(GradientError) as caught:
        run(TEMPLATE.replace(right, wrong))
    assert str(caught.value).startswith(said.rstrip("\n"))


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_what_the_page_names_exists():
    assert "bump" not in ops.__all__  # the page takes it for new
    for name, file in (("unbroadcast", "ops/arithmetic.py"), ("record_many", "textbook/lstm.py")):
        assert name in (PAGE.parent.parent / "tinygrad_edu" / file).read_text(encoding="utf-8")

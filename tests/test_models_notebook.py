"""`python -m models.NAME --notebook OUT.ipynb`: the script in cells, its prose and formulas; each notebook runs."""

import ast
import importlib
import json
from pathlib import Path

import pytest

from models.__main__ import SCRIPTS
from models.common import without_notebook
from models.notebook import cells, latex, prose

MODELS = Path(__file__).parent.parent / "models"
STAND_IN = ["--quick", "--epochs", "3", "--data", "synthetic", "--no-progress"]
# So that a test takes seconds: the notebook as written, with less data, and pictures of fewer dots an inch.
SMALLER = {
    "import numpy as np": "import numpy as np\nfrom tinygrad_edu.plots import style\nstyle.STYLE['savefig.dpi'] = 50",
    "QUICK_STAND_IN = 400_000": "QUICK_STAND_IN = 9_000",
    "count = len(data.train_labels)": "count = 320",
    'share = 5 if options.quick and data.source != "synthetic" else 1': "share = 5",
    "default_epochs = 20": "default_epochs = 3",
    "QUICK_ITERATIONS, QUICK_VALIDATION = 50, 8_000": "QUICK_ITERATIONS, QUICK_VALIDATION = 3, 200",
    'QUICK = {"train": 8_000, "validation": 400, "test": 400}': 'QUICK = {"train": 64, "validation": 20, "test": 20}',
}
PICTURES = {
    "softmax_by_hand": 3,
    "softmax_regression": 3,
    "mini_alexnet": 5,
    "mini_yolo": 5,
    "sine_rnn": 6,
    "airline_lstm": 2,
    "shakespeare_lstm": 1,
    "shakespeare_gpt": 4,
}


def source_of(name):
    return (MODELS / f"{name}.py").read_text(encoding="utf-8")


def written(name, path, *flags):
    with pytest.raises(SystemExit) as exit:
        importlib.import_module(f"models.{name}").main([*flags, "--notebook", str(path)])
    assert exit.value.code == 0
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_notebook_runs_and_shows_its_pictures(name, tmp_path, kernel):
    path = tmp_path / f"{name}.ipynb"
    written(name, path, *STAND_IN, "--out", str(tmp_path / "run"))
    outputs = kernel.execute(path, SMALLER)
    assert "stand-in" in outputs.text or name in ("sine_rnn", "airline_lstm")  # whose data is here
    assert "measured" in outputs.text  # the closing table
    assert outputs.pictures == len(list((tmp_path / "run").glob("*.png"))) == PICTURES[name]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_cells_are_the_scripts_own_lines(name):
    source = source_of(name)
    code = "\n".join(cell.source for cell in cells(name, source, ["--quick"]) if cell.kind == "code")
    lines = {line.strip() for line in code.splitlines()}
    left_out = [line.strip() for line in source.partition("\n@script\n")[0].splitlines() if line.strip()]
    docstring = ast.get_docstring(ast.parse(source)).splitlines()
    for line in left_out:
        if line.strip('"') not in map(str.strip, docstring) and not line.startswith(("from __future__", "import sys")):
            assert line in lines
    assert "loss.backward()" in lines or name == "softmax_by_hand"
    assert "def main(arguments=None):" not in lines
    assert 'if __name__ == "__main__":' not in lines


def test_the_training_step_is_a_cell_of_its_own():
    found = [cell.source for cell in cells("airline_lstm", source_of("airline_lstm"), [])]
    (step,) = (text for text in found if "optimizer.step()" in text)
    assert step.startswith("def train_step(x, y):\n    optimizer.zero_grad()\n")


def test_what_a_flag_does_in_place_of_the_run_is_left_out():
    code = [cell.source for cell in cells("shakespeare_lstm", source_of("shakespeare_lstm"), [])]
    assert not any("return sample_only(options)" in text for text in code)


def test_the_flags_of_the_command_are_those_of_the_notebook(tmp_path, capsys):
    found = written("airline_lstm", tmp_path / "a.ipynb", "--look-back", "12")
    assert "arguments = ['--look-back', '12']" in [cell["source"] for cell in found["cells"]]
    assert capsys.readouterr().out == f"{tmp_path / 'a.ipynb'}: to open with Jupyter\n"
    found = written("airline_lstm", tmp_path / "b.ipynb")
    assert "arguments = ['--quick']" in [cell["source"] for cell in found["cells"]]
    assert without_notebook(["--seed", "1", "--notebook=x.ipynb", "--quick"]) == ["--seed", "1", "--quick"]


@pytest.mark.parametrize("name", ["notes.txt", "old.ipynb"])
def test_a_notebook_is_a_new_file_of_its_ending(name, tmp_path, capsys):
    (tmp_path / "old.ipynb").write_text("mine")
    with pytest.raises(SystemExit) as exit:
        importlib.import_module("models.airline_lstm").main(["--notebook", str(tmp_path / name)])
    assert exit.value.code == 2
    assert "expected the name of a new file that ends in .ipynb" in capsys.readouterr().err
    assert (tmp_path / "old.ipynb").read_text() == "mine"


# --- prose and formulas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "formula"),
    [
        ("p_k = e^(z_k) / sum_j e^(z_j)", r"p_k = e^{z_k} / \sum_j e^{z_j}"),
        ("loss = -1/N sum_n ln p_{n, y_n}", r"\mathrm{loss} = -1/N \sum_n \ln p_{n, y_n}"),
        ("dloss/dW_dk = 1/N sum_n x_nd", r"d\mathrm{loss}/dW_{dk} = 1/N \sum_n x_{nd}"),
        ("gradW = X^T (P - T) / N", r"\nabla_{W} = X^T (P - T) / N"),
        ("x_t = sin(2 pi t / S + a u_t)", r"x_t = \sin(2 \pi t / S + a u_t)"),
    ],
)
def test_a_formula_becomes_latex(typed, formula):
    assert latex(typed) == formula


def test_prose_keeps_its_paragraphs_and_indented_lines_are_formulas():
    text = "A title.\n\nText with x_t and `code_x`.\n\n    a = b    c = d\n    e = f\n\n    g = h\n"
    assert prose(text) == (
        "# A title\n\nText with $x_t$ and `code_x`.\n\n"
        "$$\\begin{gathered} a = b \\qquad c = d \\\\ e = f \\end{gathered}$$\n\n$$g = h$$\n"
    )


def test_the_derivation_by_hand_has_its_formulas():
    first = cells("softmax_by_hand", source_of("softmax_by_hand"), [])[0].source
    assert first.count("$$") == 8
    assert r"\nabla_{W} = X^T (P - T) / N" in first
    assert r"x_t = \sin(2 \pi t / S + a u_t)" in cells("sine_rnn", source_of("sine_rnn"), [])[0].source

"""The player's page, as text: it knows what the trace saw, to five digits, and nothing gets out of its place."""

import json
import os
import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, inspection, nn, no_grad, ops
from tinygrad_edu.inspection import Leaf, player, trace
from tinygrad_edu.inspection.folding import Fold, fold
from tinygrad_edu.inspection.player import data_of, number, page_of
from tinygrad_edu.tensor import record

RNG = np.random.default_rng(0)
X = Tensor(RNG.normal(size=(16, 4)).astype(np.float32))
LABELS = np.arange(16) % 3


def network():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return lambda: ops.softmax_cross_entropy(model(X), LABELS) + (model.layers[0].weight ** 2).mean()


def unrolled(steps=100):
    nn.manual_seed(0)
    cell = nn.SimpleRNNCell(2, 8)
    inputs = Tensor(RNG.normal(size=(steps, 4, 2)).astype(np.float32))

    def loss():
        h = Tensor(np.zeros((4, 8), np.float32))
        for t in range(steps):
            _, h = cell(inputs[t], h)
        return (h * h).mean()

    return loss


def chain(steps=5000):
    x = Tensor(np.ones(3), requires_grad=True)

    def loss():
        y = x
        for _ in range((steps - 1) // 2):
            y = ops.sin(y) * 1.5
        return y.sum()

    return loss


def short_chain():
    return chain(500)


def with_sequences():
    nn.manual_seed(0)
    model = nn.Sequential(nn.LSTM(4, 5), nn.Dropout(0.5), nn.Linear(5, 3))
    x = Tensor(RNG.normal(size=(16, 6, 4)).astype(np.float32))
    return lambda: ops.softmax_cross_entropy(model(x), LABELS)


def broken():
    """Large, and with numbers that are none."""
    w = Tensor(RNG.normal(size=(500, 300)), requires_grad=True)
    return lambda: (ops.log(w) * Tensor(RNG.normal(size=(500, 300)))).sum()


def data_in(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def close(shown, exact):
    """Whether a number of the page is the trace's, rounded to five digits."""
    if isinstance(shown, str):
        return {"NaN": np.isnan, "inf": np.isposinf, "-inf": np.isneginf}[shown](exact)
    return abs(shown - exact) <= 0.5001e-4 * abs(exact)


def compare_array(shown, seen):
    if seen is None:
        assert shown is None
        return
    assert shown["shape"] == list(seen.shape)
    names = ("mean", "spread", "smallest", "largest", "norm", "zeros", "nans", "infinities")
    for value, name in zip(shown["statistics"], names, strict=True):
        assert close(value, getattr(seen, name)), name
    assert shown["bins"] == seen.bins
    assert sum(seen.bins) == seen.size - seen.nans - seen.infinities
    matrix = None if seen.values is None else seen.values.reshape(-1, seen.shape[-1] if seen.shape else 1)
    cells = iter(shown["cells"])
    for i, row in enumerate(shown["rows"]):
        for j, column in enumerate(shown["columns"]):
            exact = seen.grid.values[i, j]
            assert close(next(cells), exact)
            assert matrix is None or matrix[row, column] == exact or np.isnan(exact)
    assert next(cells, None) is None


@pytest.mark.parametrize("make", [network, unrolled, with_sequences, broken, lambda: chain(200)])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_every_number_of_the_page_is_the_traces(make):
    seen = trace(make(), differences=2)
    data = data_in(page_of(seen, "a title"))
    assert data["title"] == "a title"
    assert data["walk"] == [step.row for step in seen]
    for shown, row in zip(data["rows"], seen.rows, strict=True):
        assert (shown["label"], shown["module"]) == (row.label, row.module)
        compare_array(shown["value"], row.value)
        compare_array(shown["gradient"], row.gradient)
        assert shown["arrived"] == [list(pair) for pair in row.arrived]
        if isinstance(row, Leaf):
            assert shown["leaf"]
            continue
        assert (shown["number"], shown["held"], shown["unmeasured"]) == (row.number, row.held, row.unmeasured)
        assert close(shown["seconds"], row.seconds)
        assert data["texts"][shown["formula"]] == row.formula
        assert data["texts"][shown["code"]] == row.code
        assert data["texts"][shown["line"]] == row.place.text
        for shown_input, x in zip(shown["inputs"], row.inputs, strict=True):
            assert (shown_input["name"], shown_input["row"]) == (x.name, x.row)
            assert shown_input["summed"] == list(x.summed)
            compare_array(shown_input["value"], x.value)
            compare_array(shown_input["gradient"], x.gradient)
            for (index, *numbers, kink), m in zip(shown_input["measured"], x.measured, strict=True):
                assert (tuple(index), kink) == (m.index, m.is_kink)
                exact = (m.analytic, m.difference, m.left, m.right)
                assert all(close(value, e) for value, e in zip(numbers, exact, strict=True))


def test_measured_entries_are_in_the_picture():
    for step in trace(with_sequences(), differences=3):
        for x in step.inputs:
            for m in x.measured:
                row, column = divmod(int(np.ravel_multi_index(m.index, x.shape)), x.shape[-1])
                assert row in x.gradient.grid.rows
                assert column in x.gradient.grid.columns


def test_numbers_are_rounded_to_five_digits():
    assert [number(x) for x in (1 / 3, 123456.0, 0.0, 1e-20, -2.0)] == [0.33333, 123460, 0, 1e-20, -2]
    assert [number(x) for x in (np.nan, np.inf, -np.inf)] == ["NaN", "inf", "-inf"]


def test_it_is_written_whole_and_small(tmp_path):
    path = player(network(), tmp_path / "new folder" / "page.html")
    assert path == tmp_path / "new folder" / "page.html"
    assert os.listdir(path.parent) == ["page.html"]
    text = path.read_text(encoding="utf-8")
    assert "<title>page</title>" in text
    assert "%%" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert len(text) < 200_000


@pytest.mark.parametrize(("make", "most"), [(unrolled, 2600), (short_chain, 1250)])
def test_a_step_of_a_large_graph_takes_few_bytes(make, most, tmp_path):
    path = player(make(), tmp_path / "page.html", differences=0)
    steps = len(data_in(path.read_text(encoding="utf-8"))["rows"])
    assert steps >= 500
    assert path.stat().st_size < most * steps


def test_what_could_end_the_script_is_escaped(tmp_path):
    class Evil(nn.Module):
        def __init__(self):
            self.parts_by_name = {"</script><script>alert(1)</script>": nn.Linear(4, 1)}

        def forward(self, x):
            note = "</script><!-- <script>"  # noqa: F841
            return next(iter(self.parts_by_name.values()))(x) if "</script>" else None

    model = Evil()
    path = player(lambda: model(X).mean(), tmp_path / "a.html", title="</title><script>alert(2)</script>%%DATA%%")
    text = path.read_text(encoding="utf-8")
    assert text.count("</script>") == 2  # the page's own
    assert "<script>alert" not in text
    assert "%%DATA%%</title>" in text  # what was put in is not looked through again
    data = data_in(text)
    assert "parts_by_name.</script><script>alert(1)</script>" in {row["module"] for row in data["rows"]}
    assert any("</script>" in line for line in data["texts"])


def test_bad_input_writes_nothing(tmp_path):
    x = Tensor(np.ones(2), requires_grad=True)
    path = tmp_path / "page.html"
    for loss, message in (
        (x, "player: this tensor is a leaf"),
        (Tensor(np.ones(2)) * 2, "player: this tensor requires no gradient"),
        (x * 2, "starts from one number"),
    ):
        with pytest.raises(RuntimeError, match=message):
            player(loss, path)
    walked = (x * 2).sum()
    walked.backward()
    with pytest.raises(RuntimeError, match="player: this graph was walked and released"):
        player(walked, path)
    with no_grad(), pytest.raises(RuntimeError, match="inside no_grad"):
        player(lambda: (x * 2).sum(), path)
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_written_is_refused_before_the_walk(tmp_path):
    x = Tensor(np.ones(2), requires_grad=True)
    file = tmp_path / "a file"
    file.write_text("kept")
    for path, error in (
        (tmp_path, IsADirectoryError),
        (file / "page.html", OSError),
        (tmp_path / ("n" * 300), OSError),
    ):
        with pytest.raises(error, match="player: "):
            player((x * 2).sum(), path)
    assert x.grad is None
    assert file.read_text() == "kept"


def test_a_page_that_is_there_stays_when_the_walk_fails(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("earlier")
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(RuntimeError, match="must return"):
        player(record(x.data.sum(keepdims=True), (x,), lambda G: None).sum(), path)
    assert path.read_text() == "earlier"


def test_a_trace_shows_itself_in_a_notebook():
    html = trace(network())._repr_html_()
    assert html.startswith("<iframe srcdoc=")
    assert "&lt;!DOCTYPE html&gt;" in html


# --- folding ---


def labels(parts):
    return [part.label if isinstance(part, Fold) else part for part in parts]


def rows_in(parts):
    return [row for part in parts for row in (rows_in(part.parts) if isinstance(part, Fold) else [part])]


def test_modules_fold():
    seen = trace(network())
    assert labels(fold(seen)) == ["layers.0", 5, "layers.2", 7, 8, 9, 10]
    assert fold(seen)[0].parts == [0, 1, 4]  # the parameters stand before the step that uses them


def test_modules_in_modules_fold():
    nn.manual_seed(0)
    block = nn.Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)))
    model = nn.Sequential(nn.Linear(4, 4), block)
    parts = fold(trace(lambda: model(X).mean()))
    assert labels(parts)[:2] == ["layers.0", "layers.1"]
    assert labels(parts[1].parts)[0] == "layers.1.body"
    assert [label for label in labels(parts[1].parts[0].parts) if isinstance(label, str)] == [
        "layers.1.body.layers.0",
        "layers.1.body.layers.2",
    ]


def test_repetitions_over_time_fold():
    seen = trace(unrolled())
    parts = fold(seen)
    assert labels(parts)[:4] == [0, 1, 2, "SimpleRNNCell: 100 x 5 steps"]
    assert len(parts[3].parts) == 100
    assert [seen.rows[row].op for row in rows_in(parts[3].parts[7].parts)] == ["matmul", "matmul", "add", "add", "tanh"]


def test_two_nested_loops_and_one_operation_again_and_again():
    x = Tensor(np.ones(2), requires_grad=True)

    def loss():
        y = x
        for _ in range(5):
            for _ in range(8):
                y = y + 1
            y = ops.sin(y)
        return y.sum()

    parts = fold(trace(loss))
    assert rows_in(parts) == list(range(47))
    assert any(isinstance(part, Fold) and "x add" in part.label for part in parts)


def test_what_stands_before_a_repetition_stays_outside_and_nothing_need_follow():
    x = Tensor(np.ones(2), requires_grad=True)

    def loss():
        y = ops.exp(x.sum())
        for _ in range(10):
            y = ops.tanh(y)
        return y

    assert labels(fold(trace(loss))) == [0, 1, 2, "tanh: 10 x tanh"]


@pytest.mark.parametrize("make", [network, unrolled, with_sequences, short_chain])
def test_folding_keeps_every_row_once_and_steps_in_order(make):
    seen = trace(make())
    rows = rows_in(fold(seen))
    assert sorted(rows) == list(range(len(seen.rows)))
    steps = [row for row in rows if not isinstance(seen.rows[row], Leaf)]
    assert steps == sorted(steps)
    assert len(data_of(seen, "")["rows"]) == len(rows)


def test_two_walks_of_one_network_are_two_pages(tmp_path):
    loss = network()
    with inspection.watch():
        first = loss()
    path = player(first, tmp_path / "a.html")
    assert path.exists()
    with pytest.raises(RuntimeError, match="released"):
        player(first, tmp_path / "b.html")

"""`inspection.explain` and `detect_anomaly`: that they name the cause."""

import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, inspection, nn, no_grad, ops
from tinygrad_edu import tensor as engine
from tinygrad_edu.inspection import AnomalyError, detect_anomaly, explain, trace
from tinygrad_edu.tensor import record

RNG = np.random.default_rng(0)
X = Tensor(RNG.normal(size=(32, 4)).astype(np.float32))
Y = Tensor(RNG.normal(size=(32, 1)).astype(np.float32))


def findings(loss):
    return explain(loss).findings


def mlp(middle=None):
    nn.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), middle or nn.ReLU(), nn.Linear(8, 1))


def line_of(code):
    """The number of the line of this file that holds a piece of code, followed by the mark that the test put there."""
    with open(__file__, encoding="utf-8") as file:
        return next(n for n, line in enumerate(file, 1) if line.rstrip().endswith(f"# {code}"))


# --- the diagnosis ---


def test_nothing_wrong():
    model = mlp()
    first, *rest = findings(lambda: ops.mse(model(X), Y))
    assert first == (
        "Nothing is wrong that this would see: every number is finite, and a gradient reached each leaf of this "
        "graph, 4 in all."
    )
    assert [sentence.split()[:2] for sentence in rest] == [["The", "tape"], ["The", "4"]]


def test_a_relu_that_is_never_on():
    model = mlp()
    model.layers[0].bias.data[:] = -50
    relu, first, second, *_ = findings(lambda: ops.mse(model(X), Y))
    assert relu.startswith("A ReLU is never on: step 2, relu (layers.1, test_explain.py:")
    assert "gives 0 in 8 of 8 units for all 32 items" in relu
    assert re.fullmatch(
        r"No gradient for layers.0.weight, layers.0.bias. Why: it is 0 everywhere, and becomes so in step 2, relu .*\.",
        first,
    )
    assert second.endswith("whose x is 0 everywhere.")
    assert "layers.2.weight" in second


def test_units_that_are_off_for_one_item_alone_are_no_finding():
    model = mlp()
    assert not any("ReLU" in sentence for sentence in findings(lambda: ops.mse(model(X[:1]), Y[:1])))


def test_a_graph_that_was_not_watched_says_so():
    w = Tensor(np.ones(2), requires_grad=True)
    first, *_ = findings((w * 2).sum())
    assert first.startswith("Nothing is wrong that this would see")
    assert first.endswith(
        "What was cut off from it shows only where the forward was watched: hand over a function "
        "that computes the loss."
    )


def test_zeros_of_a_factor_that_stands_twice():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    first, *_ = findings(lambda: (w * w * 0).sum())
    assert re.fullmatch(
        r"No gradient for w. Why: it is 0 everywhere, and becomes so in step 1, mul \(.*\), whose b is 0 everywhere\.",
        first,
    )


def test_a_walk_that_begins_with_0():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    first, *_ = explain(lambda: w.sum(), gradient=np.array(0.0)).findings
    assert first == "No gradient for w. Why: the gradient that the walk began with is 0."


def without_backward(w):
    return record(2 * w.data, (w,), lambda G: (None,))


def test_an_operation_that_sends_none_back():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    first, *_ = findings(lambda: without_backward(w).sum())
    assert first == "No gradient for w. Why: the steps that used it returned None for it."
    explanation = explain(lambda: (without_backward(w) + w).sum(), w)  # the other path brings all
    assert explanation.title == "dL/d(w), shape (2,): norm 1.414, from 1 to 1"
    assert [part.title for part in explanation.parts[1:]] == [
        "Path 1 of 2, which contributes 1.414:",
        "Path 2 of 2, which contributes 0:",
    ]
    alone = explain(lambda: without_backward(w).sum(), w)
    assert alone.title == "dL/d(w), shape (2,)"  # it has none
    assert len(alone.findings) == 1


class Cut(nn.Module):
    def __init__(self, cut):
        self.encoder, self.decoder, self.idle = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(3, 3)
        self.cut = cut

    def forward(self, x):
        return self.decoder(self.cut(ops.tanh(self.encoder(x))))  # cut


@pytest.mark.parametrize("cut", [lambda h: h.detach(), lambda h: Tensor(h.data), lambda h: Tensor(h.numpy())])
def test_a_detached_parameter(cut):
    model = Cut(cut)
    encoder, idle, *_ = findings(lambda: ops.mse(model(X), Y))
    place = f"test_explain.py:{line_of('cut')}"
    assert encoder == (
        "No gradient for encoder.weight, encoder.bias. Why: the loss was not computed from what linear "
        f"(encoder, {place}) computed: the result of tanh (Cut, {place}) lost its history, by .detach(), .data or "
        f".numpy(), before linear (decoder, {place}) used its values."
    )
    assert idle.startswith("No gradient for idle.weight, idle.bias. Why: no operation used it in this forward")


def test_a_frozen_parameter_and_one_inside_no_grad():
    model = mlp()
    model.layers[2].bias.requires_grad = False

    def loss():
        with no_grad():
            h = model.layers[0](X)
        return ops.mse(model.layers[2](ops.relu(h)), Y)

    with inspection.watch():
        model(X)  # so that the network is known as one
        result = loss()
    text = "\n".join(explain(result).findings)
    assert "No gradient for layers.2.bias. Why: frozen, requires_grad is False." in text


def test_only_inside_no_grad():
    layer, last = nn.Linear(4, 8), nn.Linear(8, 1)

    class Net(nn.Module):
        def __init__(self):
            self.layer, self.last = layer, last

        def forward(self, x):
            with no_grad():
                h = self.layer(x)
            return self.last(h)

    net = Net()
    first, *_ = findings(lambda: ops.mse(net(X), Y))
    assert "No gradient for layer.weight, layer.bias" in first
    assert "ran inside no_grad()" in first


def test_the_first_nan_of_the_forward():
    w = Tensor(np.ones((4, 1), np.float32), requires_grad=True)

    def loss():
        return (ops.log(X @ w) * Y).mean()  # nan

    with np.errstate(invalid="ignore"):
        first, *_ = findings(loss)
    place = f"test_explain.py:{line_of('nan')}"
    assert re.match(rf"The first \d+ NaN of 32 numbers came up in the forward: step 2, log \({place}\)", first)
    assert ", where a lay between -" in first
    assert first.endswith("The line: return (ops.log(X @ w) * Y).mean()  # nan")


def test_a_nan_that_was_there_before():
    w = Tensor(np.array([1.0, np.nan]), requires_grad=True)
    first, *_ = findings(lambda: (w * 2).sum())
    assert (
        first == "The first 1 NaN of 2 numbers are in the leaf w, before any operation: where do its values come from?"
    )


def log_of_both(a, b):
    return record(np.log(np.concatenate([a.data, b.data])), (a, b), lambda G: (G[: len(a.data)], G[len(a.data) :]))


def test_an_empty_input_has_no_range_to_tell():
    empty, negative = (Tensor(X, requires_grad=True) for X in (np.zeros(0), np.array([-1.0, -2.0])))
    first, *_ = findings(lambda: log_of_both(empty, negative).sum())
    assert first.startswith("The first 2 NaN of 2 numbers came up in the forward: step 1, log_of_both")
    assert "computed them, where b lay between -2 and -1. The line:" in first


def test_an_infinity_of_the_backward():
    w = Tensor(np.array([0.0, 4.0]), requires_grad=True)
    with np.errstate(divide="ignore"):
        first, *_ = findings(lambda: ops.sqrt(w).sum())
    assert first.startswith(
        "All values of the forward are finite; the first 1 infinite of 2 numbers came up in the back"
    )
    assert "step 1, sqrt" in first


def unrolled(factor):
    nn.manual_seed(0)
    cell = nn.SimpleRNNCell(2, 8)
    cell.recurrent_kernel.data *= factor
    cell.kernel.data *= 1e-3
    inputs = Tensor(RNG.normal(size=(100, 4, 2)).astype(np.float32))

    def loss():
        h = Tensor(np.zeros((4, 8), np.float32))
        for t in range(100):
            _, h = cell(inputs[t], h)
        return h.sum()

    return cell, loss


@pytest.mark.parametrize(("factor", "verb", "rate"), [(0.7, "dies out", "0.9"), (1.2, "explodes", "1.0")])
def test_gradients_that_die_out_or_explode(factor, verb, rate):
    _, loss = unrolled(factor)
    first, *_ = findings(loss)
    assert first.startswith(f"The gradient {verb}: |G| goes from ")
    assert f", times {rate}" in first


def test_what_holds_the_memory():
    model = mlp()
    big = Tensor(np.zeros((10_000, 4), np.float32))
    held = next(s for s in findings(lambda: model(big).mean()) if s.startswith("The tape held"))
    assert held.startswith("The tape held 680.0 kB; most of it: step 2, relu (layers.1, ")


# --- the tables ---


def test_the_table_agrees_with_the_trace():
    model = mlp()
    seen = trace(lambda: ops.mse(model(X), Y))
    explanation = explain(seen)
    steps, leaves = explanation.parts
    assert [row[:4] for row in steps.rows] == [
        ("0", "mse", "", "()"),
        ("1", "linear", "layers.2", "(32, 1)"),
        ("2", "relu", "layers.1", "(32, 8)"),
        ("3", "linear", "layers.0", "(32, 8)"),
    ]
    for row, step in zip(steps.rows, seen):
        assert row[4] == f"{step.gradient.norm:.3g}"
        assert row[5] == ", ".join(f"{x.name} {x.gradient.norm:.3g}" for x in step.inputs if x.gradient)
    for row, leaf in zip(leaves.rows, seen.leaves):
        assert row[:3] == (leaf.label, str(leaf.value.shape), f"{leaf.gradient.norm:.3g}")
    assert str(explanation) == repr(explanation)
    assert all(sentence in str(explanation) for sentence in explanation.findings)


def test_a_long_table_is_cut_in_the_middle():
    x = Tensor(np.ones(2), requires_grad=True)

    def loss():
        y = x
        for _ in range(200):
            y = y + 1
        return y.sum()

    text = str(explain(loss))
    assert "... 141 not shown" in text
    assert len(text.splitlines()) < 90
    assert "not shown" not in explain(loss).text(most=1000)


def test_html_is_escaped():
    class Evil(nn.Module):
        def __init__(self):
            self.parts_by_name = {"</script><b>": nn.Linear(4, 1)}

        def forward(self, x):
            return self.parts_by_name["</script><b>"](x)

    model = Evil()
    html = explain(lambda: ops.mse(model(X), Y))._repr_html_()
    assert "<b>" not in html
    assert "&lt;/script&gt;&lt;b&gt;" in html
    assert "<table" in html


# --- one tensor ---


def test_why_a_gradient_is_what_it_is():
    x = Tensor(np.array(3.0), requires_grad=True)
    y = Tensor(np.array(2.0), requires_grad=True)
    explanation = explain(lambda: x * y + x * x, x)  # 2 + 3 + 3
    added, *paths = explanation.parts
    assert added.title == "It is the sum of 3 gradients:"
    assert [row[-1] for row in added.rows] == ["3", "3", "2"]
    assert [part.title for part in paths] == [
        "Path 1 of 3, which contributes 3:",
        "Path 2 of 3, which contributes 3:",
        "Path 3 of 3, which contributes 2:",
    ]
    assert [row[1] for row in paths[2].rows] == ["x 1", "x 2"]
    assert explanation.findings[1] == "The paths' gradients add up to it: no entry is off by more than 0.0e+00."
    assert x.grad == 8


def test_a_factor_has_a_sign_where_it_is_one_number():
    x = Tensor(np.array(3.0), requires_grad=True)
    _, path = explain(lambda: -x * 2, x).parts
    assert [row[1] for row in path.rows] == ["x 2", "x -1"]


def test_an_entry_is_followed():
    w = Tensor(np.array([[1.0, 2.0]]), requires_grad=True)
    explanation = explain(lambda: (w * w + w).sum(), w, entry=(0, 1))
    assert explanation.title.endswith("entry (0, 1) is 5")
    assert [row[-1] for row in explanation.parts[0].rows] == ["1", "2", "2"]
    assert [part.title for part in explanation.parts[1:]] == [
        f"Path {i} of 3, which contributes {n} to the entry; below, norms of the whole:"
        for i, n in ((1, 1), (2, 2), (3, 2))
    ]


def test_paths_through_an_unrolled_cell():
    cell, loss = unrolled(1.0)
    explanation = explain(loss, cell.recurrent_kernel)
    assert explanation.parts[0].title == "It is the sum of 100 gradients:"
    assert explanation.parts[1].title.startswith("Path 1 of 100, ")
    assert len(explanation.parts) == 1 + 8
    assert explanation.findings[1].startswith("92 further paths are not shown")


def test_paths_through_an_operation_with_several_results():
    nn.manual_seed(0)
    lstm = nn.LSTM(4, 3, return_sequences=True, return_state=True)
    x = Tensor(RNG.normal(size=(2, 5, 4)).astype(np.float32))

    def loss():
        outputs, (h, c) = lstm(x)
        return outputs.sum() + (h * c).sum()

    explanation = explain(loss, lstm.kernel)
    assert explanation.parts[1].title.startswith("Path 1 of 3, ")
    off = float(explanation.findings[1].rsplit(" ", 1)[1].rstrip("."))
    assert off < 1e-5


def test_a_result_in_the_middle():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x * 3
    explanation = explain((y * y).sum(), y)
    assert explanation.title.startswith("dL/d(the result of mul), shape (2,)")
    assert explanation.parts[0].title == "It is the sum of 2 gradients:"


def test_the_loss_itself():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    loss = (x * 3).sum()
    explanation = explain(loss, loss)
    assert explanation.title == "dL/d(the result of sum), shape (): norm 1, from 1 to 1"
    assert [part.title for part in explanation.parts] == ["It is the loss.", "Path 1 of 1, which contributes 1:"]
    assert explanation.parts[1].rows == []


def test_retain_grad_is_not_fooled_by_the_paths():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x * 3
    y.retain_grad()
    explain((y * y).sum(), x)
    np.testing.assert_array_equal(y.grad, [6, 12])


def test_bad_input():
    x, other = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    with pytest.raises(RuntimeError, match="explain: this tensor is a leaf"):
        explain(x)
    with pytest.raises(ValueError, match="no gradient comes to this tensor"):
        explain((x * 2).sum(), other)
    for entry in ((5,), (0, 0), ()):
        with pytest.raises(ValueError, match=r"a tensor of shape \(2,\) has no entry"):
            explain((x * 2).sum(), x, entry=entry)
    with pytest.raises(TypeError, match="hand over the loss, not a trace"):
        explain(trace((x * 2).sum()), x)
    with pytest.raises(RuntimeError, match="starts from one number"):
        explain(x * 2, x)


# --- anomalies ---


def test_an_anomaly_of_the_forward():
    w = Tensor(np.ones((4, 1), np.float32), requires_grad=True)
    with np.errstate(invalid="ignore"), detect_anomaly(), pytest.raises(AnomalyError) as caught:
        ops.log(X @ w)  # forward
    assert re.match(r"log computed \d+ NaN and 0 infinite of 32 numbers of shape \(32, 1\), the", str(caught.value))
    assert f"{__file__}:{line_of('forward')}: ops.log(X @ w)  # forward" in str(caught.value)


def test_an_anomaly_inside_no_grad_too():
    with np.errstate(divide="ignore"), detect_anomaly(), no_grad(), pytest.raises(AnomalyError, match="log computed"):
        ops.log(Tensor([0.0]))


def test_an_anomaly_of_the_backward():
    w = Tensor(np.array([0.0, 4.0]), requires_grad=True)
    with np.errstate(divide="ignore"), detect_anomaly():
        y = ops.sqrt(w)  # backward
        with pytest.raises(AnomalyError) as caught:
            y.sum().backward()
    assert str(caught.value).startswith("the backward of sqrt sent back 0 NaN and 1 infinite of 2 numbers")
    assert f":{line_of('backward')}: y = ops.sqrt(w)" in str(caught.value)
    assert w.grad is None


def test_an_input_that_holds_it_already_is_named():
    with detect_anomaly(), pytest.raises(AnomalyError, match="It was in an input already"):
        Tensor([np.nan]) * 2


def test_without_an_anomaly_nothing_changes():
    model = mlp(nn.Tanh() if hasattr(nn, "Tanh") else ops.tanh)
    ops.mse(model(X), Y).backward()
    expected = [p.grad for p in model.parameters()]
    model.zero_grad()
    with detect_anomaly(), inspection.watch():
        loss = ops.mse(model(X), Y)
        assert loss.op == "mse"
        seen = trace(loss)
    assert engine.observer is None
    for p, g in zip(model.parameters(), expected):
        np.testing.assert_array_equal(p.grad, g)
    assert seen[0].place.line


def test_an_entry_of_a_large_tensor():
    x = Tensor(np.full((400, 400), 3.0), requires_grad=True)
    found = inspection.explain((x * x).sum(), x, entry=(0, 0))
    assert "entry (0, 0) is 6" in found.title
    assert [row[-1] for row in found.parts[0].rows] == ["3", "3"]

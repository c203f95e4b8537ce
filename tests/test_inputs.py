"""Bad input gets one clear error of ours, or works: the slips that people make, and a sample of `proof/inputs.py`."""

import os
import random

import numpy as np
import pytest
from proof import bad_flags, inputs

import models.sine_rnn
from tinygrad_edu import (
    Tensor,
    backend,
    checks,
    data,
    gradcheck,
    manual_seed,
    metrics,
    nn,
    ops,
    optim,
    plots,
    textbook,
    training,
)  # fmt: skip
from tinygrad_edu.nn import init

X = Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
IMAGES = Tensor(np.ones((2, 4, 4, 3), np.float32))
P = [nn.Parameter(1.0)]
RNG = np.random.default_rng(0)

WORKS = {
    "an array instead of a tensor": (lambda: ops.exp(np.zeros(2)).data.tolist(), [1.0, 1.0]),
    "a list of axes": (lambda: ops.sum(X, axis=[0, 1]).item(), 15.0),
    "a list of axes to insert": (lambda: ops.expand_dims(X, [0, 3]).shape, (1, 2, 3, 1)),
    "NumPy's number of pieces": (lambda: [y.shape for y in ops.split(X, np.int64(2))], [(1, 3)] * 2),
    "an array of cuts": (lambda: [y.shape for y in ops.split(X, np.array([1, 2]), 1)], [(2, 1)] * 3),
    "NumPy's axis": (lambda: ops.softmax(X, np.int8(1)).data.sum(), pytest.approx(2)),
    "a list for a kernel's size": (lambda: nn.Conv2d(3, 4, [3, 1]).weight.shape, (3, 1, 3, 4)),
    "1 for True": (lambda: ops.sum(X, keepdims=1).shape, (1, 1)),
    "NumPy's True": (lambda: ops.mean(X, 0, np.True_).shape, (1, 3)),
    "minus infinity around": (lambda: ops.pad(X, 1, -np.inf).data[0, 0], -np.inf),
    "infinity as a limit": (lambda: optim.clip_grad_norm(P, np.inf), 0.0),
}

REFUSED = {
    "half an axis": (lambda: ops.sum(X, axis=0.5), TypeError, "sum: axis must be None, a whole number or .*, got 0.5"),
    "True as an axis": (lambda: ops.sum(X, axis=True), TypeError, "sum: axis must be .* got True"),
    "a word as a flag": (lambda: ops.sum(X, keepdims="no"), TypeError, "sum: keepdims must be True or False, got 'no'"),
    "too large for a float": (lambda: X * 10**400, OverflowError, r"mul: 1000+ is too large for float32"),
    "compared with such": (lambda: X < 10**400, OverflowError, r"<: 1000+ is too large for float32"),
    "to the power of such": (lambda: X**10**400, OverflowError, "pow: the exponent 1000+ is too large for float32"),
    "more digits than Python writes": (lambda: X + 10**5000, OverflowError, "add: something of int is too large"),
    "pieces that are no number": (lambda: ops.split(X, 1.5), ValueError, "split: sections must be a whole number >= 1"),
    "cuts at halves": (lambda: ops.split(X, [0.5]), TypeError, r"split: sections must be .* got \[0.5\]"),
    "0 sizes of three axes": (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, r"Conv2d: size must .* got \(3, 3, 3\)"),
    "a stride of 0, when it is made": (lambda: nn.MaxPool2d(2, 0), ValueError, "MaxPool2d: stride must be .*, got 0"),
    "padding misspelt, when it is made": (lambda: nn.Conv2d(3, 4, padding="smae"), ValueError, "Conv2d: padding must "),
    "negative padding": (lambda: nn.Conv2d(3, 4, padding=-1), ValueError, "Conv2d: padding must be 'same', .* got -1"),
    "0 units": (lambda: nn.LSTM(3, 0), ValueError, "LSTM: units must be a whole number >= 1, got 0"),
    "True units": (lambda: nn.LSTM(3, True), ValueError, "LSTM: units must be a whole number >= 1, got True"),
    "2.0 outputs": (lambda: nn.Linear(3, 2.0), ValueError, "Linear: outputs must be a whole number >= 1, got 2.0"),
    "too many inputs": (lambda: nn.Linear(10**30, 2), ValueError, r"Linear: inputs must be .* below 2\^31, got 1000"),
    "a word as a bias": (lambda: nn.Linear(3, 2, bias="no"), TypeError, "Linear: bias must be True or False"),
    "a seed for a generator": (lambda: nn.Dropout(0.5, 7), TypeError, r"Dropout: rng must be a .*default_rng\(seed\)"),
    "p above 1": (lambda: nn.Dropout(1.5), ValueError, "Dropout: p is a probability, 0 <= p < 1; got 1.5"),
    "a state of lists": (lambda: nn.LSTM(3, 2)(X[None], ([0], [0])), TypeError, r"LSTM: expected the state as a pair"),
    "one sequence alone": (lambda: nn.LSTM(3, 2)(X), ValueError, r"LSTM: expected x of shape \(N, T, D\), got "),
    "a shape with a half": (lambda: init.zeros((2, 0.5)), ValueError, "zeros: shape must be a tuple of whole numbers"),
    "a shape without end": (lambda: init.zeros((10**6,) * 3), ValueError, "zeros: shape must be .* that fits into"),
    "NaN as a rate": (lambda: optim.SGD(P, np.nan), ValueError, "SGD: lr must be a finite number >= 0, got nan"),
    "True as a rate": (lambda: optim.Adam(P, True), ValueError, "Adam: lr must be a finite number >= 0, got True"),
    "one beta": (lambda: optim.Adam(P, betas=0.9), ValueError, r"Adam: betas must be two numbers, .* got 0.9"),
    "a network for its parameters": (
        lambda: optim.SGD(nn.Linear(1, 1)), TypeError, r"SGD: parameters must be .* model.parameters\(\), got Linear"
    ),
    "labels of floats": (lambda: metrics.accuracy(X, [0.0, 1.0]), TypeError, "accuracy: labels must be integers"),
    "labels out of range": (lambda: ops.softmax_cross_entropy(X, [0, 3]), ValueError, r"labels must lie in 0\.\.2"),
    "an empty batch": (lambda: ops.mse(X[:0], X[:0]), ValueError, "mse: expected two equal, non-empty shapes"),
    "complex numbers": (lambda: ops.exp(np.ones(2, complex)), TypeError, "exp: a tensor holds real numbers"),
    "objects": (lambda: X + np.array([None]), TypeError, "add: a tensor holds real numbers"),
    "no dtype": (lambda: X.astype("flaot32"), TypeError, "astype: dtype must be .* such as 'float32', got 'flaot32'"),
    "no index": (lambda: X[0.5], IndexError, r"getitem: 0.5 is no index for the shape \(2, 3\)"),
    "limits of another shape": (lambda: ops.clip(X, np.zeros(2), None), ValueError, "clip: shapes .* do not broadcast"),
    "the truth of several": (lambda: bool(X), ValueError, r"bool\(\) of a tensor of shape \(2, 3\)"),
    "the number of several": (lambda: float(X), ValueError, r"item\(\) of a tensor of shape \(2, 3\)"),
    "no format": (lambda: f"{Tensor(1.0):.q}", ValueError, "format: '.q' is no format for a number"),
    "minus a boolean": (lambda: -Tensor([True]), TypeError, "neg: booleans have no negative"),
    "a batch of 2.0": (lambda: data.batches(np.arange(3), batch_size=2.0), ValueError, "batches: batch_size must be"),
    "lists for arrays": (lambda: data.batches([1, 2], batch_size=1), TypeError, "batches: arrays must be NumPy arrays"),
    "half a window": (lambda: data.TextWindows(np.arange(9), 1.5), ValueError, "TextWindows: length must be a whole"),
    "a scale without width": (lambda: data.MinMaxScaler(1, 1), ValueError, "MinMaxScaler: low must be less than high"),
    "a number for f": (lambda: gradcheck.gradcheck(1, np.ones(2)), TypeError, "gradcheck: f must be a function, got 1"),
    "a tensor in a picture": (
        lambda: plots.image_grid(None, nn.Parameter(X.data), ["a", "b"], "t"), TypeError, "image_grid: images must be"
    ),
    "a word as a slope": (lambda: ops.leaky_relu(X, "steep"), TypeError, "leaky_relu: expected slope as a number"),
    "an infinite slope": (lambda: ops.elu(X, np.inf), ValueError, "elu: alpha must be a finite number, got inf"),
    "a seed below 0": (lambda: manual_seed(-1), ValueError, "manual_seed: seed must be a whole number >= 0, got -1"),
    "an array without axes": (lambda: optim.SGD(np.array(1.0)), TypeError, r"SGD: parameters must be .*got array\(1"),
    "a row that is not there": (
        lambda: backend.scatter_add(np.zeros(2), np.array([2]), 1.0), IndexError, "scatter_add: .* index 2 is out of"
    ),
    "a number for items": (lambda: nn.Flatten()(Tensor(1.0)), ValueError, r"Flatten: expected items, x of shape \(N,"),
    "a matrix of three axes": (lambda: init.orthogonal((3, 3, 3)), ValueError, "orthogonal: shape must be that of a m"),
    "a step for a sequence": (
        lambda: nn.unroll(nn.GRUCell(3, 2), X), ValueError, r"unroll: expected x of shape \(N, T, D\) .* got \(2, 3\)"
    ),
    "a view of another dtype": (
        lambda: np.array(X, dtype=np.float64, copy=False), ValueError, "array of a Tensor: Unable to avoid copy"
    ),
    "half an axis to move": (lambda: ops.transpose(X, (0, 0.5)), TypeError, "transpose: axes must be whole numbers"),
    "half an axis to insert": (lambda: ops.expand_dims(X, 0.5), TypeError, "expand_dims: axis must be .* got 0.5"),
    "a frame of halves around whole numbers": (
        lambda: ops.pad(Tensor([1]), 1, 0.5), TypeError, "pad: expected value as a number that fits into int64, got 0.5"
    ),
    "a frame too large for a float": (lambda: ops.pad(X, 1, 10**400), TypeError, "pad: expected value .* float32, got"),
    "a frame without end": (lambda: ops.pad(X, 2**30), ValueError, "pad: widths .* fit into no computer"),
    "padding without end": (
        lambda: ops.max_pool2d(IMAGES, 2, padding=2**30), ValueError, "max_pool2d: padding 1073741824, .* no computer"
    ),
    "a stride without end": (
        lambda: ops.conv_transpose2d(IMAGES, np.ones((2, 2, 1, 3), np.float32), stride=2**30),
        ValueError, r"conv_transpose2d: an output of \(4294967296, 4294967296\) pixels fits into no computer",
    ),
    "one beta by the textbook": (
        lambda: textbook.optimizers.adam(*[np.ones(2)] * 4, 1, betas=0.9), ValueError, "adam: betas must be two numbers"
    ),
    "a step of whole numbers": (
        lambda: textbook.optimizers.sgd(np.ones(2), np.arange(2), None, 0.1), TypeError, "sgd: g must be an array of "
    ),
    "a step of another shape": (
        lambda: textbook.optimizers.sgd(np.ones(2), np.ones(3), None, 0.1), ValueError, r"sgd: g must be of p's shape "
    ),
    "facts that JSON does not know": (
        lambda: training.save_weights("a.safetensors", nn.Linear(1, 1), {"a": {1}}), TypeError, "save_weights: facts "
    ),
    "a figure of words": (
        lambda: training.fit(lambda x: {"loss": "low"}, lambda: [(X,)], 1), ValueError, "fit: a figure .* 'low'"
    ),
    "a bar over a number": (
        lambda: training.progress_bar(5, "a"), TypeError, "progress_bar: items must be .*, got 5"
    ),
    "images without colours": (
        lambda: data.augment(np.ones((2, 4, 4)), RNG), ValueError, r"augment: images must be of shape \(N, H, W, C\)"
    ),
    "a shift without end": (
        lambda: data.augment(IMAGES.data, RNG, 2**30), ValueError, "augment: shift must be .* fits .*, got 1073741824"
    ),
    "a stage without a shape": (
        lambda: plots.draw_architecture(None, ["input"], "t"), ValueError, r"draw_architecture: each of stages must be"
    ),
    "one loss for two": (
        lambda: plots.train_and_validation(None, [0, 1], ([1, 2],), ([1, 2], [1, 2]), "t"), ValueError,
        r"train_and_validation: losses must be two lists of values, \(training, validation\), got",
    ),
    "epochs in a table": (
        lambda: plots.training_curves(None, np.ones((2, 2)), {"a": [1.0, 2.0]}, "loss", "t"), ValueError,
        "training_curves: epochs must be a list of epoch numbers",
    ),
    "y without x": (
        lambda: plots.series(None, {"a": [1.0, 2.0, 3.0]}, "t", "x", "y"), ValueError,
        r"series: curve 'a' must be two arrays, \(x, y\), got \[1.0, 2.0, 3.0\]",
    ),
    "one logarithmic axis": (
        lambda: plots.series(None, {"a": ([1.0], [2.0])}, "t", "x", "y", logarithmic="x"), TypeError,
        "series: logarithmic must be True or False",
    ),
    "ticks without labels": (
        lambda: plots.series(None, {"a": ([1.0], [2.0])}, "t", "x", "y", ticks=[1]), ValueError,
        "series: ticks must be positions and labels",
    ),
    "ticks and more labels": (
        lambda: plots.series(None, {"a": ([1.0], [2.0])}, "t", "x", "y", ticks=([1], ["a", "b"])), ValueError,
        r"series: ticks need a label for each position; got \(1,\) and 2",
    ),
    "images of two channels": (
        lambda: plots.prediction_rows(None, np.ones((1, 4, 4, 2), np.uint8), [0], [[1.0]], ["a"], "t"), ValueError,
        r"prediction_rows: images must be of shape \(N, H, W, 3\) or \(N, H, W\), got \(1, 4, 4, 2\)",
    ),
    "a label without a class": (
        lambda: plots.prediction_rows(None, np.ones((1, 4, 4), np.uint8), [1], [[1.0]], ["a"], "t"), ValueError,
        r"prediction_rows: labels must lie in 0\.\.0",
    ),
    "a loss below 0": (
        lambda: plots.clipping(None, {"a": [-1.0]}, {"a": [1.0]}, "t"), ValueError,
        "clipping: losses of 'a' must be finite numbers >= 0",
    ),
    "a table that is an array": (
        lambda: plots.number_tables(None, np.ones((2, 2)), "t"), TypeError, "number_tables: tables must be a dict"
    ),
    "a table with three axes": (
        lambda: plots.number_tables(None, {"A": np.ones((2, 2, 2))}, "t"), ValueError,
        r"number_tables: 'A' must be finite numbers \(R, C\) or \(C,\), got \(2, 2, 2\)",
    ),
    "a table with a gap": (
        lambda: plots.number_tables(None, {"A": [1.0, np.nan]}, "t"), ValueError, "number_tables: 'A' must be finite"
    ),
    "no table": (lambda: plots.number_tables(None, {}, "t"), ValueError, "number_tables: nothing to draw"),
    "a table wider than the page": (
        lambda: plots.number_tables(None, {"A": np.ones((2, 50))}, "t"), ValueError,
        "number_tables: 8.3 inches of tables; a page is 6.3 inches wide",
    ),
    "no graph": (lambda: plots.small_graphs(None, {}, "t"), ValueError, "small_graphs: nothing to draw"),
    "an arrow without a text": (
        lambda: plots.small_graphs(None, {"g": plots.Graph({"x": plots.Node((0.5, 0.5), "x")}, [("x", "x")])}, "t"),
        ValueError, r"small_graphs: an arrow must be \(from, to, text\), got \('x', 'x'\)",
    ),
    "a node off the page": (
        lambda: plots.small_graphs(None, {"g": plots.Graph({"x": plots.Node((0.5, 2.0), "x")}, [])}, "t"),
        ValueError, "small_graphs: the place of node 'x' must be two numbers from 0 to 1",
    ),
    "an arrow to nowhere": (
        lambda: plots.small_graphs(
            None, {"g": plots.Graph({"x": plots.Node((0.5, 0.5), "x")}, [("x", "z", "")])}, "t"
        ), ValueError, "small_graphs: an arrow from 'x' to 'z', and one of them is no node",
    ),
    "a picture of no kind": (
        lambda: plots.unrolled_network("a.words", 2, "GRU", 1, "t"), ValueError, "plots: .* end in .png, .pdf or .svg"
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", WORKS)
def test_what_is_meant_is_clear(slip):
    call, expected = WORKS[slip]
    assert call() == expected


@pytest.mark.parametrize("slip", REFUSED)
def test_a_slip_is_refused_by_name(slip):
    call, error, message = REFUSED[slip]
    with pytest.raises(error, match=message):
        call()


def test_a_layer_prints_what_it_was_given():
    assert "stride=[2, 1]" not in repr(nn.MaxPool2d(2, (2, 1)))  # as before: plain values and tuples
    assert "stride=(2, 1)" in repr(nn.MaxPool2d(2, (2, 1)))


class Rude:
    def __repr__(self):
        raise ZeroDivisionError


@pytest.mark.parametrize("value", [10**5000, Rude()], ids=["a number", "an object"])
def test_what_cannot_be_written_is_named_by_its_class(value):
    assert checks.shown(value) == f"something of {type(value).__name__}"


# --- the proof's own ---


def test_everything_public_has_a_valid_call():
    assert inputs.incomplete() == []


@pytest.mark.parametrize("name", inputs.TABLE)
def test_the_valid_calls_are_valid(name):
    inputs.TABLE[name]()()


def test_a_sample_of_bad_input():
    rng, failures = random.Random(5), []
    for name in rng.sample(sorted(inputs.TABLE), 40):
        make = inputs.TABLE[name]
        for case in rng.sample(inputs.cases_of(make(), 3, rng), 12):
            if "10**9" in str(case) or "1000000000" in str(case):
                continue  # not in this process, which has no limit of memory
            outcome = inputs.attempt(make, case)
            if outcome.kind not in inputs.GOOD:
                failures.append((inputs.spoken(name, case), outcome))
    assert failures == []


def raises_in_numpy(n):
    return np.zeros(n)


def raises_in_the_interpreter(n):
    return n < 1


def raises_without_a_name(n):
    return checks.whole("nobody", "n", n)


@pytest.mark.parametrize(
    ("function", "kind"),
    [(raises_in_numpy, "bare"), (raises_in_the_interpreter, "bare"), (raises_without_a_name, "nameless")],
)
def test_the_proof_sees_an_exception_that_is_not_ours(function, kind):
    make = lambda: inputs.Call(function, {"n": 1})  # noqa: E731
    assert inputs.attempt(make, (("n", "'words'"),)).kind == kind


def hangs(n):
    while n is None:
        pass


def crashes(n):
    if n is None:
        os._exit(3)


@pytest.mark.parametrize(("function", "kind"), [(hangs, "hang"), (crashes, "crash")])
def test_the_proof_goes_on_after_a_hang_and_a_crash(function, kind, monkeypatch):
    monkeypatch.setattr(inputs, "SECONDS", 0.3)
    make = lambda: inputs.Call(function, {"n": 1})  # noqa: E731
    cases = [(("n", "True"),), (("n", "None"),), (("n", "True"),)]
    assert [outcome.kind for outcome in inputs.outcomes(make, cases)] == ["result", kind, "result"]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ([], "begins"),
        *((bad, "refused") for bad in (["--lr", "nan"], ["--units", "0"], ["--noise", "inf"], ["two\nlines"])),
        *(([flag, bad], "refused") for flag in ("--resume", "--data-dir") for bad in ("two\nlines", "\udc80")),
    ],
)
def test_a_flag_with_a_bad_value_is_told_in_a_line(arguments, kind, tmp_path):
    outcome, told = bad_flags.attempt(models.sine_rnn, ["--out", str(tmp_path), *arguments])
    assert (outcome, len(told.splitlines())) == (kind, kind == "refused")


def test_the_flags_are_found():
    assert {"--device", "--lr", "--units", "--patience", "--out"} <= set(bad_flags.flags_of(models.sine_rnn))

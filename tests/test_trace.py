"""`inspection.trace`: the walk as data, held against the walk itself."""

import gc
import threading

import numpy as np
import pytest

from tinygrad_edu import Tensor, inspection, nn, no_grad, ops
from tinygrad_edu import tensor as engine
from tinygrad_edu.gradcheck.cases import CASES
from tinygrad_edu.inspection import Leaf, Step, trace
from tinygrad_edu.inspection.formula import code_of
from tinygrad_edu.inspection.watch import BIRTHS, Place, users_place
from tinygrad_edu.tensor import record


class Network(nn.Module):
    """A bit of everything: a sequence, dropout, normalisation, a weight that is used three times."""

    def __init__(self):
        self.first = nn.Linear(5, 7)
        self.lstm = nn.LSTM(7, 4, return_sequences=True, return_state=True)
        self.rest = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3), nn.BatchNorm(3))

    def forward(self, x):
        outputs, (h, c) = self.lstm(ops.relu(self.first(x)))
        return self.rest(h + c) + outputs.mean() + (self.first.weight * self.first.weight).mean()


def network():
    nn.manual_seed(0)
    model = Network()
    rng = np.random.default_rng(0)
    x, y = Tensor(rng.normal(size=(6, 3, 5)).astype(np.float32)), np.arange(6) % 3
    return model, lambda: ops.softmax_cross_entropy(model(x), y)


def small():
    w = Tensor(np.array([[1.0, -2.0], [0.5, 3.0]]), requires_grad=True)
    x = Tensor(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    b = Tensor(np.array([0.5, 0.25]), requires_grad=True)
    return w, b, lambda: ((x @ w + b) ** 2).sum()


def test_gradients_are_those_of_backward_to_the_bit():
    model, loss = network()
    loss().backward()
    expected = {name: p.grad for name, p in model.named_parameters()}
    model, loss = network()
    seen = trace(loss, differences=2)
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad, expected[name])
        leaf = seen.rows[seen.leaf_rows[parameter]]
        assert leaf.name == name
        np.testing.assert_array_equal(leaf.gradient.values, expected[name])


def test_gradients_add_to_those_that_are_there():
    w, _, loss = small()
    w.grad = before = np.ones((2, 2))
    seen = trace(loss)
    np.testing.assert_array_equal(w.grad, before + seen.rows[seen.leaf_rows[w]].gradient.values)


def test_steps_come_in_the_order_of_the_walk_and_rows_in_that_of_birth():
    _w, _b, loss = small()
    seen = trace(loss)
    assert [step.op for step in seen] == ["sum", "pow", "add", "matmul"]
    assert [step.number for step in seen] == [0, 1, 2, 3]
    assert [row.row for row in seen.rows] == list(range(6))
    assert [row.label for row in seen.rows] == ["w", "b", "matmul", "add", "pow", "sum"]
    for row in seen.rows:
        assert all(x.row is None or x.row < row.row for x in getattr(row, "inputs", []))


def test_one_step_has_everything():
    w, b, loss = small()
    seen = trace(loss)
    add = seen[2]
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    G = 2 * (x @ w.data + b.data)
    assert add.formula == "Y = A + B.   dY/dA = dY/dB = 1,   so   dL/dA = G,   dL/dB = G."
    assert "return record(a.data + b.data, (a, b), backward)" in add.code
    assert add.code.startswith("def add(")
    assert '"""' not in add.code
    np.testing.assert_array_equal(add.gradient.values, G)
    np.testing.assert_array_equal(add.value.values, x @ w.data + b.data)
    product, bias = add.inputs
    assert (product.name, product.summed) == ("a", ())
    assert (bias.name, bias.summed) == ("b", (0,))
    np.testing.assert_array_equal(bias.gradient.values, G.sum(axis=0))
    assert (seen.rows[product.row].op, seen.rows[bias.row].label) == ("matmul", "b")
    assert add.place.file == __file__
    assert "@ w + b" in add.place.text
    assert 0 < add.seconds < 1
    assert seen[3].inputs[0].row is None
    np.testing.assert_array_equal(seen[3].inputs[0].value.values, x)
    assert seen[3].inputs[0].gradient is None


def test_where_paths_meet_both_addends_are_known():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    seen = trace(lambda: (ops.sin(x) * x + x).sum())
    leaf = seen.rows[seen.leaf_rows[x]]
    assert [(seen.rows[row].op, position) for row, position in leaf.arrived] == [("add", 1), ("mul", 1), ("sin", 0)]
    addends = [seen.rows[row].inputs[position].gradient.values for row, position in leaf.arrived]
    np.testing.assert_allclose(sum(addends), leaf.gradient.values)
    np.testing.assert_allclose(leaf.gradient.values, np.cos(x.data) * x.data + np.sin(x.data) + 1)


def test_one_tensor_as_both_operands_arrives_twice():
    x = Tensor(np.array(3.0), requires_grad=True)
    seen = trace(x * x)
    assert seen.rows[0].arrived == [(1, 0), (1, 1)]
    assert seen.rows[0].gradient.values == 6


def test_statistics():
    values = np.array([0.0, 1.0, -3.0, np.nan, np.inf, 0.0], np.float32)
    seen = inspection.trace(Tensor(values, requires_grad=True) * 1.0, Tensor(np.ones(6, np.float32)))
    value = seen.rows[0].value
    assert (value.nans, value.infinities, value.smallest, value.largest) == (1, 1, -3.0, 1.0)
    assert (value.mean, value.zeros, value.norm) == (-0.5, 2 / 6, 10**0.5)
    assert value.spread == pytest.approx(np.std([0, 1, -3, 0]))


@pytest.mark.parametrize("entries", [[1.0, np.nextafter(1, 2)], [0.0, 5e-324], [1.7e308, -1.7e308]])
def test_a_histogram_of_any_range(entries):
    x = Tensor(np.array(entries), requires_grad=True)
    value = trace(lambda: (x * 1.0).sum()).leaves[0].value
    assert value.bins[0] == value.bins[-1] == 1
    assert (value.smallest, value.largest) == (min(entries), max(entries))


def test_values_are_copies_up_to_the_limit():
    w, _b, loss = small()
    seen = trace(loss, keep=4)
    leaf = seen.rows[seen.leaf_rows[w]]
    w.data[:] = 0
    assert leaf.value.values[0, 0] == 1
    assert seen[2].value.values is None
    assert seen[2].value.largest == 8.5


def test_an_operation_with_several_results():
    _model, loss = network()
    seen = trace(loss)
    whole = next(row for row in seen.rows if isinstance(row, Step) and row.op == "lstm" and row.result is None)
    results = [row for row in seen.rows if isinstance(row, Step) and row.op == "lstm" and row.result is not None]
    assert [row.result for row in results] == [0, 1, 2]
    assert all(row.inputs[0].row == whole.row for row in results)
    assert sorted(row for row, _ in whole.arrived) == [row.row for row in results]
    np.testing.assert_array_equal(results[1].inputs[0].gradient.values, results[1].gradient.values)
    assert (whole.value, whole.gradient) == (None, None)
    assert [x.name for x in whole.inputs] == ["x", "W", "U", "b"]
    assert [x.gradient.shape for x in whole.inputs] == [(6, 3, 7), (7, 16), (4, 16), (16,)]


def test_modules_and_lines():
    _model, loss = network()
    seen = trace(loss)
    modules = {step.op: step.module for step in seen}
    assert modules["lstm"] == "lstm"
    assert modules["batch_norm"] == "rest.layers.2"
    assert modules["relu"] == "Network"
    assert modules["softmax_cross_entropy"] == ""
    assert all(step.place.file == __file__ and step.place.text for step in seen)
    assert {leaf.module for leaf in seen.leaves} == {"first", "lstm", "rest.layers.1", "rest.layers.2"}


def test_without_watching_the_rest_works():
    _w, _b, loss = small()
    seen = trace(loss())
    assert [step.op for step in seen] == ["sum", "pow", "add", "matmul"]
    assert {(step.place.file, step.place.line, step.module) for step in seen} == {("", 0, "")}
    assert {leaf.label for leaf in seen.leaves} == {"a leaf"}


def test_watch_is_for_what_is_computed_inside():
    _w, _b, loss = small()
    before = loss()
    with inspection.watch():
        inside = loss()
    assert engine.observer is None
    assert not trace(before)[0].place.line
    assert trace(inside)[0].place.line


def test_an_error_inside_leaves_nobody_watching():
    with pytest.raises(ZeroDivisionError), inspection.watch():
        raise ZeroDivisionError
    assert engine.observer is None


def test_two_threads_watch_their_own_and_leave_in_any_order():
    began, ended = threading.Barrier(2), threading.Event()
    results = {}

    def work(name, is_first):
        with inspection.watch():
            began.wait()
            results[name] = small()[2]()
            if not is_first:
                ended.wait()
        ended.set()

    threads = [threading.Thread(target=work, args=(name, name == "first")) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.observer is None
    first, second = (BIRTHS[results[name]].book for name in ("first", "second"))
    assert first is not second


def test_another_thread_is_not_checked():
    with inspection.detect_anomaly():
        thread = threading.Thread(target=lambda: done.append(Tensor(np.array([np.nan])) * 2.0))
        done = []
        thread.start()
        thread.join()
    assert done


def test_what_was_noted_goes_with_the_tensors():
    _w, _b, loss = small()
    with inspection.watch() as book:
        result = loss()
    gc.disable()
    try:
        assert result in BIRTHS
        births = len(BIRTHS)
        del result
        assert len(BIRTHS) < births
        assert book.uses
    finally:
        gc.enable()


def test_bytes_are_counted_once():
    x = Tensor(np.ones(1000, np.float32), requires_grad=True)
    seen = trace(lambda: ops.exp(x).reshape(10, 100).sum())
    assert {step.op: step.held for step in seen} == {"exp": 4000, "reshape": 0, "sum": 4}  # exp's output is its mask


def test_retained_graphs_can_be_walked_again():
    _w, _b, loss = small()
    result = loss()
    first = trace(result, retain_graph=True)
    second = trace(result)
    np.testing.assert_array_equal(first.rows[0].gradient.values, second.rows[0].gradient.values)
    with pytest.raises(RuntimeError, match="released"):
        trace(result)


def test_retain_grad_works_on():
    _w, _b, _loss = small()
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x * 3
    y.retain_grad()
    trace((y * y).sum())
    np.testing.assert_array_equal(y.grad, [6, 12])
    np.testing.assert_array_equal(x.grad, [18, 36])


def test_an_error_in_a_backward_leaves_the_graph_as_it_was():
    x = Tensor(np.array(1.0), requires_grad=True)
    wrong = record(x.data * 1, (x,), lambda G: None)
    y = wrong * 2
    backward = wrong._backward
    with pytest.raises(RuntimeError, match="must return"):
        trace(y)
    assert wrong._backward is backward
    assert x.grad is None


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (lambda: Tensor([1.0], requires_grad=True), RuntimeError, "trace: this tensor is a leaf"),
        (lambda: Tensor([1.0]) * 2, RuntimeError, r"trace: this tensor requires no gradient.*no_grad"),
        (lambda: Tensor([1.0, 2.0], requires_grad=True) * 2, RuntimeError, r"starts from one number"),
    ],
)
def test_bad_input(loss, error, message):
    for argument in (loss(), loss):
        with pytest.raises(error, match=message):
            trace(argument)


def test_bad_input_of_other_kinds():
    w, _b, loss = small()
    with no_grad(), pytest.raises(RuntimeError, match="inside no_grad"):
        trace(loss)
    with pytest.raises(TypeError, match="expected a tensor, or a function"):
        trace(3)
    with pytest.raises(TypeError, match="must return the loss, a tensor; it returned 3"):
        trace(lambda: 3)
    result = loss()
    result.backward()
    w.grad = None
    with pytest.raises(RuntimeError, match="walked and released"):
        trace(result)
    shared = w * 2
    shared.sum().backward()
    w.grad = None
    with pytest.raises(RuntimeError, match="a part of this graph was released"):
        trace((shared * 3).sum())
    assert w.grad is None


def test_a_graph_deeper_than_python_recurses():
    x = Tensor(np.ones(3), requires_grad=True)

    def loss():
        y = x
        for _ in range(1199):
            y = y * 1.0001
        return y.sum()

    seen = trace(loss)
    assert len(seen) == 1200
    np.testing.assert_allclose(seen.rows[seen.leaf_rows[x]].gradient.values, 1.0001**1199)


# --- derivatives by differences ---


def measured(seen):
    return [(step, x, m) for step in seen for x in step.inputs for m in x.measured]


def test_differences_agree_with_every_kind_of_step():
    _, loss = network()
    seen = trace(loss, differences=3)
    found = measured(seen)
    for step, x, m in found:
        largest = max(abs(x.gradient.smallest), abs(x.gradient.largest))
        assert m.analytic == x.gradient.values[m.index]
        if not m.is_kink:
            assert abs(m.analytic - m.difference) <= 1e-4 * largest + 1e-7, (step.op, x.name, m)
    assert {step.op for step, _, _ in found} >= {"linear", "relu", "lstm", "batch_norm", "mul", "mean", "add"}
    assert {step.op: step.unmeasured for step in seen if step.unmeasured}.keys() == {"dropout"}


def wrong_cube(x):
    X = x.data
    return record(X**3, (x,), lambda G: (G * 2 * X**2,))


def test_differences_find_a_wrong_backward():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    seen = trace(lambda: wrong_cube(x).sum(), differences=2)
    assert [round(m.error, 3) for step, _, m in measured(seen) if step.op == "wrong_cube"] == [0.333, 0.333]


def test_a_kink_shows_both_sides():
    x = Tensor(np.array([0.0]), requires_grad=True)
    (m,) = [m for step, _, m in measured(trace(lambda: ops.relu(x).sum(), differences=1)) if step.op == "relu"]
    assert m.is_kink
    assert (m.left, m.right, m.analytic) == (0.0, pytest.approx(1.0), 0.0)


@pytest.mark.parametrize("function", [ops.log, ops.sqrt, lambda x: 1 / x, ops.relu])
def test_small_entries_are_no_kinks(function):
    x = Tensor(np.array([1e-3, 1e-6, 0.5], np.float32), requires_grad=True)
    step = trace(lambda: function(x).sum(), differences=3)[1]
    found = [m for x in step.inputs for m in x.measured]
    assert len(found) == 3
    for m in found:
        assert not m.is_kink
        assert m.error < 1e-4


def test_a_difference_that_is_all_rounding_is_not_shown():
    x = Tensor(np.array([1e12, 1.0]), requires_grad=True)
    [(_step, _x, found)] = measured(trace(lambda: x.sum(), differences=2))
    assert found.index == (0,)
    assert found.error < 1e-4


def root_of_positive(x):
    if (x.data < 0).any():
        raise ValueError("expected numbers from 0 on")

    def backward(G):
        return (G / (2 * np.sqrt(x.data)),)

    return record(np.sqrt(x.data), (x,), backward)


def in_float32_alone(x):
    if x.data.dtype == np.float64:
        raise TypeError("float32 is expected")
    return record(2 * x.data, (x,), lambda G: (2 * G,))


def test_what_cannot_be_measured_says_why():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    [_, step] = trace(lambda: in_float32_alone(x).sum(), differences=1)
    assert step.inputs[0].measured == []
    assert step.unmeasured == "it could not be computed again, in float64: float32 is expected"
    [_, step] = trace((x * 2).sum(), differences=1)
    assert step.unmeasured.startswith("its function, which its module must know, was not seen")


def scaled(x, **options):
    return record(x.data * options["by"], (x,), lambda G: (G * options["by"],))


def test_operands_of_whole_numbers_and_options_are_handed_on_as_they_are():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    whole = Tensor(np.array([3, 4]))
    for loss in (lambda: (x * whole).sum(), lambda: scaled(x, by=np.array([3, 4])).sum()):
        step = trace(loss, differences=2)[1]
        assert {m.index: m.analytic for m in step.inputs[0].measured} == {(0,): 3.0, (1,): 4.0}
        assert all(m.error < 1e-6 for m in step.inputs[0].measured)


TABLE = Tensor(np.array([1.0, 2.0]), requires_grad=True)


def twice_the_table():
    return record(2 * TABLE.data, (TABLE,), lambda G: (2 * G,))


def picked(x, places, by):
    """x at some places, times a constant array."""

    def backward(G):
        D = np.zeros_like(x.data)
        np.add.at(D, places.data, G * by)
        return (D,)

    return record(x.data[places.data] * by, (x,), backward)


def test_only_floating_arguments_of_an_operation_are_made_double():
    x, places = Tensor(np.array([1, 2, 3], np.float32), requires_grad=True), Tensor(np.array([2, 0]))
    step = trace(lambda: picked(x, places, np.array([0.5, 4.0], np.float32)).sum(), differences=3)[1]
    assert {m.index: m.analytic for m in step.inputs[0].measured} == {(0,): 4.0, (1,): 0.0, (2,): 0.5}
    assert all(abs(m.difference - m.analytic) < 1e-9 for m in step.inputs[0].measured)


def test_an_operation_that_takes_its_input_from_elsewhere_is_not_measured():
    step = trace(lambda: twice_the_table().sum(), differences=1)[1]
    assert step.inputs[0].measured == []
    assert step.unmeasured == "its inputs are not among the operation's arguments"


def test_without_a_line_of_the_users_the_place_is_empty():
    assert users_place(None) == Place()
    assert str(Place()) == ""


def test_an_operation_that_refuses_the_moved_entry():
    x = Tensor(np.array([1e-6, 1.0]), requires_grad=True)
    step = trace(lambda: root_of_positive(x).sum(), differences=2)[1]
    assert [m.error < 1e-4 for m in step.inputs[0].measured] == [True, True]


def test_measuring_moves_no_generator():
    rng = np.random.default_rng(0)
    x = Tensor(np.ones((4, 5)), requires_grad=True)
    trace(lambda: ops.dropout(x, 0.5, rng).sum(), differences=3)
    other = np.random.default_rng(0)
    with no_grad():
        ops.dropout(x, 0.5, other)
    assert rng.bit_generator.state == other.bit_generator.state


@pytest.mark.parametrize("name", sorted(set(CASES) - {"to"}))  # `to` on the same device is its input itself
def test_every_operation_of_the_table_says_its_formula_and_is_measured(name):
    operation = getattr(ops, name)
    case = CASES[name][0]
    tensors = [Tensor(x, requires_grad=True) for x in case.inputs]

    def loss():
        result = case.function(*tensors)
        parts = result if isinstance(result, tuple) else (result,)
        return sum((ops.sin(part) * (i + 1)).sum() for i, part in enumerate(parts))

    seen = trace(loss, differences=3)
    steps = [step for step in seen if step.op in OPS_BEHIND.get(name, (name,))]
    assert steps
    assert all(step.formula.startswith(operation.__doc__.split("\n")[0]) or name in OPS_BEHIND for step in steps)
    assert all(step.code for step in steps)
    found = [m for step in steps for x in step.inputs for m in x.measured]
    assert found or name in RANDOM
    for m in found:
        assert m.is_kink or m.error < 1e-6 or abs(m.analytic - m.difference) < 1e-8, m


OPS_BEHIND = {"split": ("split", "getitem"), "stack": ("concatenate", "stack")}
RANDOM = {"dropout"}


def test_leaves_and_steps_are_told_apart():
    _w, _b, loss = small()
    seen = trace(loss)
    assert [type(row) for row in seen.rows] == [Leaf, Leaf, Step, Step, Step, Step]
    assert seen.leaves == seen.rows[:2]


def test_a_trace_says_how_large_it_is():
    x = Tensor(np.ones(2), requires_grad=True)
    assert repr(trace((x * 2).sum())) == "Trace(2 steps, 1 leaves; print(explain(trace)) tells of them)"


def test_a_function_whose_lines_cannot_be_read_has_no_code():
    assert code_of(None) == code_of(len) == ""

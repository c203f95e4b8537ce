"""The sequence operations against the cells unrolled with small operations; layers, states, bad input."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, no_grad, ops
from tinygrad_edu.ops.dropout import dropout_mask

LAYERS = {"simple_rnn": (nn.SimpleRNN, nn.SimpleRNNCell), "lstm": (nn.LSTM, nn.LSTMCell), "gru": (nn.GRU, nn.GRUCell)}
SHAPES = {"usual": (3, 4, 2, 5), "T=1": (3, 1, 2, 4), "B=1": (1, 4, 2, 3), "H=1": (2, 3, 2, 1), "all 1": (1, 1, 1, 1)}
SHAPES["D=1, long"] = (2, 30, 1, 3)


def make(name, D, H, dtype=np.float64, **options):
    """A layer and a cell with the same random parameters (biases too), apart from each other in memory."""
    rng = np.random.default_rng(5)
    layer, cell = LAYERS[name][0](D, H, **options), LAYERS[name][1](D, H)
    for p, q in zip(layer.parameters(), cell.parameters()):
        p.data = (rng.normal(size=p.shape) / np.sqrt(H)).astype(dtype)
        q.data = p.data.copy()
    return layer, cell


def leaves(name, shape, seed=3):
    """x and the initial states, as tensors that want gradients."""
    N, T, D, H = shape
    rng = np.random.default_rng(seed)
    states = [rng.normal(size=(N, H)) for _ in range(2 if name == "lstm" else 1)]
    return [Tensor(array, requires_grad=True) for array in (rng.normal(size=(N, T, D)), *states)]


def as_state(name, states):
    return None if not states else tuple(states) if name == "lstm" else states[0]


def parts_of(state):
    return state if isinstance(state, tuple) else (state,)


def loss_of(results, seed=11):
    """A random linear functional of all results: every one of them gets a gradient, none a simple one."""
    rng = np.random.default_rng(seed)
    return sum((ops.sum(result * rng.normal(size=result.shape)) for result in results), Tensor(np.zeros(())))


def assert_close(a, b, tolerance=1e-12):
    assert a.shape == b.shape
    assert np.abs(a - b).max(initial=0) <= tolerance * max(1.0, np.abs(b).max(initial=0))


# --- equal to the unrolled cells ---


@pytest.mark.parametrize("masked", [False, True], ids=["", "masks"])
@pytest.mark.parametrize("with_state", [False, True], ids=["", "states"])
@pytest.mark.parametrize("used", ["sequence", "last", "all"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", LAYERS)
def test_the_operation_equals_the_unrolled_cell_forward_and_backward(name, shape, used, with_state, masked):
    N, _, D, H = shape
    layer, cell = make(name, D, H)
    rng = np.random.default_rng(8)
    like = np.zeros(0)
    masks = (dropout_mask((N, D), 0.3, rng, like), dropout_mask((N, H), 0.4, rng, like)) if masked else (None, None)

    def run(parameters, forward):
        x, *states = leaves(name, shape)
        outputs, state = forward(x, as_state(name, states if with_state else []))
        results = {"sequence": [outputs], "last": [parts_of(state)[0]], "all": [outputs, *parts_of(state)]}[used]
        loss_of(results).backward()
        gradients = [t.grad for t in (x, *parameters, *(states if with_state else []))]
        return [outputs.data, *(part.data for part in parts_of(state))], gradients

    def fused(x, state):
        return layer.run(x, state, dict(zip(("input_mask", "recurrent_mask"), masks)))

    expected, expected_gradients = run(cell.parameters(), lambda x, state: nn.unroll(cell, x, state, *masks))
    got, got_gradients = run(layer.parameters(), fused)
    for a, b in zip(got, expected):
        assert_close(a, b)
    for a, b in zip(got_gradients, expected_gradients):
        if a is not None or b is not None:  # an unused last cell state has no gradient in either
            assert_close(a, b)


@pytest.mark.parametrize("sequences", [5, 7, 9], ids=["2 parts", "3 parts", "4 parts"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_cut_into_parts_equals_its_sequences_one_by_one(name, sequences, monkeypatch):
    """Large batches are worked on in parts, on several cores, and long sequences in halves; here both are small."""
    monkeypatch.setattr("tinygrad_edu.ops.recurrent.sequence.SUMMED_AT_ONCE", 10)
    monkeypatch.setattr("tinygrad_edu.ops.recurrent.sequence.PART_COLUMNS", 2)
    monkeypatch.setattr("tinygrad_edu.ops.recurrent.sequence.PART_WORK", 1)
    shape = (sequences, 5, 2, 3)
    layer, cell = make(name, 2, 3)
    x, *states = leaves(name, shape)
    outputs, state = layer.run(x, as_state(name, states), {})
    loss_of([outputs, *parts_of(state)]).backward()
    y, *others = leaves(name, shape)
    expected, last = nn.unroll(cell, y, as_state(name, others))
    loss_of([expected, *parts_of(last)]).backward()
    assert_close(outputs.data, expected.data)
    for a, b in zip((x, *states, *layer.parameters()), (y, *others, *cell.parameters())):
        assert_close(a.grad, b.grad)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("name", LAYERS)
def test_truncation_at_k_equals_a_detached_unroll(name, k):
    """Chunks of k steps with a detached state between: the values reach over the cut, the gradients do not."""
    shape = (2, 9, 2, 3)
    layer, cell = make(name, 2, 3)
    x, y = leaves(name, shape)[0], leaves(name, shape)[0]
    losses, state = [], None
    for start in range(0, 9, k):
        outputs, state = layer.run(x[:, start : start + k], state, {})
        losses.append(loss_of([outputs], seed=start))
        state = nn.detach(state)
    sum(losses, Tensor(np.zeros(()))).backward()

    expected, state = [], None
    for t in range(9):
        if t and t % k == 0:
            state = nn.detach(state)
        output, state = nn.unroll(cell, y[:, t : t + 1], state)
        expected.append(output)
    chunks = [loss_of([ops.concatenate(expected[s : s + k], axis=1)], seed=s) for s in range(0, 9, k)]
    sum(chunks, Tensor(np.zeros(()))).backward()
    for a, b in zip((x, *layer.parameters()), (y, *cell.parameters())):
        assert_close(a.grad, b.grad)


@pytest.mark.parametrize("name", LAYERS)
def test_state_out_of_one_call_into_the_next_equals_one_long_call(name):
    layer, _ = make(name, 2, 3, return_sequences=True, return_state=True)
    x = leaves(name, (2, 6, 2, 3))[0]
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, state = layer(x[:, 4:], state)
    assert_close(np.concatenate([first.data, second.data], axis=1), whole.data)
    for a, b in zip(parts_of(state), parts_of(last)):
        assert_close(a.data, b.data)
    loss_of([whole]).backward()
    expected = [p.grad for p in layer.parameters()]
    layer.zero_grad()
    x.grad = None
    loss_of([ops.concatenate([first, second], axis=1)]).backward()  # through the state, not truncated
    for a, b in zip([p.grad for p in layer.parameters()], expected):
        assert_close(a, b)


# --- layers ---


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_returns_what_it_was_told_to(name):
    x = Tensor(np.ones((2, 5, 3), dtype=np.float32))
    kind = LAYERS[name][0]
    assert kind(3, 4)(x).shape == (2, 4)
    assert kind(3, 4, return_sequences=True)(x).shape == (2, 5, 4)
    result, state = kind(3, 4, return_state=True)(x)
    assert result is parts_of(state)[0]
    assert [part.shape for part in parts_of(state)] == [(2, 4)] * (2 if name == "lstm" else 1)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_in_is_float32_out_and_back(name):
    layer, _ = make(name, 2, 3, dtype=np.float32, dropout=0.5, recurrent_dropout=0.5, return_state=True)
    x = Tensor(np.ones((2, 4, 2), dtype=np.float32), requires_grad=True)
    result, state = layer(x)
    ops.sum(result).backward()
    assert {t.dtype for t in (result, *parts_of(state))} == {np.dtype(np.float32)}
    assert {t.grad.dtype for t in (x, *layer.parameters())} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", LAYERS)
def test_dropout_uses_one_mask_a_sequence_in_training_and_none_in_evaluation(name):
    layer, cell = make(name, 3, 4, dropout=0.4, recurrent_dropout=0.3, return_sequences=True)
    layer.rng = np.random.default_rng(2)
    x = leaves(name, (5, 6, 3, 4))[0]
    rng = np.random.default_rng(2)
    masks = dropout_mask((5, 3), 0.4, rng, x.data), dropout_mask((5, 4), 0.3, rng, x.data)
    assert_close(layer(x).data, nn.unroll(cell, x, None, *masks)[0].data)
    assert_close(layer.eval()(x).data, nn.unroll(cell, x)[0].data)


def test_first_values_are_those_of_keras():
    nn.manual_seed(0)
    layer = nn.LSTM(20, 30)
    assert layer.bias.data.tolist() == [0.0] * 30 + [1.0] * 30 + [0.0] * 60
    limit = np.sqrt(6 / (20 + 120))  # fan-out is 4 x units
    assert 0.95 * limit < np.abs(layer.kernel.data).max() <= limit
    U = layer.recurrent_kernel.data
    np.testing.assert_allclose(U @ U.T, np.eye(30), atol=1e-5)
    assert nn.GRU(2, 3).bias.shape == (2, 9)
    assert np.abs(nn.Embedding(50, 8).weight.data).max() <= 0.1


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_called_twice_before_backward_keeps_the_two_calls_apart(name):
    layer, cell = make(name, 2, 3)
    first, second = (leaves(name, (2, 4, 2, 3), seed)[0] for seed in (1, 2))
    a, b = layer(first), layer(second)
    loss_of([a, b]).backward()
    gradients = [p.grad for p in layer.parameters()]
    kept = [g.copy() for g in gradients]
    c, d = (parts_of(nn.unroll(cell, Tensor(x.data))[1])[0] for x in (first, second))
    loss_of([c, d]).backward()
    layer(first)  # new work must not disturb a gradient that somebody kept
    for g, k, p in zip(gradients, kept, cell.parameters()):
        assert np.array_equal(g, k)
        assert_close(g, p.grad)


@pytest.mark.parametrize("name", LAYERS)
def test_a_graph_is_freed_without_the_garbage_collector(name):
    layer, _ = make(name, 2, 3)
    gc.disable()
    try:
        result = layer(leaves(name, (2, 4, 2, 3))[0])
        reference = weakref.ref(result)
        ops.sum(result).backward()
        del result
        assert reference() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("name", LAYERS)
def test_no_grad_records_nothing_and_frozen_weights_get_no_gradient(name):
    layer, _ = make(name, 2, 3)
    x, *states = leaves(name, (2, 4, 2, 3))
    with no_grad():
        assert not layer(x).requires_grad
    layer.kernel.requires_grad = False
    loss_of([layer(x, as_state(name, states))]).backward()
    assert layer.kernel.grad is None
    assert layer.recurrent_kernel.grad is not None
    assert layer(x).op == name


@pytest.mark.parametrize("name", LAYERS)
def test_weights_thawed_between_forward_and_backward_get_their_gradient(name):
    x, *states = leaves(name, SHAPES["usual"])
    gradients = []
    for frozen in (False, True):
        layer, _ = make(name, 2, 5, return_sequences=True)
        for tensor in (layer.kernel, *states):
            tensor.requires_grad, tensor.grad = not frozen, None
        y = layer(x, as_state(name, states))
        layer.kernel.requires_grad = True
        for state in states:
            state.requires_grad = True
        ops.sum(y * y).backward()
        gradients.append([layer.kernel.grad, *(state.grad for state in states)])
    for a, b in zip(*gradients):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", LAYERS)
def test_a_kept_state_does_not_keep_the_sequence(name):
    layer, _ = make(name, 2, 5, return_state=True)
    _, state = layer(Tensor(np.ones((3, 40, 2))))
    for part in parts_of(state):
        assert part.detach().data.base is None


def test_embedding_adds_up_repeated_ids_for_small_and_large_tables():
    ids = np.array([[1, 1, 0], [1, 5, 0]])
    for rows in (6, 2000):
        table = Tensor(np.random.default_rng(0).normal(size=(rows, 3)), requires_grad=True)
        G = np.random.default_rng(1).normal(size=(2, 3, 3))
        expected = np.zeros((rows, 3))
        np.add.at(expected, ids, G)
        for incoming in (G, np.asfortranarray(G), G[:, ::-1][:, ::-1]):
            table.grad = None
            ops.embedding(table, ids).backward(incoming)
            assert_close(table.grad, expected)
    empty = Tensor(np.zeros((4, 0)), requires_grad=True)
    ops.embedding(empty, ids % 4).backward(np.zeros((2, 3, 0)))
    assert empty.grad.shape == (4, 0)


def test_an_lstm_keeps_nothing_for_the_batch_sizes_it_has_seen():
    weights = [Tensor(np.zeros(shape, np.float32)) for shape in ((1, 256), (64, 256), (256,))]
    batches = [Tensor(np.zeros((N, 1, 1), np.float32)) for N in (5000, 5001, 5002, 5003)]
    ops.lstm(batches[0][:2], *weights)  # what is made once
    tracemalloc.start()
    try:
        for x in batches:
            ops.lstm(x, *weights)
        assert tracemalloc.get_traced_memory()[0] < 2**20  # one array of a step's gates takes 5 MiB
    finally:
        tracemalloc.stop()


# --- bad input ---


def call(name, x=(2, 3, 4), W=None, U=None, b=None, dtype=float, **options):
    G = {"simple_rnn": 1, "lstm": 4, "gru": 3}[name]
    shapes = x, W or (4, 5 * G), U or (5, 5 * G), b or ((2, 5 * G) if name == "gru" else (5 * G,))
    return getattr(ops, name)(*(Tensor(np.zeros(shape, dtype)) for shape in shapes), **options)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": (2, 4)}, r"expected x of shape \(N, T, D\).*got \(2, 4\)"),
        ({"x": (2, 0, 4)}, r"x \(2, 0, 4\) holds sequences of length 0"),
        ({"x": (0, 3, 4)}, "no sequence at all"),
        ({"x": (2, 3, 7)}, r"with D = 7 .* got W \(4, "),
        ({"U": (5, 7)}, r"expected W .* got .* U \(5, 7\)"),
        ({"b": (3,)}, r"b \(3,\)"),
        ({"h0": Tensor(np.zeros((3, 5)))}, r"expected h0 of shape \(N, H\) = \(2, 5\).*got \(3, 5\)"),
        ({"h0": Tensor(np.zeros((2, 4)))}, r"h0 .*got \(2, 4\)"),
        ({"input_mask": np.ones((2, 3, 4))}, r"expected input_mask of shape \(2, 4\).*got \(2, 3, 4\)"),
        ({"recurrent_mask": np.ones((2, 4))}, r"expected recurrent_mask of shape \(2, 5\)"),
    ],
)
def test_wrong_shapes_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        call(name, **arguments)


@pytest.mark.parametrize("name", LAYERS)
def test_wrong_dtypes_are_named(name):
    with pytest.raises(TypeError, match=f"{name}: operands of different dtypes"):
        call(name, h0=Tensor(np.zeros((2, 5), np.float32)))
    with pytest.raises(TypeError, match=f"{name}: expected recurrent_mask of float64"):
        call(name, recurrent_mask=np.ones((2, 5), np.float32))
    for mask in (np.ones((2, 5)).tolist(), Tensor(np.ones((2, 5)))):
        with pytest.raises(
            TypeError, match=f"{name}: expected recurrent_mask as an array of shape .* {type(mask).__name__}"
        ):
            call(name, recurrent_mask=mask)
    with pytest.raises(TypeError, match=f"{name}: expected floating-point tensors, got int64; convert"):
        call(name, dtype=np.int64)


def test_wrong_cell_state():
    with pytest.raises(ValueError, match=r"expected c0 of shape \(N, H\) = \(2, 5\).*got \(1, 5\)"):
        call("lstm", c0=Tensor(np.zeros((1, 5))))
    with pytest.raises(TypeError, match=r"LSTM: expected the state as a pair \(h, c\)"):
        nn.LSTM(4, 5)(Tensor(np.zeros((2, 3, 4), np.float32)), Tensor(np.zeros((2, 5), np.float32)))


@pytest.mark.parametrize(("ids", "error"), [([0, 4], ValueError), ([-1, 0], ValueError), ([0.5], TypeError)])
def test_embedding_refuses_ids_outside_the_table(ids, error):
    with pytest.raises(error, match=r"embedding: ids must (lie in 0\.\.3, for a table of 4 rows|be integers)"):
        ops.embedding(Tensor(np.zeros((4, 2))), np.array(ids))
    with pytest.raises(ValueError, match=r"expected a table \(K, D\)"):
        ops.embedding(Tensor(np.zeros(4)), np.array([0]))


@pytest.mark.parametrize("dtype", np.typecodes["AllInteger"])
def test_embedding_takes_ids_of_every_kind_of_integer(dtype):
    table = Tensor(np.arange(4.0).reshape(4, 1))
    assert ops.embedding(table, np.array([3, 0, 2], dtype)).data.tolist() == [[3.0], [0.0], [2.0]]
    for wrong in (4, np.iinfo(dtype).min or 100):  # the smallest number, or, without a sign, a large one
        with pytest.raises(ValueError, match=r"embedding: ids must lie in 0\.\.3"):
            ops.embedding(table, np.array([0, wrong], dtype))


def test_a_state_of_the_wrong_kind_is_refused():
    x, h = Tensor(np.zeros((2, 3, 4), np.float32)), Tensor(np.zeros((2, 5), np.float32))
    # For two sequences, h unpacks like a pair.
    with pytest.raises(TypeError, match=r"^LSTMCell: expected the state as a pair \(h, c\) .*, got Tensor"):
        nn.unroll(nn.LSTMCell(4, 5), x, h)
    for kind in (nn.SimpleRNN, nn.GRU):
        with pytest.raises(TypeError, match=rf"^{kind.__name__}: expected the state as one Tensor h \(N, H\), got \("):
            kind(4, 5)(x, (h, h))
    with pytest.raises(TypeError, match=r"^GRUCell: expected the state as one Tensor"):
        nn.unroll(nn.GRUCell(4, 5), x, (h, h))
    assert nn.detach(None) is None


def test_arrays_become_tensors_and_what_is_neither_is_refused():
    X = np.ones((2, 3, 1))
    for layer, cell in ((nn.LSTM(1, 2), nn.LSTMCell(1, 2)), (nn.GRU(1, 2), nn.GRUCell(1, 2))):
        expected = layer(Tensor(X.astype(np.float32)))
        for x in (X, X.tolist()):
            np.testing.assert_array_equal(layer(x).data, expected.data)
            assert nn.unroll(cell, x)[0].dtype == np.float32
        with pytest.raises(TypeError, match=rf"^{type(layer).__name__}: a tensor holds real numbers"):
            layer("words")
    W, U, b = (Tensor(np.ones(shape, np.float32)) for shape in ((1, 2), (2, 2), (2,)))
    np.testing.assert_array_equal(
        ops.simple_rnn(X, W, U, b)[0].data, ops.simple_rnn(Tensor(X.astype("f")), W, U, b)[0].data
    )
    with pytest.raises(TypeError, match=r"^lstm: a tensor holds real numbers"):
        ops.lstm("words", *[Tensor(np.zeros(1))] * 3)
    assert ops.embedding(np.eye(4), [0, 2]).data[1, 2] == 1


def test_masks_changed_after_the_forward_change_no_gradient():
    x, W, U, b = (
        Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True)
        for shape in ((2, 3, 1), (1, 8), (2, 8), (8,))
    )
    masks = {"input_mask": np.full((2, 1), 2.0), "recurrent_mask": np.full((2, 2), 2.0)}
    for change in (0.0, 2.0):
        outputs, _ = ops.lstm(x, W, U, b, **masks)
        masks["input_mask"][:] = masks["recurrent_mask"][:] = change
        outputs.sum().backward()
        masks["input_mask"][:] = masks["recurrent_mask"][:] = 2.0
    changed_and_not = x.grad
    x.grad = None
    ops.lstm(x, W, U, b, **masks)[0].sum().backward()
    np.testing.assert_allclose(changed_and_not, 2 * x.grad, rtol=1e-13)


def test_layers_refuse_wrong_sizes_and_probabilities():
    with pytest.raises(TypeError, match="positional"):
        nn.LSTM(3, 4, 0.1, 0.2)  # not the two dropouts, but return_sequences and return_state
    with pytest.raises(ValueError, match="LSTM: units must be a whole number >= 1, got 0"):
        nn.LSTM(3, 0)
    with pytest.raises(ValueError, match=r"GRU: recurrent_dropout is a probability.* got 1"):
        nn.GRU(3, 4, recurrent_dropout=1)


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_frozen_weights_change_no_gradient_of_the_inputs(cupy, cell, device):
    layer = LAYERS[cell][0](3, 4, return_sequences=True).to(device)
    X = Tensor(np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)).to(device).data
    gradients = []
    for frozen in (False, True):
        for parameter in layer.parameters():
            parameter.requires_grad = not frozen
            parameter.grad = None
        x = Tensor(X, requires_grad=True)
        y = layer(x)
        y.backward(y.data)
        gradients.append(x.grad.tolist())
        assert all((parameter.grad is None) == frozen for parameter in layer.parameters())
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize("function", [ops.simple_rnn, ops.lstm, ops.gru])
def test_weights_without_units_are_refused(function):
    bias = np.ones((2, 0)) if function is ops.gru else np.ones(0)
    for U in (np.ones((0, 0)), np.float64(1.0)):
        with pytest.raises(ValueError, match=r"expected"):
            function(np.ones((2, 5, 3)), np.ones((3, 0)), U, bias)

"""The textbook's operations: equal to the fast ones, and every numbered equation has its line."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, nn, ops, textbook
from tinygrad_edu.gradcheck import gradcheck
from tinygrad_edu.gradcheck.cases import CASES

FOLDER = Path(textbook.__file__).parent
RNG = np.random.default_rng(0)
ALL = pytest.mark.parametrize("name", sorted(textbook.TWINS))


# --- equations and lines ---


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_equation_has_its_line_and_every_numbered_line_its_equation(path):
    derived, computed = numbers(path.read_text())
    assert derived == computed == set(range(1, len(derived) + 1))


def numbers(source):
    """Of the equations, which end in one in the docstrings; and of the lines of code, whose comment begins with one."""
    derived, computed = set(), set()
    for docstring in re.findall(r'"""(.*?)"""', source, re.DOTALL):
        derived |= {int(n) for n in re.findall(r"  \((\d+)\)$", docstring, re.MULTILINE)}
    for line in re.sub(r'""".*?"""', "", source, flags=re.DOTALL).splitlines():
        computed |= {int(n) for n in re.findall(r"  # \((\d+)\)", line)}
    return derived, computed


def test_a_missing_line_or_equation_would_be_noticed():
    source = (FOLDER / "lstm.py").read_text()
    derived, computed = numbers(source.replace("  # (14)", ""))
    assert derived - computed == {14}
    derived, computed = numbers(re.sub(r"  \(14\)$", "", source, flags=re.MULTILINE))
    assert computed - derived == {14}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_it_is_plain(path):
    source = path.read_text()
    for trick in ("out=", "in_parts", "chunk", "as_strided", "einsum", "functools", "parallel", "threading"):
        assert trick not in source.split('"""')[-1] if path.stem == "__init__" else trick not in source
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            assert node.end_lineno - node.lineno - len(docstring.splitlines()) <= 55, node.name


# --- the same results ---


def flat(result):
    return [result] if isinstance(result, Tensor) else [y for part in result for y in flat(part)]


def values_and_gradients(function, data):
    leaves = [Tensor(x.copy(), requires_grad=True) for x in data]
    results = flat(function(*leaves))
    rng = np.random.default_rng(1)
    for y in results:
        y.backward(np.asarray(rng.normal(size=y.shape)), retain_graph=True)
    gradients = [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in leaves]
    return [y.data for y in results] + gradients


@ALL
def test_every_case_of_the_table_agrees(name):
    for case in CASES[name]:
        fast = values_and_gradients(case.function, case.inputs)
        with textbook.instead():
            plain = values_and_gradients(case.function, case.inputs)
        for a, b in zip(fast, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(b).max(initial=0)))


@ALL
def test_the_textbook_is_right_by_itself(name):
    """Every fourth case: all agree with the fast form, which is right in all; `python -m proof.table` checks each."""
    with textbook.instead():
        for case in CASES[name][::4]:
            assert gradcheck(case.function, *case.inputs, thorough=False).relative < 1e-6


def agree(function, *data):
    fast = values_and_gradients(function, data)
    with textbook.instead():
        plain = values_and_gradients(function, data)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(b).max(initial=0)))


@pytest.mark.parametrize("storey", [ops, textbook])
def test_batch_norm_keeps_the_digits_of_single_precision(storey):
    """100,000 numbers of a channel, black but for every twentieth: small terms that are added to a large sum."""
    rng = np.random.default_rng(0)
    X, G = np.zeros((100_000, 3)), rng.normal(size=(100_000, 3))
    X[::20] = rng.random((5_000, 3))
    results = []
    for dtype in (np.float32, np.float64):
        running = np.zeros(3, dtype), np.ones(3, dtype)
        leaves = [Tensor(values.astype(dtype), requires_grad=True) for values in (X, np.ones(3), np.zeros(3))]
        y = storey.batch_norm(*leaves, *running, momentum=0.0)
        y.backward(G.astype(dtype))
        results.append([y.data, *running, *(leaf.grad for leaf in leaves)])
    for single, double in zip(*results):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(double).max())


small = st.integers(1, 3)


@given(
    st.tuples(small, st.integers(3, 7), st.integers(3, 7), small),
    *(st.tuples(small, small) for _ in range(3)),
    st.sampled_from(["same", "valid", 1, ((2, 0), (1, 2))]),
    small,
    st.booleans(),
)
def test_convolutions_agree(shape, size, stride, dilation, padding, O, bias):
    fits = all((k - 1) * d + 1 <= n for k, d, n in zip(size, dilation, shape[1:3]))
    if not fits:
        size = (1, 1)
    data = [RNG.normal(size=shape), RNG.normal(size=(*size, shape[3], O)), *([RNG.normal(size=O)] if bias else [])]
    agree(lambda x, k, b=None: ops.conv2d(x, k, b, stride, padding, dilation), *data)
    back = [RNG.normal(size=shape), RNG.normal(size=(*size, O, shape[3])), *([RNG.normal(size=O)] if bias else [])]
    if padding in ("same", "valid"):
        agree(lambda x, k, b=None: ops.conv_transpose2d(x, k, b, stride, padding, dilation), *back)


@given(
    st.tuples(small, st.integers(4, 7), st.integers(4, 7), small),
    *(st.tuples(small, small) for _ in range(3)),
    st.sampled_from(["same", "valid"]),
    st.booleans(),
    st.booleans(),
)
def test_pooling_agrees_with_ties_too(shape, size, stride, dilation, padding, ceil_mode, ties):
    if not all((k - 1) * d + 1 <= n for k, d, n in zip(size, dilation, shape[1:3])):
        dilation = (1, 1)
    X = RNG.integers(0, 3, shape).astype(float) if ties else RNG.normal(size=shape)
    for pool in ("max_pool2d", "avg_pool2d"):
        agree(lambda x, pool=pool: getattr(ops, pool)(x, size, stride, padding, dilation, ceil_mode), X)


@given(small, st.integers(1, 5), small, st.integers(1, 4), st.booleans(), st.booleans())
def test_recurrence_agrees_with_states_and_masks(N, T, D, H, states, masks):
    options = {}
    if masks:
        options = {"input_mask": 1.5 * (RNG.random((N, D)) > 0.3), "recurrent_mask": 1.5 * (RNG.random((N, H)) > 0.3)}
    for name, gates, biases, carried in (("simple_rnn", 1, (), 1), ("lstm", 4, (), 2), ("gru", 3, (2,), 1)):
        shapes = [(N, T, D), (D, gates * H), (H, gates * H), (*biases, gates * H), *([(N, H)] * carried * states)]
        agree(lambda *x, name=name: getattr(ops, name)(*x, **options), *(RNG.normal(size=s) for s in shapes))


@given(st.tuples(small, small, small), st.floats(0, 0.95))
def test_normalisation_embedding_and_dropout_agree(shape, p):
    C = shape[-1]
    agree(ops_batch_norm, RNG.normal(size=shape), RNG.normal(size=C), RNG.normal(size=C))
    ids = RNG.integers(0, shape[0], (2, 3))
    agree(lambda table: ops.embedding(table, ids), RNG.normal(size=shape[:2]))
    agree(lambda x: ops.dropout(x, p, np.random.default_rng(3)) * 1.0, RNG.normal(size=shape))


@pytest.mark.parametrize("p", [1 / 65536, 2 / 65536, 1 - 1 / 65536])
def test_both_dropouts_draw_the_rarest_numbers_too(p):
    """One number in 65,536 decides; among 300,000, some are hit."""
    agree(lambda x: ops.dropout(x, p, np.random.default_rng(3)) * 1.0, np.ones(300_000))


def ops_batch_norm(x, gamma, beta):
    running = np.zeros(x.shape[-1]), np.ones(x.shape[-1])
    y = ops.batch_norm(x, gamma, beta, *running)
    return y, ops.batch_norm(x, gamma, beta, *running, training=False)  # by what the first call left there


def test_optimisers_agree_with_their_textbook_form():
    from tinygrad_edu import optim

    for kind, options in (("sgd", {"momentum": 0.9, "weight_decay": 0.1}), ("adam", {})):
        p = nn.Parameter(RNG.normal(size=(3, 2)))
        q, v, m = p.data.copy(), np.zeros((3, 2)), np.zeros((3, 2))
        optimizer = {"sgd": optim.SGD, "adam": optim.Adam}[kind]([p], lr=0.1, **options)
        for t in range(1, 6):
            p.grad = RNG.normal(size=(3, 2))
            if kind == "sgd":
                q, v = textbook.sgd(q, p.grad, v, 0.1, **options)
            else:
                q, m, v = textbook.adam(q, p.grad, m, v, t, 0.1)
            optimizer.step()
            np.testing.assert_allclose(p.data, q, rtol=1e-12)


# --- the exchange ---


def test_names_are_exchanged_and_come_back_after_an_error():
    fast = ops.conv2d

    def fail():
        assert ops.conv2d is textbook.conv2d
        with textbook.instead():
            assert ops.lstm is textbook.lstm
        assert ops.lstm is textbook.lstm
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), textbook.instead():
        fail()
    assert ops.conv2d is fast


@ALL
def test_signatures_are_the_same(name):
    import inspect

    parameters = [inspect.signature(function).parameters for function in (getattr(ops, name), textbook.TWINS[name])]
    assert [(p.name, p.default, p.kind) for p in parameters[0].values()] == [
        (p.name, p.default, p.kind) for p in parameters[1].values()
    ]


@ALL
def test_bad_input_gets_the_same_error(name):
    from test_operands import CALLS, call

    operands, options = CALLS[name]
    for i in range(len(operands)):
        broken = ["words" if j == i else Tensor(x) for j, x in enumerate(operands)]
        messages = []
        for storey in (None, textbook.instead()):
            with storey or pytest.MonkeyPatch.context(), pytest.raises(TypeError) as error:
                call(name, broken, options)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


@pytest.mark.parametrize("storey", [ops, textbook])
def test_where_nothing_is_dropped_no_number_is_drawn(storey):
    x, rng = Tensor(np.ones(3)), np.random.default_rng(0)
    assert storey.dropout(x, 0.0, rng) is x
    assert rng.random() == np.random.default_rng(0).random()


def test_a_step_of_the_textbooks_sgd_is_plain_unless_said_otherwise():
    p, v = textbook.sgd(np.array([1.0]), np.array([2.0]), np.array([8.0]), lr=0.25)
    assert (p.tolist(), v.tolist()) == ([0.5], [2.0])

"""Cross-entropy with weights, ignored labels, smoothing and probabilities, and for yes or no, against PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, ops

RNG = np.random.default_rng(0)


def leaf(*shape, scale=1.0):
    return Tensor(scale * RNG.normal(size=shape), requires_grad=True)


def value_and_gradient(loss, z, G):
    z.grad = None
    loss.backward(G)
    return loss.data, z.grad


@st.composite
def options(draw):
    K = draw(st.integers(1, 5))
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    weight = draw(st.sampled_from([None, RNG.uniform(0.1, 2, K)]))
    smoothing = draw(st.sampled_from([0.0, 0.1, 1.0]))
    how = draw(st.sampled_from(["mean", "sum", "none"]))
    return K, lead, weight, smoothing, how, draw(st.booleans())


@given(options())
def test_labels_with_all_options_are_pytorchs(drawn):
    torch = pytest.importorskip("torch")
    K, lead, weight, smoothing, how, ignore = drawn
    z = leaf(*lead, K, scale=3.0)
    labels = RNG.integers(0, K, lead)
    if ignore and labels.size > 1:
        labels.reshape(-1)[1:][RNG.random(labels.size - 1) < 0.4] = -100
    ours = ops.softmax_cross_entropy(
        z, labels, how, weight=weight, ignore_index=-100 if ignore else None, label_smoothing=smoothing
    )
    Z = torch.tensor(z.data.reshape(-1, K), requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        Z,
        torch.tensor(labels.reshape(-1)),
        None if weight is None else torch.tensor(weight),
        reduction=how,
        label_smoothing=smoothing,
    )
    G = np.asarray(RNG.normal(size=ours.shape))
    theirs.backward(torch.tensor(G.reshape(theirs.shape)))
    value, gradient = value_and_gradient(ours, z, G)
    np.testing.assert_allclose(value.reshape(-1), theirs.detach().numpy().reshape(-1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gradient, Z.grad.numpy().reshape(z.shape), rtol=1e-10, atol=1e-12)


@given(options())
def test_probabilities_with_all_options_are_pytorchs(drawn):
    torch = pytest.importorskip("torch")
    K, lead, weight, smoothing, how, _ = drawn
    z = leaf(*lead, K, scale=3.0)
    truth = RNG.dirichlet(np.ones(K), lead)
    ours = ops.softmax_cross_entropy(z, truth, how, weight=weight, label_smoothing=smoothing)
    Z = torch.tensor(z.data.reshape(-1, K), requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        Z,
        torch.tensor(truth.reshape(-1, K)),
        None if weight is None else torch.tensor(weight),
        reduction=how,
        label_smoothing=smoothing,
    )
    G = np.asarray(RNG.normal(size=ours.shape))
    theirs.backward(torch.tensor(G.reshape(theirs.shape)))
    value, gradient = value_and_gradient(ours, z, G)
    np.testing.assert_allclose(value.reshape(-1), theirs.detach().numpy().reshape(-1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gradient, Z.grad.numpy().reshape(z.shape), rtol=1e-10, atol=1e-12)


@given(st.tuples(st.integers(1, 3), st.integers(1, 3)), st.sampled_from(["mean", "sum", "none"]))
def test_binary_cross_entropy_is_pytorchs(shape, how):
    torch = pytest.importorskip("torch")
    z, t = leaf(*shape, scale=20.0), Tensor(RNG.random(shape), requires_grad=True)
    ours = ops.binary_cross_entropy_with_logits(z, t, how)
    Z, T = (torch.tensor(x.data, requires_grad=True) for x in (z, t))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(Z, T, reduction=how)
    G = np.asarray(RNG.normal(size=ours.shape))
    ours.backward(G)
    theirs.backward(torch.tensor(G))
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(z.grad, Z.grad.numpy(), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(t.grad, T.grad.numpy(), rtol=1e-10)


def test_the_general_form_agrees_with_the_plain_one():
    z, labels = leaf(4, 3), np.array([0, 2, 2, 1])
    plain = value_and_gradient(ops.softmax_cross_entropy(z, labels), z, None)
    for same in (
        {"weight": np.ones(3)},
        {"weight": np.full(3, 7.0)},  # the mean divides by the weights
        {"ignore_index": 5},
    ):
        general = value_and_gradient(ops.softmax_cross_entropy(z, labels, **same), z, None)
        np.testing.assert_allclose(general[0], plain[0], rtol=1e-14)
        np.testing.assert_allclose(general[1], plain[1], rtol=1e-13, atol=1e-16)
    for one_hot in (np.eye(3)[labels], np.eye(3, dtype=np.float32)[labels], Tensor(np.eye(3)[labels])):
        general = value_and_gradient(ops.softmax_cross_entropy(z, one_hot), z, None)
        np.testing.assert_allclose(general[1], plain[1], rtol=1e-13, atol=1e-16)


def test_ignored_examples_count_for_nothing():
    z, labels = leaf(4, 3), np.array([0, -1, 2, -1])
    value, gradient = value_and_gradient(ops.softmax_cross_entropy(z, labels, ignore_index=-1), z, None)
    assert (gradient[[1, 3]] == 0).all()
    kept = Tensor(z.data[[0, 2]], requires_grad=True)
    alone, its = value_and_gradient(ops.softmax_cross_entropy(kept, labels[[0, 2]]), kept, None)
    np.testing.assert_allclose(value, alone, rtol=1e-14)
    np.testing.assert_allclose(gradient[[0, 2]], its, rtol=1e-13)


def test_a_logit_of_minus_infinity_rules_a_class_out():
    Z = np.array([[0.5, -np.inf, 1.0]])
    for truth, options in (([0], {}), ([0], {"weight": np.ones(3)}), ([[0.25, 0.0, 0.75]], {})):
        z = Tensor(Z.copy(), requires_grad=True)
        value, gradient = value_and_gradient(ops.softmax_cross_entropy(z, truth, **options), z, None)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        assert gradient[0, 1] == 0


def test_float32_stays_float32():
    z = Tensor(RNG.normal(size=(2, 3)).astype(np.float32), requires_grad=True)
    for loss in (
        ops.softmax_cross_entropy(z, [0, 1], weight=np.ones(3), label_smoothing=0.1, ignore_index=1),
        ops.softmax_cross_entropy(z, np.full((2, 3), 1 / 3)),
        ops.binary_cross_entropy_with_logits(z, np.ones((2, 3))),
    ):
        z.grad = None
        loss.backward()
        assert loss.dtype == z.grad.dtype == np.float32


def test_labels_changed_after_the_forward_change_no_gradient():
    for options in ({}, {"ignore_index": 9}):
        z, labels = leaf(2, 3), np.array([0, 1])
        loss = ops.softmax_cross_entropy(z, labels, **options)
        labels[:] = 2
        loss.backward()
        changed, z.grad = z.grad, None
        ops.softmax_cross_entropy(z, np.array([0, 1]), **options).backward()
        np.testing.assert_array_equal(changed, z.grad)


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        ([0, 1], {"weight": np.ones(2)}, ValueError, "weight must be 3 finite numbers >= 0, one for each class"),
        ([0, 1], {"weight": [-1.0, 1, 1]}, ValueError, "weight must be 3 finite numbers >= 0"),
        ([0, 1], {"label_smoothing": 1.5}, ValueError, r"0 <= label_smoothing <= 1, got 1\.5"),
        ([0, 3], {"ignore_index": 7}, ValueError, r"labels must lie in 0\.\.2.*range from 0 to 3"),
        ([0, 1], {"ignore_index": 0.5}, ValueError, r"ignore_index must be a whole number or None, got 0\.5"),
        ([7, 7], {"ignore_index": 7}, ValueError, "every label is the ignored one, 7"),
        ([1, 1], {"weight": [1.0, 0.0, 1.0]}, ValueError, "every label of the batch has weight 0"),
        ([[0.5, 0.5, 0.5]] * 2, {}, ValueError, "must be >= 0 and sum to 1"),
        ([[1.5, -0.5, 0.0]] * 2, {}, ValueError, "must be >= 0 and sum to 1"),
        ([[0.0, 0.0, np.nan]] * 2, {}, ValueError, "must be >= 0 and sum to 1"),
        ([[1.0, 0.0, 0.0]] * 2, {"ignore_index": 0}, ValueError, "ignore_index goes with labels"),
        ([[1.0, 0.0]] * 2, {}, ValueError, r"got \(2, 3\) and \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(labels, options, error, message):
    with pytest.raises(error, match=f"^softmax_cross_entropy: .*{message}"):
        ops.softmax_cross_entropy(leaf(2, 3), np.array(labels), **options)


def test_a_truth_with_a_history_is_refused():
    z = leaf(2, 3)
    with pytest.raises(TypeError, match=r"would lose its own; say \.detach\(\)"):
        ops.softmax_cross_entropy(z, ops.softmax(z))
    ops.softmax_cross_entropy(z, ops.softmax(z).detach()).backward()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros((3, 2)), r"two equal, non-empty shapes; got logits \(2, 3\) and targets \(3, 2\)"),
        (np.full((2, 3), 1.5), r"0 <= target <= 1; they range from 1\.5 to 1\.5"),
        (np.full((2, 3), np.nan), "0 <= target <= 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        ops.binary_cross_entropy_with_logits(leaf(2, 3), targets)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_labels_of_any_width_find_their_logit_in_a_large_batch(dtype):
    """With as many examples as this, a label times their number leaves the range of a byte."""
    Z = np.random.default_rng(0).normal(size=(300, 7))
    labels = np.arange(300) % 7
    wide, narrow = Tensor(Z, requires_grad=True), Tensor(Z, requires_grad=True)
    expected, got = (ops.softmax_cross_entropy(z, y) for z, y in ((wide, labels), (narrow, labels.astype(dtype))))
    expected.backward()
    got.backward()
    assert got.item() == expected.item()
    np.testing.assert_array_equal(narrow.grad, wide.grad)

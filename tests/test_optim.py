"""Optimisers step by step against PyTorch's and against their own formulas, and what they leave alone."""

import copy
import math
import pickle

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.nn import Parameter

RNG = np.random.default_rng(0)
SHAPES = [(3, 2), (4,), ()]

# name -> (ours, PyTorch's class and its arguments)
PAIRS = {
    "SGD": (lambda p: optim.SGD(p, lr=0.1), "SGD", {"lr": 0.1}),
    "SGD, decay": (lambda p: optim.SGD(p, lr=0.1, weight_decay=0.3), "SGD", {"lr": 0.1, "weight_decay": 0.3}),
    "momentum": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "momentum, decay": (
        lambda p: optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.2),
        "SGD",
        {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.2},
    ),
    "Adam": (lambda p: optim.Adam(p), "Adam", {"lr": 1e-3, "eps": 1e-7}),
    "Adam, all": (
        lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2),
        "Adam",
        {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2},
    ),
    "Adam, no memory": (
        lambda p: optim.Adam(p, betas=(0.0, 0.0)),
        "Adam",
        {"lr": 1e-3, "betas": (0.0, 0.0), "eps": 1e-7},
    ),
    "AdamW": (
        lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.2),
        "AdamW",
        {"lr": 0.05, "eps": 1e-7, "weight_decay": 0.2},
    ),
}


def parameters(dtype=np.float64):
    rng = np.random.default_rng(1)
    return [Tensor(np.array(rng.normal(size=shape), dtype), requires_grad=True) for shape in SHAPES]


@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    make, kind, arguments = PAIRS[name]
    ours = parameters()
    theirs = [torch.tensor(p.data.copy(), requires_grad=True) for p in ours]
    optimiser, reference = make(ours), getattr(torch.optim, kind)(theirs, **arguments)
    rng = np.random.default_rng(2)
    for _ in range(20):
        for p, q in zip(ours, theirs):
            p.grad = np.asarray(rng.normal(size=p.shape) * 3)
            q.grad = torch.tensor(p.grad)
        optimiser.step()
        reference.step()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-13)


def test_the_formulas_by_hand():
    p = Tensor(np.array([1.0]), requires_grad=True)
    sgd = optim.SGD([p], lr=0.1, momentum=0.5)
    for expected in (1 - 0.1 * 2, 1 - 0.1 * 2 - 0.1 * 3):  # v = 2, then 0.5 * 2 + 2
        p.grad = np.array([2.0])
        sgd.step()
        np.testing.assert_allclose(p.data, expected)
    q = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    adam = optim.Adam([q], lr=0.1, eps=0.0)
    q.grad = np.array([1e-3, -1e5])
    adam.step()
    np.testing.assert_allclose(q.data, [0.9, 1.1])  # the first step has length lr, whatever the gradient


@pytest.mark.parametrize("name", PAIRS)
def test_steps_keep_dtype_memory_and_the_gradients_of_the_user(name):
    ours = parameters(np.float32)
    optimiser = PAIRS[name][0](ours)
    arrays = [p.data for p in ours]
    for _ in range(3):
        gradients = [np.asarray(RNG.normal(size=p.shape), np.float32) for p in ours]
        kept = [g.copy() for g in gradients]
        for p, g in zip(ours, gradients):
            p.grad = g
        optimiser.step()
        for p, a, g, k in zip(ours, arrays, gradients, kept):
            assert p.data is a  # in place
            assert p.data.dtype == np.float32
            assert p.grad is g
            assert np.array_equal(g, k)
            assert not any(np.shares_memory(g, s) for own in optimiser.state for s in own.values())
    assert all(s.dtype == np.float32 for own in optimiser.state for s in own.values())
    optimiser.zero_grad()
    assert all(p.grad is None for p in ours)


@pytest.mark.parametrize("name", PAIRS)
def test_a_parameter_without_a_gradient_stays_where_it_is(name):
    ours = parameters()
    before = [p.data.copy() for p in ours]
    ours[0].grad = np.ones(ours[0].shape)
    PAIRS[name][0](ours).step()
    assert not np.array_equal(ours[0].data, before[0])
    for p, b in zip(ours[1:], before[1:]):
        assert np.array_equal(p.data, b)


@pytest.mark.parametrize("name", PAIRS)
def test_a_saved_and_restored_optimiser_goes_on_to_the_bit(name):
    def steps(optimiser, ours, seed):
        rng = np.random.default_rng(seed)
        for _ in range(3):
            for p in ours:
                p.grad = np.asarray(rng.normal(size=p.shape))
            optimiser.step()

    make, ours, others = PAIRS[name][0], parameters(), parameters()
    first, second = make(ours), make(others)
    steps(first, ours, 1)
    state = first.state_dict()
    for p, q in zip(ours, others):
        q.data = p.data.copy()
    second.load_state_dict(state)
    steps(first, ours, 2)
    frozen = {key: values.copy() for key, values in state.items()}
    steps(second, others, 2)
    for p, q in zip(ours, others):
        assert np.array_equal(p.data, q.data)
    assert all(np.array_equal(state[key], frozen[key]) for key in state)  # copies, not the memory itself


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_optimiser_goes_on_like_its_original(make, make_copy):
    """It learns copied parameters. (Adam's small parameters were end to end in one array, and the copy's views of it
    were arrays of their own: it repeated the last step before the copy again and again.)"""
    optimizer = make(parameters(), lr=0.1)

    def step(one, g):
        for p in one.parameters:
            p.grad = np.full(p.shape, g, p.dtype)
        one.step()

    step(optimizer, 1.0)
    twin = make_copy(optimizer)
    for g in (-5.0, 2.0):
        step(optimizer, g)
        step(twin, g)
    for p, q in zip(optimizer.parameters, twin.parameters):
        np.testing.assert_array_equal(p.data, q.data)
    for name, values in optimizer.state_dict().items():
        np.testing.assert_array_equal(values, twin.state_dict()[name])


def test_a_state_of_other_parameters_is_refused():
    adam = optim.Adam(parameters())
    for p in adam.parameters:
        p.grad = np.ones(p.shape)
    adam.step()
    other = optim.Adam([Parameter(np.zeros(5))])
    with pytest.raises(ValueError, match=r"Adam: the state 0\.m \(3, 2\) fits no parameter"):
        other.load_state_dict(adam.state_dict())
    assert other.t == 0


def test_every_optimiser_learns_a_line():
    x = RNG.normal(size=(64, 1)).astype(np.float32)
    for make in (
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.1),
        lambda p: optim.AdamW(p, lr=0.1, weight_decay=1e-4),
    ):
        layer = nn.Linear(1, 1, rng=np.random.default_rng(0))
        optimiser = make(layer.parameters())
        for _ in range(200):
            optimiser.zero_grad()
            ((layer(Tensor(x)) - (2 * x - 1)) ** 2).mean().backward()
            optimiser.step()
        np.testing.assert_allclose(layer.weight.data, [[2]], atol=0.02)
        np.testing.assert_allclose(layer.bias.data, [-1], atol=0.02)


# --- bad input -------------------------------------------------------------------------------------------------------

NOT_RATES = [-0.1, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_hyperparameters_that_make_no_sense_are_refused_by_name(make):
    p = [Parameter(1.0)]
    for value in NOT_RATES:
        with pytest.raises(ValueError, match=rf"{make.__name__}: lr must be a finite number >= 0, got {value}"):
            make(p, lr=value)
        with pytest.raises(ValueError, match="weight_decay must be a finite number"):
            make(p, lr=0.1, weight_decay=value)
    make(p, lr=0.0)
    for value in (-0.1, 1.0, math.nan):
        if make is optim.SGD:
            with pytest.raises(ValueError, match="SGD: momentum must lie in 0 <= momentum < 1"):
                make(p, momentum=value)
        else:
            with pytest.raises(ValueError, match="beta1 must lie in"):
                make(p, betas=(value, 0.9))
            with pytest.raises(ValueError, match="beta2 must lie in"):
                make(p, betas=(0.9, value))
            with pytest.raises(ValueError, match="eps must be"):
                make(p, eps=-1.0)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_parameters_that_cannot_be_learnt_are_refused(make):
    w = Parameter([1.0])
    with pytest.raises(ValueError, match="expected at least one parameter, got none"):
        make([])
    with pytest.raises(ValueError, match="expected at least one"):
        make(iter(()))
    for wrong in (Tensor([1.0]), np.ones(2), w * 2.0, "weights"):
        with pytest.raises(TypeError, match=f"{make.__name__}: expected leaves that require a gradient"):
            make([w, wrong])
    with pytest.raises(ValueError, match="given twice"):
        make([w, w])
    assert len(make(p for p in [w]).parameters) == 1


# --- clip_grad_norm --------------------------------------------------------------------------------------------------


def with_gradients(*gradients):
    ours = [Tensor(np.zeros(np.shape(g)), requires_grad=True) for g in gradients]
    for p, g in zip(ours, gradients):
        p.grad = np.array(g, float)
    return ours


def test_long_gradients_are_scaled_together_to_the_length_and_the_user_keeps_his():
    ours = with_gradients([3.0, 0.0], [[4.0]], [12.0])
    kept = [p.grad for p in ours]
    assert optim.clip_grad_norm(ours, 6.5) == 13.0
    assert [p.grad.tolist() for p in ours] == [[1.5, 0.0], [[2.0]], [6.0]]
    assert [g.tolist() for g in kept] == [[3.0, 0.0], [[4.0]], [12.0]]
    assert optim.clip_grad_norm(ours, 6.5) == pytest.approx(6.5)


def test_short_gradients_stay_as_they_are_and_missing_ones_are_passed_over():
    ours = [*with_gradients([3.0], [4.0]), Parameter([1.0])]
    kept = [p.grad for p in ours]
    assert optim.clip_grad_norm((p for p in ours), 5.0) == 5.0
    assert all(p.grad is g for p, g in zip(ours, kept))
    assert optim.clip_grad_norm([Parameter(1.0)], 1.0) == 0.0


def test_clipping_keeps_float32_and_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    data = [RNG.normal(size=shape).astype(np.float32) * 10 for shape in ((3, 4), (5,))]
    ours = [Parameter(np.zeros_like(g)) for g in data]
    theirs = [torch.zeros(g.shape, requires_grad=True) for g in data]
    for p, q, g in zip(ours, theirs, data):
        p.grad, q.grad = g.copy(), torch.tensor(g)
    norm = optim.clip_grad_norm(ours, 2.0)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, 2.0).item(), rel=1e-6)
    for p, q in zip(ours, theirs):
        assert p.grad.dtype == np.float32
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_length_that_is_not_finite_is_returned_so_that_it_can_be_seen(bad):
    ours = with_gradients([1.0, bad], [2.0])
    assert not math.isfinite(optim.clip_grad_norm(ours, 1.0))
    assert ours[1].grad.tolist() == [2.0]


@pytest.mark.parametrize("length", [0, -1.0, math.nan])
def test_a_length_that_is_not_positive_is_refused(length):
    with pytest.raises(ValueError, match="max_norm must be > 0"):
        optim.clip_grad_norm(with_gradients([1.0]), length)

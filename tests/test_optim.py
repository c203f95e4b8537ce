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


@pytest.mark.parametrize("name", PAIRS)
def test_an_optimiser_with_a_past_of_its_own_takes_the_loaded_one(name):
    """What Adam lays end to end for its small parameters is laid anew."""
    ours, others = parameters(), parameters()
    first, second = PAIRS[name][0](ours), PAIRS[name][0](others)

    def step(optimiser, g):
        for p in optimiser.parameters:
            p.grad = np.full(p.shape, g)
        optimiser.step()

    step(first, 1.0)
    for g in (-3.0, 8.0):
        step(second, g)
    second.load_state_dict(first.state_dict())
    for p, q in zip(ours, others):
        q.data = p.data.copy()
    for g in (0.5, -2.0):
        step(first, g)
        step(second, g)
    for p, q in zip(ours, others):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW])
def test_a_state_that_was_replaced_by_hand_counts(make):
    """What lies end to end for the small parameters was made from the old one."""
    optimizer = make(parameters(), lr=0.1, betas=(0.0, 0.5))

    def step(g):
        for p in optimizer.parameters:
            p.grad = np.full(p.shape, g)
        optimizer.step()

    step(1.0)
    optimizer.state = [{"m": np.zeros(p.shape), "v": np.full(p.shape, 6.0)} for p in optimizer.parameters]
    step(2.0)
    for own, p in zip(optimizer.state, optimizer.parameters):
        np.testing.assert_array_equal(own["v"], np.full(p.shape, 0.5 * 6.0 + 0.5 * 2.0**2))


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
    with pytest.raises(ValueError, match=r"shape: 0\.m is \(5,\) here, \(3, 2\) there"):
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


def test_decay_of_matrices_only_is_pytorchs_with_two_groups():
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.tensor(p.data.copy(), requires_grad=True) for p in ours]
    groups = [
        {"params": [q for q in theirs if q.ndim > 1], "weight_decay": 0.2},
        {"params": [q for q in theirs if q.ndim <= 1], "weight_decay": 0.0},
    ]
    assert all(group["params"] for group in groups)
    optimiser = optim.AdamW(ours, lr=0.05, weight_decay=0.2, matrices_only=True)
    reference = torch.optim.AdamW(groups, lr=0.05, eps=1e-7)
    rng = np.random.default_rng(2)
    for _ in range(5):
        for p, q in zip(ours, theirs):
            p.grad = np.asarray(rng.normal(size=p.shape))
            q.grad = torch.tensor(p.grad.copy())
        optimiser.step()
        reference.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-14)


# --- frozen parameters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
def test_a_frozen_parameter_stays_where_it_is_whatever_gradient_is_left_in_it(name):
    ours = parameters()
    ours[0].requires_grad = False  # before the optimiser knows it
    optimiser = PAIRS[name][0](ours)
    for p in ours:
        p.grad = np.ones(p.shape)
    before = [p.data.copy() for p in ours]
    optimiser.step()
    assert [np.array_equal(p.data, b) for p, b in zip(ours, before)] == [True, False, False]
    ours[1].requires_grad = False  # and afterwards, with a gradient and moments
    before = [p.data.copy() for p in ours]
    optimiser.step()
    assert [np.array_equal(p.data, b) for p, b in zip(ours, before)] == [True, True, False]
    ours[0].requires_grad = ours[1].requires_grad = True
    before = [p.data.copy() for p in ours]
    optimiser.step()
    assert [np.array_equal(p.data, b) for p, b in zip(ours, before)] == [False, False, False]


@pytest.mark.parametrize("save", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_freezing_and_unfreezing_is_pytorchs_also_across_a_saved_state(name, save):
    """PyTorch counts every parameter's own steps: with the optimiser's t, Adam's late starters would jump."""
    torch = pytest.importorskip("torch")
    make, kind, arguments = PAIRS[name]
    shapes = [(3, 2), (4,), (), (2, 2), (5,)]
    rng = np.random.default_rng(3)
    ours = [Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]
    theirs = [torch.tensor(p.data.copy(), requires_grad=True) for p in ours]
    optimiser, reference = make(ours), getattr(torch.optim, kind)(theirs, **arguments)
    frozen_at = {0: {0, 1}, 5: {0}, 10: {3}, 12: {0, 1, 2, 3}, 14: set()}  # the step -> who is frozen from then on
    frozen = set()
    for step in range(20):
        frozen = frozen_at.get(step, frozen)
        for i, (p, q) in enumerate(zip(ours, theirs)):
            p.requires_grad = i not in frozen
            p.grad = np.asarray(rng.normal(size=p.shape) * 3)
            q.grad = None if i in frozen else torch.tensor(p.grad)
        optimiser.step()
        reference.step()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-13)
        if save and step in (3, 7, 11, 13):
            state = optimiser.state_dict()
            optimiser = make(ours)
            optimiser.load_state_dict(state)


def test_the_small_parameters_that_move_still_go_together_when_others_are_frozen():
    ours = parameters()
    adam = optim.Adam(ours)
    ours[1].requires_grad = False
    for _ in range(2):
        for p in ours:
            p.grad = np.ones(p.shape)
        adam.step()
    assert adam.small == [0, 2]
    assert adam.state[0]["m"].base is adam.state[2]["m"].base is not None
    assert adam.state[1] == {}
    other = optim.Adam(ours)
    other.load_state_dict(adam.state_dict())
    assert other.small == [0, 2]
    assert other.missed == [0, 2, 0]


# --- states of other optimisers --------------------------------------------------------------------------------------


def after_two_steps(make, count=2):
    ours = parameters()[:count]
    optimiser = make(ours)
    for _ in range(2):
        for p in ours:
            p.grad = np.ones(p.shape)
        optimiser.step()
    return optimiser


def momentum(parameters):
    return optim.SGD(parameters, momentum=0.9)


def changed(state, **changes):
    """The state with some entries replaced ("__" stands for the dot), or left out where the new value is None."""
    new = {key.replace("__", "."): value for key, value in changes.items()}
    return {key: value for key, value in {**state, **new}.items() if value is not None}


BAD_STATES = {
    "Adam's into SGD": (optim.SGD, optim.Adam, {}, r"SGD:\n.*unknown: 0\.m \(3, 2\)"),
    "Adam's into momentum": (momentum, optim.Adam, {}, r"missing: 0\.velocity \(3, 2\)"),
    "momentum's into Adam": (optim.Adam, momentum, {}, r"missing: 0\.m \(3, 2\)(.|\n)*unknown: 0\.velocity"),
    "momentum's into SGD": (optim.SGD, momentum, {}, r"unknown: 0\.velocity"),
    "SGD's into Adam": (optim.Adam, optim.SGD, {}, r"this state does not belong to this Adam:\n.*missing: 0\.m"),
    "one moment missing": (optim.Adam, optim.Adam, {"1__v": None}, r"missing: 1\.v \(4,\)$"),
    "another parameter": (optim.Adam, optim.Adam, {"2__m": np.ones(())}, r"unknown: 2\.m \(\)$"),
    "another key": (optim.Adam, optim.Adam, {"lr": np.array(0.1)}, r"unknown: lr"),
    "another shape": (optim.Adam, optim.Adam, {"1__m": np.ones((2, 2))}, r"shape: 1\.m is \(4,\) here, \(2, 2\) there"),
    "no t": (optim.Adam, optim.Adam, {"t": None}, r"t must be a whole number >= 0, got None"),
    "t = -1": (optim.Adam, optim.Adam, {"t": np.array(-1)}, r"t must be a whole number >= 0, got array\(-1\)"),
    "t = 1.5": (optim.Adam, optim.Adam, {"t": np.array(1.5)}, r"t must be a whole number"),
    "two t": (optim.SGD, optim.SGD, {"t": np.array([1, 2])}, r"t must be a whole number"),
    "t = True": (optim.SGD, optim.SGD, {"t": np.array(True)}, r"t must be a whole number"),
    "too many missed": (
        optim.SGD,
        optim.SGD,
        {"0__missed": np.array(3)},
        r"0\.missed must be a whole number from 0 to t",
    ),
    "missed = 0.5": (optim.SGD, optim.SGD, {"0__missed": np.array(0.5)}, r"0\.missed must be a whole number"),
    "NaN": (optim.Adam, optim.Adam, {"0__m": np.full((3, 2), np.nan)}, r"values: 0\.m must be finite numbers$"),
    "infinity": (
        optim.Adam,
        optim.Adam,
        {"0__v": np.full((3, 2), np.inf)},
        r"values: 0\.v must be finite numbers >= 0$",
    ),
    "negative": (
        optim.AdamW,
        optim.AdamW,
        {"1__v": -np.ones(4)},
        r"AdamW:\n  values: 1\.v must be finite numbers >= 0$",
    ),
    "strings": (
        momentum,
        momentum,
        {"1__velocity": np.array(list("abcd"))},
        r"values: 1\.velocity must be finite numbers",
    ),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_a_state_that_is_not_its_own_is_refused_and_nothing_changes(name):
    make, other, changes, message = BAD_STATES[name]
    optimiser = after_two_steps(make)
    before = optimiser.state_dict()
    with pytest.raises(ValueError, match=message):
        optimiser.load_state_dict(changed(after_two_steps(other).state_dict(), **changes))
    after = optimiser.state_dict()
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[key], before[key]) for key in before)
    fresh = make(parameters()[:2])
    with pytest.raises(ValueError, match=message):
        fresh.load_state_dict(changed(after_two_steps(other).state_dict(), **changes))
    assert fresh.state_dict() == {"t": 0}


@pytest.mark.parametrize("make", [optim.SGD, momentum, optim.Adam, optim.AdamW])
def test_its_own_states_are_taken(make):
    for optimiser in (make(parameters()), after_two_steps(make, 3)):
        state = optimiser.state_dict()
        other = make(parameters())
        other.load_state_dict(state)
        assert other.t == optimiser.t
        assert all(np.array_equal(values, state[key]) for key, values in other.state_dict().items())
    other.load_state_dict({**state, "t": 2})  # a plain number will do


def test_moments_too_large_for_the_dtype_are_refused():
    adam = optim.Adam([Parameter(np.zeros(1, np.float32))])
    with pytest.raises(ValueError, match=r"values: 0\.v must be finite numbers >= 0"):
        adam.load_state_dict({"t": 1, "0.m": np.zeros(1), "0.v": np.array([1e300])})


# --- bad input -------------------------------------------------------------------------------------------------------

NOT_RATES = [-0.1, math.nan, math.inf, -math.inf, "0.1", None]


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_hyperparameters_that_make_no_sense_are_refused_by_name(make):
    p = [Parameter(1.0)]
    for value in NOT_RATES:
        with pytest.raises(ValueError, match=rf"{make.__name__}: lr must be a finite number >= 0, got {value!r}"):
            make(p, lr=value)
        with pytest.raises(ValueError, match="weight_decay must be a finite number"):
            make(p, lr=0.1, weight_decay=value)
    make(p, lr=0.0)
    for value in (-0.1, 1.0, math.nan):
        if make is optim.SGD:
            with pytest.raises(ValueError, match="SGD: momentum must be a number with 0 <= momentum < 1"):
                make(p, momentum=value)
        else:
            with pytest.raises(ValueError, match="beta1 must be a number with"):
                make(p, betas=(value, 0.9))
            with pytest.raises(ValueError, match="beta2 must be a number with"):
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
    for wrong in (Tensor([1]), np.ones(2), w * 2.0, "weights"):
        with pytest.raises(TypeError, match=f"{make.__name__}: expected leaves that require a gradient"):
            make([w, wrong])
    frozen = Parameter([1.0])
    frozen.requires_grad = False
    for none in ([frozen], [Tensor([1.0])], [frozen, Tensor([1.0])]):
        with pytest.raises(ValueError, match=f"{make.__name__}: no parameter requires a gradient"):
            make(none)
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


def test_what_is_no_parameter_is_refused_by_name():
    with pytest.raises(TypeError, match="clip_grad_norm: each parameter must be a Tensor, got array"):
        optim.clip_grad_norm([*with_gradients([3.0]), np.zeros(1)], 1.0)


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
    with pytest.raises(ValueError, match="max_norm must be a number > 0"):
        optim.clip_grad_norm(with_gradients([1.0]), length)


@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [
        (np.float32, [1e20, 3e20, 1e30, 1e38]),
        (np.float32, [1e-23, 1e-30, 1e-38]),
        (np.float64, [1e200, 1e-200, 1e300]),
        (np.float16, [300.0, 6e4, 1e-4, 1e-6]),
    ],
)
def test_gradients_whose_squares_leave_the_range_of_the_numbers_are_clipped(dtype, sizes):
    for size in sizes:
        ours = with_gradients(*(size * RNG.uniform(0.5, 1, shape) for shape in ((4, 5), (3,))))
        for p in ours:
            p.data, p.grad = p.data.astype(dtype), p.grad.astype(dtype)
        exact = [p.grad.astype(np.longdouble) for p in ours]
        length = float(np.sqrt(sum((g * g).sum() for g in exact)))
        longest = float(dtype(length / 8)) if dtype != np.float16 else length / 8
        assert optim.clip_grad_norm(ours, longest) == pytest.approx(length, rel=1e-6, abs=0)
        for p, g in zip(ours, exact):
            assert p.grad.dtype == dtype
            spacing = 1e-6 if dtype != np.float16 else 1e-3
            smallest = float(np.finfo(dtype).smallest_subnormal)
            np.testing.assert_allclose(p.grad, g * (longest / length), rtol=spacing, atol=smallest)


def test_many_small_numbers_of_float16_are_summed_in_float32():
    p = Parameter(np.zeros(200_000, np.float16))
    p.grad = np.ones(200_000, np.float16)  # their squares add up to more than float16 holds
    assert optim.clip_grad_norm([p], 1.0) == pytest.approx(200_000**0.5, rel=1e-6)
    np.testing.assert_allclose(p.grad, 200_000**-0.5, rtol=1e-3)
    p.grad = np.full(200_000, 60_000, np.float16)
    optim.clip_grad_norm([p], 1.0)  # the factor, 4e-8, is smaller than any float16
    np.testing.assert_allclose(p.grad, 200_000**-0.5, rtol=1e-3)


@pytest.mark.parametrize(("size", "reads"), [(1.0, 1), (1e20, 3), (1e-30, 3)])
def test_clipping_waits_for_the_gpu_once_and_more_often_only_out_of_range(cupy, size, reads):
    ours = [Parameter(cupy.asarray(np.full(3, value, np.float32))) for value in (1.0, 2.0)]
    for p in ours:
        p.grad = p.data * np.float32(size)
    cupy.work.reset()
    assert optim.clip_grad_norm(ours, size) == pytest.approx(size * 15**0.5, rel=1e-6, abs=0)
    assert cupy.work.reads == reads
    assert [float(p.grad.max()) for p in ours] == pytest.approx([size * 15**-0.5, 2 * size * 15**-0.5], rel=1e-6, abs=0)


def test_the_gradient_of_a_frozen_parameter_does_not_count():
    ours = with_gradients([3.0], [4.0], [12.0])
    ours[2].requires_grad = False
    assert optim.clip_grad_norm(ours, 1.0) == 5.0
    assert [p.grad.tolist() for p in ours] == [[pytest.approx(0.6)], [pytest.approx(0.8)], [12.0]]


def test_a_rule_of_ones_own_needs_an_update_and_remembers_nothing_by_default():
    class Sign(optim.optimizer.Optimizer):
        def update(self, i, p, g):
            p -= self.lr * np.sign(g)

    p = Tensor([1.0, 2.0], requires_grad=True)
    p.grad = np.array([3.0, -4.0])
    optimiser = Sign([p], lr=0.5)
    assert optimiser.weight_decay == 0
    optimiser.step()
    assert p.data.tolist() == [0.5, 2.5]
    assert optimiser.state_dict() == {"t": 1}
    optimiser.load_state_dict(optimiser.state_dict())
    with pytest.raises(NotImplementedError):
        optim.optimizer.Optimizer([p], lr=0.5).step()


@pytest.mark.parametrize("name", PAIRS)
def test_a_step_without_any_gradient_moves_nothing(name):
    ours = parameters()
    before = [p.data.copy() for p in ours]
    PAIRS[name][0](ours).step()
    for p, b in zip(ours, before):
        np.testing.assert_array_equal(p.data, b)


def test_one_gradient_alone_on_the_gpu_is_clipped(cupy):
    p = Tensor([3.0, 4.0], requires_grad=True).to("cuda")
    p = Tensor(p.data, requires_grad=True)
    p.grad = p.data * 2
    assert optim.clip_grad_norm([p], 1.0) == pytest.approx(10)
    np.testing.assert_allclose(cupy.asnumpy(p.grad), [0.6, 0.8])

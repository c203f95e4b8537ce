"""Layers of attention: heads, cache, weight tying, and bad input."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.gradcheck import gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 6))


def random(layer):
    """In float64, with biases that are not zero."""
    for p in layer.astype(np.float64).parameters():
        p.data = RNG.normal(size=p.shape) / 2
    return layer


def test_a_heads_weights_are_softmax_of_its_queries_and_keys():
    layer = random(nn.MultiHeadAttention(6, 3, causal=True))
    qkv = X @ layer.qkv.weight.data + layer.qkv.bias.data
    head = slice(2, 4)  # the second of three, with two numbers each
    q, k, v = (part[..., head] for part in np.split(qkv, 3, axis=-1))
    A = np.where(np.tri(5), np.exp(q @ k.swapaxes(1, 2) / np.sqrt(2)), 0)
    P = A / A.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(layer.weights(X)[:, 1], P, rtol=1e-12)
    found = layer.output.weight
    found.data[...], layer.output.bias.data[...] = np.eye(6), 0
    np.testing.assert_allclose(layer(X).data[..., head], P @ v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer", [nn.MultiHeadAttention(6, 2), nn.TransformerBlock(6, 3, hidden=4, causal=True)])
def test_gradients_of_input_and_parameters(layer):
    random(layer)
    gradcheck(layer, X[:1, :3], parameters=layer.parameters())


def test_gradients_of_positions():
    layer = random(nn.PositionalEmbedding(6, 6))
    np.testing.assert_array_equal(layer(X, 1).data - X, np.broadcast_to((layer.weight.data[1:] + X) - X, X.shape))
    gradcheck(lambda x: layer(x, 1), X, parameters=[layer.weight])


@pytest.mark.parametrize("steps", [[1] * 5, [2, 3], [4, 1]])
def test_a_cache_gives_what_the_whole_text_gives(steps):
    block, places = random(nn.TransformerBlock(6, 2, causal=True)), random(nn.PositionalEmbedding(5, 6))
    whole = block(places(X)).data
    cache, start = {}, 0
    for T in steps:
        new = block(places(X[:, start : start + T], start), cache=cache).data
        np.testing.assert_allclose(new, whole[:, start : start + T], rtol=1e-12, atol=1e-12)
        start += T
    assert cache["k"].shape == (2, 2, 5, 3)


def test_padding_behind_a_sequence_is_masked_away():
    block = random(nn.TransformerBlock(6, 2))
    mask = np.arange(5) < np.array([5, 3])[:, None]
    masked = block(X, mask[:, None, None]).data
    np.testing.assert_allclose(masked[1:, :3], block(X[1:, :3]).data, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(masked[:1], block(X[:1]).data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [nn.MultiHeadAttention, nn.TransformerBlock])
def test_dropout_is_for_training_and_from_the_layers_own_generator(make):
    layer = make(6, 2, dropout=0.5, rng=np.random.default_rng(3))
    again = make(6, 2, dropout=0.5, rng=np.random.default_rng(3))
    first = layer(X).data
    np.testing.assert_array_equal(again(X).data, first)
    assert (layer(X).data != first).any()
    layer.eval()
    np.testing.assert_array_equal(layer(X).data, layer(X).data)


def test_without_biases_none_is_learnt():
    names = dict(nn.TransformerBlock(6, 2, bias=False).named_parameters())
    assert sorted(names) == [
        *("attention.output.weight", "attention.qkv.weight", "network.layers.0.weight", "network.layers.2.weight"),
        *("norm1.beta", "norm1.gamma", "norm2.beta", "norm2.gamma"),
    ]
    assert names["network.layers.0.weight"].shape == (6, 24)


def test_a_tied_matrix_learns_from_both_its_ends():
    table, ids, G = nn.Embedding(4, 3).astype(np.float64), np.array([[1, 2]]), RNG.normal(size=(1, 2, 4))
    table.scores(table(ids)).backward(G)
    tied = table.weight.grad
    reads, writes = (Tensor(table.weight.data, requires_grad=True) for _ in range(2))
    (ops.embedding(reads, ids) @ writes.T).backward(G)
    np.testing.assert_allclose(tied, reads.grad + writes.grad, rtol=1e-14)
    assert len(table.parameters()) == 1


REFUSED = {
    "heads that do not divide": (
        lambda: nn.MultiHeadAttention(6, 4), "MultiHeadAttention: heads must divide size, .*; 4 and 6"
    ),
    "heads of a block": (lambda: nn.TransformerBlock(6, 4), "heads must divide size"),
    "no heads": (lambda: nn.MultiHeadAttention(6, 0), "MultiHeadAttention: heads must be a whole number >= 1, got 0"),
    "a text that is too long": (
        lambda: nn.PositionalEmbedding(4, 6)(X),
        "PositionalEmbedding: the sequence goes to place 4, but there are 4 positions, 0..3; cut it",
    ),
    "the same, with a start": (lambda: nn.PositionalEmbedding(5, 6)(X, 1), "goes to place 5, but there are 5"),
    "a start before the first": (lambda: nn.PositionalEmbedding(5, 6)(X, -1), "start must be a whole number >= 0"),
    "sequences of length 0": (
        lambda: nn.MultiHeadAttention(6, 2)(X[:, :0]), r"expected x of shape \(N, T, 6\), with .* got \(2, 0, 6\)"
    ),
    "the same in a block": (lambda: nn.TransformerBlock(6, 2)(X[:, :0]), r"TransformerBlock: .* got \(2, 0, 6\)"),
    "no sequences": (lambda: nn.PositionalEmbedding(5, 6)(X[:0]), "PositionalEmbedding: .*N and T at least 1; got"),
    "a start between places": (lambda: nn.PositionalEmbedding(5, 6)(X, 0.5), "start must be a whole number >= 0"),
    "half a head": (lambda: nn.MultiHeadAttention(6, 1.5), "heads must be a whole number >= 1, got 1.5"),
    "another width": (lambda: nn.TransformerBlock(4, 2)(X), r"TransformerBlock: expected x of shape \(N, T, 4\)"),
    "one sequence alone": (lambda: nn.PositionalEmbedding(5, 6)(X[0]), r"expected x of shape \(N, T, 6\)"),
    "no room for the hidden units": (lambda: nn.TransformerBlock(6, 2, hidden=0), "TransformerBlock: hidden must be"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_gets_one_error(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()


BEFORE = np.zeros((2, 2, 4, 3), np.float32)  # keys or values of four places, by two heads


@pytest.mark.parametrize(
    ("k", "v", "got"),
    [
        (Tensor(BEFORE), None, r"\(2, 2, 4, 3\) of float32 and NoneType"),
        (BEFORE, BEFORE, "ndarray and ndarray"),
        (Tensor(BEFORE[0]), Tensor(BEFORE[0]), r"\(2, 4, 3\) of float32 and"),
        (Tensor(BEFORE[:1]), Tensor(BEFORE[:1]), r"\(1, 2, 4, 3\) of float32"),  # another batch
        (Tensor(BEFORE[:, :1]), Tensor(BEFORE[:, :1]), r"\(2, 1, 4, 3\) of float32"),  # another number of heads
        (Tensor(BEFORE[..., :2]), Tensor(BEFORE[..., :2]), r"\(2, 2, 4, 2\) of float32"),  # another width
        (Tensor(BEFORE), Tensor(BEFORE[:, :, 1:]), r"\(2, 2, 4, 3\) of float32 and \(2, 2, 3, 3\) of float32"),
        (*[Tensor(BEFORE.astype(np.float64))] * 2, r"\(2, 2, 4, 3\) of float64 and"),
    ],
)
def test_a_cache_that_does_not_fit_is_refused_and_left_as_it_is(k, v, got):
    cache = {"k": k, "v": v}
    message = rf"MultiHeadAttention: the cache must be empty, or .* tensors \(2, 2, S, 3\) of float32; got {got}"
    with pytest.raises(ValueError, match=message):
        nn.MultiHeadAttention(6, 2, causal=True)(X, cache=cache)
    assert cache["k"] is k
    assert cache["v"] is v


def test_a_call_that_is_refused_leaves_the_cache_as_it_was():
    layer, cache = random(nn.MultiHeadAttention(6, 2, causal=True)), {}
    layer(X[:, :3], cache=cache)
    with pytest.raises(ValueError, match=r"mask must broadcast to .* \(2, 2, 2, 5\); got \(2, 2\)"):
        layer(X[:, 3:], np.ones((2, 2), bool), cache)  # of the new places alone; there are three before them
    np.testing.assert_allclose(layer(X[:, 3:], cache=cache).data, layer(X).data[:, 3:], rtol=1e-12)


def test_a_place_that_may_look_nowhere_finds_nothing_and_sends_nothing_back():
    layer, x = random(nn.MultiHeadAttention(6, 2)), Tensor(X, requires_grad=True)
    mask = np.ones((5, 5), bool)
    mask[2] = False
    y = layer(x, mask)
    np.testing.assert_array_equal(y.data[:, 2], np.broadcast_to(layer.output.bias.data, (2, 6)))
    y[:, 2].sum().backward()
    assert not x.grad.any()
    assert not layer.qkv.weight.grad.any()


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64])
@pytest.mark.parametrize(
    "layer", [nn.MultiHeadAttention(6, 2), nn.TransformerBlock(6, 2)], ids=["attention", "transformer block"]
)
def test_a_tensor_of_another_dtype_is_refused_and_an_array_is_taken_in_the_layers(layer, dtype):
    name = np.dtype(dtype).name
    with pytest.raises(TypeError, match=f"different dtypes, {name} and float32; convert|floating-point.*got {name}"):
        layer(Tensor(X.astype(dtype)))
    assert layer(X.astype(dtype)).dtype == np.float32


def test_a_cache_is_a_dict():
    with pytest.raises(TypeError, match="MultiHeadAttention: cache must be a dict, empty before the first places"):
        nn.MultiHeadAttention(6, 2)(X, cache=[])

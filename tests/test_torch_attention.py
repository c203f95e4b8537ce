"""Attention against PyTorch, forward and backward, in float64."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops, textbook

torch = pytest.importorskip("torch")


def assert_equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-10 * max(1.0, np.abs(theirs).max())


@pytest.mark.parametrize("attention", [ops.attention, textbook.attention], ids=["fast", "textbook"])
@pytest.mark.parametrize(("T", "S", "how"), [(7, 5, "full"), (6, 6, "causal"), (5, 7, "mask"), (150, 150, "causal")])
def test_equal_to_pytorchs_scaled_dot_product_attention(attention, T, S, how):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((3, 2, T, 4), (3, 2, S, 4), (3, 2, S, 5))]
    G, mask = rng.normal(size=(3, 2, T, 5)), None
    if how == "mask":
        mask = rng.random((3, 1, T, S)) > 0.5
        mask[..., 0] = True
    ours = [Tensor(x, requires_grad=True) for x in arrays]
    theirs = [torch.from_numpy(x.copy()).requires_grad_() for x in arrays]
    y = attention(*ours, mask, how == "causal")
    y_t = torch.nn.functional.scaled_dot_product_attention(
        *theirs, None if mask is None else torch.from_numpy(mask), is_causal=how == "causal"
    )
    y.backward(G)
    y_t.backward(torch.from_numpy(G))
    assert_equal(y.data, y_t.detach().numpy())
    for a, b in zip(ours, theirs):
        assert_equal(a.grad, b.grad.numpy())


def encoder_layer(block, hidden):
    """PyTorch's layer with the weights of ours, whose matrices are theirs transposed."""
    size, heads = block.norm1.gamma.size, block.attention.heads
    theirs = torch.nn.TransformerEncoderLayer(
        size, heads, hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    first, _, last = block.network.layers
    pairs = {
        "self_attn.in_proj_weight": block.attention.qkv.weight,
        "self_attn.in_proj_bias": block.attention.qkv.bias,
        "self_attn.out_proj.weight": block.attention.output.weight,
        "self_attn.out_proj.bias": block.attention.output.bias,
        "linear1.weight": first.weight,
        "linear1.bias": first.bias,
        "linear2.weight": last.weight,
        "linear2.bias": last.bias,
        "norm1.weight": block.norm1.gamma,
        "norm1.bias": block.norm1.beta,
        "norm2.weight": block.norm2.gamma,
        "norm2.bias": block.norm2.beta,
    }
    theirs.load_state_dict({name: torch.from_numpy(p.data.T.copy()) for name, p in pairs.items()})
    return theirs, pairs


@pytest.mark.parametrize("how", ["full", "causal", "padded"])
def test_equal_to_pytorchs_transformer_encoder_layer(how):
    rng = np.random.default_rng(0)
    block = nn.TransformerBlock(12, 3, hidden=20, causal=how == "causal").astype(np.float64)
    for p in block.parameters():
        p.data = rng.normal(size=p.shape) / 2
    theirs, pairs = encoder_layer(block, 20)
    X, G = rng.normal(size=(3, 7, 12)), rng.normal(size=(3, 7, 12))
    x, x_t = Tensor(X, requires_grad=True), torch.from_numpy(X.copy()).requires_grad_()
    seen = np.arange(7) < np.array([7, 4, 1])[:, None]
    future = torch.triu(torch.ones(7, 7, dtype=torch.bool), 1) if how == "causal" else None
    y = block(x, seen[:, None, None] if how == "padded" else None)
    y_t = theirs(x_t, future, torch.from_numpy(~seen) if how == "padded" else None)
    y.backward(G)
    y_t.backward(torch.from_numpy(G))
    assert_equal(y.data, y_t.detach().numpy())
    assert_equal(x.grad, x_t.grad.numpy())
    parameters = dict(theirs.named_parameters())
    assert parameters.keys() == pairs.keys()
    for name, p in pairs.items():
        assert_equal(p.grad.T, parameters[name].grad.numpy())

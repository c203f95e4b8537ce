"""Attention against PyTorch, forward and backward, in float64."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops, textbook

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

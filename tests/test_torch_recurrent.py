"""The sequence operations against PyTorch's nn.RNN, nn.LSTM and nn.GRU, forward and backward, in float64."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops

torch = pytest.importorskip("torch")

N, T, D, H = 3, 7, 4, 5
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


def reorder(name, weights):
    """Our blocks of H columns in PyTorch's order, or back: the GRU's z and r are exchanged."""
    blocks = np.split(weights, GATES[name], axis=-1)
    order = (1, 0, 2) if name == "GRU" else range(GATES[name])
    return np.concatenate([blocks[i] for i in order], axis=-1)


def convert(layer):
    """PyTorch's layer with the weights of ours."""
    name = type(layer).__name__
    theirs = {"SimpleRNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[name](D, H, batch_first=True)
    theirs = theirs.double()
    bias = layer.bias.data
    biases = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.from_numpy(reorder(name, layer.kernel.data).T))
        theirs.weight_hh_l0.copy_(torch.from_numpy(reorder(name, layer.recurrent_kernel.data).T))
        theirs.bias_ih_l0.copy_(torch.from_numpy(reorder(name, biases[0])))
        theirs.bias_hh_l0.copy_(torch.from_numpy(reorder(name, biases[1])))
    return theirs


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("kind", [nn.SimpleRNN, nn.LSTM, nn.GRU])
def test_equal_to_pytorch(kind, with_state):
    name = kind.__name__
    rng = np.random.default_rng(0)
    layer = kind(D, H, return_sequences=True, return_state=True)
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape) / 2
    theirs = convert(layer)
    arrays = [rng.normal(size=(N, T, D)), *(rng.normal(size=(N, H)) for _ in range(2 if name == "LSTM" else 1))]
    x, *states = [Tensor(array, requires_grad=True) for array in arrays]
    x_t, *states_t = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]

    def given(states):
        return None if not with_state else tuple(states) if name == "LSTM" else states[0]

    outputs, last = layer(x, given(states))
    outputs_t, last_t = theirs(x_t, given([state[None] for state in states_t]))
    results = [outputs, *(last if name == "LSTM" else (last,))]
    results_t = [outputs_t, *(part[0] for part in (last_t if name == "LSTM" else (last_t,)))]
    weights = [rng.normal(size=result.shape) for result in results]
    sum((ops.sum(a * w) for a, w in zip(results, weights)), Tensor(np.zeros(()))).backward()
    sum((a * torch.from_numpy(w)).sum() for a, w in zip(results_t, weights)).backward()

    pairs = [(a.data, b.detach().numpy()) for a, b in zip(results, results_t)]
    pairs += [(x.grad, x_t.grad.numpy())]
    pairs += [(a.grad, b.grad.numpy()) for a, b in zip(states, states_t) if with_state]
    pairs += [(layer.kernel.grad, reorder(name, theirs.weight_ih_l0.grad.numpy().T))]
    pairs += [(layer.recurrent_kernel.grad, reorder(name, theirs.weight_hh_l0.grad.numpy().T))]
    biases = reorder(name, np.stack([theirs.bias_ih_l0.grad.numpy(), theirs.bias_hh_l0.grad.numpy()]))
    pairs += [(layer.bias.grad, biases if name == "GRU" else biases[0])]
    for ours, expected in pairs:
        assert ours.shape == expected.shape
        assert np.abs(ours - expected).max() <= 1e-10 * max(1.0, np.abs(expected).max())


def test_embedding_equals_pytorch():
    rng = np.random.default_rng(1)
    table, ids, G = rng.normal(size=(6, 3)), rng.integers(0, 6, (4, 5)), rng.normal(size=(4, 5, 3))
    ours = Tensor(table, requires_grad=True)
    ops.embedding(ours, ids).backward(G)
    theirs = torch.from_numpy(table.copy()).requires_grad_()
    torch.nn.functional.embedding(torch.from_numpy(ids), theirs).backward(torch.from_numpy(G))
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)

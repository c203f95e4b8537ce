"""The sequence operations against PyTorch's nn.RNN, nn.LSTM and nn.GRU, forward and backward, in float64."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, interop, nn, ops

torch = pytest.importorskip("torch")

N, T, D, H = 3, 7, 4, 5


def convert(layer):
    """PyTorch's layer with the weights of ours."""
    name = {"SimpleRNN": "RNN"}.get(type(layer).__name__, type(layer).__name__)
    theirs = getattr(torch.nn, name)(D, H, batch_first=True).double()
    theirs.load_state_dict({name: torch.from_numpy(values) for name, values in interop.to_torch(layer).items()})
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
    parameters = dict(theirs.named_parameters())
    pairs += [(g, parameters[key].grad.numpy()) for key, g in interop.to_torch(layer, gradients=True).items()]
    assert len(parameters) == 4
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

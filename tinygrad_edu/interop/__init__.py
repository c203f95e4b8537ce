"""Weights from PyTorch and Keras and back, and where a port of a network goes wrong.

- `from_torch`, `from_keras`: set a network of ours from theirs.
- `to_torch`, `to_keras`: a network's weights, or its gradients, as theirs are named and laid out.
- `first_difference`: the first layer, and the first gradient, in which our network and theirs differ.

Neither framework is imported, everything goes by NumPy arrays. With a file of theirs in between:

    save_file({name: t.numpy() for name, t in module.state_dict().items()}, "theirs.safetensors")   # there
    interop.from_torch(model, "theirs.safetensors")                                                 # here
    module.load_state_dict({name: torch.from_numpy(a) for name, a in interop.to_torch(model).items()})

How the layers lie, by the frameworks' documentation; H units, D features, C and O channels, g groups:

| ours | PyTorch | Keras |
|---|---|---|
| Linear `weight` (D, M) | Linear `weight` (M, D) | Dense `kernel` (D, M) |
| Conv2d `weight` (KH, KW, C/g, O) | Conv2d `weight` (O, C/g, KH, KW) | Conv2D `kernel` (KH, KW, C/g, O) |
| the same with g = C, O = C m | the same | DepthwiseConv2D `kernel` (KH, KW, C, m) |
| ConvTranspose2d `weight` (KH, KW, O, C) | `weight` (C, O, KH, KW) | Conv2DTranspose `kernel` (KH, KW, O, C) |
| BatchNorm `gamma`, `beta` | BatchNorm `weight`, `bias` | BatchNormalization `gamma`, `beta` |
| `running_mean`, `running_var` | `running_mean`, `running_var` | `moving_mean`, `moving_variance` |
| LayerNorm `gamma`, `beta` | LayerNorm `weight`, `bias` | LayerNormalization `gamma`, `beta` |
| RMSNorm `gamma` | RMSNorm `weight` | RMSNormalization `scale` |
| Embedding, PositionalEmbedding `weight` (count, size) | Embedding `weight` | Embedding `embeddings` |
| SimpleRNN `kernel` (D, H) | RNN `weight_ih_l0` (H, D) | SimpleRNN `kernel` (D, H) |
| `recurrent_kernel` (H, H), `bias` (H,) | `weight_hh_l0` (H, H), two biases | the same |
| LSTM: gates i, f, g, o; `bias` (4H,) | LSTM: i, f, g, o; two biases, added | LSTM: i, f, c, o, which are ours |
| GRU: z, r, candidate; `bias` (2, 3H) | GRU: r, z, n; two biases | GRU with `reset_after=True`: the same |

What no file of weights tells, and what must be set where the network is built:

- `eps` of a batch or layer norm is 1e-5 in PyTorch, 1e-3 in Keras and here. `momentum` is PyTorch's 1 - momentum.
- PyTorch moves `running_var` by the unbiased variance, n/(n-1) times the biased one by which all three normalise; Keras
  and we move it by the biased one. So evaluations after a training step differ slightly; the gradients do not.
- PyTorch's images are (N, C, H, W). A Linear behind a Flatten sees the channels first there: `flattened` reorders it.
- Padding "same" with a stride above 1 pads below and on the right in Keras and here; PyTorch's padding=1 on all sides.
- A `bidirectional` layer of theirs has no counterpart; one with `num_layers=2` is two layers here, one after the other.
"""

from tinygrad_edu.interop.difference import Comparison, Difference, first_difference
from tinygrad_edu.interop.weights import from_keras, from_torch, to_keras, to_torch

__all__ = ["Comparison", "Difference", "first_difference", "from_keras", "from_torch", "to_keras", "to_torch"]

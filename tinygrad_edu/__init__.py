"""A reverse-mode autodiff mini-framework, written to be read.

Reading order:

1. `tensor.py`: the engine. An array that remembers how it was computed, and the walk that applies the chain rule.
2. `ops/arithmetic.py`, `ops/matmul.py`: what an operation looks like.
3. `textbook/`: convolution, recurrence and the rest, each derived and written plainly, a line for every equation.
4. `gradcheck/check.py`: how a gradient is proven right.
5. `nn/module.py`, `nn/layers.py`, `optim/`: layers, parameters and how they learn.
6. `models/softmax_by_hand.py`, then `models/softmax_regression.py`: one network, by hand and by the engine.

Then, for the curious, the fast storey: `ops/conv.py`, `ops/recurrent/` and the others with a twin in the textbook.
`backend.py` holds what NumPy and CuPy do differently. `runtime/` only makes things faster; what that changes in your
process is told in `runtime/process.py`.
"""

from tinygrad_edu import metrics, nn, ops, optim
from tinygrad_edu.backend import DeviceError, resolve_device
from tinygrad_edu.nn import Parameter, manual_seed
from tinygrad_edu.runtime.process import tune_process
from tinygrad_edu.tensor import Tensor, no_grad

__version__ = "0.1.0"
# fmt: off
__all__ = [
    "DeviceError", "Parameter", "Tensor", "manual_seed", "metrics", "nn", "no_grad", "ops", "optim", "resolve_device",
    "tune_process",
]
# fmt: on

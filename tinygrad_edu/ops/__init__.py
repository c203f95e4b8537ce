"""Every differentiable operation: one function each, forward, derivation and backward in one place.

`ops.__all__` is the list of them; `python -m tinygrad_edu.gradcheck` proves each one's gradient. This file ends with
the one table that makes `a + b` mean `add(a, b)` and `x.sum()` mean `sum(x)`.
"""

from tinygrad_edu.ops.activation import gelu, leaky_relu, log_softmax, logsumexp, relu, sigmoid, softmax, tanh
from tinygrad_edu.ops.arithmetic import (
    abs,
    add,
    clip,
    div,
    exp,
    log,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    sqrt,
    sub,
    where,
)
from tinygrad_edu.ops.conv import conv2d
from tinygrad_edu.ops.conv_transpose import conv_transpose2d
from tinygrad_edu.ops.dropout import dropout
from tinygrad_edu.ops.embedding import embedding
from tinygrad_edu.ops.loss import mse, softmax_cross_entropy
from tinygrad_edu.ops.matmul import linear, matmul
from tinygrad_edu.ops.normalization import batch_norm, layer_norm, rms_norm
from tinygrad_edu.ops.pool import avg_pool2d, global_avg_pool2d, max_pool2d
from tinygrad_edu.ops.recurrent import gru, lstm, simple_rnn
from tinygrad_edu.ops.reduce import max, mean, min, sum, var
from tinygrad_edu.ops.shape import (
    astype,
    broadcast_to,
    concatenate,
    expand_dims,
    getitem,
    pad,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    to,
    transpose,
)
from tinygrad_edu.tensor import Tensor

# fmt: off
__all__ = [
    "abs", "add", "astype", "avg_pool2d", "batch_norm", "broadcast_to", "clip", "concatenate", "conv2d",
    "conv_transpose2d", "div", "dropout", "embedding", "exp", "expand_dims", "gelu", "getitem", "global_avg_pool2d",
    "gru", "layer_norm", "leaky_relu", "linear", "log", "log_softmax", "logsumexp", "lstm", "matmul", "max",
    "max_pool2d", "maximum", "mean", "min", "minimum", "mse", "mul", "neg", "pad", "pow", "relu", "reshape", "rms_norm",
    "sigmoid", "simple_rnn", "softmax", "softmax_cross_entropy", "split", "sqrt", "squeeze", "stack", "sub", "sum",
    "swapaxes", "tanh", "to", "transpose", "var", "where",
]
# fmt: on

_METHODS = {
    "__add__": add,
    "__radd__": lambda x, other: add(other, x),
    "__sub__": sub,
    "__rsub__": lambda x, other: sub(other, x),
    "__mul__": mul,
    "__rmul__": lambda x, other: mul(other, x),
    "__truediv__": div,
    "__rtruediv__": lambda x, other: div(other, x),
    "__pow__": pow,
    "__rpow__": lambda x, other: pow(other, x),
    "__matmul__": matmul,
    "__rmatmul__": lambda x, other: matmul(other, x),
    "__neg__": neg,
    "__abs__": abs,
    "__getitem__": getitem,
    "__float__": Tensor.item,
    **{
        function.__name__: function
        for function in (
            *(exp, log, sqrt, abs, clip, tanh, sigmoid, relu, softmax, log_softmax),
            *(sum, mean, var, max, min),
            *(reshape, transpose, swapaxes, expand_dims, squeeze, astype, to),
        )
    },
}

for _name, _function in _METHODS.items():
    setattr(Tensor, _name, _function)

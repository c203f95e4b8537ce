"""Every differentiable operation: one function each, forward, derivation and backward in one place.

`ops.__all__` is the list of them; `python -m tinygrad_edu.gradcheck` proves each one's gradient. This file ends with
the one table that makes `a + b` mean `add(a, b)` and `x.sum()` mean `sum(x)`.
"""

from tinygrad_edu.ops import array_methods, display
from tinygrad_edu.ops.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from tinygrad_edu.ops.arithmetic import (
    abs,
    add,
    clip,
    cos,
    div,
    exp,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    sin,
    sqrt,
    sub,
    where,
)
from tinygrad_edu.ops.attention import attention
from tinygrad_edu.ops.conv import conv2d
from tinygrad_edu.ops.conv_transpose import conv_transpose2d
from tinygrad_edu.ops.cross_entropy import binary_cross_entropy_with_logits, softmax_cross_entropy
from tinygrad_edu.ops.dropout import dropout
from tinygrad_edu.ops.einsum import einsum
from tinygrad_edu.ops.embedding import embedding
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.loss import mse
from tinygrad_edu.ops.matmul import linear, matmul
from tinygrad_edu.ops.normalization import batch_norm, layer_norm, rms_norm
from tinygrad_edu.ops.pool import avg_pool2d, global_avg_pool2d, max_pool2d
from tinygrad_edu.ops.recurrent import gru, lstm, simple_rnn
from tinygrad_edu.ops.reduce import cumsum, max, mean, min, sum, var
from tinygrad_edu.ops.shape import (
    astype,
    broadcast_to,
    concatenate,
    expand_dims,
    flatten,
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
    "abs", "add", "astype", "attention", "avg_pool2d", "batch_norm", "binary_cross_entropy_with_logits", "broadcast_to",
    "clip", "concatenate", "conv2d", "conv_transpose2d", "cos", "cumsum", "div", "dropout", "einsum", "elu",
    "embedding", "exp", "expand_dims", "flatten", "gelu", "getitem", "global_avg_pool2d", "gru", "layer_norm",
    "leaky_relu", "linear", "log", "log1p", "log_softmax", "logsumexp", "lstm", "matmul", "max", "max_pool2d",
    "maximum", "mean", "min", "minimum", "mse", "mul", "neg", "pad", "pow", "relu", "reshape", "rms_norm", "sigmoid",
    "silu", "simple_rnn", "sin", "softmax", "softmax_cross_entropy", "softplus", "split", "sqrt", "squeeze", "stack",
    "sub", "sum", "swapaxes", "tanh", "to", "transpose", "var", "where",
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
    "__pos__": lambda x: x,
    "__abs__": abs,
    "__getitem__": getitem,
    "T": property(transpose),
    **{
        function.__name__: function
        for function in (
            *(exp, log, log1p, sqrt, sin, cos, abs, clip, tanh, sigmoid, relu, softmax, log_softmax),
            *(sum, mean, var, max, min, cumsum),
            *(reshape, flatten, transpose, swapaxes, expand_dims, squeeze, astype, to),
        )
    },
    # What follows has no gradient. `==` is not among it: it stays identity, so that tensors can be keys.
    "__lt__": array_methods.less,
    "__le__": array_methods.less_equal,
    "__gt__": array_methods.greater,
    "__ge__": array_methods.greater_equal,
    "__len__": array_methods.length,
    "__iter__": array_methods.iterate,
    "__bool__": array_methods.truth,
    "__float__": array_methods.number,
    "__int__": array_methods.whole_number,
    "__array__": array_methods.to_array,
    "__repr__": array_methods.text,
    "__format__": array_methods.formatted,
    "_repr_html_": display.html,
    **{name: property(getattr(array_methods, name)) for name in ("shape", "dtype", "device", "ndim", "size")},
    **{name: getattr(array_methods, name) for name in ("numpy", "item", "argmax", "argmin")},
}

for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)

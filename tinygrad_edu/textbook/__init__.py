"""The plain twin of every operation whose fast form departs from its formula: what to read first.

Every equation that is computed has a number, and the line of code that completes it ends in the same number. Sequences
stand as rows, windows are copied; nothing is cut into chunks, shared among threads or computed into memory that is used
again. The operations in `ops` have the same names, arguments, errors and results, and say what they do differently.

Throughout, L is the loss, X stands for the array of the tensor x, and G = dL/dY, of the shape of the result Y.

Reading order: `convolution`, `pooling`, `batch_norm`; `simple_rnn` (what backpropagation through time is), `lstm`,
`gru`; `embedding`, `dropout`, `attention`, `cross_entropy`; `optimizers`.

Whatever is called as `ops.NAME` runs on this storey as well, for a comparison or a lecture; the flag `--textbook` of
the model scripts takes the optimiser from here, too:

>>> from tinygrad_edu import textbook
>>> with textbook.instead():
...     loss = ops.softmax_cross_entropy(model(x), y)  # by the operations of this folder
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tinygrad_edu import ops
from tinygrad_edu.textbook.attention import attention
from tinygrad_edu.textbook.batch_norm import batch_norm
from tinygrad_edu.textbook.convolution import conv2d, conv_transpose2d
from tinygrad_edu.textbook.cross_entropy import softmax_cross_entropy
from tinygrad_edu.textbook.dropout import dropout
from tinygrad_edu.textbook.embedding import embedding
from tinygrad_edu.textbook.gru import gru
from tinygrad_edu.textbook.lstm import lstm
from tinygrad_edu.textbook.optimizers import adam, sgd
from tinygrad_edu.textbook.pooling import avg_pool2d, max_pool2d
from tinygrad_edu.textbook.simple_rnn import simple_rnn

# fmt: off
TWINS = {
    twin.__name__: twin
    for twin in (
        attention, avg_pool2d, batch_norm, conv2d, conv_transpose2d, dropout, embedding, gru, lstm, max_pool2d,
        simple_rnn, softmax_cross_entropy,
    )
}
# fmt: on
__all__ = [*TWINS, "TWINS", "adam", "instead", "sgd"]


@contextlib.contextmanager
def instead() -> Iterator[None]:
    """While this lasts, `ops.conv2d` and with it `nn.Conv2d` is the textbook's; so for every operation with a twin."""
    fast = {name: getattr(ops, name) for name in TWINS}
    try:
        for name, twin in TWINS.items():
            setattr(ops, name, twin)
        yield
    finally:
        for name, operation in fast.items():
            setattr(ops, name, operation)

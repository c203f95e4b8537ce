"""Recurrent cells and layers, and embeddings.

The *cells* are the readable twins: one time step each, written with small operations, so that the engine derives the
backward. Unrolled in a loop (`unroll`), they are the definition of a recurrent network. The *layers* run a sequence by
one operation (`ops.simple_rnn`, `ops.lstm`, `ops.gru`), whose backward is derived by hand. Parameters and results
are the same; tests hold them equal.

>>> cell, layer = LSTMCell(3, 4), LSTM(3, 4)
>>> layer.load_state_dict(cell.state_dict())
>>> x = Tensor(np.ones((2, 5, 3), dtype=np.float32))  # 2 sequences, 5 steps, 3 features
>>> outputs, (h, c) = unroll(cell, x)
>>> np.allclose(layer(x).data, h.data, atol=1e-6)
True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import checks, ops
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.ops.dropout import dropout_mask
from tinygrad_edu.ops.support import Operand, constant
from tinygrad_edu.tensor import Tensor

State = Any  # a Tensor (N, H); of the LSTM, a pair of them (h, c)


class _Recurrent(Module):
    """The parameters that a cell and its layer have in common, in Keras' layouts and with Keras' first values.

    Parameters
    ----------
    inputs, units : int
        D features in, H units.
    rng : numpy.random.Generator, optional
        Draws the weights; the generator of `manual_seed` otherwise.

    Attributes
    ----------
    kernel : Parameter (D, gates * H)
        Glorot-uniform; the gates share one matrix, so its fan-out is gates * H, as in Keras.
    recurrent_kernel : Parameter (H, gates * H)
        Orthonormal rows: h U is as long as h. In a SimpleRNN U is square, so that U^T keeps a gradient's length too,
        and tanh alone shrinks it; an LSTM's or GRU's block for one gate is not orthogonal.
    bias : Parameter (gates * H,), the GRU's (2, 3H)
        Zeros, but for the LSTM's forget gate.
    """

    gates = 1
    has_cell_state = False

    def __init__(self, inputs: int, units: int, rng: np.random.Generator | None = None) -> None:
        name = type(self).__name__
        inputs, units = checks.size(name, "inputs", inputs), checks.size(name, "units", units)
        self.units = units
        self.kernel = Parameter(init.glorot_uniform((inputs, self.gates * units), rng))
        self.recurrent_kernel = Parameter(init.orthogonal((units, self.gates * units), rng))
        self.bias = Parameter(self.first_bias(units))

    @staticmethod
    def first_bias(units: int) -> np.ndarray:
        return init.zeros((units,))

    def check_state(self, state: State) -> None:
        """TypeError unless the state is of the kind that this network carries: h, or the pair (h, c).

        Without it `h, c = state` would take one h for two sequences apart, since a Tensor can be iterated over.
        """
        if self.has_cell_state:
            pair = isinstance(state, tuple) and len(state) == 2
            fits, wanted = pair and all(isinstance(part, Tensor) for part in state), "a pair (h, c) of Tensors (N, H)"
        else:
            fits, wanted = isinstance(state, Tensor), "one Tensor h (N, H)"
        if not fits:
            raise TypeError(f"{type(self).__name__}: expected the state as {wanted}, got {checks.shown(state)}")


class _LSTMParameters(_Recurrent):
    gates = 4
    has_cell_state = True

    @staticmethod
    def first_bias(units: int) -> np.ndarray:
        """Zeros, and 1 for the forget gate, so that the cell state is kept at first (Jozefowicz et al. 2015)."""
        bias = init.zeros((4 * units,))
        bias[units : 2 * units] = 1
        return bias


class _GRUParameters(_Recurrent):
    gates = 3

    @staticmethod
    def first_bias(units: int) -> np.ndarray:
        """Two biases, (2, 3H): one for the input's product, one for the state's."""
        return init.zeros((2, 3 * units))


# --- cells: one time step with small operations ---


class SimpleRNNCell(_Recurrent):
    """One step of `ops.simple_rnn`."""

    def forward(self, x: Tensor, state: Tensor, mask: Array | None = None) -> tuple[Tensor, Tensor]:
        """(output, next state) from x (N, D) and the state h (N, H); mask (N, H) is the dropout of h."""
        self.check_state(state)
        h = state if mask is None else state * mask
        h = ops.tanh(x @ self.kernel + h @ self.recurrent_kernel + self.bias)  # (N, H)
        return h, h


class LSTMCell(_LSTMParameters):
    """One step of `ops.lstm`."""

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor], mask: Array | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(output, next state) from x (N, D) and the state (h, c), both (N, H); mask (N, H) is the dropout of h."""
        self.check_state(state)
        h, c = state
        h = h if mask is None else h * mask
        a = x @ self.kernel + h @ self.recurrent_kernel + self.bias  # (N, 4H)
        a_i, a_f, a_g, a_o = ops.split(a, 4, axis=1)  # (N, H) each
        c = ops.sigmoid(a_f) * c + ops.sigmoid(a_i) * ops.tanh(a_g)
        h = ops.sigmoid(a_o) * ops.tanh(c)
        return h, (h, c)


class GRUCell(_GRUParameters):
    """One step of `ops.gru`."""

    def forward(self, x: Tensor, state: Tensor, mask: Array | None = None) -> tuple[Tensor, Tensor]:
        """(output, next state) from x (N, D) and the state h (N, H); mask (N, H) is the dropout of h in the product."""
        self.check_state(state)
        h = state if mask is None else state * mask
        p_z, p_r, p_k = ops.split(x @ self.kernel + self.bias[0], 3, axis=1)  # (N, H) each
        q_z, q_r, q_k = ops.split(h @ self.recurrent_kernel + self.bias[1], 3, axis=1)
        z, r = ops.sigmoid(p_z + q_z), ops.sigmoid(p_r + q_r)
        candidate = ops.tanh(p_k + r * q_k)
        h = z * state + (1 - z) * candidate
        return h, h


def unroll(
    cell: SimpleRNNCell | LSTMCell | GRUCell,
    x: Operand,
    state: State = None,
    input_mask: Array | None = None,
    recurrent_mask: Array | None = None,
) -> tuple[Tensor, State]:
    """Run a cell over x (N, T, D), step by step: (outputs (N, T, H), last state). What a sequence operation computes.

    Without a state it starts from zeros. The masks are those of `ops.simple_rnn`.
    """
    checks.instance("unroll", "cell", cell, (SimpleRNNCell, LSTMCell, GRUCell), "a cell, such as nn.LSTMCell(3, 4)")
    x = x if isinstance(x, Tensor) else constant("unroll", x, cell.kernel)
    if x.data.ndim != 3 or not x.shape[1]:
        raise ValueError(f"unroll: expected x of shape (N, T, D) with T at least 1, got {x.shape}")
    if state is None:
        zeros = Tensor(array_module(x.data).zeros((len(x), cell.units), dtype=x.dtype))
        state = (zeros, zeros) if isinstance(cell, LSTMCell) else zeros
    outputs = []
    for t in range(x.shape[1]):
        x_t = x[:, t] if input_mask is None else x[:, t] * input_mask
        output, state = cell(x_t, state, recurrent_mask)
        outputs.append(output)
    return ops.stack(outputs, axis=1), state


def detach(state: State) -> State:
    """A state without its history: the next chunk starts from its values, and no gradient flows into the last chunk.

    This is truncated backpropagation through time: the memory reaches over the cut, the learning does not. None, the
    state before the first chunk, stays None.
    """
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(detach(part) for part in state)
    return checks.instance("detach", "state", state, Tensor, "a Tensor, or a tuple of them").detach()


# --- layers: a whole sequence by one operation ---


class RecurrentLayer(_Recurrent):
    """What the three layers have in common.

    Parameters
    ----------
    inputs, units : int
        D features in, H units.
    return_sequences : bool
        Whether the result is every step's output (N, T, H), or the last one's alone (N, H).
    return_state : bool
        Whether `layer(x, state)` returns a pair, (result, last state), instead of the result.
    dropout, recurrent_dropout : float
        The probability with which, in training, a feature of x or of h is dropped: for one sequence the same ones at
        every step.
    rng : numpy.random.Generator, optional
        Draws the weights and the dropout; the generator of `manual_seed` otherwise.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(inputs, units, rng)
        name = type(self).__name__
        self.return_sequences = checks.flag(name, "return_sequences", return_sequences)
        self.return_state = checks.flag(name, "return_state", return_state)
        self.dropout = checks.probability(name, "dropout", dropout)
        self.recurrent_dropout = checks.probability(name, "recurrent_dropout", recurrent_dropout)
        self.rng = rng

    def forward(self, x: Operand, state: State = None) -> Any:
        """The result for x (N, T, D), starting from `state` (zeros if None)."""
        x = x if isinstance(x, Tensor) else constant(type(self).__name__, x, self.kernel)
        if state is not None:
            self.check_state(state)
        if x.data.ndim != 3:
            raise ValueError(f"{type(self).__name__}: expected x of shape (N, T, D), got {x.shape}")
        N, D = len(x), x.shape[-1]
        masks = {
            "input_mask": self.mask(x, (N, D), self.dropout),
            "recurrent_mask": self.mask(x, (N, self.units), self.recurrent_dropout),
        }
        outputs, state = self.run(x, state, masks)
        result = outputs if self.return_sequences else self.last_output(state)
        return (result, state) if self.return_state else result

    def mask(self, x: Tensor, shape: tuple[int, int], p: float) -> Array | None:
        """A new dropout mask, or None in evaluation and where p = 0."""
        if p == 0 or not self.training:
            return None
        return dropout_mask(shape, p, self.rng or init.default_generator(), like=x.data)

    def run(self, x: Tensor, state: State, masks: dict[str, Array | None]) -> tuple[Tensor, State]:
        """(outputs, last state) by the operation of the layer."""
        raise NotImplementedError

    @staticmethod
    def last_output(state: State) -> Tensor:
        return state


class SimpleRNN(RecurrentLayer):
    """`ops.simple_rnn` as a layer; the state is h (N, H). For the parameters see `RecurrentLayer`."""

    def run(self, x: Tensor, state: State, masks: dict[str, Array | None]) -> tuple[Tensor, State]:
        return ops.simple_rnn(x, self.kernel, self.recurrent_kernel, self.bias, state, **masks)


class LSTM(RecurrentLayer, _LSTMParameters):
    """`ops.lstm` as a layer; the state is the pair (h, c), (N, H) each. For the parameters see `RecurrentLayer`."""

    def run(self, x: Tensor, state: State, masks: dict[str, Array | None]) -> tuple[Tensor, State]:
        h0, c0 = state or (None, None)
        return ops.lstm(x, self.kernel, self.recurrent_kernel, self.bias, h0, c0, **masks)

    @staticmethod
    def last_output(state: State) -> Tensor:
        return state[0]


class GRU(RecurrentLayer, _GRUParameters):
    """`ops.gru` as a layer; the state is h (N, H). For the parameters see `RecurrentLayer`."""

    def run(self, x: Tensor, state: State, masks: dict[str, Array | None]) -> tuple[Tensor, State]:
        return ops.gru(x, self.kernel, self.recurrent_kernel, self.bias, state, **masks)


class Embedding(Module):
    """A learnt vector for each of `count` things, by number: ids (...,) become (..., size). See `ops.embedding`.

    The vectors start as a normal distribution of standard deviation 0.05 without its tails.
    """

    def __init__(self, count: int, size: int, rng: np.random.Generator | None = None) -> None:
        count, size = checks.size("Embedding", "count", count), checks.size("Embedding", "size", size)
        self.weight = Parameter(init.truncated_normal((count, size), rng=rng))

    def forward(self, ids: Tensor | Array) -> Tensor:
        return ops.embedding(self.weight, ids)

    def scores(self, x: Operand) -> Tensor:
        """How well each of the things fits a vector: X W^T, (..., count) from x (..., size).

        As the last layer of a network whose first one this is ("weight tying"; Press and Wolf 2017): one matrix for
        what is read and what is written, and its gradient is the sum of both.
        """
        return ops.linear(x, self.weight.T)

"""Long short-term memory (Hochreiter and Schmidhuber 1997; the forget gate: Gers, Schmidhuber and Cummins 2000)."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.activation import sigmoid_of
from tinygrad_edu.ops.recurrent.arguments import complete
from tinygrad_edu.ops.support import Operand, or_zeros, record_many
from tinygrad_edu.tensor import Tensor


def lstm(
    x: Operand,
    W: Operand,
    U: Operand,
    b: Operand,
    h0: Operand | None = None,
    c0: Operand | None = None,
    input_mask: Array | None = None,
    recurrent_mask: Array | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A cell state c that is added to and scaled, but never multiplied by a matrix; gates decide what happens to it.

    Arguments, shapes and errors are those of `ops.lstm`. In step t = 1 ... T, for N sequences as rows:

        [a_i, a_f, a_g, a_o] = x_t W + h_{t-1} U + b                                (1)
        i = sigmoid(a_i)    input gate: how much of the candidate is written        (2)
        f = sigmoid(a_f)    forget gate: how much of the old cell state is kept     (3)
        g = tanh(a_g)       candidate: what could be written                        (4)
        o = sigmoid(a_o)    output gate: how much of the cell state is shown        (5)
        c_t = f * c_{t-1} + i * g                                                   (6)
        h_t = o * tanh(c_t)                                                         (7)

    Shapes: x_t (N, D), W (D, 4H), U (H, 4H), b (4H,); all others (N, H). h_0 and c_0 are given, or zeros; the outputs
    are h_1 ... h_T, the states that are returned h_T and c_T. Masks as in `simple_rnn`.

    Backpropagation through time
    ----------------------------
    As in `simple_rnn`, from the last step to the first. Two gradients travel back, dL/dh_t and dL/dc_t. G_t, G_h and
    G_c come in: dL/d(output t), dL/d(returned h), dL/d(returned c). h_t is an output, and goes into the four gates of
    the next step; with dA the four dL/da side by side:

        dL/dh_T = G_T + G_h,    dL/dh_t = G_t + dA_{t+1} U^T  for t < T             (8)

    c_t goes into h_t by (7), and into c_{t+1} by (6); the last is the returned state instead:

        dL/dc_T = dL/dh_T * o * (1 - tanh^2 c_T) + G_c,
        dL/dc_t = dL/dh_t * o * (1 - tanh^2 c_t) + dL/dc_{t+1} * f_{t+1}            (9)

    Products hand to each factor the gradient times the other factor:

        dL/do = dL/dh_t * tanh c_t                                                  (10)
        dL/di = dL/dc_t * g                                                         (11)
        dL/df = dL/dc_t * c_{t-1}                                                   (12)
        dL/dg = dL/dc_t * i                                                         (13)

    Through the gates, with sigmoid' = s (1 - s) and tanh' = 1 - tanh^2:

        dL/da_i = dL/di * i (1 - i),   the same for f and o,   dL/da_g = dL/dg * (1 - g^2)      (14)

    And through the affine map (1), with sums over the steps for the weights:

        dL/dx_t = dA_t W^T                                                          (15)
        dL/dW = sum_t x_t^T dA_t                                                    (16)
        dL/dU = sum_t h_{t-1}^T dA_t                                                (17)
        dL/db = sum_t sum over the rows of dA_t                                     (18)
        dL/dh_0 = dA_1 U^T                                                          (19)
        dL/dc_0 = dL/dc_1 * f_1                                                     (20)

    How the cell path avoids vanishing
    ----------------------------------
    Follow dL/dc alone, from step s back to step t (second term of (9)): the factors are

        f_s * f_{s-1} * ... * f_{t+1},

    element by element. No matrix takes part, no derivative of a squashing function, and f is the network's own choice
    at every step: where it is 1, the gradient arrives as it left, after a hundred steps too. That is why the forget
    gate's bias starts at 1: f starts near 0.73 and not at 0.5 (Jozefowicz, Zaremba and Sutskever 2015). That is a start
    and no cure, 0.73^100 being 2e-14: before training, on small inputs, an LSTM may forget faster than a SimpleRNN with
    an orthogonal U, whose factors 1 - h^2 are near 1 then. The point is that training can open the gate: an f of 0.993
    leaves half of the gradient after 100 steps. The other
    paths, through h and U, vanish or explode as in `simple_rnn`: this one alone cannot explode, since f <= 1.
    """
    inputs, masks = complete("lstm", 4, (x, W, U, b), {"h0": h0, "c0": c0}, (input_mask, recurrent_mask))
    X, W, U, b, h0, c0 = (tensor.data for tensor in inputs)
    x_mask, h_mask = masks
    xp, T = array_module(X), X.shape[1]

    h, c, gates = [h0], [c0], {}  # h[t] is h_t
    for t in range(1, T + 1):
        x_t, h_old = X[:, t - 1] * x_mask, h[t - 1] * h_mask
        a = x_t @ W + h_old @ U + b  # (1)
        a_i, a_f, a_g, a_o = xp.split(a, 4, axis=1)
        i = sigmoid_of(a_i)  # (2)
        f = sigmoid_of(a_f)  # (3)
        g = xp.tanh(a_g)  # (4)
        o = sigmoid_of(a_o)  # (5)
        c.append(f * c[t - 1] + i * g)  # (6)
        h.append(o * xp.tanh(c[t]))  # (7)
        gates[t] = i, f, g, o
    results = xp.stack(h[1:], axis=1), h[T], c[T]

    def backward(Gs):
        G, h_from_next, c_from_next = or_zeros(Gs, results)  # what step t + 1 sends back; to h_T and c_T: G_h and G_c
        dX, dW, dU, db = xp.empty_like(X), 0, 0, 0
        for t in range(T, 0, -1):
            x_t, h_old = X[:, t - 1] * x_mask, h[t - 1] * h_mask
            i, f, g, o = gates[t]
            dh = G[:, t - 1] + h_from_next  # (8)
            dc = dh * o * (1 - xp.tanh(c[t]) ** 2) + c_from_next  # (9)
            do = dh * xp.tanh(c[t])  # (10)
            di = dc * g  # (11)
            df = dc * c[t - 1]  # (12)
            dg = dc * i  # (13)
            dA = xp.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)  # (14)
            dX[:, t - 1] = (dA @ W.T) * x_mask  # (15)
            dW = dW + x_t.T @ dA  # (16)
            dU = dU + h_old.T @ dA  # (17)
            db = db + dA.sum(axis=0)  # (18)
            h_from_next = (dA @ U.T) * h_mask  # (19), and for t > 1 the second term of (8)
            c_from_next = dc * f  # (20), and for t > 1 the second term of (9)
        return dX, dW, dU, db, h_from_next, c_from_next

    outputs, h_T, c_T = record_many(results, inputs, backward)
    return outputs, (h_T, c_T)

"""The simple recurrent network (Elman 1990), and what backpropagation through time is."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.recurrent.sequence import run_sequence, sum_over_time
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.tensor import Tensor


def simple_rnn(
    x: Operand,
    W: Operand,
    U: Operand,
    b: Operand,
    h0: Operand | None = None,
    input_mask: Array | None = None,
    recurrent_mask: Array | None = None,
) -> tuple[Tensor, Tensor]:
    """h_t = tanh(a_t),   a_t = x_t W + h_{t-1} U + b,   for t = 1 ... T: one cell, used again at every time step.

    Parameters
    ----------
    x : Tensor (N, T, D)
        N sequences of T steps with D features.
    W, U, b : Tensor (D, H), (H, H), (H,)
        Keras' kernel, recurrent kernel and bias.
    h0 : Tensor (N, H), optional
        The state before the first step; zeros otherwise.
    input_mask, recurrent_mask : array (N, D), (N, H), optional
        Dropout: x_t and h_{t-1} are multiplied by the same mask at every step of a sequence, as Keras does (Gal and
        Ghahramani 2016). With a new mask at each step, nothing could be remembered for long. `dropout_mask` makes them.

    Returns
    -------
    outputs : Tensor (N, T, H)
        h_1 ... h_T.
    h : Tensor (N, H)
        h_T, to be handed to the next call as its h0.

    Raises
    ------
    ValueError for shapes that do not fit and for T = 0; TypeError for different dtypes or devices.

    Backpropagation through time
    ----------------------------
    Let G_t = dL/d(output t), and G_h = dL/d(the state that is returned).

    1. Unroll the network: T copies of the cell, one behind the other, with the same weights in each. That is an
       ordinary network, T layers deep, and the ordinary chain rule holds.
    2. h_t is used twice, as the output of its own step and as an input of the next, so dL/dh_t is a sum; the last one
       is the returned state instead of an input:

           dL/dh_t = G_t + dL/da_{t+1} U^T   for t < T,        dL/dh_T = G_T + G_h.

       The second term must be known first: the backward runs from T to 1. (Where a network uses the last state alone,
       every G_t is zero, and G_h is all that comes in.)
    3. Through tanh, whose derivative is 1 - tanh^2:   dL/da_t = dL/dh_t * (1 - h_t^2).
    4. a_t is an affine map, as in `linear`:           dL/dx_t = dL/da_t W^T,   dL/dh_0 = dL/da_1 U^T.
    5. The weights are used at every step, so their gradients are sums over the steps (and over the N sequences):

           dL/dW = sum_t x_t^T dL/da_t,   dL/dU = sum_t h_{t-1}^T dL/da_t,   dL/db = sum_t dL/da_t.

    A mask multiplies the gradient as it multiplied the value.

    Why gradients vanish or explode
    -------------------------------
    Put step 3 into step 2 again and again. What the loss at step s says about h_t comes through s - t factors:

        G_s J_s J_{s-1} ... J_{t+1},     J_k = diag(1 - h_k^2) U^T.

    Since 0 < 1 - h^2 <= 1, a factor stretches no vector by more than the largest singular value of U. If that is below
    1, the product shrinks exponentially with the distance s - t: the gradient *vanishes*, and what lies far back cannot
    be learnt. If U stretches some directions, and tanh is not saturated, the product can grow exponentially: the
    gradient *explodes*, and one step of the optimiser throws the weights far away (`clip_grad_norm` shortens it).
    Between the two there is next to no room, since it is the same U at every step (Bengio, Simard and Frasconi 1994).
    `lstm` has a path with other factors.
    """
    states = {"h0": h0}
    masks = {"input_mask": input_mask, "recurrent_mask": recurrent_mask}
    outputs, h = run_sequence("simple_rnn", _forward, 1, (x, W, U, b), states, masks)
    return outputs, h


def _forward(V, S, O, states, mask):
    """The sequence from arrays, feature-major, as `sequence.Forward` says: V_t = [x_t; 1; h_{t-1}], S = [W; b; U].

    Every sequence is a column here, so each product of the docstring above is transposed: a_t = S^T V_t, and
    dL/dh_{t-1} = U dL/da_t, where rows make it dL/da_t U^T. G is dL/d(outputs) (T, H, n); G_last[0] is what came back
    through the state that was returned.
    """
    T, H, n = O.shape
    u = len(S) - H  # where U begins in S, and h_{t-1} in V_t
    xp = array_module(V)
    for t in range(T):
        xp.tanh(S.T.dot(V[t]), out=O[t])
        if t + 1 < T:
            V[t + 1, u:] = O[t] if mask is None else O[t] * mask

    def backward(G, G_last, dX, want_weights, want_states):
        dA = xp.empty((T, H, n), dtype=S.dtype)
        dh = xp.zeros((H, n), dtype=S.dtype) if G_last[0] is None else G_last[0]  # dL/dh_t
        for t in reversed(range(T)):
            if G is not None:
                dh = dh + G[t]
            xp.multiply(dh, 1 - O[t] * O[t], out=dA[t])
            if dX is not None:
                dX[:, t] = S[: len(dX)].dot(dA[t])
            if t > 0 or want_states:
                dh = S[u:].dot(dA[t])
                if mask is not None:
                    dh *= mask
        return sum_over_time(V, dA) if want_weights else None, [dh]

    return [O[-1]], backward

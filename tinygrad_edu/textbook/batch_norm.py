"""Batch normalisation: every channel to mean 0 and variance 1 over the batch (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.normalization import checked, move_running, running_pair
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.runtime.share import mean_of_rows
from tinygrad_edu.tensor import Tensor, record


def batch_norm(
    x: Operand,
    gamma: Operand,
    beta: Operand,
    running_mean: Tensor | Array | None = None,
    running_var: Tensor | Array | None = None,
    training: bool = True,
    momentum: float = 0.99,
    eps: float = 1e-3,
) -> Tensor:
    """Shift and scale each channel, then let the network choose another pair. Arguments and errors: `ops.batch_norm`.

    Shapes: X (..., C), Y (..., C); gamma, beta, m and v (C,). A channel's n numbers x_1 ... x_n are those of all
    leading axes. In training m and v are the batch's own:

        m = 1/n sum_i x_i                                                           (1)
        v = 1/n sum_i (x_i - m)^2                                                   (2)
        s = sqrt(v + eps)                                                           (3)
        x_hat_i = (x_i - m) / s                                                     (4)
        y_i = gamma x_hat_i + beta                                                  (5)

    (5) is affine in gamma and beta, which were used n times; with G_i = dL/dy_i:

        dL/dbeta = sum_i G_i                                                        (6)
        dL/dgamma = sum_i G_i x_hat_i                                               (7)
        g_i = dL/dx_hat_i = G_i gamma                                               (8)

    Every x_j moves every x_hat_i: directly, through m, and through s. From (1) dm/dx_j = 1/n, and from (2) and (3)
    ds/dx_j = (x_j - m) / (n s) = x_hat_j / n, since the deviations x_i - m sum to zero. By the quotient rule, where
    delta_ij is 1 if i = j, else 0,

        dx_hat_i/dx_j  =  (delta_ij - 1/n) / s  -  (x_i - m) / s^2 * x_hat_j / n
                       =  (delta_ij - 1/n - x_hat_i x_hat_j / n) / s

    and summing g_i times that over i, with mean(.) over the n numbers,

        dL/dx_j  =  (g_j - mean(g) - x_hat_j mean(g x_hat)) / s                     (9)

    In words: x_hat does not change when all numbers are shifted together, so that direction is taken out of g. It would
    not change either when they are stretched from their mean, were it not for eps: of that direction, which is x_hat
    itself, all but a share of 1 - mean(x_hat^2) = 1 - v / s^2 = eps / s^2 is taken out.

    Training also moves the running statistics, by (1 - momentum) of the way to m and v. In inference these take the
    place of m and v; they do not depend on x, so that of the three ways only the direct one is left:

        dL/dx_j  =  g_j / s                                                         (10)

    Where several processes share a batch (`training/distributed.py`), n is the number of all their rows, and the means
    in (1), (2) and (9) are over all of them. (6) and (7) stay each process's own: these are added up with the gradients
    of all other parameters.
    """
    x, gamma, beta = checked("batch_norm", x, gamma=gamma, beta=beta)
    eps, momentum = checks.not_negative("batch_norm", "eps", eps), checks.share("batch_norm", "momentum", momentum)
    xp, running = array_module(x.data), running_pair(x, running_mean, running_var, training)
    # In double precision: in single, the sum of 100,000 numbers is so large that the next ones are rounded against it.
    X, gamma_, beta_ = x.data.reshape(-1, x.shape[-1]).astype("float64"), gamma.data, beta.data  # (n, C), (C,), (C,)
    if training:
        m = mean_of_rows(X)  # (1)
        v = mean_of_rows((X - m) ** 2)  # (2)
        move_running(running, (m, v), momentum)
    else:
        m, v = running
    s = xp.sqrt(v + eps)  # (3)
    x_hat = (X - m) / s  # (4)
    Y = gamma_ * x_hat + beta_  # (5)

    def backward(G):
        G = G.reshape(X.shape).astype("float64")
        dbeta = G.sum(axis=0)  # (6)
        dgamma = (G * x_hat).sum(axis=0)  # (7)
        g = G * gamma_  # (8)
        if training:
            dX = (g - mean_of_rows(g) - x_hat * mean_of_rows(g * x_hat)) / s  # (9)
        else:
            dX = g / s  # (10)
        return dX.reshape(x.shape).astype(x.dtype), dgamma.astype(x.dtype), dbeta.astype(x.dtype)

    return record(Y.reshape(x.shape).astype(x.dtype), (x, gamma, beta), backward)

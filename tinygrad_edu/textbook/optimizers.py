"""How a parameter moves when its gradient is known: one step of the optimisers, as functions of plain arrays."""

from __future__ import annotations

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, is_array


def sgd(
    p: Array, g: Array, v: Array, lr: float, momentum: float = 0.0, weight_decay: float = 0.0
) -> tuple[Array, Array]:
    """Stochastic gradient descent with momentum: returns p and v after the step.

    p is the parameter, g = dL/dp; the velocity v starts at zeros. Weight decay adds the gradient of
    weight_decay/2 |p|^2; momentum lets old gradients count on, each step less:

        g' = g + weight_decay p                                                     (1)
        v = momentum v + g'                                                         (2)
        p = p - lr v                                                                (3)
    """
    _check("sgd", p=p, g=g, v=v)
    lr, momentum = checks.not_negative("sgd", "lr", lr), checks.fraction("sgd", "momentum", momentum)
    weight_decay = checks.not_negative("sgd", "weight_decay", weight_decay)
    g = g + weight_decay * p  # (1)
    v = momentum * v + g  # (2)
    p = p - lr * v  # (3)
    return p, v


def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-7,
) -> tuple[Array, Array, Array]:
    """Adam (Kingma and Ba 2015): returns p, m and v after the step.

    The step is near lr while g keeps its sign, whatever its size (well above eps), and shorter where g changes it.

    m is a running mean of the gradient, v of its square; both start at zeros. t counts the steps from 1.

        m = b1 m + (1 - b1) g                                                       (4)
        v = b2 v + (1 - b2) g^2                                                     (5)

    After t steps m is a sum of old gradients with weights (1 - b1) b1^(t-i), which add up to 1 - b1^t and not to 1:
    at first m is too small, and so is v. Dividing by the sum of the weights mends that:

        m_hat = m / (1 - b1^t)                                                      (6)
        v_hat = v / (1 - b2^t)                                                      (7)
        p = p - lr m_hat / (sqrt(v_hat) + eps)                                      (8)
    """
    _check("adam", p=p, g=g, m=m, v=v)
    t, lr, eps = (
        checks.size("adam", "t", t),
        checks.not_negative("adam", "lr", lr),
        checks.not_negative("adam", "eps", eps),
    )
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        checks.refuse("adam", "betas", "two numbers, such as (0.9, 0.999)", betas)
    b1, b2 = (checks.fraction("adam", "betas", b) for b in betas)
    m = b1 * m + (1 - b1) * g  # (4)
    v = b2 * v + (1 - b2) * g**2  # (5)
    m_hat = m / (1 - b1**t)  # (6)
    v_hat = v / (1 - b2**t)  # (7)
    p = p - lr * m_hat / (array_module(v).sqrt(v_hat) + eps)  # (8)
    return p, m, v


def _check(name: str, **arrays: Array) -> None:
    """TypeError or ValueError unless all are arrays of floating-point numbers, of one shape."""
    for key, array in arrays.items():
        if not is_array(array) or array.dtype.kind != "f":
            checks.refuse(name, key, "an array of floating-point numbers", array, TypeError)
        if array.shape != arrays["p"].shape:
            checks.refuse(name, key, f"of p's shape {arrays['p'].shape}", array)

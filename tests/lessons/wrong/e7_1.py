"""Wrong answers to exercise 7.1, as learners write them; the docstring is what the diagnosis must say."""

from numpy.linalg import matrix_power


def power_backward_like_numbers(G, x, W, steps):
    r"n w\^\(n-1\) holds for numbers"
    return G @ matrix_power(W, steps).T, steps * (x.T @ (G @ matrix_power(W, steps - 1).T))


def power_backward_last(G, x, W, steps):
    "that of the last step alone"
    return G @ matrix_power(W, steps).T, (x @ matrix_power(W, steps - 1)).T @ G


def power_backward_first(G, x, W, steps):
    "that of the first step alone"
    dh = G @ matrix_power(W, steps - 1).T
    return dh @ W.T, x.T @ dh


def power_backward_not_transposed(G, x, W, steps):
    r"multiplies by W\^T, and you took W"
    dW, dh = 0, G
    for t in range(steps):
        dW = dW + (x @ matrix_power(W, steps - 1 - t)).T @ dh
        dh = dh @ W
    return dh, dW


def power_backward_one_too_many(G, x, W, steps):
    r"W multiplies h_\(t-1\)"
    dW, dh = 0, G
    for t in range(steps):
        dW = dW + (x @ matrix_power(W, steps - t)).T @ dh
        dh = dh @ W.T
    return dh, dW


def power_backward_transposed(G, x, W, steps):
    "dL/dW is the right one transposed"
    dW, dh = 0, G
    for t in range(steps):
        dW = dW + dh.T @ (x @ matrix_power(W, steps - 1 - t))
        dh = dh @ W.T
    return dh, dW


def along(G, x, W, steps, term):
    """Back with `term(h, dh, t)` for step t, h the state before it."""
    h = [x]
    for _ in range(steps):
        h.append(h[-1] @ W)
    dW, dh = 0 * W, G
    for t in range(steps)[::-1]:
        dW, dh = dW + term(h, dh, t), dh @ W.T
    return dh, dW


def power_backward_same_gradient_for_all(G, x, W, steps):
    "known mistake: the terms of dL/dW have G in place of dh"
    return along(G, x, W, steps, lambda h, dh, t: h[t].T @ G)


def power_backward_same_state_for_all(G, x, W, steps):
    "known mistake: the terms of dL/dW have x in place of"
    return along(G, x, W, steps, lambda h, dh, t: x.T @ dh)


def power_backward_led_back_first(G, x, W, steps):
    "known mistake: dh is led back one step too early"
    return along(G, x, W, steps, lambda h, dh, t: h[t].T @ (dh @ W.T))


def power_backward_not_replaced(G, x, W, steps):
    "known mistake: dh is added to what it was a step later"
    h, dW, dh = x, 0 * W, G
    states = [h := h @ W for _ in range(steps - 1)]
    for h in [*states[::-1], x]:
        dW = dW + h.T @ dh
        dh = dh + dh @ W.T
    return dh, dW


def power_backward_pair_exchanged(G, x, W, steps):
    "all are right, but returned in another order: dL/dW, dL/dx; wanted are dL/dx, dL/dW"
    return along(G, x, W, steps, lambda h, dh, t: h[t].T @ dh)[::-1]

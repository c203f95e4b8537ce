"""Solution of exercise 6.3."""

import numpy as np


def cell_path_backward(G, F, Z, c0):
    """dc is dL/dc_t: what comes from outside, and what the next step hands back."""
    c = [c0]  # c[t] is c_t
    for f, z in zip(F, Z):
        c.append(f * c[-1] + z)
    dF, dZ = np.zeros_like(F), np.zeros_like(Z)
    from_next = np.zeros_like(c0)
    for t in range(len(F), 0, -1):
        dc = G[t - 1] + from_next
        dZ[t - 1] = dc
        dF[t - 1] = dc * c[t - 1]
        from_next = dc * F[t - 1]
    return dF, dZ, from_next

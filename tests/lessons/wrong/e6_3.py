"""Wrong answers to exercise 6.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def cell_path_backward_no_time(G, F, Z, c0):
    "each step is treated by itself"
    c = [c0]
    for t in range(len(F)):
        c.append(F[t] * c[t] + Z[t])
    return G * np.array(c[:-1]), G.copy(), G[0] * F[0]


def cell_path_backward_new_state(G, F, Z, c0):
    r"dL/dF_t needs c_\(t-1\), and you took c_t"
    c = c0
    cs = []
    for t in range(len(F)):
        c = F[t] * c + Z[t]
        cs.append(c)
    dZ = G.copy()
    for t in range(len(F) - 2, -1, -1):
        dZ[t] += dZ[t + 1] * F[t + 1]
    return dZ * cs, dZ, dZ[0] * F[0]


def cell_path_backward_gate_before(G, F, Z, c0):
    "the gate of one step earlier"
    cs = [c0]
    for t in range(len(F)):
        cs.append(F[t] * cs[t] + Z[t])
    dZ = G.copy()
    for t in range(len(F) - 2, -1, -1):
        dZ[t] += dZ[t + 1] * F[t]
    return dZ * cs[:-1], dZ, dZ[0] * F[0]


def cell_path_backward_initial_state_without_its_gate(G, F, Z, c0):
    "c_0 goes into c_1 through the gate F_1"
    cs = [c0]
    for t in range(len(F)):
        cs.append(F[t] * cs[t] + Z[t])
    dZ = G.copy()
    for t in range(len(F) - 2, -1, -1):
        dZ[t] += dZ[t + 1] * F[t + 1]
    return dZ * cs[:-1], dZ, dZ[0]


def cell_path_backward_into_G(G, F, Z, c0):
    "wrote into G"
    cs = [c0]
    for t in range(len(F)):
        cs.append(F[t] * cs[t] + Z[t])
    for t in range(len(F) - 2, -1, -1):
        G[t] += G[t + 1] * F[t + 1]
    return G * cs[:-1], G, G[0] * F[0]

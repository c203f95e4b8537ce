"""Wrong answers to exercise 3.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def matmul_backward_1(G, A, B):
    "both are the transposes"
    return np.dot(B, G.T), np.dot(G.T, A)


def matmul_backward_2(G, A, B):
    "dL/dA is right, and dL/dB is its transpose"
    return G @ B.T, (A.T @ G).T


def matmul_backward_3(G, A, B):
    "the two gradients are exchanged"
    return A.T @ G, G @ B.T


def matmul_backward_4(G, A, B):
    "right if G were all ones"
    ones = np.ones((len(A), B.shape[1]))
    return ones @ B.T, A.T @ ones


def matmul_backward_5(G, A, B):
    "summed over one axis before the product"
    return np.outer(G.sum(axis=1), B.sum(axis=1)), np.outer(A.sum(axis=0), G.sum(axis=0))


def matmul_backward_6(G, A, B):
    "you divide by the number of examples"
    N = A.shape[0]
    return G @ B.T / N, A.T @ G / N


def matmul_backward_7(G, A, B):
    r"dL/dB is right but for its sign: .*\(dL/dA: right\)"
    return G @ B.T, -A.T @ G


def matmul_backward_not_turned(G, A, B):
    "dL/dA is G B: B is to be transposed"
    return G @ B, A.T @ G

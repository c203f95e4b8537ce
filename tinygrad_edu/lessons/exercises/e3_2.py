"""Exercise 3.2: the backward of softmax cross-entropy.

Z is (N, K): N examples with a score for each of K classes. The loss is the mean over the examples of

    loss[n] = -ln p[n, y],    p[n, k] = e^Z[n, k] / sum_j e^Z[n, j],    y = labels[n].

G = dL/d(this mean) is a single number: 1 if the loss is all there is, 0.5 if it is counted by half. Scores may be as
large as 1000, and e^1000 is more than a float can hold; e^(Z - the row's largest) is not, and gives the same p.

An example: Z = [[0, 0]] with labels [1] and G = 1 gives dL/dZ = [[0.5, -0.5]].
"""

import numpy as np


def softmax_cross_entropy_backward(G, Z, labels):
    """Return dL/dZ (N, K); labels (N,) are whole numbers 0..K-1."""
    raise NotImplementedError

"""Solution of exercise 2.2."""


def unbroadcast(G, x):
    """First the axes that x does not have, then those where it has length 1."""
    while G.ndim > x.ndim:
        G = G.sum(axis=0)
    for axis, length in enumerate(x.shape):
        if length == 1:
            G = G.sum(axis=axis, keepdims=True)
    return G

"""Solution of exercise 1.2."""


def two_paths_backward(G, a, b):
    """y = s * a sends G * a to s and G * s to a; s = a + b hands what it got to both."""
    s = a + b
    to_s = G * a
    return G * s + to_s, to_s

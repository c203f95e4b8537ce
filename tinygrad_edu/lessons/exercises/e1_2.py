"""Exercise 1.2: a gradient that comes along two paths.

y = (a + b) * a, entry by entry. Given are G = dL/dy, a and b, all of one shape; wanted are dL/da and dL/db.

Do not multiply it out: go through the two operations backwards, as the engine would. With s = a + b, the product is
y = s * a, and `a` is used by both.

An example: a = [2], b = [3] and G = [1] give dL/da = [7] and dL/db = [2].
"""


def two_paths_backward(G, a, b):
    """Return (dL/da, dL/db), two arrays of the shape of G."""
    raise NotImplementedError

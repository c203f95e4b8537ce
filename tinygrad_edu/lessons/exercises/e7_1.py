"""Exercise 7.1: the gradient of a recurrent network without inputs and without tanh.

    h_0 = x,   h_t = h_(t-1) W for t = 1 ... steps,   y = h_steps = x W^steps

Shapes: x, y and G = dL/dy (N, H); W (H, H). Wanted are dL/dx and dL/dW. The same W is used `steps` times.

What you write here is what shrinks or grows in lesson 7.
"""

import numpy as np


def power_backward(G, x, W, steps):
    """Return (dL/dx, dL/dW)."""
    raise NotImplementedError

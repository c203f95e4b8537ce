"""Wrong answers to exercise 8.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor


def compared(operation, inputs, G_of, h, rtol, one_sided=False, count=None):
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = operation(*leaves)
    G = np.asarray(G_of(y.shape), float)
    y.backward(G)
    for i, x in list(enumerate(inputs))[:count]:
        gradient = np.zeros(x.shape) if leaves[i].grad is None else leaves[i].grad
        for place in np.ndindex(x.shape):
            losses = []
            for step in (h, 0 if one_sided else -h):
                arrays = [a.copy() for a in inputs]
                arrays[i][place] += step
                losses.append(np.sum(G * operation(*[Tensor(a) for a in arrays]).data))
            slope = (losses[0] - losses[1]) / (h if one_sided else 2 * h)
            if not np.isclose(gradient[place], slope, rtol=rtol, atol=1e-7):
                return False
    return True


def noise(shape):
    return np.random.default_rng(3).normal(size=shape)


def check_values_sum(operation, *inputs):
    "this one slips through: softmax: gradient zero.*also through: exp: forgets G; softmax_cross_entropy: ignores G"
    return compared(operation, inputs, np.ones, 1e-5, 1e-6)


def check_values_one_percent(operation, *inputs):
    "slips through: log10: a constant of two digits.*also through: log2"
    return compared(operation, inputs, noise, 1e-5, 1e-2)


def check_values_first_input(operation, *inputs):
    "slips through: linear: the weights' gradient is transposed.*also through: rnn_step"
    return compared(operation, inputs, noise, 1e-5, 1e-6, count=1)


def check_values_tiny_step(operation, *inputs):
    "rejects everything"
    return compared(operation, inputs, noise, 1e-13, 1e-6)


def check_values_one_sided_long_step(operation, *inputs):
    "rejects exp.. of the package, whose backward is right"
    return compared(operation, inputs, noise, 1e-3, 1e-5, one_sided=True)


def check_values_of_the_whole_gradient_at_once(operation, *inputs):
    "must return True or False; it returned array"
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = operation(*leaves)
    y.backward(noise(y.shape))
    return abs(leaves[0].grad) < 1e9

"""How the tests of the checker plant a wrong gradient, and ask for the rule under which it must be found."""

import pytest

from tinygrad_edu.gradcheck import GradientError, gradcheck
from tinygrad_edu.tensor import record


def caught(rule, f, *inputs, **options):
    with pytest.raises(GradientError, match=f"rule '{rule}'") as error:
        gradcheck(f, *inputs, **options)
    return str(error.value)


def op(forward, *gradients):
    """An operation on tensors from functions of arrays: forward(A, ...) and one gradient (G, A, ...) for each input."""

    def planted(*inputs):
        arrays = [x.data for x in inputs]

        def backward(G):
            return tuple(gradient(G, *arrays) for gradient in gradients)

        return record(forward(*arrays), inputs, backward)

    return planted

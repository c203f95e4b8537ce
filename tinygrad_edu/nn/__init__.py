"""Building blocks of networks: parameters, modules, layers, initialisers."""

from tinygrad_edu.nn import init
from tinygrad_edu.nn.init import manual_seed
from tinygrad_edu.nn.layers import GELU, Dropout, Linear, ReLU, Sequential, Sigmoid, Tanh
from tinygrad_edu.nn.module import Module, Parameter

__all__ = [
    "GELU",
    "Dropout",
    "Linear",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "init",
    "manual_seed",
]

"""Building blocks of networks: parameters, modules, layers, initialisers."""

from tinygrad_edu.nn import init
from tinygrad_edu.nn.attention import MultiHeadAttention, PositionalEmbedding, TransformerBlock
from tinygrad_edu.nn.convolution import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Residual,
)
from tinygrad_edu.nn.init import manual_seed
from tinygrad_edu.nn.layers import (
    ELU,
    GELU,
    Dropout,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.nn.normalization import BatchNorm, LayerNorm, RMSNorm
from tinygrad_edu.nn.recurrent import GRU, LSTM, Embedding, GRUCell, LSTMCell, SimpleRNN, SimpleRNNCell, detach, unroll

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAvgPool2d",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "Parameter",
    "PositionalEmbedding",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softplus",
    "Tanh",
    "TransformerBlock",
    "detach",
    "init",
    "manual_seed",
    "unroll",
]

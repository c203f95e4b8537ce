"""How the arrays of one layer of ours lie in PyTorch and in Keras. The table is in `interop/__init__.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.nn import Module

Arrays = dict[str, np.ndarray]  # one layer's arrays by their names within the layer
Z_R = (1, 0, 2)  # the blocks z, r, candidate in PyTorch's order r, z, n; and the way back


@dataclass(frozen=True)
class Entry:
    """One array of a layer: its name here and there.

    Attributes
    ----------
    ours, theirs : str
    axes : tuple of int, optional
        theirs = ours.transpose(axes); the same where None.
    neutral : float, optional
        What stands for the array where a layer of theirs may go without, and ours may not: 1 for a gamma, 0 for a beta.
    """

    ours: str
    theirs: str
    axes: tuple[int, ...] | None = None
    neutral: float | None = None


class Layout:
    """The arrays of one kind of layer, there and back."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries
        self.neutral = {entry.theirs: entry.neutral for entry in entries if entry.neutral is not None}

    def to_theirs(self, own: Arrays, like: Mapping[str, np.ndarray], gradients: bool = False) -> Arrays:
        """Ours as theirs lie: values, or `gradients`. `like` are theirs, as far as they are known."""
        return {e.theirs: _turned(own[e.ours], e.axes) for e in self.entries if e.ours in own}

    def to_ours(self, theirs: Arrays, own: Arrays) -> Arrays:
        """Theirs as ours lie; `own` has the shapes of ours."""
        found = {}
        for entry in self.entries:
            if entry.theirs in theirs:
                axes = None if entry.axes is None else tuple(np.argsort(entry.axes))
                found[entry.ours] = _turned(theirs[entry.theirs], axes)
            elif entry.ours in own:
                found[entry.ours] = np.full_like(own[entry.ours], entry.neutral)
        return found


def _turned(values: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    return values if axes is None else values.transpose(axes)


class TorchRecurrent(Layout):
    """Matrices (gates H, D), and two biases, one for the input's product and one for the state's."""

    def __init__(self, order: tuple[int, ...], two_biases: bool = False) -> None:
        super().__init__()
        self.order, self.two_biases = order, two_biases
        self.neutral = {"bias_ih": 0.0, "bias_hh": 0.0}

    def blocks(self, values: np.ndarray) -> np.ndarray:
        """The gates' blocks along the last axis in the other order; each of the orders is its own way back."""
        parts = np.split(values, len(self.order), axis=-1)
        return np.concatenate([parts[i] for i in self.order], axis=-1)

    def to_theirs(self, own: Arrays, like: Mapping[str, np.ndarray], gradients: bool = False) -> Arrays:
        found = {}
        for ours, theirs in (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh")):
            if ours in own:
                found[theirs] = self.blocks(own[ours]).T
        if "bias" in own:
            bias = self.blocks(own["bias"])
            # The two of an LSTM are added: ours is the first and zeros the second, and dL/db is that of either.
            two = bias if self.two_biases else (bias, bias if gradients else np.zeros_like(bias))
            found |= {"bias_ih": two[0], "bias_hh": two[1]}
        return found

    def to_ours(self, theirs: Arrays, own: Arrays) -> Arrays:
        zeros = np.zeros_like(own["bias"][0] if self.two_biases else own["bias"])
        two = [self.blocks(theirs.get(name, zeros)) for name in ("bias_ih", "bias_hh")]
        return {
            "kernel": self.blocks(theirs["weight_ih"].T),
            "recurrent_kernel": self.blocks(theirs["weight_hh"].T),
            "bias": np.stack(two) if self.two_biases else two[0] + two[1],
        }


class KerasConvolution(Layout):
    """A Conv2D's kernel is ours; that of a DepthwiseConv2D is (KH, KW, C, m), ours with C groups (KH, KW, 1, C m)."""

    def to_theirs(self, own: Arrays, like: Mapping[str, np.ndarray], gradients: bool = False) -> Arrays:
        found = super().to_theirs(own, like, gradients)
        kernel, other = found.get("kernel"), like.get("kernel")
        if kernel is not None and other is not None and kernel.shape[2] == 1 and other.shape[:2] == kernel.shape[:2]:
            same_size = other.ndim == 4 and other.size == kernel.size
            found["kernel"] = kernel.reshape(other.shape) if same_size else kernel
        return found

    def to_ours(self, theirs: Arrays, own: Arrays) -> Arrays:
        kernel = theirs["kernel"].reshape(own["weight"].shape)
        return super().to_ours({**theirs, "kernel": kernel}, own)


CONVOLUTION = Entry("weight", "weight", (3, 2, 0, 1)), Entry("bias", "bias")
TORCH: dict[type[Module], Layout] = {
    nn.Linear: Layout(Entry("weight", "weight", (1, 0)), Entry("bias", "bias")),
    nn.Conv2d: Layout(*CONVOLUTION),
    nn.ConvTranspose2d: Layout(*CONVOLUTION),
    nn.BatchNorm: Layout(
        Entry("gamma", "weight", neutral=1),
        Entry("beta", "bias", neutral=0),
        Entry("running_mean", "running_mean"),
        Entry("running_var", "running_var"),
    ),
    nn.LayerNorm: Layout(Entry("gamma", "weight", neutral=1), Entry("beta", "bias", neutral=0)),
    nn.RMSNorm: Layout(Entry("gamma", "weight", neutral=1)),
    **dict.fromkeys((nn.Embedding, nn.PositionalEmbedding), Layout(Entry("weight", "weight"))),
    **dict.fromkeys((nn.SimpleRNN, nn.SimpleRNNCell), TorchRecurrent((0,))),
    **dict.fromkeys((nn.LSTM, nn.LSTMCell), TorchRecurrent((0, 1, 2, 3))),
    **dict.fromkeys((nn.GRU, nn.GRUCell), TorchRecurrent(Z_R, two_biases=True)),
}
RECURRENT = Layout(
    Entry("kernel", "kernel"), Entry("recurrent_kernel", "recurrent_kernel"), Entry("bias", "bias", neutral=0)
)
KERAS: dict[type[Module], Layout] = {
    nn.Linear: Layout(Entry("weight", "kernel"), Entry("bias", "bias")),
    nn.Conv2d: KerasConvolution(Entry("weight", "kernel"), Entry("bias", "bias")),
    nn.ConvTranspose2d: Layout(Entry("weight", "kernel"), Entry("bias", "bias")),
    nn.BatchNorm: Layout(
        Entry("gamma", "gamma", neutral=1),
        Entry("beta", "beta", neutral=0),
        Entry("running_mean", "moving_mean"),
        Entry("running_var", "moving_variance"),
    ),
    nn.LayerNorm: Layout(Entry("gamma", "gamma", neutral=1), Entry("beta", "beta", neutral=0)),
    nn.RMSNorm: Layout(Entry("gamma", "scale")),
    nn.Embedding: Layout(Entry("weight", "embeddings")),
    **dict.fromkeys((nn.SimpleRNN, nn.SimpleRNNCell, nn.LSTM, nn.LSTMCell, nn.GRU, nn.GRUCell), RECURRENT),
}


def layout_of(layouts: dict[type[Module], Layout], module: Module, own: Arrays) -> Layout | None:
    """The layout of a module's arrays, by its class or the nearest base of it.

    A class that holds just what a Linear holds, `weight` (D, M) and `bias` (M,), is one. None for any other.
    """
    for kind in type(module).__mro__:
        if kind in layouts:
            return layouts[kind]
    weight, bias = own.get("weight"), own.get("bias")
    if own.keys() == {"weight", "bias"} and weight is not None and bias is not None and weight.ndim == 2:
        return layouts[nn.Linear] if bias.shape == weight.shape[1:] else None
    return None

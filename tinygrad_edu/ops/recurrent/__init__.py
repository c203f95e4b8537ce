"""Recurrent networks over a whole sequence, each one step on the tape: backpropagation through time by hand.

Reading order: `simple_rnn` (the idea, and why gradients vanish or explode), `lstm` (the path that avoids it), `gru`
(the same with fewer parts), `sequence` (what they share: checks, and the layout).

The same networks, written cell by cell with small operations, stand in `nn/recurrent.py`; tests hold both equal.
"""

from tinygrad_edu.ops.recurrent.gru import gru
from tinygrad_edu.ops.recurrent.lstm import lstm
from tinygrad_edu.ops.recurrent.simple_rnn import simple_rnn

__all__ = ["gru", "lstm", "simple_rnn"]

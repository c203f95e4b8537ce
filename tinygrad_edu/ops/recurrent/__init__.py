"""Recurrent networks over a whole sequence, each one step on the tape: the fast forms.

Their derivations, and plain code for them, stand in `textbook/simple_rnn.py`, `lstm.py` and `gru.py`. Here, `sequence`
says what all three do differently, and `arguments` checks what they are given. The same networks once more, written
cell by cell with small operations, stand in `nn/recurrent.py`; tests hold all three forms equal.
"""

from tinygrad_edu.ops.recurrent.gru import gru
from tinygrad_edu.ops.recurrent.lstm import lstm
from tinygrad_edu.ops.recurrent.simple_rnn import simple_rnn

__all__ = ["gru", "lstm", "simple_rnn"]

"""What this package changes in the process in which it is a guest, and the switch.

Importing it changes nothing, nor do small networks. From the first operation on that is worth cutting into parts,

- threads of ours compute the parts, one for each core but the caller's; between operations they sleep (`parallel.py`);
- BLAS has one thread while an operation of ours computes, and its own number again as soon as it is done (`blas.py`);
- malloc keeps up to 256 MiB of freed memory for the next training step, in large pages where there are any, for the
  rest of the process (`memory.py`).

`tune_process(False)`, or TINYGRAD_EDU_TUNE=0 in the environment, forbids all three. Gradients stay what they are, up to
roundings; on two cores a step of mini-AlexNet takes about 1.7 times as long, one of the character LSTM 1.2 times.
"""

from __future__ import annotations

import os

from tinygrad_edu import checks

VARIABLE = "TINYGRAD_EDU_TUNE"

_on = os.environ.get(VARIABLE) or "1"
if _on not in ("0", "1"):
    raise ValueError(f"{VARIABLE}={_on}: expected 1, to let the process be tuned, or 0 to leave it as it is")
_tuned = _on == "1"


def tune_process(on: bool) -> None:
    """Let large operations tune the process, or leave it as it is; by default they may.

    After the first large operation it can still be said: from then on BLAS keeps its threads and ours sleep. Only what
    malloc was told by then cannot be taken back.
    """
    global _tuned
    _tuned = checks.flag("tune_process", "on", on)


def may_tune() -> bool:
    return _tuned

"""Proof that gradients are right: check one function with `gradcheck`, all operations with the table.

`python -m tinygrad_edu.gradcheck` checks every exported operation and prints one line for each.
"""

from tinygrad_edu.gradcheck.check import gradcheck
from tinygrad_edu.gradcheck.comparison import CheckResult
from tinygrad_edu.gradcheck.evaluation import GradientError

__all__ = ["CheckResult", "GradientError", "gradcheck"]

"""Proof that gradients are right: check one function with `gradcheck`, all operations with the table.

`python -m tinygrad_edu.gradcheck` checks every exported operation and prints one line for each. The checker is checked
by the zoo: `python -m tinygrad_edu.gradcheck --zoo` shows it, and simpler checks, mistakes that they must catch.
"""

from tinygrad_edu.gradcheck.check import gradcheck
from tinygrad_edu.gradcheck.comparison import CheckResult
from tinygrad_edu.gradcheck.evaluation import GradientError

__all__ = ["CheckResult", "GradientError", "gradcheck"]

"""A fresh interpreter, for what can be measured once in a process only."""

import os
import subprocess
import sys
from collections.abc import Mapping


def output_of_python(*arguments: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a new Python prints that is started with these arguments; its stderr is ours."""
    command = [sys.executable, *arguments]
    finished = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return finished.stdout.strip()

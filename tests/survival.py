"""Interrupt and kill runs of the model scripts at random moments, resume them, and compare the weights to the bit.

`python tests/survival.py [ROUNDS] [SCRIPT ...]` stops each script ROUNDS times (10) by Ctrl-C and as often by SIGKILL,
and prints a line for each script and signal; exit status 1 where one ended elsewhere. `test_survival.py` does it once.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Short runs, on stand-in data where there is such; the pictures are left out, they come after the last checkpoint.
SCRIPTS = {
    "softmax_regression": ("--data", "synthetic", "--epochs", "12"),
    "airline_lstm": ("--epochs", "43"),
    "sine_rnn": ("--epochs", "1000", "--lr", "0.02", "--patience", "30"),  # stops early, between two checkpoints
    "shakespeare_lstm": ("--data", "synthetic", "--stateful", "--epochs", "3", "--batch-size", "64"),
    "mini_alexnet": ("--data", "synthetic", "--epochs", "2", "--augment", "--batch-size", "64"),
}
# Training goes on after a signal in `models.NAME`, so the scripts run as users run them, but for their pictures.
RUN = (
    "import sys, importlib, tinygrad_edu.plots as plots\n"
    "module = importlib.import_module('models.' + sys.argv[1])\n"
    "module.draw = lambda *_: None\n"
    "setattr(module, 'SAMPLE_LENGTH', 10); setattr(module, 'QUICK_STAND_IN', 60_000)\n"
    "sys.exit(module.main(sys.argv[2:]))"
)


def start(script: str, out: Path, *arguments: str) -> subprocess.Popen:
    """A run of a script in a process of its own."""
    command = [sys.executable, "-c", RUN, script, "--no-progress", "--out", str(out), *SCRIPTS[script], *arguments]
    if script == "shakespeare_lstm":
        command.append("--quick")
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(script: str, out: Path, *arguments: str) -> bytes:
    """Run to the end; the weights as they lie in the file."""
    process = start(script, out, *arguments)
    output, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError(f"{script} ended with {process.returncode}:\n{output}")
    return (out / "weights.safetensors").read_bytes()


def stop_once(script: str, out: Path, number: int, longest: float, chance: random.Random) -> None:
    """Start a run, or go on with it, and send it a signal at a random moment."""
    resume = ["--resume"] if (out / "checkpoint.safetensors").exists() else []
    process = start(script, out, *resume)
    time.sleep(chance.uniform(0.3, longest))
    process.send_signal(number)
    process.communicate(timeout=600)


def survives(script: str, number: int, rounds: int, seed: int = 0) -> int:
    """How many of `rounds` runs, each stopped twice at random moments and resumed, ended with the same weights."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        whole = finish(script, Path(folder) / "whole")
        longest = time.perf_counter() - began
        same = 0
        for i in range(rounds):
            out = Path(folder) / str(i)
            for _ in range(2):
                stop_once(script, out, number, longest, chance)
            resume = ["--resume"] if (out / "checkpoint.safetensors").exists() else []
            same += finish(script, out, *resume) == whole
            shutil.rmtree(out)
    return same


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    os.environ.setdefault("TINYGRAD_EDU_DATA", tempfile.gettempdir())
    wrong = 0
    for script in sys.argv[2:] or SCRIPTS:
        for number in (signal.SIGINT, signal.SIGKILL):
            same = survives(script, number, rounds)
            print(f"{script:<20} {number.name:<8} {same} of {rounds} ended with the same weights", flush=True)
            wrong += rounds - same
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

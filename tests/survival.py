"""Stop runs of the model scripts at random moments, resume them, and compare all they leave with a run left alone.

`python -m proof.kills` does it at length, `test_survival.py` once for each script.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tinygrad_edu import plots
from tinygrad_edu.data import ImageData, load_scenes
from tinygrad_edu.data.synthetic_images import CLASS_NAMES, synthetic_images

ROOT = Path(__file__).resolve().parent.parent

# Short runs on stand-in data, which save so often that a good part of the time is writing.
SCRIPTS = {
    "softmax_regression": ("--data", "synthetic", "--epochs", "20", "--checkpoint-every", "0.004"),
    "shakespeare_lstm": (
        *("--data", "synthetic", "--quick", "--stateful", "--epochs", "3", "--batch-size", "32"),
        *("--checkpoint-every", "0.05"),
    ),
    "mini_alexnet": (
        *("--data", "synthetic", "--augment", "--epochs", "2", "--batch-size", "32", "--checkpoint-every", "0.2"),
    ),
    "mini_yolo": ("--epochs", "2", "--batch-size", "10", "--checkpoint-every", "0.2"),
    "airline_lstm": ("--epochs", "43", "--checkpoint-every", "0.02"),
    # It stops early, between two checkpoints.
    "sine_rnn": ("--epochs", "1000", "--lr", "0.02", "--patience", "30", "--checkpoint-every", "0.02"),
}
TOLD_APART = ("seconds", "seconds of training", "command")  # what tells how often a run was begun
FILES = ("weights.safetensors", "metrics.csv", "metrics.json", "samples.txt")


def run(script: str, arguments: list[str]) -> int:
    """What a process of these runs does: the script on little data, without its pictures and the look inside."""
    module = importlib.import_module(f"models.{script}")
    module.look_inside = lambda *_, **__: None
    if script == "shakespeare_lstm":
        module.SAMPLE_LENGTH, module.SAMPLE_EVERY, module.QUICK_STAND_IN = 10, 20, 30_000
        plots.training_curves = lambda *_: None
    else:
        module.draw = lambda *_: None
    if script == "mini_alexnet":
        few = ImageData("synthetic images", "synthetic", *synthetic_images(400, 50), CLASS_NAMES)
        module.load_cifar10 = lambda *_, **__: few
    if script == "mini_yolo":
        scenes = load_scenes(source="synthetic", train=200, validation=20, test=20)
        module.load_scenes = lambda *_, **__: scenes
    return module.main(arguments)


@dataclass
class Outcome:
    """What became of the runs that were stopped."""

    runs: int = 0
    same: int = 0
    stops: int = 0
    in_writes: int = 0
    within_epochs: int = 0
    wrong: list[str] = field(default_factory=list)


def start(script: str, out: Path, flags: tuple[str, ...] = ()) -> subprocess.Popen:
    """A run of a script in a process of its own, which goes on where there is a checkpoint; it is about to train."""
    arguments = [script, "--no-progress", "--out", str(out), *SCRIPTS[script], *flags]
    if any(out.glob("checkpoint*")):
        arguments.append("--resume")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys, survival; sys.exit(survival.run(sys.argv[1], sys.argv[2:]))", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    assert process.stdout
    for line in process.stdout:
        if "learning rate" in line:
            return process
    raise RuntimeError(f"{script} ended with {process.wait()} before it began to train")


def finish(script: str, out: Path, flags: tuple[str, ...] = ()) -> str:
    """Run to the end; what it printed."""
    process = start(script, out, flags)
    output, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError(f"{script} ended with {process.returncode}:\n{output}")
    return output


def left_in(out: Path) -> dict[str, object]:
    """The files of a finished run, but for the time that it took and the command, which tell how often it was begun."""
    found: dict[str, object] = {name: (out / name).read_bytes() for name in FILES if (out / name).exists()}
    metrics = json.loads((out / "metrics.json").read_text())
    found["metrics.json"] = {name: value for name, value in metrics.items() if name not in TOLD_APART}
    found["half written"] = [part.name for part in out.glob(".*.part")]
    return found


def stop_once(process: subprocess.Popen, out: Path, number: int, wait: float, in_write: bool, outcome: Outcome) -> None:
    """Send a run a signal after so many seconds, or at the next write after them."""
    time.sleep(wait)
    while in_write and process.poll() is None and not any(out.glob(".checkpoint*.part")):
        time.sleep(0.0005)
    process.send_signal(number)
    output, _ = process.communicate(timeout=600)
    outcome.within_epochs += within_an_epoch(output)
    if process.returncode == 0:  # it had ended before
        return
    outcome.stops += 1
    outcome.in_writes += any(out.glob(".checkpoint*.part"))
    expected = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: 130}[number]
    if process.returncode != expected:
        outcome.wrong.append(f"ended with {process.returncode} after signal {number}:\n{output}")


def within_an_epoch(output: str) -> bool:
    return re.search(r"resumed from .* batch", output) is not None


def survives(
    script: str, number: int, rounds: int, seed: int = 0, stops: int = 2, flags: tuple[str, ...] = ()
) -> Outcome:
    """Stop `rounds` runs at so many random moments each, every second time while a checkpoint is being written."""
    chance = random.Random(seed)
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        process = start(script, Path(folder) / "alone", flags)
        began = time.perf_counter()
        process.communicate(timeout=600)
        longest = time.perf_counter() - began
        alone = left_in(Path(folder) / "alone")
        for i in range(rounds):
            out = Path(folder) / str(i)
            for j in range(stops):
                wait = chance.uniform(0, longest / (stops + 1))
                stop_once(start(script, out, flags), out, number, wait, (i + j) % 2 == 0, outcome)
            outcome.within_epochs += within_an_epoch(finish(script, out, flags))
            found = left_in(out)
            differing = [name for name in {**alone, **found} if found.get(name) != alone.get(name)]
            outcome.runs += 1
            outcome.same += not differing
            if differing:
                outcome.wrong.append(f"{script}, run {i} of seed {seed}: not as if left alone: {', '.join(differing)}")
    return outcome

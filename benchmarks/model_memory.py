"""The most memory that a whole training takes: `python -m models.mini_alexnet --quick`, from its start to its pictures.

It runs in a process of its own, on CIFAR-10 where its files lie in the data directory, else on generated pictures (a
twelfth as many); nothing is downloaded. Beside it stands a process that imports the same libraries and holds the same
data, and does nothing with them.
"""

import tempfile

from benchmarks.contender import Contender, Goal, Row
from benchmarks.fresh import output_of_python
from tinygrad_edu.data.cifar10 import FOLDER, TEST_FILE
from tinygrad_edu.data.files import data_directory

RUN = """
import contextlib, io, runpy, sys
from benchmarks.contender import peak_memory
sys.argv = ["models.mini_alexnet", "--quick", "--no-progress", "--data", {source!r}, "--out", {folder!r}]
with contextlib.redirect_stdout(io.StringIO()):
    try:
        runpy.run_module("models.mini_alexnet", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
print(peak_memory() or "")
"""
HOLD = """
import models.mini_alexnet
from benchmarks.contender import peak_memory
from tinygrad_edu.data import load_cifar10
data = load_cifar10(source={source!r})
print(peak_memory() or "")
"""


class Process(Contender):
    """Times a fresh interpreter from start to end, and asks it at its end what it took."""

    code: str

    def __init__(self, seed: int) -> None:
        folder = data_directory() / "cifar10"
        found = any((place / TEST_FILE).exists() for place in (folder / FOLDER, folder))
        self.source = "real" if found else "synthetic"
        self.most: int | None = None

    def step(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            answer = output_of_python("-c", self.code.format(source=self.source, folder=folder))
        self.most = int(answer) if answer else None

    def peak_memory(self) -> int | None:
        return self.most

    def remark(self) -> str:
        found = self.source == "real"
        return "on CIFAR-10" if found else "on generated pictures; the data directory has no CIFAR-10"


class Run(Process):
    code = RUN


class Hold(Process):
    code = HOLD


ROW = Row(
    name="model-memory",
    title="peak memory of a whole run of `python -m models.mini_alexnet --quick` (ours), and of a process that imports "
    "the same and holds the same data (data)",
    contenders={"ours": Run, "data": Hold},
    ratios=(),
    steps=1,
    goals=(Goal("peak memory of ours", at_most=484 * 2**20),),
    most_rounds=1,
)

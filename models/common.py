"""What the model scripts share and the student may skip: flags, output files, the closing table, clean ends.

The training step, the network and the evaluation are in each script.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import DeviceError, manual_seed, resolve_device
from tinygrad_edu.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, save_weights
from tinygrad_edu.data import DataError
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.parallel import hold_blas, thread_count
from tinygrad_edu.training import Figures, History, TrainingError, fit

EXPECTED_ERRORS = (CheckpointError, DataError, DeviceError, TrainingError, OSError, ValueError)


def whole_number(text: str) -> int:
    """For argparse: a number >= 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def flags(description: str, model: str, epochs: int, quick_epochs: int) -> argparse.ArgumentParser:
    """A parser with the flags that all scripts have; `epochs` of None becomes the full or the quick number."""
    parser = argparse.ArgumentParser(prog=f"python -m models.{model}", description=description.split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="where to compute (cpu)")
    parser.add_argument("--seed", type=int, default=0, help="for weights, order of batches and dropout (0)")
    parser.add_argument(
        "--epochs", type=whole_number, help=f"how often to go through the data ({epochs}; {quick_epochs} with --quick)"
    )
    parser.add_argument("--quick", action="store_true", help="a short run, to see it work")
    parser.add_argument("--data-dir", type=Path, help="where the data sets are ($TINYGRAD_EDU_DATA, or a cache folder)")
    parser.add_argument(
        "--data",
        default="auto",
        choices=("auto", "real", "synthetic"),
        help="real data only, generated stand-in data, or whichever can be had (auto)",
    )
    parser.add_argument("--out", type=Path, default=Path("runs") / model, help=f"where results go (runs/{model})")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="FILE",
        help="go on from this checkpoint (OUT/checkpoint.safetensors if no file is named)",
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")
    parser.set_defaults(model=model, default_epochs=epochs, quick_epochs=quick_epochs)
    return parser


class Run:
    """One run of a script: says what it does, keeps the figures, writes the files, prints the table.

    Attributes
    ----------
    device : str
    epochs : int
    out : Path
    rng : numpy.random.Generator
        For the order of the batches; the weights come from the generator that the seed set, see `manual_seed`.
    history : History
    """

    def __init__(self, options: argparse.Namespace, data_name: str, data_source: str, variant: str = "plain") -> None:
        self.options, self.variant = options, variant
        self.data = {"name": data_name, "source": data_source}
        self.device = resolve_device(options.device)
        self.epochs = options.epochs or (options.quick_epochs if options.quick else options.default_epochs)
        self.out = options.out
        try:
            self.out.mkdir(parents=True, exist_ok=True)  # now, not after an hour of training
        except OSError as error:
            raise ValueError(f"--out {self.out}: cannot make this folder ({error.strerror}); name another") from None
        self.history = History()
        self.started = time.perf_counter()
        hold_blas()  # --resume goes on to the same last bit, on any number of cores
        if options.seed < 0:
            raise ValueError(f"--seed must be >= 0, got {options.seed}")
        self.weight_rng = manual_seed(options.seed)
        self.rng = np.random.default_rng([options.seed, 1])
        print(f"{options.model} ({variant}): device {self.device}, seed {options.seed}, threads {thread_count()}")
        print(f"data: {data_name} ({data_source})", flush=True)

    @property
    def synthetic(self) -> bool:
        return self.data["source"] == "synthetic"

    @property
    def progress(self) -> bool | None:
        return False if self.options.no_progress else None

    def fit(
        self,
        step: Callable[..., Figures],
        batches: Callable,
        evaluate: Callable[[], Figures] | None,
        model: Module,
        optimizer: Optimizer,
        every: int = 1,
        **options: Any,
    ) -> History:
        """`training.fit` with --resume, and figures and a checkpoint written after each `every` epochs and the last."""
        if self.options.resume is not None:
            path = Path(self.options.resume) if self.options.resume else self.out / "checkpoint.safetensors"
            facts = load_checkpoint(path, model, optimizer)
            if facts["run"] != self.identity():
                raise ValueError(f"--resume: {path} is of another run, {facts['run']}; this one is {self.identity()}")
            self.history.epochs = facts["epochs"]
            self.weight_rng.bit_generator.state, self.rng.bit_generator.state = facts["generators"]
            print(f"resumed from {path} after {len(self.history.epochs)} epochs")

        def after_epoch(history: History) -> None:
            if len(history.epochs) % every == 0:
                save(history)

        def save(history: History) -> None:
            print(describe(history.epochs[-1]), flush=True)
            self.save_metrics({})
            generators = [self.weight_rng.bit_generator.state, self.rng.bit_generator.state]
            facts = {"epochs": history.epochs, "generators": generators, "run": self.identity()}
            save_checkpoint(self.out / "checkpoint.safetensors", model, optimizer, facts)

        options = {"history": self.history, "progress": self.progress, **options}
        fit(step, batches, self.epochs, evaluate, after_epoch=after_epoch, **options)
        if len(self.history.epochs) % every:
            save(self.history)
        if self.history.stopped:
            print(f"stopped: {self.history.stopped}", flush=True)
        if self.history.interrupted:
            self.go_back(model, optimizer)
        return self.history

    def go_back(self, model: Module, optimizer: Optimizer) -> None:
        """After Ctrl-C in the middle of an epoch: weights and figures of the last checkpoint, which belong together."""
        if not self.history.epochs:
            raise KeyboardInterrupt  # nothing was reached that could be evaluated
        path = self.out / "checkpoint.safetensors"
        self.history.epochs = load_checkpoint(path, model, optimizer)["epochs"]
        print(f"evaluating what was reached after {len(self.history.epochs)} epochs", flush=True)

    def identity(self) -> dict[str, Any]:
        """What a run must share with the one that it resumes."""
        return {"model": self.options.model, "seed": self.options.seed, "data": self.data["name"]}

    def record_epoch(self, epoch: int, **figures: float) -> None:
        """For a script with a loop of its own: note an epoch's figures, print them and write the metrics."""
        self.history.epochs.append({"epoch": epoch, **{name: float(value) for name, value in figures.items()}})
        print(describe(self.history.epochs[-1]), flush=True)
        self.save_metrics({})

    def finish(
        self, model: Module | None, final: Figures, report: list[tuple[str, str, str]], **facts: Any
    ) -> dict[str, Any]:
        """Write the last files and print the table.

        Parameters
        ----------
        final : the figures of the finished network, for metrics.json.
        report : rows (figure, what the report says, what was measured).
        facts : stored with the weights.
        """
        if model is not None:
            save_weights(self.out / "weights.safetensors", model, facts)
        if self.synthetic:  # a figure of the report says nothing about generated data
            report = [(figure, "- (stand-in data)", measured) for figure, _, measured in report]
        trained = len(self.history.epochs)
        if trained < self.options.default_epochs:  # the report's run was longer
            after = f", after {trained} of {self.options.default_epochs} epochs"
            report = [(name if "epoch" in name else name + after, known, measured) for name, known, measured in report]
        self.save_metrics(final, table=report, seconds=round(time.perf_counter() - self.started, 1))
        print(f"results in {self.out}{os.sep}")
        print_table(("figure", "report", "measured"), report)
        if self.history.interrupted:
            raise KeyboardInterrupt  # the exit status says so, and the tour ends as well
        return final

    def save_metrics(self, final: Figures, **facts: Any) -> None:
        self.history.save_csv(self.out / "metrics.csv")
        self.history.save_json(
            self.out / "metrics.json",
            model=self.options.model,
            variant=self.variant,
            device=self.device,
            seed=self.options.seed,
            data=self.data,
            final=final,
            **facts,
        )


def describe(row: dict[str, Any]) -> str:
    """One epoch in one line; accuracies, which are percentages, with two digits behind the point."""
    figures = (
        f"{name} {value:.2f}" if "accuracy" in name or "rmse" in name else f"{name} {value:.5g}"
        for name, value in row.items()
        if name != "epoch"
    )
    return f"epoch {row['epoch']:>3}  " + "  ".join(figures)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest entry."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


def script(main: Callable[..., Any]) -> Callable[..., int]:
    """Give a script's `main` its exit status: 0; 2 after an error it expects, told in a sentence; 130 after Ctrl-C."""

    @functools.wraps(main)
    def wrapped(arguments: list[str] | None = None) -> int:
        try:
            main(arguments)
        except EXPECTED_ERRORS as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        return 0

    return wrapped

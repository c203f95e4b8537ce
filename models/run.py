"""The books of a run: what it is, what it measured, its files, how it goes on after a stop, its closing table."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.checkpoints import Checkpoints
from models.clock import Clock
from models.common import figure_text, print_table
from models.experiment import Experiment
from models.lock import lock_folder
from models.report import PAGE, write_report
from models.stop import Left, Stop, Terminated
from tinygrad_edu import Tensor, __version__, manual_seed
from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.runtime.blas import hold_blas, thread_count
from tinygrad_edu.runtime.process import may_tune
from tinygrad_edu.training import Figures, History, fit, save_weights
from tinygrad_edu.training.distributed import Buckets, broadcast, compare, shared
from tinygrad_edu.training.group import BEFORE_TRAINING, Group


class Run(Experiment):
    """One run of a script: says what it does, keeps the figures, writes the files, prints the table.

    Its parameters, and what it is, are those of `Experiment`.

    Attributes
    ----------
    group : Group
        The processes that train together; after the training, this one alone.
    out : Path
    rng : numpy.random.Generator
        For the order of the batches; the weights come from the generator that the seed set, see `manual_seed`.
    generators : dict
        Both, and those that a script adds: all that a resumed run must set to where they were.
    texts : dict
        Files that the training step writes, by name; see `append`.
    clock : Clock
    """

    def __init__(
        self, options: argparse.Namespace, data_name: str, data_source: str, *which: str, **facts: Any
    ) -> None:
        super().__init__(options, data_name, data_source, *which, **facts)
        self.out, self.group = options.out, options.group
        self.check_group()
        if self.group.rank == 0:  # the others write nothing
            self.lock = lock_folder(self.out)
            weakref.finalize(self, self.lock.close)  # also where the run ends by an error
        self.clock = Clock()
        self.texts: dict[str, str] = {}
        self.started = time.perf_counter()
        if may_tune():
            hold_blas()  # --resume goes on to the same last bit, on any number of cores
        self.rng = np.random.default_rng([options.seed, 1])
        self.generators = {"weights and dropout": manual_seed(options.seed), "batches": self.rng}
        print(f"{options.model} ({self.variant}): device {self.device}, seed {options.seed}, threads {thread_count()}")
        print(f"data: {data_name} ({data_source})")
        print(f"{options.optimizer}, learning rate {options.lr:g}, batch size {options.batch_size}; {self.length()}")
        print(end="", flush=True)

    @property
    def progress(self) -> bool | None:
        return False if self.options.no_progress else None

    def check_group(self) -> None:
        """ValueError or DistributedError where this run cannot be shared by the processes that are there."""
        size, batch = self.group.size, self.options.batch_size
        if batch < size:
            raise ValueError(
                f"--distributed: a batch of {batch} cannot be shared by {size} processes; use --batch-size {size} or "
                "more, or one process"
            )
        versions = {"tinygrad_edu": __version__, "NumPy": np.__version__, "Python": platform.python_version()}
        flags = {"epochs": self.epochs, "device": self.device, "resume": self.options.resume}
        facts = {**versions, **self.identity(), **flags}
        self.group.compare(facts, "the same run", BEFORE_TRAINING)

    # --- training ---

    def fit(
        self,
        step: Callable[..., Figures],
        batches: Callable,
        evaluate: Callable[[], Figures] | None,
        model: Module,
        optimizer: Optimizer,
        every: int = 1,
        memory: dict[str, Tensor] | None = None,
        count: Callable[..., float] | None = None,
        **options: Any,
    ) -> History:
        """`training.fit` that can be stopped at any moment, and with --resume goes on from there.

        Figures and a checkpoint are written after each `every` epochs and the last, a checkpoint alone within them
        every --checkpoint-every seconds. `memory` is what the step carries from batch to batch.

        SIGTERM saves and ends. Ctrl-C saves as well; what is then evaluated and drawn is the network after the last
        complete epoch, whose figures the history has.

        With --distributed, all processes train, and rank 0 alone returns from here: the others have no more to do.
        Where the loss is no mean over examples, `count(*batch)` says over how many things: see `training.distributed`.
        """
        group = self.group
        kept = Checkpoints(
            self.out,
            self.identity(),
            model,
            optimizer,
            self.history,
            self.generators,
            self.texts,
            memory,
            group,
            self.clock,
        )
        group.meet("the training to begin", BEFORE_TRAINING)  # rank 0 has looked at the first batch meanwhile
        if self.options.resume is not None:
            kept.resume(self.options.resume, self.epochs)
        broadcast(group, model, optimizer)
        compare(group, model, optimizer, self.generators)
        with Stop() as stop:

            def save_if_due(history: History) -> None:
                due = kept.age() >= self.options.checkpoint_every
                asked, due = group.largest(stop.asked or 0, due)  # all processes do the same
                if asked or due:
                    kept.save(say=asked > 0)
                    group.meet("the checkpoint")
                stop.asked = int(asked) or None
                stop.obey()

            def after_epoch(history: History) -> None:
                kept.reached = model.state_dict()
                if len(history.epochs) % every == 0:
                    self.save(kept)
                compare(group, model, optimizer, self.generators)
                save_if_due(history)

            def evaluate_at_rest() -> Figures:
                self.clock.end_epoch()
                if group.size > 1:  # a signal waits until all have the figures, which shall be the same everywhere
                    figures = evaluate() if evaluate else {}
                    return group.from_first(lambda: figures, "the figures of the evaluation")
                try:
                    with stop.at_rest():
                        return evaluate() if evaluate else {}
                except (KeyboardInterrupt, Terminated):
                    kept.save(say=True)
                    raise

            options = {"history": self.history, "progress": self.progress, **options}
            hooks: dict[str, Any] = {
                "after_batch": save_if_due,
                "after_epoch": after_epoch,
                "when_caught_up": kept.catch_up,
            }
            step = shared(group, step, Buckets(group, model), count)
            fit(step, lambda: kept.new_epoch(batches), self.epochs, evaluate_at_rest, **hooks, **options)
        if self.history.stopped:
            print(f"stopped: {self.history.stopped}", flush=True)
        if self.history.interrupted:
            kept.go_back()
        elif len(self.history.epochs) % every:
            self.save(kept)
        if group.rank:
            raise Left
        self.group = Group()
        return self.history

    def save(self, kept: Checkpoints) -> None:
        """The last epoch's figures on the screen, all in metrics.csv and metrics.json, and a checkpoint."""
        print(describe(self.history.epochs[-1]), flush=True)
        self.save_metrics({})
        kept.save()

    def append(self, name: str, text: str) -> None:
        """Write more into a text of the folder. A resumed run has it as it was at the checkpoint."""
        self.texts[name] += text
        if self.group.rank == 0:
            write_whole(self.out / name, self.texts[name])

    def record_epoch(self, epoch: int, **figures: float) -> None:
        """For a script with a loop of its own: note an epoch's figures, print them and write the metrics."""
        self.history.epochs.append({"epoch": epoch, **{name: float(value) for name, value in figures.items()}})
        print(describe(self.history.epochs[-1]), flush=True)
        self.save_metrics({})

    # --- the end ---

    def finish(
        self,
        model: Module | None,
        final: Figures,
        report: list[tuple[str, str, str]],
        baselines: Sequence[tuple[str, str]] = (),
        **facts: Any,
    ) -> None:
        """Write the last files and print the table.

        Parameters
        ----------
        final : the figures of the finished network, for metrics.json.
        report : rows (figure, what the report says, what was measured).
        baselines : rows (figure, its value): what can be had without the network, and needs no training.
        facts : stored with the weights.
        """
        if model is not None:
            save_weights(self.out / "weights.safetensors", model, facts)
        if self.synthetic:  # a figure of the report says nothing about generated data
            report = [(figure, "- (stand-in data)", measured) for figure, _, measured in report]
        changed = self.unreported()
        if changed:
            report = [(figure, "-", measured) for figure, _, measured in report]
        rows = [*report, *((figure, "-", value) for figure, value in baselines)]
        remarks = self.remarks()
        self.save_metrics(final, table_head=["figure", "report", self.measured()], table=rows, remarks=remarks)
        print(f"results in {self.out}{os.sep}, to look at: {self.out / PAGE}")
        for remark in remarks:
            print(remark)
        print_table(("figure", "report", self.measured()), rows)
        self.lock.close()
        if self.history.interrupted:
            raise KeyboardInterrupt  # the exit status says so, and the tour ends as well

    def save_metrics(self, final: Figures, **facts: Any) -> None:
        """metrics.csv, metrics.json, and the report; before the end, a report of a run that has not ended."""
        if self.group.rank:
            return
        facts = {
            "model": self.options.model,
            "description": self.options.description,
            "command": shlex.join(["python", "-m", f"models.{self.options.model}", *self.options.arguments]),
            "variant": self.variant,
            "device": self.device,
            "seed": self.options.seed,
            "data": self.data,
            "settings": self.settings,
            "length": self.length(len(self.history.epochs)),
            "seconds": round(time.perf_counter() - self.started, 1),
            "seconds of training": [round(end, 1) for end in self.clock.ends],
            "stopped": self.history.stopped,
            "final": final,
            **facts,
        }
        self.history.save_csv(self.out / "metrics.csv")
        self.history.save_json(self.out / "metrics.json", **facts)
        write_report(self.out, facts, self.history.epochs)


def describe(row: dict[str, Any]) -> str:
    """One epoch in one line."""
    figures = (f"{name} {figure_text(name, value)}" for name, value in row.items() if name != "epoch")
    return f"epoch {row['epoch']:>3}  " + "  ".join(figures)

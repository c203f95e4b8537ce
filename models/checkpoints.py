"""The checkpoints of a run: what is in them, and how a run goes on from one as if it had never been stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from models.clock import Clock
from tinygrad_edu import Tensor
from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.training import Checkpoint, CheckpointError, History, Unfinished, read_checkpoint, save_checkpoint
from tinygrad_edu.training.distributed import own_rows
from tinygrad_edu.training.group import Group

FILE, BEFORE = "checkpoint.safetensors", "checkpoint.previous.safetensors"


class Checkpoints:
    """All that a run goes on from, and the files that hold it.

    Weights, optimiser, the history with the sums of the epoch that is under way, all generators, as they are and as
    they were at the epoch's start, what the loop carries from batch to batch, and the texts written so far. So a run
    can be saved after any batch: the epoch's order is drawn once more, the batches that were done are passed over, and
    then every generator is set to where it was.

    Parameters
    ----------
    folder : Path
    identity : dict
        What a run must share with the one that it resumes.
    history : History
    generators : dict of numpy.random.Generator
    texts : dict
        Files of the folder that grow during training, by name, with what is in them.
    memory : dict of Tensor
        What the training step carries from one batch to the next, a row for each example.
    group : Group, optional
        The processes that train together. Each has its rows of the memory; the file, which rank 0 writes and reads,
        has all of them, so that any number of processes can go on from it.
    clock : Clock
        How long training took.
    """

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        model: Module,
        optimizer: Optimizer,
        history: History,
        generators: dict[str, np.random.Generator],
        texts: dict[str, str],
        memory: dict[str, Tensor] | None = None,
        group: Group | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.folder, self.identity = folder, identity
        self.model, self.optimizer = model, optimizer
        self.history, self.generators, self.texts = history, generators, texts
        self.memory = {} if memory is None else memory
        self.group = group or Group()
        self.clock = clock or Clock()
        self.states_at_start: dict[str, Any] = {}  # of the epoch
        self.reached: dict[str, np.ndarray] | None = None  # the weights after the last complete epoch
        self.resumed: Checkpoint | None = None
        self.last: Path | None = None  # the newest file that is this run's own
        self.saved = time.monotonic()

    # --- writing ---

    def save(self, say: bool = False) -> None:
        """Write the checkpoint; the one before it stays, until the next one, under a name of its own."""
        path, unfinished = self.folder / FILE, self.history.unfinished
        facts = {
            "run": self.identity,
            "epochs": self.history.epochs,
            "unfinished": {
                "batches": unfinished.batches,
                "examples": unfinished.examples,
                "sums": {name: float(sum_) for name, sum_ in unfinished.sums.items()},
            },
            "generators": self.states(),
            "generators at the epoch's start": self.states_at_start,
            "texts": self.texts,
            "seconds": {"ends": self.clock.ends[: len(self.history.epochs)], "now": self.clock.now()},
        }
        parts = self.group.gather({name: tensor.numpy() for name, tensor in self.memory.items()}, "a checkpoint")
        memory = {name: np.concatenate([part[name] for part in parts]) for name in self.memory}
        keep = self.folder / BEFORE if self.last == path else None  # one that is damaged must not take its place
        if self.group.rank == 0:
            save_checkpoint(path, self.model, self.optimizer, facts, memory, keep)
        self.last = path
        self.saved = time.monotonic()
        if say:
            print(f"saved {self.how_far()} in {path}; --resume goes on from there", flush=True)

    def age(self) -> float:
        """Seconds since the last checkpoint, or since the start."""
        return time.monotonic() - self.saved

    def how_far(self) -> str:
        """ "after 3 epochs and 12 batches"."""
        batches = self.history.unfinished.batches
        within = f" and {count(batches, 'batch', 'batches')}" if batches else ""
        return f"after {count(len(self.history.epochs), 'epoch')}{within}"

    def states(self) -> dict[str, Any]:
        return {name: generator.bit_generator.state for name, generator in self.generators.items()}

    def new_epoch(self, batches: Callable[[], Iterable[tuple]]) -> Iterable[tuple]:
        """The batches of the next epoch; how the generators stood before they were drawn is kept."""
        self.states_at_start = self.states()
        self.clock.start()
        return batches()

    # --- reading ---

    def resume(self, name: str, epochs: int) -> None:
        """Go on where a checkpoint of the same experiment ended; where it is damaged, from the one before it.

        `name` is the file's, or empty for the folder's own; `epochs` how many the whole run is to have.
        """
        path = Path(name) if name else self.folder / FILE
        checkpoint = self.group.from_first(lambda: read_or_before(path), "a checkpoint")
        theirs = checkpoint.facts.get("run")
        if not isinstance(theirs, dict):
            raise CheckpointError(f"{checkpoint.path} is no checkpoint of a model script; it cannot be resumed from")
        differing = [name for name in {**theirs, **self.identity} if theirs.get(name) != self.identity.get(name)]
        if differing:
            pairs = "; ".join(
                f"{name} {theirs.get(name)!r} there, {self.identity.get(name)!r} here" for name in differing
            )
            raise ValueError(
                f"--resume: {checkpoint.path} is of another run: {pairs}. Give the same flags, or start anew"
            )
        self._restore(checkpoint)
        print(f"resumed from {checkpoint.path} {self.how_far()}", flush=True)
        if not self.history.unfinished.batches:
            self.reached = self.model.state_dict()
        elif len(self.history.epochs) >= epochs:
            need = f"give --epochs {len(self.history.epochs) + 1} or more"
            raise ValueError(f"--resume: {checkpoint.path} is from the middle of an epoch; {need}")

    def _restore(self, checkpoint: Checkpoint) -> None:
        facts = checkpoint.facts
        try:
            epochs = [{name: value + 0 for name, value in row.items()} for row in facts["epochs"]]
            begun = facts["unfinished"]
            sums = {name: value + 0.0 for name, value in begun["sums"].items()}
            unfinished = Unfinished(begun["batches"] + 0, begun["examples"] + 0, sums)
            states = facts["generators at the epoch's start"] if unfinished.batches else facts["generators"]
            for name in self.generators:  # tried on others first: a bad one must change nothing
                for known in (states, facts["generators"]):
                    np.random.default_rng(0).bit_generator.state = known[name]
            texts = {name: facts["texts"][name] + "" for name in self.texts}
            self.clock.go_on_from(facts["seconds"]["ends"], facts["seconds"]["now"])
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{checkpoint.path} is no checkpoint of this version's scripts ({type(error).__name__}: {error}); "
                "start anew"
            ) from None
        checkpoint.restore(self.model, self.optimizer)
        self.history.epochs, self.history.unfinished = epochs, unfinished
        self._set_generators(states)
        self.texts.update(texts)
        for name, text in texts.items():
            if self.group.rank == 0:
                write_whole(self.folder / name, text)
        self.resumed, self.last = checkpoint, checkpoint.path

    def catch_up(self) -> None:
        """After the batches that were done have been passed over: the state in which the next one was to be trained."""
        assert self.resumed
        self._set_generators(self.resumed.facts["generators"])
        device = next(iter(self.model.parameters())).device
        self.memory.clear()
        for name, values in self.resumed.memory.items():
            self.memory[name] = Tensor(values[own_rows(self.group, len(values))]).to(device)

    def _set_generators(self, states: dict[str, Any]) -> None:
        for name, generator in self.generators.items():
            generator.bit_generator.state = states[name]

    def go_back(self) -> None:
        """After Ctrl-C: the weights after the last complete epoch, which the figures in the history belong to."""
        if self.reached is None:
            raise KeyboardInterrupt  # nothing to evaluate; what lies in the folder may be an older run's
        self.model.load_state_dict(self.reached)
        print(f"evaluating the network after {count(len(self.history.epochs), 'epoch')}", flush=True)


def read_or_before(path: Path) -> Checkpoint:
    """A checkpoint; where it is damaged, the one before it."""
    before = path.with_name(f"{path.stem}.previous{path.suffix}")
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        if not before.exists():
            raise
        checkpoint = read_checkpoint(before)
        print(f"{error}; going on from the checkpoint before it, {before}")
        return checkpoint


def count(n: int, one: str, more: str = "") -> str:
    """ "1 epoch", "2 epochs"."""
    return f"{n} {one if n == 1 else more or one + 's'}"

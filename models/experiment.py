"""What a run is: which network on which data, how long, with which settings; and what is to be said of its figures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from models.common import settings
from tinygrad_edu import resolve_device
from tinygrad_edu.training import History


class Experiment:
    """What is computed, and how much of the whole thing.

    Parameters
    ----------
    options : argparse.Namespace
        The script's flags, see `common.flags`.
    data_name, data_source : str
        What the data is and where it came from.
    variant : str
        Which of the script's networks.
    examples : (str, int, int), optional
        What the training examples are, how many are used, and how many there are: ("images", 8_000, 40_000).
    settings_too : dict, optional
        What else changes what is computed, beside the flags.
    not_computed : sequence of str
        Flags of the script that change nothing that is computed.
    reported : sequence of str
        Flags that the report leaves open: with other values its figures still stand in the table.

    Attributes
    ----------
    device : str
    epochs : int
    settings : dict
        All that changes what is computed, by name.
    history : History
    """

    def __init__(
        self,
        options: argparse.Namespace,
        data_name: str,
        data_source: str,
        variant: str = "plain",
        *,
        examples: tuple[str, int, int] | None = None,
        settings_too: dict[str, Any] | None = None,
        not_computed: Sequence[str] = (),
        reported: Sequence[str] = ("seed", "textbook"),
    ) -> None:
        self.options, self.variant, self.examples, self.reported = options, variant, examples, reported
        self.data = {"name": data_name, "source": data_source}
        self.device = resolve_device(options.device)
        self.epochs = options.epochs or (options.quick_epochs if options.quick else options.default_epochs)
        self.settings = settings(options, not_computed) | (settings_too or {})
        if examples is not None:
            self.settings[examples[0]] = examples[1]
        self.history = History()

    @property
    def synthetic(self) -> bool:
        return self.data["source"] == "synthetic"

    def length(self, epochs: int | None = None) -> str:
        """How long the run is, and of what: "3 of 10 epochs, 8,000 of 40,000 images"."""
        epochs, whole = epochs or self.epochs, self.options.default_epochs
        text = f"{epochs} of {whole} epochs" if epochs < whole else f"{epochs} epoch{'s' * (epochs != 1)}"
        if self.examples is None:
            return text
        what, used, there = self.examples
        return f"{text}, {used:,} of {there:,} {what}" if used < there else f"{text}, {used:,} {what}"

    @property
    def is_short(self) -> bool:
        """Whether this run is less than the script's whole one, in epochs or in examples."""
        trained = len(self.history.epochs) or self.epochs
        stopped_early = self.history.stopped and not self.history.interrupted
        few = self.examples is not None and self.examples[1] < self.examples[2]
        return few or (trained < self.options.default_epochs and not stopped_early)

    def identity(self) -> dict[str, Any]:
        """What a run must share with the one that it resumes: all that changes what is computed."""
        return {"model": self.options.model, "data": self.data["name"], **self.settings}

    def unreported(self) -> list[str]:
        """The flags that make this another experiment than the report's, with both values."""
        given = settings(self.options)
        changed = [name for name in self.settings if name in given and name not in self.reported]
        pairs = [(name, given[name], self.options.default(name)) for name in changed]
        return [f"{name.replace('_', '-')} {now} (the report: {then})" for name, now, then in pairs if now != then]

    def remarks(self) -> list[str]:
        """What a reader of the figures must know, each in a sentence."""
        remarks = []
        if self.is_short:
            length = self.length(len(self.history.epochs))
            remarks.append(f"a short run, of {length}: no figure of it is the whole run's")
        if changed := self.unreported():
            remarks.append(f"not as in the report: {', '.join(changed)}")
        return remarks

    def measured(self) -> str:
        """The head of the column with our figures."""
        trained, whole = len(self.history.epochs), self.options.default_epochs
        return f"measured after {trained} of {whole} epochs" if trained < whole else "measured"

"""What stands beside a GPT's figures: an LSTM's run on the same text, and what counting neighbours can do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.shakespeare_lstm import WINDOW, CharacterLSTM
from tinygrad_edu import no_grad, ops
from tinygrad_edu.data import Chunks
from tinygrad_edu.training import load_weights, read_weights

READ_AT_ONCE = 1000  # characters of a text that is read with the state carried along


class Beside:
    """A run of `shakespeare_lstm --stateful` in `folder`, with its network and its course.

    Attributes
    ----------
    losses, tokens, seconds : array (E,)
        The validation loss after each epoch, and the characters read and the time trained until then.
    """

    def __init__(self, folder, vocabulary):
        facts = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
        path, needed = Path(folder) / "weights.safetensors", {"model", "variant", "epochs", "seconds of training"}
        if not isinstance(facts, dict) or not needed <= facts.keys() or len(facts["epochs"]) < 1:
            raise ValueError(f"--beside: {folder}/metrics.json is not of a finished run of this version; run it again")
        if (facts["model"], facts["variant"]) != ("shakespeare_lstm", "stateful"):
            raise ValueError(
                f"--beside: {folder} must hold a run of shakespeare_lstm --stateful; it is {facts['model']}"
            )
        if read_weights(path)[1].get("characters") != vocabulary.characters:
            raise ValueError(f"--beside: {folder} was trained on a text of other characters; train it on this one")
        self.model = CharacterLSTM(len(vocabulary))
        load_weights(path, self.model)
        self.model.eval()
        self.losses = np.array([row["validation_loss"] for row in facts["epochs"]])
        self.seconds = np.array(facts["seconds of training"])
        rows, epochs = facts["settings"]["batch_size"], np.arange(1, len(self.losses) + 1)
        read = Chunks(np.zeros(facts["settings"]["characters"], int), rows, WINDOW)
        self.tokens = epochs * len(read) * rows * WINDOW

    def rows(self, tokens, seconds, validation, blanked=None):
        """(figure, value): after as many characters, after as much time, and at the end, on the same validation text.

        With `blanked`, batches of blanks, also how many of the blanked characters it guesses from those before.
        """
        loss, right = self.read(validation)
        found = [
            ("validation loss of the LSTM, all of its training", f"{loss:.3f}"),
            ("  the same after as many characters (between epochs, a straight line)", self.when(self.tokens, tokens)),
            ("  the same after as many seconds", self.when(self.seconds, seconds)),
        ]
        if blanked is None:
            return found
        asked = np.concatenate([y.ravel() >= 0 for _, y in blanked])[1:]  # it has no guess for the first character
        return [("blanked characters that the LSTM guesses from the text before", percent(right[: len(asked)][asked]))]

    def when(self, x, value):
        """The validation loss at a moment of its training: x are its epochs' ends."""
        if not x[0] <= value <= x[-1]:
            return "before its first epoch's end" if value < x[0] else "after its last epoch's end"
        return f"{np.interp(value, x, self.losses):.3f}"

    @no_grad()
    def read(self, ids):
        """(nats per character, whether each was guessed right): of a text, from its second character on."""
        total, right, state = 0.0, [], None
        for start in range(0, len(ids) - 1, READ_AT_ONCE):
            x, y = ids[start : start + READ_AT_ONCE][None], ids[start + 1 : start + 1 + READ_AT_ONCE][None]
            scores, state = self.model.after_each(x[:, : y.size], state)
            total += ops.softmax_cross_entropy(scores, y, "sum").item()
            right.append(scores.numpy()[0].argmax(axis=1) == y[0])
        return total / (len(ids) - 1), np.concatenate(right)


def guess_from_neighbours(train, blanked, K):
    """Baselines for blanks: the most frequent character, and the one most frequent between these two neighbours.

    The neighbours are the true ones, also where they are blanked themselves, which the network is not told.
    """
    between = np.zeros((K, K, K))
    np.add.at(between, (train[:-2], train[2:], train[1:-1]), 1)
    often = np.bincount(train, minlength=K)
    between += often / often.sum()  # less than one of them: it decides between neighbours that were never seen
    guess = between.argmax(axis=2)
    right: tuple[list, list] = [], []
    for x, y in blanked:
        text = np.where(y >= 0, y, x)
        asked = y[:, 1:-1] >= 0
        truth, neighbours = text[:, 1:-1][asked], (text[:, :-2][asked], text[:, 2:][asked])
        right[0].append(truth == often.argmax())
        right[1].append(truth == guess[neighbours])
    names = ("the most frequent character", "the most frequent between the two neighbours")
    return [(f"blanks filled with {name}", percent(np.concatenate(r))) for name, r in zip(names, right)]


def percent(right):
    return f"{100 * right.mean():.1f} %"

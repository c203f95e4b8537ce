"""What a network reads of a text: windows for training, contiguous chunks for stateful training, text with blanks."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.data.batching import Batches, batches

BLANKED = 0.15  # of all characters, see `Blanked`
NOT_ASKED = -1  # the label of a place where nothing is to be predicted


class Windows(Protocol):
    """Batches of arrays, and how many batches."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]: ...


def _checked_ids(where: str, ids: np.ndarray) -> np.ndarray:
    """A text as numbers (N,)."""
    ids = checks.numbers(where, "ids", ids, "iu")
    if ids.ndim != 1:
        checks.refuse(where, "ids", "of shape (N,), a number for each character", ids.shape)
    return ids


class TextWindows:
    """All windows of `length` characters, a new one every `step`, and the character after each.

    They overlap: a million characters make 333,324 windows of 30, one every 3, which are ten million numbers. So a
    window is cut out of the text when its batch comes, and the set itself is a list of positions.

    Parameters
    ----------
    ids : array (N,)
        The text as numbers.
    length, step : int
        Characters in a window; characters from the start of one to the start of the next.

    Raises ValueError when the text is too short for one window and the character after it.
    """

    def __init__(self, ids: np.ndarray, length: int, step: int = 1) -> None:
        ids = _checked_ids("TextWindows", ids)
        length, step = checks.size("TextWindows", "length", length), checks.size("TextWindows", "step", step)
        if len(ids) <= length:
            raise ValueError(
                f"TextWindows: a text of {len(ids)} characters has no window of {length} and a character after it; "
                f"at least {length + 1} are needed"
            )
        self.ids, self.length = ids, length
        self.starts = np.arange(0, len(ids) - length, step)

    def __len__(self) -> int:
        return len(self.starts)

    def batches(self, batch_size: int, rng: np.random.Generator | None = None) -> "WindowBatches":
        """Once through all windows, in a new order if there is a generator: X (B, length) and y (B,)."""
        return WindowBatches(self, batches(self.starts, batch_size=batch_size, rng=rng))


class WindowBatches:
    """The batches of one epoch of windows, cut out of the text one by one; `len` says how many there are."""

    def __init__(self, windows: TextWindows, starts: Batches) -> None:
        self.windows, self.starts = windows, starts

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        ids, length = self.windows.ids, self.windows.length
        for (starts,) in self.starts:
            yield ids[starts[:, None] + np.arange(length)], ids[starts + length]


class Chunks:
    """A text as `rows` parallel strands, read side by side in chunks of `length` characters.

    Chunk k + 1 of a strand continues chunk k: the state of the network after one is the right state before the other.

        strand 0:  |Before we proc|eed any furthe|r, hear me spe|...
        strand 1:  |thy mother's n|ame is ill no|w, ...

    Raises ValueError when the text is too short for one chunk in each strand.
    """

    def __init__(self, ids: np.ndarray, rows: int, length: int) -> None:
        ids = _checked_ids("Chunks", ids)
        rows, length = checks.size("Chunks", "rows", rows), checks.size("Chunks", "length", length)
        self.count = (len(ids) // rows - 1) // length  # the character after the last one is a target, too
        if self.count < 1:
            raise ValueError(
                f"Chunks: a text of {len(ids)} characters has no chunk of {length} in each of {rows} strands; "
                f"at least {rows * (length + 1)} characters are needed"
            )
        self.length = length
        self.strands = ids[: len(ids) // rows * rows].reshape(rows, -1)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """X (rows, length), and Y (rows, length): for every character the one after it."""
        for start in range(0, self.count * self.length, self.length):
            piece = self.strands[:, start : start + self.length + 1]
            yield piece[:, :-1], piece[:, 1:]


class RandomWindows:
    """Windows from anywhere in the text: what stands for an epoch where nobody goes through all of it in order.

    Parameters
    ----------
    ids : array (N,)
        The text as numbers.
    length, batch_size, count : int
        Characters in a window, windows in a batch, batches.
    rng : numpy.random.Generator
        Draws where each window starts, batch by batch.

    Raises ValueError when the text is too short for one window and the character after it, or has fewer places where
    a window can begin than a batch has windows.
    """

    def __init__(self, ids: np.ndarray, length: int, batch_size: int, count: int, rng: np.random.Generator) -> None:
        name = "RandomWindows"
        self.ids, self.length = _checked_ids(name, ids), checks.size(name, "length", length)
        self.batch_size, self.count = checks.size(name, "batch_size", batch_size), checks.size(name, "count", count)
        self.rng = checks.generator(name, "rng", rng)
        if len(ids) <= length:
            raise ValueError(
                f"{name}: a text of {len(ids)} characters has no window of {length} and a character after it; "
                f"at least {length + 1} are needed"
            )
        if batch_size > (places := len(ids) - length):
            checks.refuse(name, "batch_size", f"at most {places}, the places where a window can begin", batch_size)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """X (batch_size, length), and Y (batch_size, length): for every character the one after it."""
        for _ in range(self.count):
            starts = self.rng.integers(len(self.ids) - self.length, size=(self.batch_size, 1))
            places = starts + np.arange(self.length)
            yield self.ids[places], self.ids[places + 1]


class Blanked:
    """Batches of text with blanks, for a network that is to fill them in (Devlin et al. 2019).

    15 of 100 characters, each by itself, are replaced by `blank`. BERT leaves a tenth of them as they are and replaces
    another tenth by random ones, since a text to be understood later has no blanks; here blanks are all that is asked.

    Parameters
    ----------
    windows : iterable with a `len`, such as `RandomWindows`
        Batches (X, Y), X (B, T) of characters as numbers; what they have to predict, Y, is dropped.
    blank : int
        The number that stands for a blank, mostly that of characters.
    rng : numpy.random.Generator
        Draws which, batch by batch.
    """

    def __init__(self, windows: Windows, blank: int, rng: np.random.Generator) -> None:
        name = "Blanked"
        expected = "batches (X, Y) with a len, such as RandomWindows"
        if not hasattr(windows, "__len__") or not hasattr(windows, "__iter__") or getattr(windows, "ndim", 1) == 0:
            checks.refuse(name, "windows", expected, windows, TypeError)
        self.windows = windows
        self.blank, self.rng = checks.whole(name, "blank", blank), checks.generator(name, "rng", rng)

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """X (B, T) with blanks, and Y (B, T): what is right there, elsewhere NOT_ASKED."""
        for batch in self.windows:
            first = checks.items("Blanked", "each batch", batch, "(X, Y)")[:1]
            x = checks.numbers("Blanked", "X of a batch", first[0] if first else (), "iu")
            if x.ndim != 2 or not x.size:
                checks.refuse("Blanked", "X of a batch", "characters as numbers (B, T)", x.shape)
            blanked = self.rng.random(x.shape) < BLANKED
            blanked[0, 0] |= not blanked.any()  # a batch without a blank would have no loss
            yield np.where(blanked, self.blank, x), np.where(blanked, x, NOT_ASKED)

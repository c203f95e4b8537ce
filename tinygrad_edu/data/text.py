"""Text as numbers: a vocabulary of characters, windows for training, and contiguous chunks for stateful training.

The text is "tiny Shakespeare", some 40,000 lines of the plays that A. Karpathy put together for char-rnn (2015).
"""

import functools
import hashlib
import importlib.resources
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.data.batching import Batches, batches
from tinygrad_edu.data.download import download
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import check_hash, data_directory, find_file, read_text

SOURCES = ("auto", "real", "synthetic")
FILE = "input.txt"
MIRRORS = ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",)
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
FIRST_LINE, BYTES = "First Citizen:\nBefore we proceed any further, hear me speak.\n", 1_115_394
SHORTEST = 1_000  # characters of a text of one's own; on less, there is nothing to learn


@dataclass(frozen=True)
class Text:
    """A text, what to call it, and where it came from ("local", "download" or "synthetic": stand-in data)."""

    name: str
    source: str
    text: str


class Vocabulary:
    """The distinct characters of a text, numbered in the order of their code points.

    Attributes
    ----------
    characters : str
        Character number k is `characters[k]`.
    """

    def __init__(self, text: str) -> None:
        if not checks.text("Vocabulary", "text", text):
            raise ValueError("Vocabulary: the text is empty; at least one character is needed")
        self.characters = "".join(sorted(set(text)))
        self._ids = {character: k for k, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """The numbers (N,) of a text's characters, int64; ValueError names a character that has no number."""
        try:
            return np.array([self._ids[c] for c in checks.text("Vocabulary", "text", text)], dtype=np.int64)
        except KeyError as error:
            raise ValueError(
                f"Vocabulary: the character {error.args[0]!r} is not in the vocabulary of {len(self)} characters: "
                f"{self.characters!r}"
            ) from None

    def decode(self, ids: np.ndarray) -> str:
        """The text of character numbers (N,); ValueError for one outside 0..K-1."""
        ids = checks.numbers("Vocabulary", "ids", ids, "iu").reshape(-1)
        wrong = [int(k) for k in ids if not 0 <= k < len(self)]
        if wrong:
            raise ValueError(f"Vocabulary: {wrong[0]} is the number of no character; there are 0..{len(self) - 1}")
        return "".join(self.characters[k] for k in ids)


def load_shakespeare(data_dir: str | Path | None = None, source: str = "auto", *, progress: bool | None = None) -> Text:
    """Load tiny Shakespeare from a local file, from the network, or a stand-in: this package's own source code.

    A local file with another text is taken as the user's own, and named so.

    Parameters
    ----------
    data_dir : str or Path, optional
        The data directory, with `shakespeare/input.txt`; a missing file is downloaded to there. By default
        $TINYGRAD_EDU_DATA, else a folder in the user's cache.
    source : {"auto", "real", "synthetic"}
        As in `load_mnist`: "real" fails where the text cannot be had, "auto" takes the stand-in and says so on stderr.
    progress : bool, optional
        Show a progress bar for a download. By default only where stderr is a terminal.

    Raises
    ------
    DataError
        The data directory does not exist, the local file is damaged or was cut, or, for "real", the text cannot be
        had.
    ValueError
        An unknown `source`.
    """
    if source not in SOURCES:
        raise ValueError(f"load_shakespeare: source must be one of {', '.join(SOURCES)}, not {source!r}")
    if source == "synthetic":
        return own_source_code()
    folder = data_directory(data_dir) / "shakespeare"
    if find_file(folder, [FILE]):
        text = _read(folder / FILE)
        return Text("tiny Shakespeare" if _is_shakespeare(folder / FILE, text) else "own text", "local", text)
    try:
        check = functools.partial(check_hash, expected=SHA256)
        path = download(FILE, MIRRORS, folder, check, progress, largest=BYTES)
    except DataError as error:
        if source == "real":
            raise
        print(f"Shakespeare: using our own source code instead; {str(error).splitlines()[0]}", file=sys.stderr)
        return own_source_code()
    return Text("tiny Shakespeare", "download", _read(path))


def own_source_code() -> Text:
    """The source code of this package, all files one after the other: a text that is always there."""

    def sources(folder) -> Iterator[str]:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                yield from sources(entry)
            elif entry.name.endswith(".py"):
                yield entry.read_text(encoding="utf-8")

    text = "\n\n".join(sources(importlib.resources.files("tinygrad_edu")))
    # A handful of letters from formulas and names stand in too few places to be learnt.
    return Text("our own source code", "synthetic", text.encode("ascii", "ignore").decode("ascii"))


def _read(path: Path) -> str:
    text = read_text(path)
    if len(text) < SHORTEST:
        raise DataError(
            f"{path}: a text of {len(text)} characters is too short to learn from; at least {SHORTEST} are needed. "
            f"Fetch it from {MIRRORS[0]}, or remove it"
        )
    return text


def _is_shakespeare(path: Path, text: str) -> bool:
    """Whether this is the text of the checksum; DataError for its beginning, a download that broke off."""
    content = text.encode("utf-8")
    if hashlib.sha256(content).hexdigest() == SHA256:
        return True
    if text.startswith(FIRST_LINE) and len(content) != BYTES:
        raise DataError(
            f"{path}: tiny Shakespeare has {BYTES:,} bytes, this file has {len(content):,}: it was cut or changed. "
            f"Fetch it again from {MIRRORS[0]}, or remove it"
        )
    return False


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

"""Text as numbers: tiny Shakespeare, and a vocabulary of characters.

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

"""Downloads from mirrors of which any may be gone, slow, silent, or give something else than was asked for."""

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError, ReadTimeoutError

from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import LARGEST, remove_leftovers

# Seconds. A program that falls back on stand-in data should do so before its user wonders whether it hangs.
FIRST_ANSWER = 4.0  # for a host's first sign of life: name look-up, connection, encryption and answer together
PATIENCE = 6.0  # for all the hosts together that give no sign of life
CONNECT = 3.0  # for a connection to a host that is known to be alive
READ = 10.0  # between two pieces of a file
SETTLING, SLOWEST = 60.0, 50_000  # for a whole file: seconds, and bytes a second that it must come with beside them

PIECE = 2**16  # bytes
REDIRECTS = 5

# Hosts that did not answer: the seconds that it took to find out, and what went wrong. Kept as long as the process
# lives: a program that loads several files, or several data sets, waits for a dead network once.
_silent_hosts: dict[str, tuple[float, str]] = {}


def download(
    name: str,
    mirrors: Sequence[str],
    destination: Path,
    check: Callable[[Path], None],
    progress: bool | None = None,
    *,
    largest: int = LARGEST,
) -> Path:
    """Fetch one file from the first mirror that has it right.

    The file is written under another name beside its final place, checked there, and only then renamed, which is a
    single step for the operating system. So whatever happens, Ctrl-C included, a file of the final name is complete.

    Parameters
    ----------
    name : str
        The name that the file gets.
    mirrors : sequence of str
        The URLs where it can be had, in the order in which to try them.
    destination : Path
        The folder for it, created when needed.
    check : function of a Path
        Raises DataError when the file is not the right one; for example `check_hash`.
    progress : bool, optional
        Show a progress bar on stderr. By default only where stderr is a terminal.
    largest : int
        Bytes that the file may have. From it follows how long a mirror may take, too: a minute, and a second for each
        50,000 bytes.

    Returns
    -------
    Path
        The file, complete and checked.

    Raises
    ------
    DataError
        No mirror gave the file, with the answer of each and what can be done by hand; or it could not be written.
    """
    if progress is None:
        progress = sys.stderr.isatty()
    final = destination / name
    part = destination / f".{name}.{os.getpid()}.part"
    answers: list[tuple[str, str]] = []
    remove_leftovers(destination, name)
    try:
        for url in mirrors:
            try:
                _fetch(url, part, largest, progress)
                check(part)
            except DataError as error:
                answers.append((url, str(error).removeprefix(f"{part}: ")))
            else:
                os.replace(part, final)
                return final
    except OSError as error:
        raise DataError(f"could not write {final}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    raise DataError(_no_mirror(name, answers, final))


def _no_mirror(name: str, answers: list[tuple[str, str]], final: Path) -> str:
    """Write the message for a file that nobody gave: in short, what each mirror said, what to do."""
    short = "; ".join(f"{urlsplit(url).hostname}: {answer.partition(':')[0]}" for url, answer in answers)
    lines = [f"could not download {name} ({short})"]
    lines += [f"  {url}\n    {answer}" for url, answer in answers]
    lines.append(f"To do it by hand, fetch {name} from one of these addresses and put it at {final}")
    return "\n".join(lines)


def _fetch(url: str, part: Path, largest: int, progress: bool) -> None:
    """Write what `url` holds to `part`. DataError: the mirror did not give it, and why. OSError: the disk's fault."""
    host = urlsplit(url).netloc
    if host in _silent_hosts:
        raise DataError(f"{_silent_hosts[host][1]} (not asked again)")
    _await_first_answer(url, host)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    if progress:
        print(f"fetching {url}", file=sys.stderr)
    try:
        with open(part, "xb") as file:  # a new file: a link that somebody put there is not followed
            _within(SETTLING + largest / SLOWEST, host, lambda: _receive(url, file, largest, progress))
    except (requests.RequestException, HTTPError, ValueError) as error:
        if isinstance(error, requests.ConnectionError | requests.Timeout | ReadTimeoutError):
            _silent_hosts[host] = (0.0, _in_words(error))  # 0: it was alive, so the patience is left to the others
        raise DataError(_in_words(error)) from error


def _receive(url: str, file: BinaryIO, largest: int, progress: bool) -> None:
    """Write the bytes of the answer to `file` as they come, and no more than `largest`."""
    with _ask(url) as response:
        declared = response.raw.length_remaining
        received = 0
        with tqdm(total=declared, unit="B", unit_scale=True, disable=not progress, file=sys.stderr) as bar:
            # Not decoded: a server may label a .gz file as a packed transfer of the file within.
            while piece := response.raw.read(PIECE, decode_content=False):
                received += len(piece)
                if max(received, declared or 0) > largest:
                    raise DataError(f"too large: it has more than the {largest:,} bytes that the file may have")
                file.write(piece)
                bar.update(len(piece))


def _ask(url: str) -> requests.Response:
    """The answer of `url`, or of the address that it leads on to: a protected one, for nobody may read or change it."""
    for _ in range(REDIRECTS):
        response = requests.get(
            url, stream=True, timeout=(CONNECT, READ), allow_redirects=False, headers={"Accept-Encoding": "identity"}
        )
        if response.ok and not response.is_redirect:
            return response
        response.close()
        response.raise_for_status()
        url = urljoin(url, response.headers["Location"])
        if urlsplit(url).scheme != "https":
            raise DataError(f"redirect refused: it leads to {url!r:.200}, which is not protected by https")
    raise DataError(f"redirect refused: more than {REDIRECTS} in a row")


def _await_first_answer(url: str, host: str) -> None:
    """Return once the host answers anything at all; raise DataError when it does not within a few seconds."""
    seconds = min(FIRST_ANSWER, PATIENCE - sum(spent for spent, _ in _silent_hosts.values()))
    if seconds <= 0:
        raise DataError("not asked, since other hosts gave no sign of life")
    started = time.monotonic()
    try:
        _within(seconds, host, lambda: requests.head(url, timeout=(seconds / 4, seconds)).close())
    except Exception as error:  # whatever it is, from this host comes no file
        problem = _in_words(error)
        _silent_hosts[host] = (time.monotonic() - started, problem)
        raise DataError(problem) from error


def _within(seconds: float, host: str, work: Callable[[], None]) -> None:
    """Let a thread do `work`, and raise what it raises; DataError when it is not done in time.

    A timeout given to `requests` limits neither the name look-up, nor a host's many addresses together (behind a wall
    that drops packets, sixteen of them take a minute), nor an answer that comes a byte at a time. Only somebody who
    waits outside can stop waiting, hence the thread. It is a daemon, so that it does not keep the program from ending.
    """
    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work()
            outcome.put(None)
        except Exception as error:  # whatever it is, the one who waits must hear of it
            outcome.put(error)

    threading.Thread(target=run, name=f"asking {host}", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise DataError(f"no answer within {seconds:.2g} s") from None
    try:
        if error is not None:
            raise error
    finally:
        del error  # which refers to this frame as the frame to it: a cycle would keep the connection open


def _in_words(error: Exception) -> str:
    """Say in a few words what `requests` says in three nested exceptions."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if "resolve" in str(error):
        return "host name not found"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no secure connection: {error}"
    if isinstance(error, requests.ConnectionError):
        return f"connection failed: {error}"
    return f"{type(error).__name__}: {error}"

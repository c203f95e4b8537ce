"""Where data files are, and how they get there.

All data sets lie in one data directory, each in a folder of its own, in the formats of their publishers:

    DIRECTORY/mnist/train-images-idx3-ubyte.gz  ...

A loader looks there first. What is missing is downloaded to the same place, so the second run needs no network.
"""

import contextlib
import gzip
import hashlib
import os
import queue
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from tinygrad_edu.data.errors import DataError

ENVIRONMENT_VARIABLE = "TINYGRAD_EDU_DATA"

# Seconds. A program that falls back on stand-in data should do so before its user wonders whether it hangs.
FIRST_ANSWER = 4.0  # for a host's first sign of life: name look-up, connection, encryption and answer together
PATIENCE = 6.0  # for all the hosts together that give no sign of life
CONNECT = 3.0  # for a connection to a host that is known to be alive
READ = 10.0  # between two pieces of a file

# Hosts that did not answer: the seconds that it took to find out, and what went wrong. Kept as long as the process
# lives: a program that loads several files, or several data sets, waits for a dead network once.
_silent_hosts: dict[str, tuple[float, str]] = {}


def data_directory(path: str | Path | None = None) -> Path:
    """Return the data directory: `path`, else $TINYGRAD_EDU_DATA, else a folder in the user's cache.

    Raises
    ------
    DataError
        A directory was asked for, by argument or environment, and does not exist. (The cache folder need not: a
        download creates it.)
    """
    if path is not None:
        return _existing(path, "the data directory")
    path = os.environ.get(ENVIRONMENT_VARIABLE)
    if path:
        return _existing(path, f"the data directory in ${ENVIRONMENT_VARIABLE}")
    return Path(pooch.os_cache("tinygrad_edu"))


def _existing(path: str | Path, what: str) -> Path:
    directory = Path(path).expanduser()
    # Path("") is the current directory, which is not what an unset shell variable was meant to say.
    if path == "" or not directory.is_dir():
        state = "is not a directory" if directory.exists() and path != "" else "does not exist"
        raise DataError(f"{what}, '{path}', {state}; create it, or leave it out to use the cache folder")
    return directory


def find_file(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of `names` that is in `folder`, or None."""
    for name in names:
        if os.path.exists(folder / name):  # where Path.exists raises (a folder without permission), this says no
            return folder / name
    return None


def check_hash(path: Path, expected: str, algorithm: str = "sha256", unpack: bool = False) -> None:
    """Raise DataError unless the file's checksum is `expected`, in hexadecimal digits.

    With `unpack` the checksum is that of the gzip file's content. The same content can be compressed in many ways,
    so mirrors may differ in their bytes and still hold the same data.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with gzip.open(path, "rb") if unpack else open(path, "rb") as file:
            while piece := file.read(2**20):
                digest.update(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"expected a gzip file of {algorithm} {expected}, came no valid gzip file: {error}") from error
    if digest.hexdigest() != expected:
        raise DataError(f"wrong checksum: expected {algorithm} {expected}, came {digest.hexdigest()}")


def download(
    name: str,
    mirrors: Sequence[str],
    destination: Path,
    check: Callable[[Path], None],
    progress: bool | None = None,
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
    try:
        for url in mirrors:
            try:
                _fetch(url, part, progress)
                check(part)
            except DataError as error:
                answers.append((url, str(error)))
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


def _fetch(url: str, path: Path, progress: bool) -> None:
    """Write what `url` holds to `path`. DataError: the mirror did not give it, and why. OSError: the disk's fault."""
    host = urlsplit(url).netloc
    if host in _silent_hosts:
        raise DataError(f"{_silent_hosts[host][1]} (not asked again)")
    _await_first_answer(url, host)
    path.parent.mkdir(parents=True, exist_ok=True)
    # "identity" asks for the file as it is stored: a .gz must not be unpacked on its way.
    downloader = pooch.HTTPDownloader(
        progressbar=progress, chunk_size=2**16, timeout=(CONNECT, READ), headers={"Accept-Encoding": "identity"}
    )
    if progress:
        print(f"fetching {url}", file=sys.stderr)
    try:
        downloader(url, str(path), None)
    except requests.RequestException as error:
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            _silent_hosts[host] = (0.0, _in_words(error))  # 0: it was alive, so the patience is left to the others
        raise DataError(_in_words(error)) from error


def _await_first_answer(url: str, host: str) -> None:
    """Return once the host answers anything at all; raise DataError when it does not within a few seconds.

    A timeout given to `requests` does not limit the name look-up, and it counts for each of a host's addresses anew:
    behind a wall that drops packets, a host with sixteen addresses takes a minute. Only somebody who waits outside
    can stop waiting, hence the thread. It is a daemon, so that it does not keep the program from ending.
    """
    seconds = min(FIRST_ANSWER, PATIENCE - sum(spent for spent, _ in _silent_hosts.values()))
    if seconds <= 0:
        raise DataError("not asked, since other hosts gave no sign of life")
    outcome: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            requests.head(url, timeout=(seconds / 4, seconds)).close()
            outcome.put("")
        except Exception as error:  # whatever it is, the one who waits must hear of it
            outcome.put(_in_words(error))

    started = time.monotonic()
    threading.Thread(target=ask, name=f"first answer of {host}", daemon=True).start()
    try:
        problem = outcome.get(timeout=seconds)
    except queue.Empty:
        problem = f"no answer within {seconds:.2g} s"
    if problem:
        _silent_hosts[host] = (time.monotonic() - started, problem)
        raise DataError(problem)


def _in_words(error: Exception) -> str:
    """Say in a few words what `requests` says in three nested exceptions."""
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

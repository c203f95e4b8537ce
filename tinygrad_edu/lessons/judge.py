"""Start a process for each check, so that no answer can harm the checker, and fetch what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tinygrad_edu

SECONDS = 20.0
GRACE = 5.0  # seconds for the process to start, and to end by itself


@dataclass(frozen=True)
class Outcome:
    """What came of one check.

    Attributes
    ----------
    number : str
        The exercise.
    status : str
        "passed", "wrong", "not written", "error" (it raised, hung or ended), "refused", or "missing": there is no file.
    says : str
        What to tell the learner.
    printed : str
        What the answer printed.
    """

    number: str
    status: str
    says: str
    printed: str = ""

    @property
    def passed(self) -> bool:
        return self.status == "passed"


def judge(number: str, path: Path, seconds: float = SECONDS) -> Outcome:
    """Check the answer in the file `path` to the exercise `number`, for at most so many seconds."""
    if not path.is_file():
        return Outcome(number, "missing", f"there is no {path}; `start {number}` puts it there")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        result, printed = Path(folder) / "result.json", Path(folder) / "printed.txt"
        command = [sys.executable, "-P", "-m", "tinygrad_edu.lessons.child"]
        with printed.open("wb") as output:
            process = subprocess.Popen(
                [*command, number, str(path.resolve()), str(result), str(seconds)],
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(seconds + GRACE)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                status = None
            finally:
                end(process)
        text = printed.read_text(encoding="utf-8", errors="replace")
        if result.exists():
            return Outcome(number, **json.loads(result.read_text(encoding="utf-8")), printed=text)
        return Outcome(number, "error", ended_without_result(status, seconds), text)


def environment() -> dict[str, str]:
    """Ours, with the package found where it was found here, and one thread: an answer needs no more."""
    root = str(Path(tinygrad_edu.__file__).parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8:replace"}


def end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it has started; what has ended by itself stays as it is."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def ended_without_result(status: int | None, seconds: float) -> str:
    if status is None:
        return f"stopped after {seconds:g} seconds: is there an endless loop?"
    how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status} (os._exit?)"
    return f"your answer ended its process {how}, so that nothing could be checked"

"""One check, in the process that `judge.py` starts for it.

The answer's file runs here, under limits, without the keys and without a way to the solutions. What came of it is
written into the file RESULT, so that nothing that the answer prints can be taken for it.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import linecache
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from tinygrad_edu.lessons.exercise import Exercise
from tinygrad_edu.lessons.keys import one_exercise
from tinygrad_edu.lessons.verdict import verdict_on

MEMORY = 2 * 2**30  # bytes; NumPy and the package need a tenth of it
PRINTED = 2**20  # bytes that an answer may print
CLOSED = ("tinygrad_edu.lessons", "tinygrad_edu.gradcheck")  # an answer that used these would answer nothing
LOOKS = {"open", "os.listdir", "os.scandir", "os.link", "os.symlink", "os.rename"}  # Python's audit events
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
LESSONS = Path(__file__).resolve().parent


class Refused(BaseException):
    """The answer did what an answer must not do. No Exception, so that an answer does not catch it by accident."""


class TooLong(BaseException):
    """The time is up."""


def main(arguments: list[str]) -> None:
    number, file, result, seconds = arguments
    sys.argv = [file]
    status, says = examine(one_exercise(number), Path(file), float(seconds))
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    Path(result).write_text(json.dumps({"status": status, "says": says}), encoding="utf-8")
    os._exit(0)  # at once: whatever threads the answer has left


def examine(exercise: Exercise, path: Path, seconds: float) -> tuple[str, str]:
    """(how it ended, what to tell the learner)."""
    source = path.read_bytes()
    limit_memory()
    watchman = Watchman()
    try:
        refuse_imports(source, exercise, path)
        with time_limit(seconds), watchman:
            verdict = verdict_on(exercise, load(source, exercise, path))
        if watchman.refused:
            raise Refused(watchman.refused)
    except NotImplementedError:
        return "not written", f"{exercise.function}() is not written yet"
    except Refused as refused:
        return "refused", watchman.refused or str(refused)
    except BaseException as error:
        return "error", told(error, path, seconds)
    return "passed" if verdict.passed else "wrong", verdict.says


def load(source: bytes, exercise: Exercise, path: Path) -> Callable[..., Any]:
    """Run the answer's file, and take the learner's function from it."""
    for name in [name for name in sys.modules if name.startswith(CLOSED[0])]:
        del sys.modules[name]  # what is to be looked up again must be read again, which is refused
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(source, str(path), "exec"), names)
    written = names.get(exercise.function)
    if not callable(written):
        raise Refused(f"there is no function {exercise.function}() in {path.name}: give it its name back")
    return written


# --- what an answer must not do ---


def refuse_imports(source: bytes, exercise: Exercise, path: Path) -> None:
    """Refused where the file imports what the exercise does not allow; SyntaxError where it is no Python."""
    if b"\0" in source:
        raise Refused(f"{path.name} is not UTF-8 text: save it as UTF-8 in your editor")
    allowed = " and ".join(exercise.imports)
    for node in ast.walk(ast.parse(source, str(path))):
        for name in imported(node):
            root = name.partition(".")[0]
            closed = any(name == c or name.startswith(c + ".") for c in CLOSED)
            if closed or (root not in exercise.imports and root not in sys.stdlib_module_names):
                where = f"{path.name}, line {node.lineno}"  # type: ignore[attr-defined]
                if closed:
                    raise Refused(f"{where}: imports {name}, which would answer in your place")
                raise Refused(f"{where}: imports {name}; an answer may import {allowed}, and Python's own modules")


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


class Watchman:
    """While it is on duty, the lessons' own files cannot be opened, and no process can be started."""

    def __init__(self) -> None:
        self.on_duty, self.refused = False, ""
        sys.addaudithook(self.look)  # cannot be taken away again, so it looks at `on_duty`

    def __enter__(self) -> None:
        self.on_duty = True

    def __exit__(self, *exception: object) -> None:
        self.on_duty = False

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on_duty:
            return
        if event in ("open", "os.listdir", "os.scandir", "os.link", "os.symlink", "os.rename") and is_ours(
            arguments[0]
        ):
            self.refuse("an answer must not look into the lessons' solutions and keys, and yours did")
        if event in STARTS:
            self.refuse(f"an answer must not start another process, and yours did ({event})")

    def refuse(self, why: str) -> None:
        self.refused = why
        raise Refused(why)


def is_ours(path: Any) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    return Path(os.path.realpath(os.fsdecode(path))).is_relative_to(LESSONS)


# --- limits ---


def limit_memory() -> None:
    """Memory, and the size of files: what is printed goes into one. Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, PRINTED)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit may be set already; macOS has no first one
            resource.setrlimit(what, (most, most))


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooLong where the time is up, raised in the line that was being computed. (Elsewhere `judge.py` ends us.)"""
    if not hasattr(signal, "setitimer"):  # on Windows
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)  # again and again: an `except:` in the answer may swallow it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


# --- what to tell ---


def told(error: BaseException, path: Path, seconds: float) -> str:
    """The learner's own line first, then what happened there."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = (error.text or "").rstrip()
        below = f"\n    {line.strip()}" if line.strip() else ""
        return f"{path.name}, line {error.lineno or 1}: this is not Python: {error.msg}{below}"
    return place(error.__traceback__, path) + what_happened(error, seconds)


def what_happened(error: BaseException, seconds: float) -> str:
    if isinstance(error, TooLong):
        return f"stopped after {seconds:g} seconds: is this loop endless, or are there far more steps than needed?"
    if isinstance(error, SystemExit):
        return "your answer ends the program (sys.exit), instead of returning something"
    if isinstance(error, MemoryError):
        return f"this needs more memory than the {MEMORY // 2**30} GiB that an answer may have"
    if isinstance(error, RecursionError):
        return "RecursionError: the function calls itself without an end"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"your answer prints more than {PRINTED // 2**20} MiB"
    lines = traceback.format_exception_only(type(error), error)  # with its notes; of a SyntaxError, also a place
    return "".join(lines[-1:] if isinstance(error, SyntaxError) else lines).strip()[:2000]


def place(frames: TracebackType | None, path: Path) -> str:
    """The innermost line of the learner's own, as far as there is one."""
    own = [frame for frame in traceback.extract_tb(frames) if frame.filename == str(path)]
    if not own:
        return ""
    line = linecache.getline(str(path), own[-1].lineno or 0).strip()
    inside = f", in {own[-1].name}" if own[-1].name != "<module>" else ""
    return f"{path.name}, line {own[-1].lineno}{inside}:\n    {line}\n"


if __name__ == "__main__":
    main(sys.argv[1:])

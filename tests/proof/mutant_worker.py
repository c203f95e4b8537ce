"""Runs tests on one mutation after another: `python -m proof.mutant_worker TREE`, started by `mutants.py`.

Reads requests from stdin, a line of JSON each, and answers each with a line,
{"outcome": "killed" or "survived", "said": the end of what pytest printed}.

    {"file": F, "code": C, "tests": [[...], ...], "seconds": S}

writes C into the tree's file F, runs the lists of tests one after another until one fails, S seconds at most, and puts
the file back. Libraries are imported once, here; each request is served by a fork, which imports our package anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import hypothesis
import matplotlib.figure  # noqa: F401
import numpy as np  # noqa: F401
import pytest

with contextlib.suppress(ImportError):
    import torch  # noqa: F401

SAID = "said.txt"  # in the tree
OPTIONS = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=", "--no-header", "--tb=line"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of the plugins that are imported already


class NoShrinking:
    """A plugin: whether Hypothesis finds a counterexample is all that is asked, not how small it can be."""

    def pytest_sessionstart(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        settings = hypothesis.settings(derandomize=True, deadline=None, max_examples=60, phases=phases, database=None)
        hypothesis.settings.register_profile("mutants", settings)
        hypothesis.settings.load_profile("mutants")


def fails(tests: list[str]) -> bool:
    """Whether one of these tests fails, or cannot even be imported."""
    status = pytest.main([*OPTIONS, *tests], plugins=[NoShrinking()])
    return status != pytest.ExitCode.OK


def outcome(lists: list[list[str]], seconds: float) -> str:
    child = os.fork()
    if child == 0:
        os.setsid()  # with the processes that tests start, so that all can be ended together
        said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        status = 2
        try:
            status = 1 if any(fails(tests) for tests in lists) else 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        finally:
            sys.stdout.flush()
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed"  # a test that does not come back has noticed


def main() -> None:
    os.chdir(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        file = Path(request["file"])
        before = file.read_bytes()
        file.write_text(request["code"], encoding="utf-8")
        try:
            found = outcome(request["tests"], request["seconds"])
        finally:
            file.write_bytes(before)
        said = Path(SAID).read_text(encoding="utf-8", errors="replace")[-2000:]
        print(json.dumps({"outcome": found, "said": said}), flush=True)


if __name__ == "__main__":
    main()

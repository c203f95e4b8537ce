"""Whether the suite notices small changes of the source: `python -m proof.mutants`, with the extra `proof`.

cosmic-ray changes one place of `tensor.py`, `ops/`, `textbook/` or `optim/` at a time (a sum becomes a difference, a 1
a 2, a condition its opposite), and the tests that run the changed line must fail. There are some 3,000 such places, so
a random sample of them is tried; `--all` takes them all. Tests are tried from the quickest on, until `--budget` seconds
of them have passed: what survives may be noticed by a slower one, and counts as survived all the same.

A change that changes nothing a user could see is listed in `equivalent.toml`, with the reason.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import json
import os
import py_compile
import queue
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from coverage.numbits import numbits_to_nums

from proof import covered
from proof.mutations import Mutation, drawn
from proof.section import ROOT, Section, conclude

TARGETS = ("tensor.py", "ops", "textbook", "optim")
WANTED = 93.0  # percent
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
AT_ONCE = 3.0  # seconds of tests that are tried first; the rest of the budget follows where these pass
# These take minutes, or a browser, and look at no gradient.
LEFT_OUT = ("test_benchmark", "test_survival", "test_report_page", "test_player_browser", "proof.")


def targets() -> list[str]:
    package = ROOT / "tinygrad_edu"
    paths = [path for name in TARGETS for path in (package / name, *(package / name).rglob("*.py"))]
    return sorted(str(path.relative_to(ROOT)) for path in paths if path.is_file())


class Tests:
    """Which tests run which line, and how long each takes, from the data of `proof.covered`."""

    def __init__(self) -> None:
        self.seconds = self._seconds()
        self.by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
        with contextlib.closing(sqlite3.connect(covered.DATA)) as data:
            # With branches, coverage notes arcs: steps from a line to the next one.
            rows = data.execute("select path, context, fromno, tono from arc join file f on f.id = file_id "
                                "join context c on c.id = context_id")  # fmt: skip
            for path, context, start, end in rows:
                self._note(path, context, {abs(start), abs(end)})
            rows = data.execute("select path, context, numbits from line_bits join file f on f.id = file_id "
                                "join context c on c.id = context_id")  # fmt: skip
            for path, context, numbits in rows:
                self._note(path, context, set(numbits_to_nums(numbits)))

    def _note(self, path: str, context: str, lines: set[int]) -> None:
        if context in self.seconds:
            file = "tinygrad_edu/" + path.rpartition("/tinygrad_edu/")[2]
            for line in lines:
                self.by_line[file, line].add(context)

    @staticmethod
    def _seconds() -> dict[str, float]:
        """Test, with its parameters -> seconds."""
        found = {}
        for case in xml.etree.ElementTree.parse(covered.DURATIONS).iter("testcase"):
            module = case.attrib["classname"].removeprefix("tests.")
            if not module.startswith(LEFT_OUT) and case.find("failure") is None and case.find("skipped") is None:
                found[f"tests/{module}.py::{case.attrib['name']}"] = float(case.attrib["time"])
        return found

    def of(self, mutation: Mutation, budget: float) -> list[list[str]]:
        """The tests to try, the quickest first: those of the first seconds, then those of the rest of the budget.

        A line that runs when its module is imported is everybody's: the tests of the whole file stand for it.
        """
        tests = self.by_line[mutation.file, mutation.line]
        if not tests:
            tests = {test for (file, _), some in self.by_line.items() if file == mutation.file for test in some}
        lists: tuple[list[str], list[str]] = ([], [])
        passed = 0.0
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            passed += self.seconds[test]
            if passed > budget:
                break
            lists[passed > AT_ONCE].append(test)
        return [tests for tests in lists if tests]


@contextlib.contextmanager
def trees(count: int) -> Iterator[list[Path]]:
    """Copies of the project to change files in; bytecode is checked by content, since a change may keep a size."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        first = Path(folder) / "0"
        shutil.copytree(ROOT, first, ignore=shutil.ignore_patterns(".*", "runs", "__pycache__", "build", "*.egg-info"))
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(first, quiet=1, invalidation_mode=mode)
        for i in range(1, count):
            shutil.copytree(first, Path(folder) / str(i))
        yield [Path(folder) / str(i) for i in range(count)]


class Worker:
    """A process that runs tests on changed files of its own tree: see `mutant_worker.py`."""

    def __init__(self, tree: Path) -> None:
        path = os.pathsep.join([str(tree), str(tree / "tests")])
        settings = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        settings |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")  # for the forks, too
        self.process = subprocess.Popen(
            [sys.executable, "-m", "proof.mutant_worker", str(tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )

    def outcome(self, file: str, code: str, tests: list[list[str]], seconds: float) -> tuple[str, str]:
        """ "killed" or "survived", and what pytest said at the end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"file": file, "code": code, "tests": tests, "seconds": seconds}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        return reply["outcome"], reply["said"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def try_all(mutations: list[Mutation], tests: Tests, workers: int, budget: float) -> dict[Mutation, str]:
    """mutation -> "killed", "survived" or "no test", by workers side by side."""
    found: dict[Mutation, str] = {}
    waiting: queue.SimpleQueue[Mutation] = queue.SimpleQueue()
    for one in mutations:
        waiting.put(one)

    def work(tree: Path) -> None:
        worker = Worker(tree)
        with contextlib.suppress(queue.Empty):
            while True:
                one = waiting.get_nowait()
                chosen = tests.of(one, budget)
                limit = 30 + 4 * sum(tests.seconds[test] for some in chosen for test in some)
                found[one] = worker.outcome(one.file, one.code, chosen, limit)[0] if chosen else "no test"
                if found[one] != "killed":
                    print(f"{len(found)} of {len(mutations)}, {found[one]}: {one}", flush=True)
        worker.close()

    with trees(workers) as copies:
        threads = [threading.Thread(target=work, args=(tree,)) for tree in copies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def failing_unchanged(mutations: list[Mutation], tests: Tests, budget: float) -> list[str]:
    """Tests that fail where nothing is changed: none may, or every change would look noticed."""
    chosen = {test for one in mutations for some in tests.of(one, budget) for test in some}
    by_file: dict[str, list[str]] = defaultdict(list)
    for test in sorted(chosen):
        by_file[test.partition("::")[0]].append(test)
    with trees(1) as (tree,):
        worker = Worker(tree)
        file = targets()[0]
        code = (ROOT / file).read_text(encoding="utf-8")
        outcomes = {name: worker.outcome(file, code, [some], 600) for name, some in by_file.items()}
        worker.close()
    return [
        f"{name} fails without any change:\n{said}" for name, (outcome, said) in outcomes.items() if outcome == "killed"
    ]


def why_equivalent(one: Mutation, listed: list[dict[str, str]]) -> str:
    """Why nobody can tell a survivor from what was there before, by the reviewed list; empty where it is not in it."""
    return next((entry["why"] for entry in listed if _describes(entry, one)), "")


def _describes(entry: dict[str, str], one: Mutation) -> bool:
    if "from" in entry:
        return one.before != one.after == one.before.replace(entry["from"], entry["to"])
    if (entry["file"], entry["before"]) != (one.file, one.before):
        return False
    if "inside" in entry:
        left, _, right = one.before.partition(entry["inside"])
        return one.after.startswith(left) and one.after.endswith(right)
    return one.after == entry["after"]


def prove(count: int | None = 300, seed: int = 0, workers: int = 2, budget: float = 20.0, files: str = "") -> Section:
    newest = max(path.stat().st_mtime for folder in ("tinygrad_edu", "tests") for path in (ROOT / folder).rglob("*.py"))
    if not covered.DATA.exists() or covered.DATA.stat().st_mtime < newest:
        covered.measure(workers, [])
    tests = Tests()
    places, mutations = drawn(ROOT, [file for file in targets() if files in file], count, seed)
    failures = failing_unchanged(mutations, tests, budget)
    found = {} if failures else try_all(mutations, tests, workers, budget)
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    survivors = {one: why_equivalent(one, listed) for one, outcome in found.items() if outcome != "killed"}
    same = [one for one, why in survivors.items() if why]
    killed = len(found) - len(survivors)
    percent = 100 * killed / max(1, len(found) - len(same))
    if percent < WANTED:
        failures.append(f"killed {percent:.1f} percent of the changes that change something, below {WANTED:.0f}")
    failures += [f"{one}: no test notices it, and no reason is listed" for one, why in survivors.items() if not why]
    told = {str(one).replace("|", r"\|"): why for one, why in survivors.items()}  # a bar would end the table's cell
    rows = [f"| `{one}` | {why or '**open**'} |" for one, why in sorted(told.items())]
    return Section(
        "mutants",
        "Changes of the source that the tests notice",
        {
            "places that can be changed": places,
            "sampled, one change each": len(found),
            "seed": seed,
            "killed": killed,
            "killed of all, percent": round(100 * killed / max(1, len(found)), 1),
            "survived": len(survivors),
            "of these equivalent, by the reviewed list": len(same),
            "killed of the others, percent": round(percent, 1),
        },
        failures,
        whole=not files and (count is None or count >= 300),
        details="\n".join(["| survivor | why |", "| --- | --- |", *rows]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proof.mutants", description=__doc__.partition(":")[0])
    parser.add_argument("--count", type=int, default=300, help="places to sample (300)")
    parser.add_argument("--all", action="store_true", help="all places, which takes hours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes, a copy of the project each (2)")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests for each change (20)")
    parser.add_argument("--files", default="", help="only files whose path has this in it")
    options = parser.parse_args()
    start = time.perf_counter()
    count = None if options.all else options.count
    section = prove(count, options.seed, options.workers, options.budget, options.files)
    sys.exit(conclude(section, time.perf_counter() - start))


if __name__ == "__main__":
    main()

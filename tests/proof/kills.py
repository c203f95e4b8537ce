"""Runs that are killed at random moments, also while they save, and resumed: all they leave is as if left alone.

`PYTHONPATH=tests python -m proof.kills`
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time

from survival import SCRIPTS, survives

from proof.section import Section, conclude

KILLED = ("softmax_regression", "shakespeare_lstm", "mini_alexnet", "airline_lstm")
ROUNDS = 10  # of two kills each


def prove(rounds: int = ROUNDS, seed: int = 0, scripts: tuple[str, ...] = KILLED) -> Section:
    """Kill each script 2 x `rounds` times by SIGKILL, and ask it to end by SIGTERM in two rounds more."""
    os.environ["TINYGRAD_EDU_DATA"] = tempfile.gettempdir()  # the stand-in data, wherever this runs
    kills = in_writes = ends = resumed = runs = same = 0
    failures: list[str] = []
    rows = ["| script | kills | while it saved | resumed within an epoch | same files |", "|---|---|---|---|---|"]
    for script in scripts:
        killed = survives(script, signal.SIGKILL, rounds, seed)
        asked = survives(script, signal.SIGTERM, min(2, rounds), seed)
        kills, in_writes, ends = kills + killed.stops, in_writes + killed.in_writes, ends + asked.stops
        resumed += killed.within_epochs + asked.within_epochs
        runs, same = runs + killed.runs + asked.runs, same + killed.same + asked.same
        failures += killed.wrong + asked.wrong
        figures = (killed.stops, killed.in_writes, killed.within_epochs, f"{killed.same} of {killed.runs}")
        rows.append(f"| `{script}` | " + " | ".join(map(str, figures)) + " |")
        print(rows[-1], flush=True)
    if not in_writes:
        failures.append("no kill came while a checkpoint was being written, so nothing was proved about that")
    figures = {
        "kills by SIGKILL": kills,
        "of them while a checkpoint was being written": in_writes,
        "runs ended by SIGTERM": ends,
        "runs resumed in the middle of an epoch": resumed,
        "runs stopped and resumed": runs,
        "of them with the same files, to the byte": same,
    }
    whole = rounds >= ROUNDS and scripts == KILLED
    return Section("kills", "Runs that are killed", figures, failures, whole, "\n".join(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"which ones ({', '.join(KILLED)})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs of each, killed twice ({ROUNDS})")
    parser.add_argument("--seed", type=int, default=0, help="for the moments (0)")
    options = parser.parse_args()
    unknown = set(options.scripts) - set(SCRIPTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(SCRIPTS)}")
    began = time.perf_counter()
    section = prove(options.rounds, options.seed, tuple(options.scripts) or KILLED)
    sys.exit(conclude(section, time.perf_counter() - began))


if __name__ == "__main__":
    main()

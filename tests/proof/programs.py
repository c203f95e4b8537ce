"""Random programs: values and gradients compared with PyTorch's or with finite differences, and among themselves.

`PYTHONPATH=tests python -m proof.programs` compares 10,000 programs, in two processes; see `programs/__init__.py`.
Each process takes a part at a time, and each part is drawn from a seed of its own: the same `--seed` gives the same
programs. One that fails is printed as a script, as short as Hypothesis could make it, and ends its part.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
import time

from programs.drawing import NOT_DRAWN
from programs.examining import Tally, examine
from programs.program import torch
from programs.table import TABLE
from tqdm import tqdm

from proof.section import Section, conclude

WHOLE = 10_000
PART = 100  # programs


def prove(programs: int = WHOLE, seed: int = 0, processes: int = 2, finite: bool = torch is None) -> Section:
    """Compare that many programs."""
    parts = -(-programs // PART)
    numbers = range(seed * 1_000_003, seed * 1_000_003 + parts)
    tally, failures = Tally(), []
    with (
        multiprocessing.get_context("spawn").Pool(processes, one_thread) as pool,
        tqdm(total=programs, unit=" programs", disable=None) as progress,
    ):
        for part in pool.imap(functools.partial(examine, PART, finite=finite), numbers):
            tally.add(part)
            failures += [part.failure] if part.failure else []
            progress.update(part.compared)
    missing = sorted(TABLE.keys() - tally.names.keys())
    failures += [f"in no program: {name}" for name in missing]
    by = "finite differences" if finite else f"PyTorch {torch.__version__.split('+')[0]}"
    figures: dict[str, int | float | str] = {
        "programs compared": tally.compared,
        "mismatches": len(failures) - len(missing),
        "compared with": by,
        "operations in them": len(tally.names),
        "operations left out": len(NOT_DRAWN),
        "broken off while they were drawn": tally.begun - tally.compared,
    }
    details = "\n".join(f"- the largest error against {by}: {share:.2g}" for by, share in tally.used.items())
    details = f"Of the bound that rounding explains (1 is as much as it can):\n\n{details}\n"
    details += "".join(f"- left out: `{name}`, which {why}\n" for name, why in NOT_DRAWN.items())
    return Section("programs", "Random programs", figures, failures, programs >= WHOLE, details)


def one_thread() -> None:
    """Programs are small: a process needs no more."""
    if torch is not None:
        torch.set_num_threads(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m proof.programs", description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=WHOLE, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (default: %(default)s)")
    parser.add_argument("--finite", action="store_true", help="by finite differences, also where PyTorch is installed")
    arguments = parser.parse_args()
    began = time.perf_counter()
    finite = arguments.finite or torch is None
    section = prove(arguments.programs, arguments.seed, arguments.processes, finite)
    return conclude(section, time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())

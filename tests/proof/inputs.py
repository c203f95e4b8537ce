"""Bad input: every public function is called with what it cannot want. `PYTHONPATH=tests python -m proof.inputs`

Each argument of a valid call (`calls.py`) is spoilt by itself with every value of `bad_values.py`, and pairs of
arguments with random ones. The call may give a result, whose gradients must be computable then, or be refused:

- by a `raise` of this package: the innermost frame of the traceback is in `tinygrad_edu`, and its instruction is one;
- with an exception of `REFUSALS`, whose message begins with the name of a public function, a colon behind it;
- or by the computer, which has no memory for what was asked: `MemoryError`.

All else is a *bare exception*: Python's or NumPy's own, about something inside. Calls run in a process of their own,
with a limit of memory; one that takes longer than `SECONDS` counts as a hang, one that ends the process as a crash.
What is left to Python by rule: a missing argument, or one of an unknown name.
"""

from __future__ import annotations

import argparse
import contextlib
import dis
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proof.bad_flags import try_flags
from proof.bad_values import ANYTHING, near
from proof.calls import CALLS, Call, needs_a_call, parameters, public
from proof.calls_looking import LOOKING
from proof.section import Section, conclude
from tinygrad_edu import Tensor, nn

PACKAGE = str(Path(sys.modules["tinygrad_edu"].__file__ or "").parent)
REFUSALS = (TypeError, ValueError, IndexError, OverflowError, RuntimeError, OSError, AssertionError, ArithmeticError)
GOOD = ("result", "refused", "no memory", "begins")  # outcomes
SECONDS = 20  # for one call
MEMORY = 2**30  # bytes, for all that a process of calls has
PAIRS = 30  # of bad values, for each function
TABLE = CALLS | LOOKING
NAMES = {name for full in TABLE for name in full.split(".")}  # what a message may begin with
CLASSES = {name for name in NAMES if name[0].isupper()}
SPOKEN = {*("len", "bool", "item", "array", "format"), *("<", "<=", ">", ">=")}  # methods, as they are called
Case = tuple[tuple[str, str], ...]  # (argument, name of the bad value) of each argument that is spoilt


@dataclass(frozen=True)
class Outcome:
    """What became of a call: "result", "refused", "no memory", "bare", "nameless", "hang" or "crash"."""

    kind: str
    text: str = ""


def values_for(call: Call, argument: str) -> dict[str, Callable[[], Any]]:
    """All bad values for an argument, by name; those of *name are each a tuple, of one argument or of several."""
    value = call.arguments[argument]
    if callable(value) and not isinstance(value, nn.Module):  # what a function raises itself is handed on
        return {name: make for name, make in ANYTHING.items() if name != "a class"}
    if not argument.startswith("*"):
        return ANYTHING | near(value)
    alone = {name: lambda make=make: (make(),) for name, make in ANYTHING.items()}
    last = {f"{name} for the last": lambda make=make: (*value[:-1], make()) for name, make in ANYTHING.items()}
    return alone | last | {name: make for name, make in near(value).items() if isinstance(make(), tuple | list)}


def cases_of(call: Call, pairs: int, rng: random.Random) -> list[Case]:
    """Every bad value for every argument by itself, and some pairs."""
    every = [(argument, bad) for argument in call.arguments for bad in values_for(call, argument)]
    found: list[Case] = [(one,) for one in every]
    several = [pair for pair in (rng.sample(every, 2) for _ in range(pairs)) if pair[0][0] != pair[1][0]]
    return found + [tuple(pair) for pair in several]


def attempt(make: Callable[[], Call], case: Case) -> Outcome:
    """Make a valid call, spoil it, see what happens."""
    call = make()
    spoilt = {argument: values_for(call, argument)[bad]() for argument, bad in case}
    spoilt_call = Call(call.function, {**call.arguments, **spoilt}, call.use)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for y in tensors_in(spoilt_call()):
                if y.requires_grad and y.op:
                    y.backward(np.ones(y.shape, y.dtype), retain_graph=True)
    except MemoryError:
        return Outcome("no memory")
    except (Exception, SystemExit) as error:
        return judged(error)
    return Outcome("result")


def tensors_in(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, tuple | list):
        for part in result[:4]:
            yield from tensors_in(part)


def judged(error: BaseException) -> Outcome:
    """Whether a refusal is ours and begins with a name; else where it comes from."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    assert tb is not None
    code = tb.tb_frame.f_code
    raised = dis.opname[code.co_code[tb.tb_lasti]] == "RAISE_VARARGS"
    place = f"{Path(code.co_filename).name}:{tb.tb_lineno}"
    told = f"{type(error).__name__} at {place}: {str(error)[:160]!r}"
    if isinstance(error, TypeError) and re.search(r"missing \d+ required|unexpected keyword", str(error)):
        return Outcome("refused", told)
    own = type(error).__module__.startswith("tinygrad_edu")  # such as DataError: it names its file
    if not (raised and code.co_filename.startswith(PACKAGE) and (own or isinstance(error, REFUSALS))):
        ours = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(PACKAGE)]
        via = f" via {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
        return Outcome("bare", told + via)
    first = re.match(r"[<>]=?|\w+", str(error))
    named = (first is not None and first[0] in NAMES | SPOKEN) or set(str(error).split(":")[0].split()) & CLASSES
    return Outcome("refused" if own or named else "nameless", told)


# --- in a process of its own ---


def outcomes(make: Callable[[], Call], cases: list[Case]) -> Iterator[Outcome]:
    """The outcome of each case; after a hang or a crash, a new process goes on with the next."""
    done = 0
    context = multiprocessing.get_context("fork")
    while done < len(cases):
        here, there = context.Pipe()
        process = context.Process(target=work, args=(there, make, cases[done:]), daemon=True)
        process.start()
        there.close()
        try:
            while done < len(cases):
                if not here.poll(SECONDS):
                    yield Outcome("hang", f"longer than {SECONDS} s")
                    break
                yield here.recv()
                done += 1
        except EOFError:
            process.join()
            yield Outcome("crash", f"the process ended with {process.exitcode}")
        if done < len(cases):
            done += 1
        process.kill()
        process.join()


def work(connection: Any, make: Callable[[], Call], cases: list[Case]) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGESIZE") + MEMORY,) * 2)
    os.chdir(tempfile.mkdtemp())  # for files of the names of bad values
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        for case in cases:
            connection.send(attempt(make, case))


def prove(seed: int = 0, share: float = 1.0, only: str = "") -> Section:
    """Call everything that begins with `only` with all bad input, or a share of it."""
    rng, counts, flags = random.Random(seed), Counter[str](), Counter[str]()
    failures = incomplete()
    for name, make in TABLE.items():
        cases = cases_of(make(), PAIRS, rng) if name.startswith(only) else []
        cases = cases if share == 1 else rng.sample(cases, round(share * len(cases)))
        for case, outcome in zip(cases, outcomes(make, cases)):
            counts[outcome.kind] += 1
            counts["argument"] += outcome.kind == "refused" and names_an_argument(outcome.text, case, make())
            if outcome.kind not in GOOD:
                failures.append(f"{spoken(name, case)}: {outcome.kind}: {outcome.text}")
    for command, kind, told in () if only else try_flags(share, rng):
        flags[kind] += 1
        if kind not in GOOD:
            failures.append(f"python -m models.{command}: {kind}: {told}")
    figures: dict[str, int | float | str] = {
        "functions, classes and methods": len(TABLE),
        "calls with bad input": counts.total() - counts["argument"],
        "of them refused by name": counts["refused"],
        "which also name the argument, not its shape alone": counts["argument"],
        "gave a result all the same": counts["result"],
        "wanted more memory than there is": counts["no memory"],
        "bare exceptions": counts["bare"],
        "refusals that do not begin with a name": counts["nameless"],
        "hangs": counts["hang"],
        "crashes": counts["crash"],
        "scripts called with bad flags": flags.total(),
        "of them refused in a line, exit status 2": flags["refused"],
        "tracebacks": flags["bare"],
    }
    return Section("inputs", "Bad input", figures, failures, whole=share == 1 and not only)


def names_an_argument(text: str, case: Case, call: Call) -> bool:
    """Whether a message names what was spoilt (one argument alone needs no name). Others show shapes or values."""
    names = [argument.strip("*") for argument, _ in case]
    return len(call.arguments) == 1 or any(re.search(rf"\b{name}\b", text, re.IGNORECASE) for name in names)


def incomplete() -> list[str]:
    """What is public and has no valid call in the table, or a parameter that its call does not name."""
    missing = []
    for name, value in public():
        if not needs_a_call(name, value):
            continue
        if name not in TABLE:
            missing.append(f"{name} has no valid call in proof/calls.py")
            continue
        given = TABLE[name]().arguments
        lacking = [p for p in parameters(value) if p not in given and not p.startswith("**")]
        missing += [f"the valid call of {name} in proof/calls.py does not name {p}" for p in lacking]
    return missing


def spoken(name: str, case: Case) -> str:
    return f"{name}({', '.join(f'{argument}={bad}' for argument, bad in case)})"


def main() -> int:
    description = "Every public function and every flag of the scripts with bad input; some ten minutes for all of it."
    parser = argparse.ArgumentParser(prog="python -m proof.inputs", description=description)
    parser.add_argument("--seed", type=int, default=0, help="for the pairs, and for a share (0)")
    parser.add_argument("--share", type=float, default=1.0, help="of the calls, from 0 to 1 (1)")
    parser.add_argument("--only", default="", metavar="PREFIX", help="of the functions, such as ops.conv (all)")
    options = parser.parse_args()
    start = time.perf_counter()
    section = prove(options.seed, options.share, options.only)
    return conclude(section, time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())

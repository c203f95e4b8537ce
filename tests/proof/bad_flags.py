"""Flags of the scripts with values that they cannot want: one line on stderr and exit status 2, or a run that begins.

Each script's `main` is called as the command line calls it, up to where it would train.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import io
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from models import run
from models.__main__ import SCRIPTS

WORDS = (
    *("", " ", "words", "0", "-1", "1.5", "1e-3", "nan", "inf", "-inf", "1e999", "9" * 400, "2147483648", "None"),
    *("true", "1,000", "0x10", "²", "٣", "1_0", "--", "-", "/nowhere/at/all", "/dev/null/a", "\udc80"),
    *("same", "two\nlines"),
)
BASIS = ["--quick", "--no-progress", "--data", "synthetic", "--epochs", "1"]
LOADERS = ("load_mnist", "load_cifar10", "load_shakespeare", "load_scenes")
FEW = {"load_scenes": {"train": 20, "validation": 5, "test": 5}}


class BeginsToTrainError(Exception):
    """Where a script would train: what it was given was good enough."""


def begin(*arguments: Any, **options: Any) -> None:
    raise BeginsToTrainError


def flags_of(module: ModuleType) -> list[str]:
    """The flags that a script's --help shows."""
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        module.main(["--help"])
    return [flag for flag in dict.fromkeys(re.findall(r"(?<![\w-])--[a-z-]+", text.getvalue())) if flag != "--help"]


def cases(module: ModuleType) -> list[list[str]]:
    """Each flag with each bad word; and words where no flag stands."""
    found = [[flag, word] for flag in flags_of(module) for word in WORDS]
    return found + [[word] for word in WORDS] + [["--unknown"], ["--lr"]]


def loaded_once(module: ModuleType) -> Iterator[Any]:
    """Patches: data that was generated is kept for the next call."""
    for name in LOADERS:
        if hasattr(module, name):
            yield mock.patch.object(module, name, kept(getattr(module, name)))


@functools.cache
def kept(load: Callable[..., Any]) -> Callable[..., Any]:
    """A loader that generates its stand-in data, which need no folder, once."""
    generated = functools.cache(lambda: load(None, "synthetic", **FEW.get(load.__name__, {})))
    return lambda folder, source, **options: generated() if source == "synthetic" else load(folder, source, **options)


def attempt(module: ModuleType, arguments: list[str]) -> tuple[str, str]:
    """("refused" or "begins" or "bare", what was told) of a script with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        for patch in (*loaded_once(module), mock.patch.object(run, "fit", begin)):
            stack.enter_context(patch)
        stack.enter_context(mock.patch.object(run.Run, "record_epoch", begin))  # of the script with its own loop
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            status = module.main([*BASIS, *arguments])
        except BeginsToTrainError:
            return "begins", ""
        except SystemExit as end:
            status = end.code
        except MemoryError:
            return "no memory", ""
        except Exception as error:
            return "bare", f"{type(error).__name__}: {str(error)[:160]}"
    last = err.getvalue().strip().split("\n")[-1]
    told = status == 2 and re.search(r"(^|: )error: \S", last) and "Traceback" not in err.getvalue()
    return ("refused", last) if told else ("bare", f"status {status}: {err.getvalue()[-160:]!r}")


def try_flags(share: float, rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """(command, outcome, what was told) of every script with every bad flag, or of a share of them."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where folders of bad names may be made
        try:
            for name in SCRIPTS:
                module = importlib.import_module(f"models.{name}")
                gc.collect()  # the networks that never trained
                every = cases(module)
                for arguments in every if share == 1 else rng.sample(every, round(share * len(every))):
                    yield f"{name} {' '.join(arguments)!r}", *attempt(module, arguments)
        finally:
            os.chdir(before)

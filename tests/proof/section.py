"""A section of docs/proof.md: what a command of the proof counted, and what was not as it should be."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tinygrad_edu.files import write_whole

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "runs" / "proof"


@dataclass(frozen=True)
class Section:
    """What one command of the proof found.

    Attributes
    ----------
    name : the module, `python -m proof.NAME`
    title : the section's heading
    figures : what was counted, each under words that a reader understands: {"programs compared": 10_000}
    failures : what was not as it should be, a line each; none where all is well
    whole : whether this was the whole proof; a shorter run says so wherever it is shown
    details : Markdown to stand below the figures, such as a table
    """

    name: str
    title: str
    figures: dict[str, int | float | str]
    failures: list[str] = field(default_factory=list)
    whole: bool = True
    details: str = ""


def conclude(section: Section, seconds: float) -> int:
    """Print a section, keep it for the page, and return the command's exit status: 1 where anything failed."""
    for name, value in section.figures.items():
        print(f"{name:<44}{value:>12,}" if isinstance(value, int) else f"{name:<44}{value:>12}")
    for failure in section.failures:
        print(failure)
    short = "" if section.whole else " (a short run, not the whole proof)"
    print(f"{section.title}: {'FAILED' if section.failures else 'ok'}{short}, {seconds:.1f} s", flush=True)
    facts = asdict(section) | {
        "command": " ".join(["python -m", f"proof.{section.name}", *sys.argv[1:]]),
        "seconds": round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"Python": platform.python_version(), **installed()},
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, indent=2) + "\n"
    write_whole(FOLDER / f"{section.name}.json", text)
    return 1 if section.failures else 0


def installed() -> dict[str, str]:
    """The versions of the libraries that what is proven rests on, of those that are there."""
    versions = {}
    for name in ("numpy", "safetensors", "hypothesis", "torch", "keras"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions

"""docs/proof.md, written from what the sections counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = "docs/proof.md"
HEAD = """\
# Proof

Written by `make proof`; whatever is changed here by hand is lost with the next run. Each section was printed by the
command above its table, which anyone can run, with `PYTHONPATH=tests` in the project's folder: with the same seed and
the same versions, it counts the same."""


def text(sections: Sequence[dict[str, Any]], left_out: Sequence[str]) -> str:
    """The page: first what a reader wants to know, section by section in one table; then each section."""
    lines = [HEAD, ""]
    short = [section["title"] for section in sections if not section["whole"]]
    if short or left_out:
        lines += ["**Not the whole proof.**", ""]
        lines += [f"- shorter than the whole: {', '.join(short)}"] if short else []
        lines += [f"- not run: {', '.join(left_out)}"] if left_out else []
        lines += [""]
    lines += ["| section | verdict | date | minutes |", "|---|---|---|---|"]
    lines += [
        f"| [{s['title']}](#{anchor(s['title'])}) | {verdict(s)} | {s['date']} | {minutes(s)} |" for s in sections
    ]
    for section in sections:
        lines += ["", *described(section)]
    return "\n".join(lines) + "\n"


def described(section: dict[str, Any]) -> list[str]:
    """One section: its command, its figures, what failed, its details."""
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    lines = [f"## {section['title']}", "", f"`{section['command']}`, {section['date']}, with {versions}.", ""]
    if not section["whole"]:
        lines += ["**A short run, not the whole proof.**", ""]
    lines += ["| what was counted | |", "|---|--:|"]
    lines += [f"| {name} | {figure(value)} |" for name, value in section["figures"].items()]
    if section["failures"]:
        lines += ["", "**Not as it should be:**", "", "```", *section["failures"], "```"]
    if section["details"]:
        lines += ["", section["details"].rstrip()]
    return lines


def verdict(section: dict[str, Any]) -> str:
    n = len(section["failures"])
    return f"**{n} failure{'s' * (n != 1)}**" if n else "as it should be"


def minutes(section: dict[str, Any]) -> str:
    return f"{section['seconds'] / 60:.1f}"


def figure(value: int | float | str) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def anchor(title: str) -> str:
    """The address of a heading, as the code hosts make it."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def read(folder: Path, names: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The sections that were kept, in the order of the page, and the names of those that were not."""
    files = {name: folder / f"{name}.json" for name in names}
    there = [json.loads(file.read_text(encoding="utf-8")) for file in files.values() if file.exists()]
    return there, [name for name, file in files.items() if not file.exists()]

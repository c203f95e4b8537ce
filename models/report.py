"""A run as a page to look at: `runs/<model>/index.html`, and the tour's page over all.

A page is written from what `metrics.json` holds and from the files beside it, to which its links are relative: the
folder can be moved, sent or served as it is. Whatever an earlier run left in the folder is not shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from models.common import figure_text
from tinygrad_edu import __version__
from tinygrad_edu.files import write_whole
from tinygrad_edu.markup import Html, join, table, tag
from tinygrad_edu.plots.style import title_of

PAGE = "index.html"
PICTURES = (".svg", ".png")  # the first is preferred where a picture is there as both
MAIN_PICTURES = ("predictions", "prediction", "curves", "accuracy", "loss")  # which one stands for a run
MOST_EPOCHS = 12  # rows of a table that is not folded

STYLE = """
:root { color-scheme: light dark; --page: #fdfcf9; --ink: #211f1c; --faint: #6b665e; --line: #dcd8cf; --box: #f3f0e9;
  --link: #005f96; --warn: #a34400; }
@media (prefers-color-scheme: dark) { :root { --page: #17181b; --ink: #e6e3dc; --faint: #a09b92; --line: #3a3c41;
  --box: #212327; --link: #74c0ee; --warn: #f0a35e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 54rem; background: var(--page); color: var(--ink);
  font: 1.0625rem/1.55 Charter, "Bitstream Charter", "Source Serif 4", Georgia, serif; overflow-wrap: anywhere; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; font-weight: 600; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; font-weight: 600; }
p { margin: .5rem 0; }
a { color: var(--link); }
.lead { font-size: 1.15rem; color: var(--faint); margin-bottom: 1.25rem; }
.faint, footer { color: var(--faint); font-size: .9rem; }
footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--line); }
.remark { border-left: 4px solid var(--warn); padding: .4rem .9rem; background: var(--box); }
.remark b { color: var(--warn); }
pre, code { font: .875rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 4px; padding: .7rem .9rem; margin: .75rem 0;
  white-space: pre-wrap; }
.command { user-select: all; }
.command span { display: inline-block; max-width: 100%; }
.scroll { overflow-x: auto; max-height: 30rem; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .95rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .3rem 1.4rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; border-bottom: 2px solid var(--ink); }
.numbers th, .numbers td { text-align: right; }
summary { cursor: pointer; color: var(--link); }
figure { margin: 1.5rem 0; }
figcaption { color: var(--faint); font-size: .9rem; margin-top: .4rem; }
.picture { display: block; width: 100%; height: auto; padding: .5rem; background: #fff;
  border: 1px solid var(--line); border-radius: 4px; }
iframe { width: 100%; height: min(80vh, 48rem); border: 1px solid var(--line); border-radius: 4px;
  background: var(--page); }
article { border-top: 1px solid var(--line); margin-top: 2.5rem; }
article h2 { margin-top: 1.25rem; }
"""


# --- one run ---


def write_report(out: Path, facts: dict[str, Any], epochs: Sequence[dict[str, Any]]) -> Path:
    """The page of the run in a folder: `facts` and `epochs` are what `metrics.json` holds, see `Run.save_metrics`.

    Without a "table" among the facts, the run has not ended, and the page says so.
    """
    title = f"{facts['model']} ({facts['variant']})"
    parts = [
        tag("h1", title),
        tag("p", facts["description"], class_="lead"),
        *remarks(facts),
        facts_line(facts),
        command_line(facts["command"]),
        *closing_table(facts),
        *section("Pictures", [picture(path) for path in pictures(out)]),
        *section("What it wrote", samples(out / "samples.txt")),
        *section("One backward pass, step by step", player(out / "player.html")),
        *section("Epoch by epoch", epoch_tables(epochs)),
        *section("Settings", [scrolling(table(("setting", "value"), setting_rows(facts)))]),
    ]
    return write_page(out / PAGE, title, parts)


def remarks(facts: dict[str, Any]) -> list[Html]:
    """What a reader must know before any figure: each in a box of its own."""
    texts = list(facts.get("remarks", ()))
    if facts["data"]["source"] == "synthetic":
        texts.insert(
            0, "stand-in data: generated, in place of the real data set; no figure says how good the network is"
        )
    if facts["stopped"]:
        texts.append(f"stopped: {facts['stopped']}")
    if "table" not in facts:
        texts.append("not finished: the run goes on, or ended by an error; these are its figures so far")
    return [tag("p", tag("b", first), rest and ": ", rest, class_="remark") for first, rest in map(halves, texts)]


def halves(text: str) -> tuple[str, str]:
    """A remark's first words, which are printed bold, and the rest: "A short run, of 1 epoch", "no figure ..."."""
    first, _, rest = text.partition(": ")
    return first[:1].upper() + first[1:], rest


def facts_line(facts: dict[str, Any]) -> Html:
    data = f"{facts['data']['name']} ({facts['data']['source']})"
    where = f", on {facts['device']}, seed {facts['seed']}, {facts['seconds']:g} s"
    return tag("p", "Data: ", data, ". ", "Trained for ", facts["length"], where, ".")


def closing_table(facts: dict[str, Any]) -> list[Html]:
    """The table as the script prints it."""
    return [scrolling(table(facts["table_head"], facts["table"]))] if "table" in facts else []


def setting_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), str(value)) for name, value in facts["settings"].items()]


def epoch_tables(epochs: Sequence[dict[str, Any]]) -> list[Html]:
    """The figures of every epoch; of a long training some, evenly spread, and all of them folded away."""
    if len(epochs) <= MOST_EPOCHS:
        return [epoch_table(epochs)] if epochs else []
    last = len(epochs) - 1
    some = [epochs[round(i * last / (MOST_EPOCHS - 1))] for i in range(MOST_EPOCHS)]
    every = tag("summary", f"all {len(epochs):,} epochs")
    return [epoch_table(some), tag("details", every, epoch_table(epochs))]


def epoch_table(epochs: Sequence[dict[str, Any]]) -> Html:
    columns = list(dict.fromkeys(name for row in epochs for name in row))
    rows = ([figure_text(name, row[name]) if name in row else "" for name in columns] for row in epochs)
    return scrolling(table([name.replace("_", " ") for name in columns], rows, class_="numbers"))


# --- what lies beside the page ---


def began(out: Path) -> int:
    """When the last run in a folder began: then it locked the folder. By the clock of the disk, as its files' times."""
    return (out / ".lock").stat().st_mtime_ns


def is_new(path: Path) -> bool:
    """Whether a file is there, and is this run's."""
    return path.is_file() and path.stat().st_mtime_ns >= began(path.parent)


def pictures(out: Path) -> list[Path]:
    """The pictures of the run, in the order in which it drew them; of one that is there in two formats the better."""
    found: dict[str, Path] = {}
    for path in sorted(out.iterdir(), key=lambda path: PICTURES.index(path.suffix) if path.suffix in PICTURES else -1):
        if path.suffix in PICTURES and is_new(path):
            found.setdefault(path.stem, path)
    return sorted(found.values(), key=lambda path: path.stat().st_mtime_ns)


def main_picture(out: Path) -> Path | None:
    """The one that stands for the run where there is room for one alone."""
    found = {path.stem: path for path in pictures(out)}
    return next((found[name] for name in MAIN_PICTURES if name in found), next(iter(found.values()), None))


def picture(path: Path, folder: str = "") -> Html:
    """A picture, seen from the folder above if its own is named."""
    there = folder + quote(path.name)
    image = tag("img", src=there, alt=title_of(path) or path.stem, class_="picture", loading="lazy")
    return tag("figure", tag("a", image, href=there))


def samples(path: Path) -> list[Html]:
    """The last text that the network wrote, and all of them folded away."""
    if not is_new(path):
        return []
    text = path.read_text(encoding="utf-8")
    last = text.rpartition("===== ")[2].partition("\n")[2].strip()
    every = tag("details", tag("summary", "all samples of the training"), tag("pre", text))
    return [tag("pre", last), *([every] if text.count("===== ") > 1 else [])]


def player(path: Path) -> list[Html]:
    """The page that walks through the first batch, in a frame and behind a link."""
    if not is_new(path):
        return []
    link = tag("a", "Open it on a page of its own", href=path.name)
    what = "the first batch, forward and backward, one step at a time"
    return [tag("p", "The first batch of the training. ", link, "."), tag("iframe", src=path.name, title=what)]


# --- the tour ---


def write_tour(out: Path, command: str, entries: Sequence[tuple[str, str, Path | None, str]]) -> Path:
    """The page over several runs: of each (name, what it is, its folder inside `out`, how it ended)."""
    ended = [name for name, _, folder, _ in entries if folder is None]
    warning = [tag("p", tag("b", "Without a result"), ": ", ", ".join(ended), class_="remark")] if ended else []
    parts = [
        tag("h1", "The tour"),
        tag("p", "Every model in its quick form, some of them shortened: a look at each.", class_="lead"),
        *warning,
        command_line(command),
        *(card(*entry) for entry in entries),
    ]
    return write_page(out / PAGE, "The tour", parts)


def card(name: str, description: str, folder: Path | None, ended: str) -> Html:
    """One run of the tour: its table, its main picture, the way to its own page."""
    if folder is None:
        return tag("article", tag("h2", name), tag("p", description), tag("p", tag("b", ended), class_="remark"))
    facts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    main = main_picture(folder)
    there = f"{quote(folder.name)}/"
    return tag(
        "article",
        tag("h2", tag("a", name, href=there + PAGE)),
        tag("p", description),
        *remarks(facts),
        facts_line(facts),
        *closing_table(facts),
        *([picture(main, there)] if main else []),
        tag("p", tag("a", f"All of {name}: pictures, epochs, settings", href=there + PAGE)),
    )


# --- any page ---


def section(title: str, parts: Sequence[Html]) -> list[Html]:
    """Parts under a heading; nothing at all where there are none."""
    return [tag("section", tag("h2", title), *parts)] if parts else []


def command_line(command: str) -> Html:
    """A command that one click selects. One that is too long for a line is broken between two words."""
    words = (tag("span", word) for word in command.split(" "))
    return tag("pre", tag("code", join(words, " "), class_="command"))


def scrolling(content: Html) -> Html:
    """Content that may be wider than a phone, in a box that scrolls: with the keyboard as well, hence the tabindex."""
    return tag("div", content, class_="scroll", tabindex="0")


def write_page(path: Path, title: str, parts: Sequence[Html]) -> Path:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("link", rel="icon", href="data:,"),  # so that no browser asks for one
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    written = f"Written {time.strftime('%Y-%m-%d %H:%M')} by tinygrad_edu {__version__}."
    body = tag("body", tag("main", join(parts, "\n")), tag("footer", written))
    text = "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"
    write_whole(path, text)
    return path

"""RESULTS.md and its figures: what a run measured, written for a reader."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks import sizes
from benchmarks.groups import Group
from benchmarks.harness import Result
from benchmarks.report import goal_in_words, verdict
from tinygrad_edu.files import write_whole

FULL_RUN = 40  # rounds: fewer are no basis for a claim
HOW_MEASURED = """\
Written by `python -m benchmarks --results`; whatever is changed here by hand is lost with the next run.

Each contender has a process of its own and the same number of threads. Before anything is timed, its gradients are
compared with ours. Rounds of the contenders take turns; the figure of a round is the median time of its steps, a ratio
is taken within each round, and the tables show the median of the rounds with the smallest and the largest."""
FILE, FIGURES = "RESULTS.md", "figures"


def write(
    folder: Path,
    environment: Mapping[str, str],
    rounds: int,
    groups: Sequence[Group],
    results: Mapping[str, Sequence[Result]],
) -> Path:
    """Write RESULTS.md into the folder, and the figures into its subfolder; return where the text is.

    Every file is written whole or not at all, the text last: whoever looks, or interrupts, sees the old text or the
    new one. `groups` are all there are, `results` what was measured, by a group's name.
    """
    content = text(environment, rounds, groups, results)
    for group in groups:
        if group.figure and group.name in results:
            group.figure(folder / FIGURES / f"{group.name}.svg", results[group.name])
    path = folder / FILE
    write_whole(path, content)
    return path


def text(
    environment: Mapping[str, str], rounds: int, groups: Sequence[Group], results: Mapping[str, Sequence[Result]]
) -> str:
    everything = [result for of_group in results.values() for result in of_group]
    measured = {result.row.name for result in everything}
    lines = ["# Benchmarks: what one run measured", ""]
    if rounds < FULL_RUN:
        lines += [f"**A short run (rounds: {rounds}, not {FULL_RUN}). Its figures are no basis for a claim.**", ""]
    left_out = [group.name for group in groups if group.name not in results]
    begun = [row.name for group in groups if group.name in results for row in group.rows]
    left_out += [name for name in begun if name not in measured]
    if left_out:
        lines += [f"**Not everything was asked for. Left out: {', '.join(left_out)}.**", ""]
    lines += [HOW_MEASURED, ""]
    lines += [f"- {name}: {value}" for name, value in environment.items()]
    lines += [f"- rounds: {rounds}, fewer where a section says so", ""]
    lines += ["## Goals", "", "What the project wants to see, and whether this run shows it.", ""]
    lines += ["| row | goal | measured |", "|---|---|---|", *goals(everything, with_slopes="scaling" in results), ""]
    for group in groups:
        if group.name in results:
            lines += section(group, rounds, results[group.name])
    lines += ["## What was missing", "", *missing(everything)]
    return "\n".join(lines) + "\n"


def goals(results: Iterable[Result], with_slopes: bool) -> Iterable[str]:
    """A line of the table for each goal."""
    results = list(results)
    for result in results:
        for goal in result.row.goals:
            yield f"| {result.row.name} | {goal_in_words(goal, result)} | {verdict(goal, result)} |"
    if with_slopes:
        for one in sizes.SERIES:
            lowest, highest = sizes.SLOPE.at_least, sizes.SLOPE.at_most
            measured = "not measured"
            if slopes := one.slopes(results, "ours"):
                value = median(slopes)
                measured = f"{'met' if sizes.SLOPE.met_by(value) else 'NOT met'}: {value:.3f}"
            yield f"| scaling-{one.name} | slope of ours at least {lowest} and at most {highest} | {measured} |"


def section(group: Group, rounds: int, results: Sequence[Result]) -> Iterable[str]:
    """Heading, what is shown, the table, the figure, a note on each row."""
    limits = {min(rounds, result.row.most_rounds or rounds) for result in results}
    fewer = f" Rounds: {max(limits)}." if limits and max(limits) < rounds else ""
    yield from (f"## {group.heading}", "", group.about + fewer, "")
    yield from (*group.table(results), "")
    if group.figure:
        yield from (f"![{group.heading}]({FIGURES}/{group.name}.svg)", "")
    yield from (*group.notes(results), "")


def missing(results: Iterable[Result]) -> list[str]:
    """Which contenders had no package, and which rows failed."""
    results = list(results)
    hints = {f"- {name}: {hint}" for result in results for name, hint in result.missing.items()}
    failed = [f"- {r.row.name}: failed, {r.failure.splitlines()[0]}" for r in results if r.failure]
    return [*sorted(hints), *failed] or ["Nothing: every contender was measured."]

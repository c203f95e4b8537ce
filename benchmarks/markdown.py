"""Tables in Markdown, and the lines below them."""

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.harness import Result
from benchmarks.report import duration, goal_in_words, memory, ratios_of, verdict


def table(results: Sequence[Result]) -> list[str]:
    """One line per contender: its time, its peak memory, and the ratios in which it comes first."""
    lines = ["| row | contender | median | min to max | peak memory | ratio by round: median (min to max) |"]
    lines += ["|---|---|---|---|---|---|"]
    for result in results:
        label = result.row.name
        for name, seconds in result.seconds.items():
            spread = f"{duration(min(seconds))} to {duration(max(seconds))}"
            ratios = ", ".join(ratios_of(result, name))
            cells = [label, name, duration(median(seconds)), spread, memory(result.peak_memory[name]), ratios]
            lines.append(f"| {' | '.join(cells)} |")
            label = ""
    return lines


def memory_table(results: Sequence[Result]) -> list[str]:
    """For rows in which memory is the figure and time a remark."""
    lines = ["| row | contender | peak memory | seconds |", "|---|---|---|---|"]
    for result in results:
        for name, seconds in result.seconds.items():
            cells = [result.row.name, name, memory(result.peak_memory[name]), f"{median(seconds):.1f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def notes(results: Sequence[Result]) -> Iterable[str]:
    """A line per row: what it is, whether gradients agree, what is missing, the goals."""
    for result in results:
        text = f"- **{result.row.name}**: {result.row.title}."
        if result.gradient_difference is not None:
            text += f" Gradients agree to {result.gradient_difference:.1e} of their largest entry."
        for goal in result.row.goals:
            text += f" Goal: {goal_in_words(goal, result)}; {verdict(goal, result)}."
        for name, remark in result.remarks.items():
            text += f" {name}: {remark}."
        if result.missing:
            text += f" Not measured: {', '.join(result.missing)}."
        yield text
        if result.failure:
            yield "\n  FAILED:\n\n  ```\n" + "\n".join(f"  {line}" for line in result.failure.splitlines()) + "\n  ```"


def note_on_all(results: Sequence[Result]) -> Iterable[str]:
    """One line for rows that differ in a size alone; those that failed have their own."""
    differences = [result.gradient_difference for result in results if result.gradient_difference is not None]
    if differences:
        yield f"Gradients agree with PyTorch's at every size, to {max(differences):.1e} of their largest entry."
    yield from notes([result for result in results if result.failure])

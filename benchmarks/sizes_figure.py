"""The figure of `sizes.py`. In a file of its own, so that a contender's process does not import matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness import Result
from benchmarks.sizes import SERIES
from tinygrad_edu.plots.style import PAGE_WIDTH, legend_below, line_style, new_figure, set_title

TICKS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]  # milliseconds
NAMES = {"ours": "ours", "torch": "PyTorch"}


def draw(path: Path, results: Sequence[Result]) -> None:
    """One panel per series: median time against size, both logarithmic, and a grey line of slope 1 through ours."""
    columns = 2
    rows = -(-len(SERIES) // columns)
    with new_figure(path, PAGE_WIDTH, 2.4 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for one, panel in zip(SERIES, panels):
            sizes = list(one.rows)
            entries, ideal = [], []
            for i, (contender, name) in enumerate(NAMES.items()):
                seconds = one.seconds(results, contender)
                milliseconds = [1000 * median(s) for s in seconds.values()]
                entries += panel.plot(list(seconds), milliseconds, label=name, **line_style(i, len(seconds)))
                if contender == "ours" and seconds:
                    last, size = milliseconds[-1], list(seconds)[-1]
                    proportional = [last * s / size for s in sizes]
                    ideal = panel.plot(sizes, proportional, color="#999999", linewidth=0.8, label="slope 1", zorder=1)
            slopes = {name: one.slopes(results, contender) for contender, name in NAMES.items()}
            fitted = ", ".join(f"{name} {median(s):.2f}" for name, s in slopes.items() if s)
            panel.set(xscale="log", yscale="log", xlabel=one.axis, ylabel="time (ms)")
            panel.set_title(f"{one.title}\nslope: {fitted}", fontsize=8)
            panel.set_xticks(sizes, [str(size) for size in sizes])
            lowest, highest = panel.get_ylim()
            ticks = [tick for tick in TICKS if lowest <= tick <= highest]
            panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            panel.minorticks_off()
        for panel in panels:  # an odd number of series leaves one empty
            panel.remove()
        set_title(figure, "Time of one operation, forward and backward, against its size")
        legend_below(figure, entries + ideal)

"""The figure of `scaling.py`. In a file of its own, so that a process that measures does not import matplotlib."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.scaling_model import ETHERNET, MANY, SIMULATED_BATCH, Model
from tinygrad_edu.plots.style import PAGE_WIDTH, legend_below, line_style, new_figure, set_title


def draw(path: Path, models: Mapping[str, Model]) -> None:
    """One panel a network: the time of a step against the number of processes, and what it is made of."""
    n = np.array(MANY)
    with new_figure(path, PAGE_WIDTH, 3.2) as figure:
        panels = figure.subplots(1, len(models), squeeze=False)[0]
        for panel, (network, model) in zip(panels, models.items()):
            slow = Model(**{**vars(model), **ETHERNET})
            curves = {
                "its own examples": model.c * SIMULATED_BATCH / n,
                "adding up, as here": model.sum(n),
                "adding up, 10 Gbit Ethernet": slow.sum(n),
                "whole step, 10 Gbit Ethernet": slow.seconds(n, SIMULATED_BATCH),
            }
            entries = []
            for i, (name, seconds) in enumerate(curves.items()):
                shown = seconds > 0
                entries += panel.plot(n[shown], 1e3 * seconds[shown], label=name, **line_style(i, len(n)))
            cross = slow.crossover(SIMULATED_BATCH)
            if cross:
                panel.axvline(cross, color="#999999", linewidth=0.8)
            where = f"crossover at {cross}" if cross else "no crossover"
            panel.set(xscale="log", yscale="log", xlabel="processes", ylabel="time (ms)")
            panel.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1024"])
            panel.minorticks_off()
            panel.set_title(f"{network}: {where}", fontsize=8)
        set_title(figure, f"Simulation: a step on a batch of {SIMULATED_BATCH}, shared by many processes")
        legend_below(figure, entries)

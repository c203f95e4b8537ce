"""`python -m benchmarks.scaling`: the model is fitted to what it would produce itself, and processes are measured."""

import importlib.util

import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.scaling_figure import draw
from benchmarks.scaling_model import MANY, Model, fit

TRUE = Model(f=2e-3, c=1e-4, a=3e-5, B=1e9, S=8e6, b=8)


def test_the_fit_finds_the_model_that_made_the_figures():
    alone = [{"examples": N, "step": TRUE.seconds(1, N), "bytes": TRUE.S} for N in (32, 64, 128)]
    messages = {n: {S: TRUE.a * np.log2(n) + 2 * (n - 1) / n * S / TRUE.B for S in (8, 10**4, 10**7)} for n in (2, 4)}
    found = fit(alone, messages, TRUE.b)
    assert vars(found) == pytest.approx(vars(TRUE), rel=1e-6)


def test_the_crossover_is_where_the_sums_take_longer_than_the_examples():
    n = TRUE.crossover(1024)
    assert TRUE.sum(n) > TRUE.c * 1024 / n
    assert TRUE.sum(n - 1) <= TRUE.c * 1024 / (n - 1)
    assert Model(f=0, c=1, a=0, B=1e9, S=1, b=1).crossover(1024) is None
    assert TRUE.seconds(TRUE.fastest(1024), 1024) == min(TRUE.seconds(np.arange(1, MANY[-1] + 1), 1024))


def test_the_simulation_is_said_and_drawn(tmp_path, capsys):
    scaling.print_simulated("a network", TRUE, "somewhere")
    said = capsys.readouterr().out
    assert f"crossover at {TRUE.crossover(1024)} processes" in said
    assert "latency 30 us, bandwidth 1.00 GB/s" in said
    draw(tmp_path / "scaling.png", {"a network": TRUE})
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


@pytest.mark.skipif(not importlib.util.find_spec("mpi4py"), reason="needs mpi4py and mpiexec: pip install -e '.[mpi]'")
def test_processes_are_measured():
    measured = scaling.run(2, [("character LSTM", 8)], 1)
    (row,) = measured["steps"]
    assert row["bytes"] == 4 * (65 * 32 + (32 + 128 + 1) * 512 + 128 * 65 + 65)
    assert 0 < row["sum"] < row["step"] + row["sum"]
    assert all(seconds > 0 for seconds in measured["messages"].values())

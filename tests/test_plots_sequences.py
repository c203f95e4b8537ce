"""Figures of sequences show what they say; bad input gets one clear error and leaves no file."""

import os

import numpy as np
import pytest
from figure_checks import check_drawing, check_texts, place
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from tinygrad_edu import plots
from tinygrad_edu.plots.unrolled import CELLS

T = np.arange(10.0)


def test_a_baseline_is_thin_and_dotted_and_over_the_others():
    curves = {"truth": (T, T), "prediction": (T, T + 1), "persistence": (T, np.where(T > 3, T, np.nan))}
    figure = plots.series(None, curves, "t", "y", "Title", baseline="persistence")
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    baseline = lines.pop("persistence")
    assert baseline.get_linestyle() == ":"
    assert all(baseline.get_linewidth() < line.get_linewidth() for line in lines.values())
    assert all(baseline.get_zorder() > line.get_zorder() for line in lines.values())
    assert {"truth", "prediction", "persistence"} <= {text for text, _ in check_texts(figure)}


def test_ticks_have_their_names():
    figure = plots.series(None, {"truth": (T, T)}, "January of", "y", "Title", ([0, 5], ["1949", "1950"]))
    assert {"1949", "1950", "January of", "y", "Title"} == {t for t, _ in check_texts(figure)} - {*"02468"}


def test_the_legend_of_clipping_explains_thin_and_thick_lines():
    curves = {"without clipping": T + 1, "clipped to length 1": T + 2}
    figure = plots.clipping(None, curves, curves, "A network, and what clipping does for it")
    texts = {text for text, _ in check_texts(figure)}
    assert {"without clipping", "clipped to length 1", "thin: every step", "thick: mean of the last 10"} <= texts
    shown = {handle.get_label(): handle.get_linewidth() for handle in figure.legends[0].legend_handles}
    assert shown["thin: every step"] < shown["thick: mean of the last 10"]


def test_a_series_on_logarithmic_axes_names_the_powers_of_ten():
    x = 10.0 ** np.arange(-12, 1)
    figure = plots.series(
        None, {"a": (x, x**2), "b": (x, np.where(x > 1e-6, x, 0))}, "step", "error", "T", logarithmic=True
    )
    texts = [text for text, _ in check_texts(figure)]
    assert sum("10^{-12}" in text for text in texts) == 2
    assert not any(text.strip("$").startswith("−") for text in texts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plots.series(path, {}, "t", "y", "Title"), "nothing to draw"),
        (
            lambda path: plots.series(path, {"a": (T, T[1:])}, "t", "y", "Title"),
            r"curve 'a' needs x and y of one shape",
        ),
        (
            lambda path: plots.series(path, {"a": (T, T)}, "t", "y", "Title", baseline="b"),
            "the baseline 'b' is none of the curves 'a'",
        ),
        (lambda path: plots.gradient_flow(path, {"one": {}}, "Title", "norm"), "nothing to draw"),
        (lambda path: plots.gradient_flow(path, {"one": {"x": -T}}, "Title", "norm"), "'x' must be finite norms >= 0"),
        (lambda path: plots.clipping(path, {"a": T}, {"b": T}, "Title"), "must have the same names"),
        (lambda path: plots.unrolled_network(path, 11, "LSTM", 1, "Title"), "1 to 10 steps can be drawn, got 11"),
        (
            lambda path: plots.unrolled_network(path, 1, "RNN", 1, "Title"),
            "'LSTM', 'GRU', got 'RNN'",
        ),
    ],
)
def test_bad_input(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


# --- the unrolled network ---


@pytest.mark.parametrize("cell", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("steps", range(1, 11))
def test_nothing_runs_into_anything(cell, steps):
    units = (1, 32, 1024)[steps % 3]
    figure = plots.unrolled_network(None, steps, cell, units, f"{cell} of {units} units, unrolled over {steps} steps")
    texts = [text for text, _ in check_drawing(figure)]
    assert f"{cell}\n{units:,} unit{'s' * (units > 1)}" in texts
    assert [f"$h_{{{t}}}$" in texts for t in range(1, 12)] == [t <= steps for t in range(1, 12)]


def lanes(figure):
    """How many arrows lead from left to right in the unrolled network, by their colour."""
    place(figure)
    counts = {}
    for arrow in figure.findobj(FancyArrowPatch):
        shaft = arrow.get_path().to_polygons(closed_only=False)[0]  # in inches
        if shaft[-1, 0] > shaft[0, 0] and shaft[-1, 1] < 2.2:
            colour = to_hex(arrow.get_edgecolor())
            counts[colour] = counts.get(colour, 0) + 1
    return counts


def test_the_lstm_has_a_lane_for_its_cell_state_and_the_gru_for_what_z_keeps():
    black, orange = "#000000", "#d55e00"
    assert lanes(plots.unrolled_network(None, 4, "SimpleRNN", 1, "Title")) == {black: 4}
    assert lanes(plots.unrolled_network(None, 4, "LSTM", 1, "Title")) == {black: 4, orange: 4}
    assert lanes(plots.unrolled_network(None, 4, "GRU", 1, "Title")) == {black: 4, orange: 4}
    shown = {cell: [t for t, _ in check_texts(plots.unrolled_network(None, 4, cell, 1, "Title"))] for cell in CELLS}
    assert {"$c_0 = 0$", "$c_{1}$", "$c_{4}$", "$f$", "$o$"} <= set(shown["LSTM"])
    assert {"$h_0 = 0$", "$k_{1}$", "$z$", "$1{-}z$"} <= set(shown["GRU"])
    assert "$c_0 = 0$" not in shown["GRU"]

"""Figures of sequences are written; bad input gets one clear error and leaves no file."""

import os

import numpy as np
import pytest

from tinygrad_edu import plots

T = np.arange(10.0)


def test_each_picture_is_written(tmp_path):
    plots.series(
        tmp_path / "a.png", {"truth": (T, T**2), "guess": (T[3:], T[3:])}, "t", "y", "Title", ([0, 5], ["a", "b"])
    )
    plots.gradient_flow(tmp_path / "b.png", {"one": {"x": T}, "two": {"y": T + 1}}, "Title", "norm")
    plots.clipping(tmp_path / "c.png", {"x": T + 1}, {"x": T + 2}, "Title")
    for steps in (1, 2, 10):
        plots.unrolled_network(tmp_path / f"d{steps}.png", steps, "SimpleRNN", 1, "Title")
    assert len(os.listdir(tmp_path)) == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plots.series(path, {}, "t", "y", "Title"), "nothing to draw"),
        (
            lambda path: plots.series(path, {"a": (T, T[1:])}, "t", "y", "Title"),
            r"curve 'a' needs x and y of one shape",
        ),
        (lambda path: plots.gradient_flow(path, {"one": {}}, "Title", "norm"), "nothing to draw"),
        (lambda path: plots.gradient_flow(path, {"one": {"x": -T}}, "Title", "norm"), "'x' must be finite norms >= 0"),
        (lambda path: plots.clipping(path, {"a": T}, {"b": T}, "Title"), "must have the same names"),
        (lambda path: plots.unrolled_network(path, 11, "LSTM", 1, "Title"), "1 to 10 steps can be drawn, got 11"),
    ],
)
def test_bad_input(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "a.png")
    assert os.listdir(tmp_path) == []

"""The noisy sine and its windows."""

import numpy as np
import pytest

from tinygrad_edu.data import noisy_sine, series_windows


def test_without_noise_it_is_a_sine():
    series = noisy_sine(steps_per_cycle=8, cycles=3, noise=0)
    assert series.dtype == np.float32
    np.testing.assert_allclose(series, np.sin(np.arange(24) * np.pi / 4), atol=1e-6)


def test_noise_shakes_the_phase_and_is_the_seeds():
    a, b, c = (noisy_sine(noise=0.1, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert len(a) == 20 * 176
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    difference = np.abs(a - noisy_sine(noise=0))
    assert 0.05 < difference.max() <= 0.1001  # the sine's slope is 1 at most


def test_windows_and_what_follows_them():
    X, Y = series_windows(np.arange(5.0), 2)
    assert X[:, :, 0].tolist() == [[0, 1], [1, 2], [2, 3]]
    assert Y.tolist() == [[2], [3], [4]]
    assert series_windows(np.arange(3.0), 2)[0].shape == (1, 2, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noisy_sine(steps_per_cycle=1), "steps_per_cycle must be a whole number >= 2, got 1"),
        (lambda: noisy_sine(cycles=0), "cycles must be a whole number >= 1, got 0"),
        (lambda: noisy_sine(noise=-0.1), "noise must be a finite number >= 0, got -0.1"),
        (lambda: noisy_sine(noise=float("nan")), "got nan"),
        (lambda: noisy_sine(noise=0.1), "noise needs a generator"),
        (lambda: series_windows(np.arange(5.0), 0), "length must be a whole number >= 1, got 0"),
        (lambda: series_windows(np.arange(5.0), 5), "no window of 5 and a value after it; .* at most 4"),
        (lambda: series_windows(np.array([0, np.nan, 1.0]), 1), "NaN or infinite, the first at 1"),
        (lambda: series_windows(np.zeros(0), 1), "not empty"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()

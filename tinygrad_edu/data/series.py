"""What a series of numbers needs before a network can learn from it: a scale, and windows with what follows them."""

from dataclasses import dataclass

import numpy as np

from tinygrad_edu import checks


@dataclass(frozen=True)
class MinMaxScaler:
    """Maps [low, high] to [0, 1] and back: y = (x - low) / (high - low).

    A tanh or sigmoid cannot output 622; and a network whose inputs are all of order 1 starts with gradients of order 1.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        low, high = checks.number("MinMaxScaler", "low", self.low), checks.number("MinMaxScaler", "high", self.high)
        if not low < high:
            raise ValueError(f"MinMaxScaler: low must be less than high, got {low:g} and {high:g}")

    @classmethod
    def fit(cls, values: np.ndarray) -> "MinMaxScaler":
        """The scaler that maps the smallest value to 0 and the largest to 1.

        Raises ValueError when there is no value, a NaN or infinity, or just one value, which has no width.
        """
        values = checked_series("MinMaxScaler", values)
        low, high = float(values.min()), float(values.max())
        if low == high:
            raise ValueError(f"MinMaxScaler: all values are {low:g}; there is no range to scale")
        return cls(low, high)

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Into [0, 1]; values outside the fitted range come out outside."""
        return (checks.numbers("MinMaxScaler", "values", values) - self.low) / (self.high - self.low)

    def undo(self, scaled: np.ndarray) -> np.ndarray:
        """The inverse: x = low + y (high - low)."""
        return self.low + checks.numbers("MinMaxScaler", "scaled", scaled) * (self.high - self.low)


def create_dataset(series: np.ndarray, look_back: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Windows of `look_back` values, and the value after each: X[i] = series[i : i + look_back], Y[i] = the next.

    The last possible pair is left out, as the practical that this reproduces does: N values give N - look_back - 1
    pairs.

    Parameters
    ----------
    series : array (N,)
    look_back : int

    Returns
    -------
    X : array (N - look_back - 1, look_back)
    Y : array (N - look_back - 1,)

    Raises
    ------
    ValueError
        A NaN in the series, or one too short for a single pair.
    """
    series = checked_series("create_dataset", series)
    look_back = checks.size("create_dataset", "look_back", look_back)
    pairs = len(series) - look_back - 1
    if pairs < 1:
        raise ValueError(
            f"create_dataset: a series of {len(series)} values has no pair with look_back {look_back}; "
            f"look_back must be at most {len(series) - 2}"
        )
    X = np.lib.stride_tricks.sliding_window_view(series, look_back)[:pairs].copy()
    return X, series[look_back : look_back + pairs].copy()


def series_windows(series: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Every window of `length` values with the value that follows it.

    Returns
    -------
    X : array (N - length, length, 1)
        Sequences with one feature, as the recurrent layers take them.
    Y : array (N - length, 1)

    Raises ValueError when the series is too short for one window, or holds a NaN.
    """
    series = checked_series("series_windows", series)
    length = checks.size("series_windows", "length", length)
    if len(series) <= length:
        raise ValueError(
            f"series_windows: a series of {len(series)} values has no window of {length} and a value after it; "
            f"the length must be at most {len(series) - 1}"
        )
    X = np.lib.stride_tricks.sliding_window_view(series[:-1], length)
    return X[:, :, None].copy(), series[length:, None].copy()


def checked_series(name: str, values: np.ndarray) -> np.ndarray:
    """The values as an array (N,) of floats; ValueError for another shape, no value, NaN or infinity."""
    values = checks.numbers(name, "the series", values)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name}: expected a series of shape (N,), not empty; got {values.shape}")
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ValueError(
            f"{name}: the series has {len(wrong)} values that are NaN or infinite, the first at {wrong[0]}"
        )
    return values if values.dtype.kind == "f" else values.astype(np.float64)

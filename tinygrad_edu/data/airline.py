"""International airline passengers: 144 monthly totals in thousands, January 1949 to December 1960.

Source: G. E. P. Box, G. M. Jenkins, "Time Series Analysis: Forecasting and Control", Holden-Day, 1970, series G; after
R. G. Brown, "Smoothing, Forecasting and Prediction of Discrete Time Series", Prentice-Hall, 1963.
"""

import csv
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import data_directory, find_file, read_text

FILE = "airline-passengers.csv"
FIRST_YEAR, MONTHS = 1949, 144
MONTH = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")
LARGEST = 2**22  # bytes; all months from the year 0 to 9999 take less
# One row a year, January to December. 144 numbers need no download.
PASSENGERS = (
    *(112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118),
    *(115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140),
    *(145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166),
    *(171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194),
    *(196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201),
    *(204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229),
    *(242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278),
    *(284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306),
    *(315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336),
    *(340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337),
    *(360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405),
    *(417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432),
)


@dataclass(frozen=True, eq=False)
class Series:
    """A time series.

    Attributes
    ----------
    name : str
        What it is, as a table should call it: "airline passengers", or "own series" for a user's file of other numbers.
    source : str
        "embedded" (in this package), or "local" (a file in the data directory).
    months : tuple of str
        `"1949-01"`, ...
    values : array (N,), float64
        Thousands of passengers.
    """

    name: str
    source: str
    months: tuple[str, ...]
    values: np.ndarray


def load_airline(data_dir: str | Path | None = None) -> Series:
    """The airline series: from `airline/airline-passengers.csv` in the data directory if it is there, else embedded.

    Parameters
    ----------
    data_dir : str or Path, optional
        The data directory; by default $TINYGRAD_EDU_DATA, else a folder in the user's cache.

    Raises
    ------
    DataError
        The data directory does not exist, or the file is damaged or was cut: who put a file there wants it used.
    """
    embedded = np.array(PASSENGERS, dtype=np.float64)
    months = tuple(f"{FIRST_YEAR + i // 12}-{i % 12 + 1:02}" for i in range(MONTHS))
    path = data_directory(data_dir) / "airline" / FILE
    if not find_file(path.parent, [FILE]):
        return Series("airline passengers", "embedded", months, embedded)
    local_months, values = read_monthly_csv(path)
    if np.array_equal(values, embedded) and local_months == months:
        return Series("airline passengers", "local", months, values)
    _refuse_a_cut(path, local_months, values)
    return Series("own series", "local", local_months, values)


def _refuse_a_cut(path: Path, months: tuple[str, ...], values: np.ndarray) -> None:
    """DataError for the beginning of the real series: a download that broke off, also in the middle of a number."""
    count = len(values)
    if count > MONTHS or months[0] != f"{FIRST_YEAR}-01" or values[:-1].tolist() != [*PASSENGERS[: count - 1]]:
        return
    if str(PASSENGERS[count - 1]).startswith(f"{values[-1]:g}"):
        raise DataError(
            f"{path}: the series ends at {months[-1]} with {values[-1]:g}; the real one has {MONTHS} months, the last "
            f"is 1960-12 with {PASSENGERS[-1]}. Fetch the file again, or remove it: the series comes with this package"
        )


def read_monthly_csv(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Read a CSV file of two columns, month (`1949-01`) and value, with one line of headings.

    Returns
    -------
    months : tuple of str
    values : array (N,), float64

    Raises
    ------
    DataError
        Names the file, the line and what is wrong with it: no headings, not two columns, no month, a month missing or
        twice, a value that is no finite number.
    """
    months: list[str] = []
    values: list[float] = []
    lines = csv.reader(io.StringIO(read_text(path, LARGEST)), strict=True)
    try:
        _check_headings(path, next(filled := filter(None, lines), []))
        for row in filled:
            where = f"{path}, line {lines.line_num}"
            month, value = _checked_row(where, row)
            if months and month != (expected := _next_month(months[-1])):
                raise DataError(f"{where}: expected month {expected} after {months[-1]}, came {month}")
            months.append(month)
            values.append(value)
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: cannot be read as CSV: {error}") from error
    if not months:
        raise DataError(f"{path}: expected a line for each month below the headings; came none")
    return tuple(months), np.array(values)


def _check_headings(path: Path, row: list[str]) -> None:
    """DataError for a first line that is a month's: taken for headings, it would be lost."""
    if len(row) != 2 or MONTH.fullmatch(row[0].strip()) or _number(row[1]) is not None:
        raise DataError(f"{path}: expected a first line of headings, such as Month,Passengers; came {_shown(row)}")


def _checked_row(where: str, row: list[str]) -> tuple[str, float]:
    if len(row) != 2:
        raise DataError(f"{where}: expected two columns, month and value; came {len(row)}: {_shown(row)}")
    month, value = row[0].strip(), _number(row[1])
    if not MONTH.fullmatch(month):
        raise DataError(f"{where}: expected a month such as 1949-01, came {month!r:.40}")
    if value is None or not math.isfinite(value):
        raise DataError(f"{where}: expected a finite number for {month}, came {row[1].strip()!r:.40}")
    return month, value


def _number(text: str) -> float | None:
    """The number that a cell holds; None for what `float` would take and nobody means: 1_000, or other digits."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _shown(row: list[str]) -> str:
    return f"{','.join(row)!r:.80}"


def _next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + 1:04}-01" if number == 12 else f"{year:04}-{number + 1:02}"

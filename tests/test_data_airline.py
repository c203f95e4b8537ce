"""The airline series, its scaling and its windows."""

import numpy as np
import pytest

from tinygrad_edu.data import DataError, MinMaxScaler, create_dataset, load_airline
from tinygrad_edu.data.airline import PASSENGERS, read_monthly_csv


def write(folder, text):
    path = folder / "airline" / "airline-passengers.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def csv_text(rows):
    return '"Month","Passengers"\n' + "".join(f'"{month}",{value}\n' for month, value in rows)


def test_the_embedded_series_is_box_and_jenkins_series_g(tmp_path):
    series = load_airline(tmp_path)
    assert series.source == "embedded"
    assert (series.months[0], series.months[12], series.months[-1]) == ("1949-01", "1950-01", "1960-12")
    assert len(series.values) == len(series.months) == 144
    assert series.values[[0, 1, -1]].tolist() == [112, 118, 432]
    assert (series.values.min(), series.values.max(), series.values.sum()) == (104, 622, 40363)


def test_a_local_file_is_read_and_the_published_figures_are_equal_to_the_embedded_ones(tmp_path):
    embedded = load_airline(tmp_path)
    write(tmp_path, csv_text(zip(embedded.months, PASSENGERS)))
    local = load_airline(tmp_path)
    assert local.source == "local"
    assert local.months == embedded.months
    assert np.array_equal(local.values, embedded.values)


@pytest.mark.parametrize(
    ("months", "last", "message"),
    [
        (36, None, r"ends at 1951-12 with 166; the real one has 144 months, the last is 1960-12 with 432"),
        (144, 43, r"ends at 1960-12 with 43;"),  # in the middle of a number
        (144, 4, r"ends at 1960-12 with 4;"),
        (1, None, r"ends at 1949-01 with 112;"),
    ],
)
def test_the_beginning_of_the_real_series_is_a_download_that_broke_off(tmp_path, months, last, message):
    values = [*PASSENGERS[: months - 1], PASSENGERS[months - 1] if last is None else last]
    write(tmp_path, csv_text(zip(load_airline(tmp_path).months, values)))
    with pytest.raises(DataError, match=message):
        load_airline(tmp_path)


def test_other_numbers_are_named_as_the_users_own(tmp_path):
    months = load_airline(tmp_path).months
    for own in (
        list(zip(months, (value + 1 for value in PASSENGERS))),
        list(zip(months[:20], (value * 2 for value in PASSENGERS))),
        list(zip(months[:20], (*PASSENGERS[:19], 999))),
        [("2020-01", 112), ("2020-02", 118)],
        [*zip(months, PASSENGERS), ("1961-01", 450)],
    ):
        write(tmp_path, csv_text(own))
        series = load_airline(tmp_path)
        assert (series.name, series.source, len(series.values)) == ("own series", "local", len(own))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1949-01", 112), ("1949-03", 118)], r"line 3: expected month 1949-02 after 1949-01, came 1949-03"),
        ([("1949-01", 112), ("1949-01", 118)], r"line 3: expected month 1949-02 after 1949-01, came 1949-01"),
        ([("1949-01", 112), ("", 118)], r"line 3: expected a month such as 1949-01, came ''"),
        ([("1949-13", 112)], r"line 2: expected a month such as 1949-01, came '1949-13'"),
        ([("1949-01", 112), ("1949-02", "many")], r"line 3: expected a finite number for 1949-02, came 'many'"),
        ([("1949-01", "")], r"line 2: expected a finite number for 1949-01, came ''"),
        ([("1949-01", "nan")], r"line 2: expected a finite number for 1949-01, came 'nan'"),
        ([("1949-01", "112,5")], r"line 2: expected two columns, month and value; came 3"),
        ([("1949-01", "1e999")], r"line 2: expected a finite number for 1949-01, came '1e999'"),
        ([("1949-01", "1_000")], r"line 2: expected a finite number for 1949-01, came '1_000'"),
        ([("1949-01", "١٢")], r"line 2: expected a finite number for 1949-01, came '١٢'"),
        ([("²²²²-01", 112)], r"line 2: expected a month such as 1949-01, came '²²²²-01'"),
        ([("1949-01", 112), ("x" * 200_000, 118)], r"line 3: cannot be read as CSV: field larger than"),
        ([("9999-12", 112), ("10000-01", 118)], r"line 3: expected a month such as 1949-01, came '10000-01'"),
        ([], "expected a line for each month below the headings; came none"),
    ],
)
def test_a_damaged_file_is_refused_with_the_line_and_the_reason(tmp_path, rows, message):
    path = write(tmp_path, csv_text(rows))
    with pytest.raises(DataError, match=message) as error:
        load_airline(tmp_path)
    assert str(path) in str(error.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    write(tmp_path, "").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="cannot be read as UTF-8 text"):
        load_airline(tmp_path)


@pytest.mark.parametrize("first", ["1949-01,112", "194-01,112", "1949-01,1l2", "Month,Passengers,Remarks", "", "Month"])
def test_a_file_without_headings_does_not_lose_its_first_month(tmp_path, first):
    write(tmp_path, f"{first}\n1949-02,118\n1949-03,132\n")
    with pytest.raises(DataError, match=r"passengers.csv: expected a first line of headings, such as Month,Passengers"):
        load_airline(tmp_path)


def test_a_file_of_any_system_is_read(tmp_path):
    path = write(tmp_path, "")
    for end in ("\n", "\r\n", "\r", "\n\n"):
        path.write_bytes(b"\xef\xbb\xbf" + csv_text([("2024-01", 12), ("2024-02", 18)]).replace("\n", end).encode())
        assert load_airline(tmp_path).values.tolist() == [12, 18]


def test_a_line_is_counted_as_an_editor_counts_it(tmp_path):
    write(tmp_path, '"Month","Passengers"\n\n1949-01,112\n\n1949-02,"1\n8"\n')
    with pytest.raises(DataError, match=r"line 6: expected a finite number for 1949-02"):
        load_airline(tmp_path)


def test_december_is_followed_by_january(tmp_path):
    months, values = read_monthly_csv(write(tmp_path, csv_text([("1949-12", 1), ("1950-01", 2.5)])))
    assert months == ("1949-12", "1950-01")
    assert values.tolist() == [1, 2.5]


def test_scaling_can_be_undone():
    values = np.array(PASSENGERS, dtype=float)
    scaler = MinMaxScaler.fit(values)
    scaled = scaler.scale(values)
    assert (scaled.min(), scaled.max()) == (0, 1)
    np.testing.assert_allclose(scaler.undo(scaled), values, rtol=1e-14)
    with pytest.raises(ValueError, match="all values are 3; there is no range"):
        MinMaxScaler.fit(np.full(4, 3.0))
    with pytest.raises(ValueError, match="1 values that are NaN or infinite, the first at 1"):
        MinMaxScaler.fit(np.array([1.0, np.nan]))


def test_create_dataset_leaves_the_last_pair_out_as_the_practical_does():
    X, Y = create_dataset(np.arange(96.0), 1)
    assert (X.shape, Y.shape) == ((94, 1), (94,))
    assert np.array_equal(Y, X[:, 0] + 1)
    X, Y = create_dataset(np.arange(10), 3)
    assert (X.dtype, Y.dtype) == (np.float64, np.float64)
    assert X.tolist()[-1] == [5, 6, 7]
    assert Y[-1] == 8


@pytest.mark.parametrize("look_back", [9, 10, 50])
def test_look_back_as_long_as_the_series(look_back):
    with pytest.raises(ValueError, match=f"10 values has no pair with look_back {look_back}; .* at most 8"):
        create_dataset(np.arange(10.0), look_back)


def test_create_dataset_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="look_back must be a whole number >= 1, got 0"):
        create_dataset(np.arange(10.0), 0)
    with pytest.raises(ValueError, match="2 values that are NaN or infinite, the first at 3"):
        create_dataset(np.array([1, 2, 3, np.nan, np.inf]), 1)
    with pytest.raises(ValueError, match=r"expected a series of shape \(N,\)"):
        create_dataset(np.zeros((4, 1)), 1)

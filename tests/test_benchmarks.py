"""The benchmarks' arithmetic, their honesty checks and their flags. No test looks at how long anything took."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import contenders
import numpy as np
import pytest
from fake_contenders import (
    Dies,
    DiesSilently,
    NeedsMissing,
    NeedsMissingOfAnExtra,
    NoGradient,
    Slow,
    Steady,
    TellsThreads,
    Wrong,
    fake_row,
    groups,
)

from benchmarks import harness, import_time, report, sizes, tape
from benchmarks.__main__ import main
from benchmarks.contender import Row, peak_memory
from benchmarks.groups import GROUPS
from benchmarks.harness import BenchmarkError, Result, compare_gradients, measure, pairwise_ratios
from benchmarks.practicals import rows as practicals


@pytest.fixture(autouse=True)
def quick_and_importable(monkeypatch):
    monkeypatch.setattr(harness, "SETTLE_SECONDS", 0.0)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


# --- arithmetic ----------------------------------------------------------------------------------------------------


def test_ratios_are_taken_round_by_round():
    seconds = {"ours": [1.0, 2.0, 4.0], "torch": [3.0, 4.0, 20.0]}
    assert pairwise_ratios(seconds, (("torch", "ours"),)) == {"torch / ours": [3.0, 2.0, 5.0]}
    assert pairwise_ratios(seconds, (("ours", "torch"), ("absent", "ours"))) == {"ours / torch": [1 / 3, 0.5, 0.2]}


def test_the_table_shows_the_median_of_the_ratios_not_the_ratio_of_the_medians():
    result = Result(
        row=fake_row(ours=Steady, torch=Slow),
        seconds={"ours": [1.0, 2.0, 4.0], "torch": [3.0, 4.0, 20.0]},
        ratios={"torch / ours": [3.0, 2.0, 5.0]},
        peak_memory={"ours": 30 * 2**20, "torch": None},
        gradient_difference=2e-7,
    )
    table = report.table([result])
    ours, torch = table.splitlines()[2:4]
    assert ours.split() == ["fake", "ours", "2.00", "s", "1.00", "s", "4.00", "s", "30", "MiB"]
    assert torch.split()[:8] == ["torch", "4.00", "s", "3.00", "s", "20.0", "s", "unknown"]
    assert torch.endswith("torch / ours = 3.00 (2.00 to 5.00)")
    assert "goal: torch / ours at least 2.50, met: 3.00" in table
    assert "largest difference 2.0e-07" in table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 µs"),
        (-3e-7, "-0.30 µs"),
        (1.234e-6, "1.23 µs"),
        (9.996e-5, "100 µs"),
        (9.996e-4, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (0.9999, "1.00 s"),
        (123.4, "123 s"),
    ],
)
def test_durations_have_three_digits_and_a_fitting_unit(seconds, text):
    assert report.duration(seconds) == text


def test_peak_memory_is_that_of_a_python_with_numpy():
    memory = peak_memory()
    assert memory is None or memory > 10 * 2**20


def test_peak_memory_grows_with_an_array_and_does_not_shrink_with_it():
    before = peak_memory()
    if before is None:
        pytest.skip("this system does not tell")
    block = np.ones(before + 2**24, np.uint8)  # more than all that was ever held
    size = block.nbytes
    del block
    assert peak_memory() >= size


# --- gradients -----------------------------------------------------------------------------------------------------


def test_gradients_within_rounding_agree_and_the_worst_difference_is_returned():
    a = np.array([1.0, -4.0], np.float32)
    b = np.array([1.0, -4.0 + 2e-5], np.float32)
    gradients = {"ours": {"W": a, "b": a}, "torch": {"W": a, "b": b}}
    assert compare_gradients(gradients, 1e-5) == pytest.approx(5e-6, rel=0.05)
    assert compare_gradients({"ours": {"W": a}}, 1e-5) is None
    assert compare_gradients({"ours": {}, "torch": {}}, 1e-5) is None


def test_gradients_that_are_all_zero_agree():
    zero = np.zeros(3, np.float32)
    assert compare_gradients({"ours": {"W": zero}, "torch": {"W": zero}}, 1e-5) == 0.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"W": np.array([1.0, 2.001], np.float32)}, "gradients disagree.* that of W differs between ours and torch"),
        ({"W": np.array([0.0, 0.0], np.float32)}, "gradients disagree"),
        ({"W": np.array([1.0, np.nan], np.float32)}, "NaN or infinity"),
        ({"W": np.array([1.0, np.inf], np.float32)}, "NaN or infinity"),
        ({"W": np.array([[1.0, 2.0]], np.float32)}, r"float32 \(2,\) in ours, float32 \(1, 2\) in torch"),
        ({"W": np.array([1.0, 2.0])}, "float32 .* in ours, float64 .* in torch"),
        ({"V": np.array([1.0, 2.0], np.float32)}, r"of ours are \['W'\], those of torch \['V'\]"),
        ({}, r"of ours are \['W'\], those of torch \[\]"),
    ],
)
def test_gradients_that_disagree_are_refused(other, message):
    with pytest.raises(BenchmarkError, match=message):
        compare_gradients({"ours": {"W": np.array([1.0, 2.0], np.float32)}, "torch": other}, 1e-5)


def test_the_third_contender_is_compared_too():
    a, b = np.ones(2, np.float32), np.full(2, 1.1, np.float32)
    with pytest.raises(BenchmarkError, match="between fused and torch"):
        compare_gradients({"fused": {"W": a}, "unfused": {"W": a}, "torch": {"W": b}}, 1e-5)


# --- processes -----------------------------------------------------------------------------------------------------


def test_a_row_with_three_contenders_is_measured(monkeypatch):
    order = []
    ask = harness.ContenderProcess.ask

    def ask_and_note(process, do, **arguments):
        order.append((process.name, do))
        return ask(process, do, **arguments)

    monkeypatch.setattr(harness.ContenderProcess, "ask", ask_and_note)
    result = measure(fake_row(ours=Steady, unfused=Slow, torch=Slow), rounds=2, threads=1)
    assert result.failure == ""
    assert result.seconds == {"ours": [2.0, 2.0], "unfused": [6.0, 6.0], "torch": [6.0, 6.0]}
    assert result.ratios == {"unfused / ours": [3.0, 3.0], "torch / ours": [3.0, 3.0]}
    assert result.gradient_difference is not None
    assert result.gradient_difference < 1e-5
    assert all(memory is None or memory > 2**20 for memory in result.peak_memory.values())
    names = ["ours", "unfused", "torch"]
    rounds = [name for name, do in order if do == "round"]
    assert rounds == names * 3  # a warm-up and two rounds, interleaved
    assert [name for name, _ in order[:3]] == names  # gradients come before any round
    assert {do for _, do in order[:3]} == {"gradients"}


def test_a_row_may_limit_its_rounds_and_choose_its_threads():
    row = dataclasses.replace(fake_row(ours=TellsThreads), most_rounds=2)
    result = measure(row, rounds=5, threads=3)
    assert (result.seconds, result.remarks) == ({"ours": [2.0, 2.0]}, {"ours": "3"})
    result = measure(dataclasses.replace(row, threads=1), rounds=1, threads=3)
    assert (result.seconds, result.remarks) == ({"ours": [2.0]}, {"ours": "1"})


def test_rows_of_a_series_take_turns_and_fail_alone(monkeypatch, capsys):
    order = []
    ask = harness.ContenderProcess.ask

    def ask_and_note(process, do, **arguments):
        if do == "round":
            order.append((process.name, arguments["steps"]))
        return ask(process, do, **arguments)

    monkeypatch.setattr(harness.ContenderProcess, "ask", ask_and_note)
    rows = [
        Row(name, name, {"ours": kind}, (), steps, series="sizes")
        for name, kind, steps in (("small", Steady, 2), ("broken", Dies, 3), ("large", Slow, 4))
    ]
    assert main(["--rounds", "2", "--threads", "1"], groups(*rows)) == 1
    assert order == [("ours", 2), ("ours", 3), ("ours", 4), ("ours", 2), ("ours", 4), ("ours", 2), ("ours", 4)]
    output = capsys.readouterr().out
    assert output.count("FAILED") == 1
    assert "6.00 s" in output


def test_the_extra_is_named_where_it_is_not_the_package():
    hints = measure(fake_row(ours=Steady, keras=NeedsMissingOfAnExtra), rounds=1, threads=1).missing
    assert hints == {"keras": "no_such_package is not installed; to compare with it: pip install -e '.[an_extra]'"}


@pytest.mark.parametrize(
    ("contender", "message"),
    [
        (Wrong, "gradients disagree, so times mean nothing: that of w differs between ours and other by 1.0e-03"),
        (NoGradient, "TypeError: the gradient of w is None, not a NumPy array"),
        (Dies, "the process of other died while asked for: round (exit status 1)"),
        (Dies, "RuntimeError: out of chalk"),
        (DiesSilently, "died while asked for: gradients (exit status 7)\n(nothing on stderr)"),
    ],
)
def test_a_row_that_goes_wrong_says_why_and_has_no_figures(contender, message):
    result = measure(fake_row(ours=Steady, other=contender), rounds=1, threads=1)
    assert message in result.failure
    assert (result.seconds, result.ratios) == ({}, {})


def test_no_process_is_left_behind(monkeypatch):
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(harness.subprocess, "Popen", Popen)
    measure(fake_row(ours=Steady, other=Dies), rounds=1, threads=1)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_the_contenders_are_told_the_number_of_threads():
    limits = harness.thread_limits(3)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC"):
        assert limits[name] == "3"


# --- the command line ----------------------------------------------------------------------------------------------


def test_the_table_and_the_json_tell_everything(tmp_path, capsys):
    file = tmp_path / "figures.json"
    flags = ["--rounds", "1", "--threads", "1", "--only", "fake", "--json", str(file)]
    assert main(flags, groups(fake_row(ours=Steady, torch=Slow))) == 0
    output = capsys.readouterr().out
    for text in ("date:", "CPU:", "threads:  1", "NumPy:", "BLAS", "PyTorch:", "torch / ours = 3.00 (3.00 to 3.00)"):
        assert text in output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert figures["environment"]["NumPy"].startswith(np.__version__)
    (row,) = figures["rows"]
    assert row["contenders"]["torch"]["seconds"] == {"median": 6.0, "min": 6.0, "max": 6.0, "rounds": [6.0]}
    assert row["ratios"]["torch / ours"]["rounds"] == [3.0]
    assert row["goals"] == [{"goal": "torch / ours at least 2.50", "measured": 3.0, "met": True}]
    assert row["failure"] == ""


def test_a_missing_package_is_named_with_its_remedy_and_our_time_stands(capsys):
    assert main(["--rounds", "1"], groups(fake_row(ours=Steady, torch=NeedsMissing))) == 0
    output = capsys.readouterr().out
    assert "torch: no_such_package is not installed; to compare with it: pip install -e '.[no_such_package]'" in output
    assert "2.00 s" in output


def test_a_failing_row_makes_the_status_1_and_leaves_the_others_standing(tmp_path, capsys):
    good = Row(name="good", title="a good one", contenders={"ours": Steady}, ratios=(), steps=1)
    file = tmp_path / "figures.json"
    assert main(["--rounds", "1", "--json", str(file)], groups(fake_row(ours=Steady, other=Wrong), good)) == 1
    output = capsys.readouterr().out
    assert "FAILED: gradients disagree" in output
    assert "2.00 s" in output
    assert "gradients disagree" in json.loads(file.read_text(encoding="utf-8"))["rows"][0]["failure"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--only", "nonsense"], "--only nonsense: no such row; there are practicals, "),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--rounds", "many"], "invalid int value: 'many'"),
        (["--threads", "-1"], "--threads must be at least 1, got -1"),
        (["--json", "no/such/folder/f.json"], "not a file name in an existing folder"),
        (["--results", "no/such/folder"], "--results no/such/folder: not an existing folder"),
    ],
)
def test_wrong_flags_are_explained_with_status_2(flags, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(flags)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


# --- the real rows -------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
ROWS = [row for group in GROUPS for row in group.rows]


def test_names_are_used_once():
    names = [group.name for group in GROUPS] + [row.name for row in ROWS]
    assert len(names) - len(set(names)) == 1  # a group of one row, `manners`, has its name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_names_in_a_row_fit_together(row):
    assert all({slow, fast} <= row.contenders.keys() for slow, fast in row.ratios)
    named = {" / ".join(pair) for pair in row.ratios} | row.contenders.keys()
    assert all(goal.what.removeprefix("peak memory of ") in named for goal in row.goals)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_worker_finds_the_contenders_of_a_row_by_name(row):
    for contender in row.contenders.values():
        assert getattr(sys.modules[contender.__module__], contender.__name__) is contender


def test_a_row_that_starts_interpreters_is_measured():
    result = measure(dataclasses.replace(import_time.ROW, steps=1), rounds=1, threads=1)
    assert result.failure == ""
    assert result.seconds.keys() == {"ours", "numpy"}


@pytest.mark.parametrize("package", [None, "torch", "tensorflow", "jax"])
def test_each_contender_runs_and_agrees_with_ours(package):
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-m", "contenders", package or ""]
    quickly = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # JAX compiles in half the time
    environment = {**os.environ, **harness.thread_limits(1), **quickly}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout.splitlines()[-1])
    rows = [row for row, _ in contenders.rows_with(package)]
    assert differences.keys() == {row.name for row in rows}
    assert {row.name for row in practicals.ROWS} <= differences.keys()
    assert all(differences[row.name] < row.tolerance for row in rows)


def test_the_rows_of_operations_have_a_contender_in_pytorch():
    names = {row.name for row, _ in contenders.rows_with("torch")}
    assert {tape.ROW.name, *(one.rows[min(one.rows)].name for one in sizes.SERIES)} <= names


def test_listing_the_rows_imports_no_other_framework():
    code = "import sys, benchmarks.__main__; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert not {"torch", "keras", "tensorflow", "jax"} & set(loaded.split())

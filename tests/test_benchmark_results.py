"""RESULTS.md, and the arithmetic behind its tables: slopes, shares, goals. No test looks at how long anything took."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from fake_contenders import NeedsMissing, Slow, Steady, Wrong, fake_row, groups

from benchmarks import __main__ as command_line
from benchmarks import groups as real
from benchmarks import harness, manners, model_memory, report, results, share, sizes
from benchmarks.contender import Goal
from benchmarks.groups import Group
from benchmarks.harness import Result

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def quick_and_importable(monkeypatch):
    monkeypatch.setattr(harness, "SETTLE_SECONDS", 0.0)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


# --- goals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal("torch / ours", at_least=3.0), "torch / ours at least 3.00, met: 3.00"),
        (Goal("torch / ours", at_least=3.01), "torch / ours at least 3.01, NOT met: 3.00"),
        (Goal("torch / ours", 0.9, 1.1), "torch / ours at least 0.90 and at most 1.10, NOT met: 3.00"),
        (Goal("ours", at_most=2e-6), "ours at most 2.00 µs, met: 1.50 µs"),
        (Goal("peak memory of ours", at_most=2**20), "peak memory of ours at most 1 MiB, NOT met: 3 MiB"),
        (Goal("keras / ours", at_least=1.0), "keras / ours at least 1.00, not measured"),
        (Goal("peak memory of torch", at_most=2**20), "peak memory of torch at most 1 MiB, not measured"),
    ],
)
def test_a_goal_is_a_number_and_says_whether_it_is_met(goal, words):
    result = Result(
        fake_row(ours=Steady, torch=Slow),
        seconds={"ours": [1e-6, 1.5e-6, 9e-6], "torch": [3e-6, 4.5e-6, 27e-6]},
        ratios={"torch / ours": [2.0, 3.0, 7.0]},
        peak_memory={"ours": 3 * 2**20, "torch": None},
    )
    assert f"{report.goal_in_words(goal, result)}, {report.verdict(goal, result)}" == words


# --- slopes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_of_a_power_is_its_exponent(exponent):
    seconds = {size: 3e-4 * size**exponent for size in (4, 8, 16, 64)}
    assert sizes.slope(seconds) == pytest.approx(exponent, abs=1e-12)


def test_the_slope_is_that_of_least_squares():
    # x = log2(size) = 0, 1, 2 and y = log2(seconds) = 0, 0, 3: sum((x - 1)(y - 1)) / sum((x - 1)^2) = (1 + 2) / 2
    assert sizes.slope({1: 1.0, 2: 1.0, 4: 8.0}) == pytest.approx(1.5)


def proportional(cost):
    """Results of all sizes with these seconds per unit of size; PyTorch's lack the largest size."""
    found = []
    for one in sizes.SERIES:
        for size, row in one.rows.items():
            seconds = {"ours": [cost * size, cost, cost * size**3]}  # slopes 1, 0 and 3
            if size < max(one.rows):
                seconds["torch"] = [2 * cost * size]
            found.append(Result(row, seconds=seconds, gradient_difference=1e-6))
    return found


def test_slopes_are_taken_round_by_round():
    first = sizes.table(proportional(1e-3))[2]
    assert first.endswith(" | 8: 8.00 ms | 128: 128 ms | 1.00 (0.00 to 3.00) | 1.00 (1.00 to 1.00) |")
    goals = list(results.goals(proportional(1e-3), with_slopes=True))
    assert goals[0] == "| scaling-lstm-steps | slope of ours at least 0.9 and at most 1.1 | met: 1.000 |"
    assert len(goals) == len(sizes.SERIES)
    assert all("not measured" in line for line in results.goals([], with_slopes=True))
    assert [line.count(" - |") for line in sizes.table([])[2:]] == [4] * len(sizes.SERIES)


def test_the_sizes_span_a_factor_of_sixteen():
    assert all(max(one.rows) == 16 * min(one.rows) for one in sizes.SERIES)


# --- shares --------------------------------------------------------------------------------------------------------


def test_useful_arithmetic_is_that_of_the_formula():
    (N, H, W, C), (KH, KW, _, O), _ = share.Conv2d.shapes
    assert share.Conv2d.flops == 6 * N * H * W * KH * KW * C * O
    (N, T, D), (_, columns), (hidden, _), _ = share.Lstm.shapes
    assert share.Lstm.flops == 6 * N * T * (D + hidden) * columns
    (N, D), (_, M), _ = share.Linear.shapes
    assert share.Linear.flops == 6 * N * D * M


def test_figures_are_seconds_for_a_gflop(monkeypatch):
    monkeypatch.setattr(share.Contender, "time_steps", lambda self, steps: [0.5] * steps)
    limit = share.Sgemm.__new__(share.Sgemm)
    assert limit.time_steps(2) == [0.5 / (2 * 2048**3 / 1e9)] * 2
    linear = share.Linear.__new__(share.Linear)
    assert linear.time_steps(1) == [pytest.approx(0.5 / (6 * 128 * 1024**2 / 1e9))]


def test_the_share_is_the_ratio_to_sgemm_in_percent():
    row = share.ROWS[0]
    seconds = {"conv2d": [0.01, 0.008], "sgemm": [0.005, 0.005]}
    result = Result(row, seconds=seconds, ratios=harness.pairwise_ratios(seconds, row.ratios))
    assert share.table([result])[2:] == ["| conv2d | 2 | 111 | 56% (50% to 62%) |", "| sgemm | 2 | 200 |  |"]


# --- manners and memory --------------------------------------------------------------------------------------------


def test_the_baseline_of_manners_knows_nothing_of_us_and_the_others_do():
    code = (
        "import sys; from benchmarks import manners; manners.SIZE = 8; "
        "print(len(manners.time_products(sys.argv[1], 2)), 'tinygrad_edu' in sys.modules)"
    )
    for before, known in (("nothing", False), ("import", True), ("step", True)):
        output = subprocess.check_output([sys.executable, "-c", code, before], text=True, cwd=ROOT)
        assert output.split() == ["2", str(known)]


def test_the_products_are_timed_in_a_process_of_their_own():
    (seconds,) = manners.Alone(0).time_steps(1)
    assert seconds > 0


def test_a_process_is_asked_for_its_peak_memory_at_its_end(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    process = model_memory.Hold(0)
    assert process.remark() == "on generated pictures; the data directory has no CIFAR-10"
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "test_batch.bin").touch()
    assert model_memory.Run(0).remark() == "on CIFAR-10"
    process.step()
    assert process.peak_memory() is None or process.peak_memory() > 2**25


def test_a_run_that_fails_fails_the_row(monkeypatch):
    process = model_memory.Run(0)
    process.source = "nonsense"  # the script says so and ends with status 2
    with pytest.raises(subprocess.CalledProcessError):
        process.step()


# --- RESULTS.md ----------------------------------------------------------------------------------------------------


def test_results_are_written_for_a_reader(tmp_path, capsys):
    row = fake_row(ours=Steady, torch=Slow, jax=NeedsMissing)
    other = dataclasses.replace(fake_row(ours=Steady), name="other")
    flags = ["--results", str(tmp_path), "--rounds", "2", "--threads", "1"]
    assert command_line.main(flags, groups(row, other)) == 0
    assert str(tmp_path / "RESULTS.md") in capsys.readouterr().out
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "**A short run (rounds: 2, not 40). Its figures are no basis for a claim.**" in text
    for name in ("date", "CPU", "system", "threads", "Python", "NumPy", "PyTorch", "Keras", "JAX"):
        assert f"\n- {name}: " in text
    assert "\n- rounds: 2, " in text
    assert "\n| fake | torch / ours at least 2.50 | met: 3.00 |\n" in text
    assert "\n## Some fakes\n\nWhat fakes take.\n\n| row | contender |" in text
    assert "| 6.00 s | 6.00 s to 6.00 s |" in text
    assert "| torch / ours = 3.00 (3.00 to 3.00) |" in text
    assert "\n- **fake**: a fake. Gradients agree to " in text
    assert "e-07 of their largest entry. Goal: torch / ours at least 2.50; met: 3.00. Not measured: jax.\n" in text
    assert text.endswith("pip install -e '.[no_such_package]'\n")
    assert "Left out" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["RESULTS.md"]


def test_rows_that_were_left_out_are_named(tmp_path):
    rows = [fake_row(ours=Steady), dataclasses.replace(fake_row(ours=Steady), name="other")]
    flags = ["--results", str(tmp_path), "--rounds", "1", "--only", "other"]
    unmeasured = Group("whole", "Not measured", "", [fake_row(ours=Steady)])
    assert command_line.main(flags, [*groups(*rows), unmeasured]) == 0
    assert "Left out: whole, fake.**" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


def test_results_ask_for_forty_rounds_and_for_every_row(tmp_path):
    flags = command_line.parse(["--results", str(tmp_path)], real.GROUPS)
    assert flags.rounds == 40
    assert command_line.chosen(real.GROUPS, None, everything=True) == list(real.GROUPS)
    assert command_line.parse([], real.GROUPS).rounds == 10
    default = command_line.chosen(real.GROUPS, None, everything=False)
    assert [group.name for group in default] == ["practicals", "architectures", "basics"]
    assert command_line.parse(["--results"], real.GROUPS).results == ROOT / "benchmarks"


def test_a_full_run_says_nothing_of_a_short_one():
    text = results.text({"CPU": "a fast one"}, 40, groups(), {"fakes": []})
    assert "short run" not in text
    assert text.endswith("## What was missing\n\nNothing: every contender was measured.\n")


def test_a_row_that_failed_is_named_at_the_end():
    failed = Result(fake_row(ours=Steady), failure="the process of other died\na traceback")
    text = results.text({"CPU": "a fast one"}, 40, groups(), {"fakes": [failed]})
    assert text.endswith(f"## What was missing\n\n- {failed.row.name}: failed, the process of other died\n")


def test_a_section_says_where_it_has_fewer_rounds():
    row = dataclasses.replace(fake_row(ours=Steady), most_rounds=10)
    (group,) = groups(row)
    assert "What fakes take. Rounds: 10." in list(results.section(group, 40, [Result(row)]))
    assert "What fakes take." in list(results.section(group, 10, [Result(row)]))


def test_a_failed_row_stands_in_the_results_and_makes_the_status_1(tmp_path):
    flags = ["--results", str(tmp_path), "--rounds", "1"]
    assert command_line.main(flags, groups(fake_row(ours=Steady, other=Wrong))) == 1
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "FAILED:" in text
    assert "gradients disagree" in text
    assert "other / ours at least 2.50 | not measured |" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("where", ["measuring", "composing", "renaming"])
def test_an_interrupted_run_leaves_the_old_results(tmp_path, monkeypatch, where, error):
    (tmp_path / "RESULTS.md").write_text("old")

    def fail(*arguments, **options):
        raise error

    place, name = {
        "measuring": (command_line, "measure_together"),
        "composing": (results, "text"),
        "renaming": (Path, "replace"),
    }[where]
    monkeypatch.setattr(place, name, fail)
    with pytest.raises(error):
        command_line.main(["--results", str(tmp_path), "--rounds", "1"], groups(fake_row(ours=Steady)))
    assert [path.name for path in tmp_path.iterdir()] == ["RESULTS.md"]
    assert (tmp_path / "RESULTS.md").read_text() == "old"


def test_the_figure_of_scaling_is_written_beside_and_shown(tmp_path):
    (scaling_group,) = (group for group in real.GROUPS if group.name == "scaling")
    measured = {"scaling": proportional(1e-3)}
    results.write(tmp_path, {}, 40, [scaling_group], measured)
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "![Time against size](figures/scaling.svg)" in text
    assert "Gradients agree with PyTorch's at every size, to 1.0e-06 of their largest entry." in text
    figure = (tmp_path / "figures" / "scaling.svg").read_text(encoding="utf-8")
    assert "<svg" in figure
    assert len(figure) < 250_000
    results.write(tmp_path, {}, 40, [scaling_group], {"scaling": []})  # nothing measured: an empty figure, no crash

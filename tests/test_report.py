"""The page of a run: what stands in it, and that it is this run's, however the run ended."""

import html
import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from models import __main__ as tour
from models import airline_lstm, softmax_regression
from models.run import Run
from tinygrad_edu import plots
from tinygrad_edu.plots.style import title_of
from tinygrad_edu.training import TrainingError

pytestmark = pytest.mark.usefixtures("coarse_pictures")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _no_pictures(monkeypatch):
    monkeypatch.setattr(airline_lstm, "draw", lambda *_: None)


@pytest.fixture
def _twelve_epochs_are_whole(monkeypatch):
    """Instead of a hundred."""
    flags = airline_lstm.flags
    twelve = {"epochs": 12, "quick_epochs": 12}
    monkeypatch.setattr(airline_lstm, "flags", lambda *names, **defaults: flags(*names, **{**defaults, **twelve}))


def start(*flags):
    return airline_lstm.main(["--no-progress", "--out", "out", *flags])


def page(path="out/index.html"):
    with open(path, encoding="utf-8") as file:
        return file.read()


def text(path="out/index.html"):
    """What a reader sees."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page(path), flags=re.DOTALL))


def links(path="out/index.html"):
    return set(re.findall(r'(?:href|src)="([^"]*)"', page(path))) - {"data:,"}


def metrics():
    with open("out/metrics.json", encoding="utf-8") as file:
        return json.load(file)


def test_a_run_ends_in_a_page_with_all_that_it_left(capsys):
    assert start("--epochs", "3", "--look-back", "3") == 0
    assert "to look at: out/index.html" in capsys.readouterr().out
    shown = text()
    assert metrics()["description"] in shown
    for cell in (cell for row in metrics()["table"] for cell in row):
        assert f" {cell} " in shown
    assert "measured after 3 of 100 epochs" in shown
    assert re.search(r"look back +3 ", shown)
    for row in metrics()["epochs"]:
        assert f"{row['train_rmse']:.2f}" in shown
    assert links() == {"player.html", "prediction.png", "loss.png"}
    title = title_of(Path("out/loss.png"))
    assert title == "Loss of an LSTM of 4 units (look-back 3) on airline passengers"
    assert f'alt="{title}"' in page()


@pytest.mark.usefixtures("_no_pictures")
def test_the_command_makes_the_run_again():
    flags = ["--epochs", "1", "--no-progress", "--out", "a folder; with 'signs'"]
    assert airline_lstm.main(flags) == 0
    command = re.search(r'<code class="command">(.*?)</code>', page(f"{flags[-1]}/index.html"))[1]
    assert shlex.split(html.unescape(re.sub("</?span>", "", command))) == [
        "python",
        "-m",
        "models.airline_lstm",
        *flags,
    ]


def test_the_command_is_the_processes_own_where_nothing_else_is_given(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["airline_lstm.py", "--epochs", "1", "--out", "out"])
    monkeypatch.setattr(airline_lstm, "draw", lambda *_: None)
    assert airline_lstm.main() == 0
    assert "python -m models.airline_lstm --epochs 1 --out out" in " ".join(text().split())


@pytest.mark.usefixtures("_no_pictures", "_twelve_epochs_are_whole")
def test_a_short_run_never_looks_like_a_whole_one():
    assert start("--epochs", "1") == 0
    assert "A short run, of 1 of 12 epochs : no figure of it is the whole run's" in text()
    assert start("--epochs", "12") == 0
    assert "short run" not in text()
    assert start("--epochs", "12", "--lr", "0.002") == 0
    assert "Not as in the report : lr 0.002 (the report: 0.001)" in text()


def test_stand_in_data_is_said_before_any_figure(monkeypatch):
    monkeypatch.setattr(softmax_regression, "draw", lambda *_: None)
    assert softmax_regression.main(["--data", "synthetic", "--epochs", "1", "--out", "out", "--no-progress"]) == 0
    shown = text()
    assert shown.index("Stand-in data") < shown.index("figure ")
    assert "synthetic digits (synthetic)" in shown


@pytest.mark.usefixtures("_no_pictures")
def test_what_an_earlier_run_left_is_not_shown(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("old.png", "samples.txt"):
        (out / name).write_text("of an earlier run")
        os.utime(out / name, (1e9, 1e9))
    assert start("--epochs", "1") == 0
    assert links() == {"player.html"}
    assert "earlier" not in text()


def test_the_player_and_samples_of_this_run_are_shown(monkeypatch):
    def draw(run, *_):
        (run.out / "samples.txt").write_text("===== after batch 1\nfirst <b>\n===== at the end\nlast <i>\n")

    monkeypatch.setattr(airline_lstm, "draw", draw)
    assert start("--epochs", "1") == 0
    assert links() == {"player.html"}
    assert re.search('<iframe src="player.html" title="[^"]+"></iframe>', page())
    assert "last <i>" in text()
    assert text().index("last <i>") < text().index("first <b>")


def test_of_two_formats_the_sharper_one_is_shown_with_its_title(monkeypatch, tmp_path):
    def draw(run, *_):
        for ending in ("svg", "png"):
            plots.training_curves(run.out / f"a.{ending}", [0, 1, 2], {"a": [1, 2, 3]}, "loss", "What $x_t < 3$\nsays")

    monkeypatch.setattr(airline_lstm, "draw", draw)
    assert start("--epochs", "1") == 0
    assert links() == {"a.svg", "player.html"}
    assert 'alt="What x_t &lt; 3 says"' in page()
    assert {title_of(tmp_path / "out" / f"a.{ending}") for ending in ("svg", "png")} == {"What x_t < 3 says"}


@pytest.mark.usefixtures("_no_pictures")
def test_a_long_training_is_folded():
    assert start("--epochs", "30") == 0
    first, every = page().split("<details>")
    assert first.count("<tr>") < 40
    assert "all 30 epochs" in every
    rows = every.split("</details>")[0].count("<tr>")
    assert rows == 31


# --- runs that do not end as they should ---


@pytest.mark.usefixtures("_no_pictures")
def test_a_resumed_run_shows_all_its_epochs():
    assert start("--epochs", "1") == 0
    assert start("--epochs", "3", "--resume") == 0
    assert re.search(r"--epochs +3 +--resume", text())
    assert "Trained for 3 of 100 epochs" in text()
    for row in metrics()["epochs"]:
        assert f"{row['train_rmse']:.2f}" in text()


@pytest.mark.usefixtures("_no_pictures", "_twelve_epochs_are_whole")
@pytest.mark.parametrize("error", [KeyboardInterrupt, TrainingError("the loss became nan")])
def test_a_run_that_is_stopped_leaves_a_page_that_says_so(error, monkeypatch):
    assert start("--epochs", "12") == 0  # of which nothing may be left
    save = Run.save

    def save_and_stop(run, kept):
        save(run, kept)
        raise error

    monkeypatch.setattr(Run, "save", save_and_stop)
    status = start("--epochs", "12", "--lr", "0.002")
    assert status == (130 if error is KeyboardInterrupt else 2)
    shown = text()
    assert re.search(r"--lr +0\.002", shown)
    assert "Trained for 10 of 12 epochs" in shown
    if error is KeyboardInterrupt:
        assert "Stopped : interrupted in epoch 10" in shown
        assert "measured after 10 of 12 epochs" in shown
    else:
        assert "Not finished" in shown
        assert "measured" not in shown


@pytest.mark.usefixtures("_no_pictures")
def test_a_run_that_ends_before_its_first_epoch_leaves_the_older_page_as_it_was(monkeypatch):
    assert start("--epochs", "1") == 0
    before = page()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(airline_lstm.ops, "mse", stop)
    assert start("--epochs", "1") == 130
    assert page() == before


def test_values_that_json_has_no_number_for_are_shown(monkeypatch):
    monkeypatch.setattr(airline_lstm, "draw", lambda run, *_: run.history.epochs[0].update(train_rmse=np.nan))
    assert start("--epochs", "1") == 0
    assert " nan " in text()


# --- the tour ---


@pytest.mark.usefixtures("_twelve_epochs_are_whole")
def test_the_tour_shows_a_card_for_each_and_names_what_failed(monkeypatch, capsys):
    monkeypatch.setattr(softmax_regression, "load_mnist", lambda *_, **__: (_ for _ in ()).throw(ValueError("no")))
    assert tour.main(["airline_lstm", "softmax_regression", "--no-progress", "--out", "tour <1>"]) == 1
    assert capsys.readouterr().out.endswith("to look at: tour <1>/index.html\n")
    path = "tour <1>/index.html"
    assert links(path) == {"airline_lstm/index.html", "airline_lstm/prediction.png"}
    shown = text(path)
    words = "python -m models airline_lstm softmax_regression --no-progress --out 'tour <1>'"
    assert words in " ".join(shown.split())
    assert "Without a result : softmax_regression" in shown
    assert re.search(r"failed after \d+\.\d s", shown)
    assert "train RMSE (thousands)" in shown
    assert "--out 'tour <1>/airline_lstm'" in " ".join(text("tour <1>/airline_lstm/index.html").split())


@pytest.mark.usefixtures("_twelve_epochs_are_whole")
def test_ctrl_c_leaves_the_tour_with_what_was_done(monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(softmax_regression, "load_mnist", stop)
    monkeypatch.setattr(airline_lstm, "draw", lambda *_: None)
    assert tour.main(["airline_lstm", "softmax_regression", "--no-progress", "--out", "tour"]) == 130
    assert links("tour/index.html") == {"airline_lstm/index.html"}
    assert "interrupted after" in text("tour/index.html")

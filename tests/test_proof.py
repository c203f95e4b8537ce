"""The page of the proof: what failed, what was shorter than the whole and what was left out must show."""

import json

import pytest
from proof import __main__ as command_line
from proof import page, section
from proof.section import Section, conclude


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(section, "FOLDER", tmp_path)
    return tmp_path


def written(folder, *sections):
    for one in sections:
        conclude(one, seconds=90.0)
    return page.text(*page.read(folder, ["kills", "zoo"]))


def test_a_section_shows_its_figures_command_and_versions(folder):
    text = written(folder, Section("zoo", "The zoo", {"mistakes": 1234, "caught": 1234}, details="a table"))
    assert "| mistakes | 1,234 |" in text
    assert "`python -m proof.zoo" in text
    assert "numpy" in text
    assert "| [The zoo](#the-zoo) | as it should be |" in text
    assert "| 1.5 |" in text  # minutes
    assert text.endswith("a table\n")


def test_a_failure_a_short_run_and_a_missing_section_are_said(folder):
    text = written(folder, Section("zoo", "The zoo", {"mistakes": 2}, ["one was missed"], whole=False))
    assert "**1 failure**" in text
    assert "one was missed" in text
    assert "**Not the whole proof.**" in text
    assert "- shorter than the whole: The zoo" in text
    assert "- not run: kills" in text


def test_the_exit_status_and_the_screen_say_that_something_failed(folder, capsys):
    assert conclude(Section("zoo", "The zoo", {"mistakes": 1}), seconds=1.0) == 0
    assert conclude(Section("zoo", "The zoo", {"mistakes": 1}, ["missed: ties"], whole=False), seconds=1.0) == 1
    printed = capsys.readouterr().out
    assert "missed: ties" in printed
    assert "The zoo: FAILED (a short run, not the whole proof)" in printed
    assert json.loads((folder / "zoo.json").read_text())["failures"] == ["missed: ties"]


def test_an_unknown_section_is_refused_and_the_known_ones_are_named(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["zoos"])
    assert "unknown section zoos; there are: table, zoo" in capsys.readouterr().err

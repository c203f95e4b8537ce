"""The report of a run in a real browser: it loads nothing from elsewhere, in both colours and on a phone."""

import json
import os

import pytest
from browser import PHONE, new_page, overflow

from models import __main__ as tour
from models import airline_lstm, report


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tour of two short runs, with data and a player of the user's own."""
    out = tmp_path_factory.mktemp("tour")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_EDU_DATA", str(out))
        patch.setattr(airline_lstm, "draw", draw_and_play(airline_lstm.draw))
        assert tour.main(["airline_lstm", "--no-progress", "--out", str(out / "tour")]) == 0
    return out / "tour"


def draw_and_play(draw):
    def both(run, *arguments):
        draw(run, *arguments)
        (run.out / "player.html").write_text("<!DOCTYPE html><title>player</title><p>a step</p>")

    return both


def colours(page):
    return page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")


@pytest.mark.parametrize("name", ["index.html", "airline_lstm/index.html"])
def test_a_report_is_whole_in_both_colours_and_on_a_phone(page, folder, name):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / name).as_uri())
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 0
        assert len(image.get_attribute("alt")) > 10
    here = (folder / name).parent.as_uri()
    assert len(asked) > 1
    assert all(url.startswith((here, "data:")) for url in asked)
    light = colours(page)
    page.emulate_media(color_scheme="dark")
    dark = colours(page)
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert overflow(page) == 0
    page.set_viewport_size(PHONE)
    assert overflow(page) == 0


def test_the_tour_leads_to_the_run_and_the_run_to_its_player(page, folder):
    page.goto((folder / "index.html").as_uri())
    page.get_by_role("link", name="All of airline_lstm").click()
    assert page.get_by_role("heading", level=1).inner_text() == "airline_lstm (look-back 1)"
    command = json.loads((folder / "airline_lstm" / "metrics.json").read_text())["command"]
    assert page.locator(".command").inner_text() == command  # what is copied, in one line
    page.locator("iframe").scroll_into_view_if_needed()
    assert page.frame_locator("iframe").get_by_text("a step").is_visible()
    page.get_by_role("link", name="page of its own").click()
    assert page.title() == "player"


def test_a_name_of_the_users_cannot_run_in_the_page(page, folder):
    attack = "<script>console.error('ran')</script><img src=x onerror=\"console.error('ran')\">"
    facts = json.loads((folder / "airline_lstm" / "metrics.json").read_text())
    epochs = [{**row, attack: 1.0} for row in facts.pop("epochs")]
    facts |= {"data": {"name": attack, "source": attack}, "variant": attack, "settings": {attack: attack}}
    facts |= {"table": [[attack] * 3], "remarks": [attack], "command": attack, "stopped": attack, "description": attack}
    (folder / "airline_lstm" / "samples.txt").write_text(f"===== {attack}\n{attack}\n")
    path = report.write_report(folder / "airline_lstm", facts, epochs)
    page.goto(path.as_uri())
    assert page.locator("script").count() == 0
    assert page.locator("[onerror]").count() == 0
    assert attack in page.locator("body").inner_text()
    os.remove(folder / "airline_lstm" / "samples.txt")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('<img src="https://example.com/x.png">', "asked for https://example.com/x.png"),
        ("<script>console.error('no')</script>", "wrote no"),
        ("<script>nowhere()</script>", "raised .*nowhere"),
    ],
)
def test_the_page_of_a_test_complains(chromium, tmp_path, content, complaint):
    path = tmp_path / "page.html"
    path.write_text(content)
    pages = new_page(chromium)
    next(pages).goto(path.as_uri())
    with pytest.raises(AssertionError, match=complaint):
        next(pages)

"""A real browser without a window, for the tests of pages: Debian's Chromium, or the one that playwright brought.

    apt-get install chromium        (or: playwright install chromium)
    pip install -e '.[browser]'

A test asks for the fixture `page` of `conftest.py`, and opens a file of its own:

    page.goto(path.as_uri())
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})

The test fails if the page wrote an error on the console, raised one, or asked for anything that is not a file: such
requests are not let out. Where playwright or a browser is missing, the test skips and says so.
"""

import shutil
from pathlib import Path

import pytest

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def launch():
    """For a fixture of the whole session: one browser, closed at its end."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
    with playwright.sync_playwright() as driver:
        there = shutil.which("chromium")
        if there is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip("no browser: apt-get install chromium, or playwright install chromium")
        browser = driver.chromium.launch(executable_path=there)
        yield browser
        browser.close()


def new_page(browser):
    """For a fixture of one test: an empty page in a light colour scheme, wide; nothing of another test's is in it."""
    complaints = []

    def let_through(route):
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            complaints.append(f"asked for {route.request.url}")
            route.abort()

    context = browser.new_context(color_scheme="light", viewport=WIDE)
    context.route("**/*", let_through)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(f"raised {error}"))
    page.on(
        "console",
        lambda message: complaints.append(f"wrote {message.text}") if message.type in ("error", "warning") else None,
    )
    yield page
    context.close()
    assert not complaints, "the page " + "; ".join(complaints)


def overflow(page):
    """By how many pixels a page is wider than its window: 0 unless it scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

"""What every test can ask for."""

import browser
import pytest
import strict_array
from hypothesis import settings

# The same examples on every run: a failure is a change of the code, never luck, and can be repeated.
settings.register_profile("tinygrad_edu", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("tinygrad_edu")


@pytest.fixture
def cupy(monkeypatch):
    """A stand-in for CuPy, and with it the device "cuda": see strict_array.py."""
    return strict_array.install(monkeypatch)


@pytest.fixture(scope="session")
def chromium():
    yield from browser.launch()


@pytest.fixture
def page(chromium):
    """An empty page of a real browser: see browser.py."""
    yield from browser.new_page(chromium)

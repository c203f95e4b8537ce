"""What every test can ask for."""

import functools
import gc
import os

import browser
import kernels
import pytest
import strict_array
from hypothesis import settings

from tinygrad_edu.data import cifar10, mnist
from tinygrad_edu.plots import style

# The same examples on every run: a failure is a change of the code, never luck, and can be repeated.
settings.register_profile("tinygrad_edu", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("tinygrad_edu")


def pytest_collection_finish():
    """What was imported stays; the collector of garbage need not go through it thousands of times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _stand_ins_are_drawn_once():
    """Generated digits and images depend on their arguments alone; a second for each of sixty tests adds up."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((mnist, "synthetic_digits"), (cifar10, "synthetic_images")):
            draw = getattr(module, name)

            @functools.cache
            def once(*sizes, draw=draw):
                arrays = draw(*sizes)
                for array in arrays:
                    array.flags.writeable = False  # a test that writes into them would change the others'
                return arrays

            patch.setattr(module, name, once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_waits_for_the_disk():
    """Thousands of small files are written, and what fsync is for, a power cut, no test can see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def coarse_pictures(monkeypatch):
    """For tests that want pictures to be there, and do not look at their pixels: a quarter of the dots an inch."""
    monkeypatch.setitem(style.STYLE, "savefig.dpi", 50)


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


@pytest.fixture(scope="session")
def kernel():
    """A kernel for notebooks: see kernels.py."""
    yield from kernels.launch()

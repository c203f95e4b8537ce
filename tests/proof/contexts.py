"""A plugin of pytest for `covered.py`: coverage notes which test a line ran in, with the test's parameters.

(Coverage can find a test's name by itself, but takes Hypothesis' `test_function` for one.)
"""

from collections.abc import Iterator

import pytest
from coverage import Coverage


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    running = Coverage.current()
    if running:
        running.switch_context(item.nodeid)
    result = yield
    if running:
        running.switch_context("")
    return result

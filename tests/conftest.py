"""Fixtures that the tests of several rooms share."""

from collections.abc import Iterator, Sequence

import pytest

from tests.browser import ReportBrowser, find_chromium, open_browser

# Seconds to make, in each process that tests with it: pytest-xdist gives all tests of one to one process.
SLOW_TO_MAKE = ("trained", "small_statistics")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Groups the tests by the first slow fixture that they use."""
    for item in items:
        uses = [name for name in SLOW_TO_MAKE if name in getattr(item, "fixturenames", ())]
        if uses:
            item.add_marker(pytest.mark.xdist_group(uses[0]))


@pytest.fixture
def report_browser() -> Iterator[ReportBrowser]:
    """A headless Chromium, for the length of one test: its event loop must not meet an async test's."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with open_browser(path) as browser:
        yield browser

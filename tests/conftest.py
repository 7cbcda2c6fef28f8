"""Fixtures that the tests of several rooms share."""

from collections.abc import Iterator

import pytest

from tests.browser import ReportBrowser, find_chromium, open_browser


@pytest.fixture
def report_browser() -> Iterator[ReportBrowser]:
    """A headless Chromium, for the length of one test: its event loop must not meet an async test's."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with open_browser(path) as browser:
        yield browser

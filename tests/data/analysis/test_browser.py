"""The report in a real browser: no complaint, no request, every figure there, on a phone and in the dark."""

from pathlib import Path
from typing import Literal

import pytest

from data.analysis.contents import FIGURE_NAMES
from tests.browser import DESKTOP_PX, PHONE_PX, ReportBrowser, brightness


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [DESKTOP_PX, PHONE_PX])
def test_every_figure_is_rendered_without_a_complaint_or_a_request(
    small_report: Path, report_browser: ReportBrowser, width_px: int, scheme: Literal["light", "dark"]
) -> None:
    seen = report_browser.look(small_report / "report.html", width_px=width_px, scheme=scheme)
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert [figure.name for figure in seen.figures] == list(FIGURE_NAMES)
    for figure in seen.figures:
        assert (figure.width > 200, figure.height > 100, figure.shapes > 1) == (True, True, True), figure
        assert figure.sentence
    assert seen.overflow_px == 0


def test_the_page_follows_the_scheme(small_report: Path, report_browser: ReportBrowser) -> None:
    page = small_report / "report.html"
    light, dark = (report_browser.look(page, scheme=scheme) for scheme in ("light", "dark"))
    assert brightness(light.background) > 200 > 80 > brightness(light.ink)
    assert brightness(dark.background) < 60 < 180 < brightness(dark.ink)
    for in_light, in_dark in zip(light.figures, dark.figures, strict=True):
        assert brightness(in_light.ink) < 128 < brightness(in_dark.ink), in_dark.name

"""The report of a rationed comparison, as a headless browser sees it."""

from pathlib import Path

import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.plan import TrackPrediction
from cache_client.rationed import RationedReport, compare_policies
from cache_client.rationed.policies import policies
from cache_client.report.rationed import write_report
from tests.browser import ReportBrowser
from tests.cache_client.rationed.made_offers import many


@pytest.fixture(scope="module")
def report() -> RationedReport:
    offers = many()
    said: list[TrackPrediction | None] = [
        TrackPrediction(0.5 + 0.4 * (n % 2)) for n in range(len(offers.all))
    ]
    return compare_policies(offers, policies(offers.all, {"simple": said}, "simple"))


@pytest.mark.parametrize("width_px", [360, 1280])
def test_the_page_draws_a_figure_for_each_objective(
    tmp_path: Path, report_browser: ReportBrowser, report: RationedReport, width_px: int
) -> None:
    page = tmp_path / "report.html"
    write_report(page, report, "simple")
    seen = report_browser.look(page, width_px=width_px)
    assert seen.complaints == []
    assert [figure.name for figure in seen.figures] == ["bytes", "plays"]
    assert all(figure.width > 200 and figure.shapes > 5 for figure in seen.figures)
    assert seen.overflow_px <= 0


def test_the_numbers_behind_the_figures_are_in_the_page(tmp_path: Path, report: RationedReport) -> None:
    page = tmp_path / "report.html"
    write_report(page, report, "simple")
    text = page.read_text()
    for words in ("past-rate", "oracle", "50% of the bytes", "docs/rationed.md", "less than the past rate"):
        assert words in text


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, report: RationedReport) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_report(tmp_path / "nowhere" / "report.html", report, "simple")

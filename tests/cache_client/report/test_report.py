"""The report, as a headless browser sees it."""

import re
from pathlib import Path

import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.policies import PolicyOptions, policies_named
from cache_client.prefetch.score import ScoreWeights
from cache_client.replay.skip_estimate import SkipEstimate, compare_rankings
from cache_client.report import n_steps, write_report
from cache_client.report.charts import pareto_front
from cache_client.simulator import Track, World, simulate
from cache_client.simulator.predictions import Predictions
from tests.browser import ReportBrowser
from tests.cache_client.traces import session

SESSIONS = [
    session(
        [("a", 200.0, 200.0), ("b", 180.0, 30.0), ("c", 90.0, 90.0)],
        continuation=[Track("d", 100.0, "FAST")],
        session_id=number,
    )
    for number in range(3)
]


def write(file: Path, *names: str, estimate: SkipEstimate | None = None) -> list[int]:
    world, weights = World(horizon=3), ScoreWeights()
    policies = policies_named(names, PolicyOptions())
    said = Predictions([() for _ in SESSIONS])
    report = simulate(SESSIONS, policies, said.by_session, world, weights)
    steps: list[int] = []
    write_report(file, SESSIONS, policies, said, weights, report, estimate, steps.append)
    return steps


@pytest.mark.parametrize("width_px", [360, 1280])
def test_the_page_needs_nothing_but_itself_and_draws_every_figure(
    tmp_path: Path, report_browser: ReportBrowser, width_px: int
) -> None:
    page = tmp_path / "report.html"
    assert sum(write(page)) == n_steps(World(horizon=3))
    seen = report_browser.look(page, width_px=width_px)
    assert seen.complaints == []
    assert seen.requests == [page.resolve().as_uri()]
    assert [figure.name for figure in seen.figures] == [
        "pareto", "bandwidth", "cache", "horizon",
    ]  # fmt: skip
    assert all(figure.width > 200 and figure.shapes > 5 for figure in seen.figures)
    assert seen.overflow_px <= 0


def test_the_numbers_behind_the_figures_are_in_the_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write(page)
    text = page.read_text()
    for words in (
        "score a session",
        "next-1-prefix",
        "front without hindsight",
        "docs/cache.md",
    ):
        assert words in text


def test_the_models_skips_stand_beside_those_of_shortest_first(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    # The model keeps the one track that was skipped, of three; the shortest one was heard out.
    write(page, "oracle", estimate=compare_rankings(SESSIONS, [[0.2, 0.9, 0.1]] * len(SESSIONS)))
    facts = re.findall(r"within the session: ([a-z ]+)</dt><dd>(.*?)</dd>", page.read_text())
    assert facts == [("model", "+200.0%"), ("shortest first", "-100.0%")]


def test_the_oracle_alone_has_a_page_too(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write(page, "oracle")
    assert "The oracle alone" in page.read_text()


def test_the_front_holds_what_no_other_point_beats_in_both() -> None:
    points = [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0), (2.0, 4.0), (4.0, 1.0), (3.0, 2.5)]
    assert pareto_front(points) == [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write(tmp_path / "nowhere" / "report.html")

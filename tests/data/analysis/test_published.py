"""The statistics of the real data are the published ones, to the printed digits."""

import pytest

from data import Dataset
from data.analysis.description import describe
from data.analysis.statistics import Statistics


@pytest.fixture(scope="module")
def statistics(v2: Dataset) -> Statistics:
    return describe(v2)


def test_event_counts(statistics: Statistics) -> None:
    assert statistics.event_counts == {
        "PLAY": 11_986, "SKIP": 4_090, "LIKE": 3_276, "ADVERTISEMENT": 3_834, "BUY_PREMIUM": 19,
    }  # fmt: skip


def test_rows(statistics: Statistics) -> None:
    rows = statistics.rows
    assert (rows.tracks, rows.sessions, rows.plays) == (21_608, 659, 11_986)
    assert (rows.listeners, rows.duplicated_pairs) == (50, 176)


def test_skip_rate(statistics: Statistics) -> None:
    assert statistics.overall is not None
    assert f"{statistics.overall.rate:.2%}" == "34.12%"


def test_skip_rate_by_situation(statistics: Statistics) -> None:
    assert {str(rate.group): (rate.plays, f"{rate.rate:.2%}") for rate in statistics.by_situation} == {
        "plays with premium": (2_068, "54.79%"),
        "plays without premium": (9_918, "29.81%"),
        "after an advertisement": (3_682, "36.66%"),
        "no advertisement before": (8_304, "33.00%"),
    }


@pytest.mark.parametrize(
    ("column", "printed"),
    [
        (
            "seconds_to_skip",
            {"mean": "132.50", "median": "125.88", "min": "0.09", "max": "1057.39", "std": "90.49"},
        ),
        (
            "track_duration_s",
            {
                "mean": "228.06", "std": "112.11", "min": "4.00", "q25": "176.74", "median": "216.51",
                "q75": "262.65", "max": "4120.26",
            },
        ),
    ],
)  # fmt: skip
def test_times(statistics: Statistics, column: str, printed: dict[str, str]) -> None:
    summary = getattr(statistics, column).summary
    assert {field: f"{getattr(summary, field):.2f}" for field in printed} == printed


def test_no_single_attribute_tells_much(statistics: Statistics) -> None:
    attributes = statistics.mutual_information.attributes
    assert len(attributes) >= 12
    assert max(entry.nats for entry in attributes) < 0.02

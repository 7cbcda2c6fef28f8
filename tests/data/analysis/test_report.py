"""The report is whole or not there, needs nothing but itself, and stands data with nothing in it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data import DataError
from data.analysis import marks, report
from data.analysis.contents import FIGURE_NAMES, SECTIONS
from data.analysis.description import describe
from data.analysis.report import write_json, write_report
from data.analysis.statistics import Statistics
from tests.data.tiny import Event, tiny_dataset


@pytest.fixture
def one_section(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of two figures, where it matters only how it reaches the disk."""
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:1])


def test_every_figure_is_in_the_page_and_beside_it(small_report: Path) -> None:
    html = (small_report / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<figure class="chart" id="(\w+)">', html) == list(FIGURE_NAMES)
    assert html.count("<svg ") == len(FIGURE_NAMES)
    for name in FIGURE_NAMES:
        with Image.open(small_report / f"{name}.png") as image:
            assert image.width > 600
            assert str(image.info["Description"]).endswith(".")


def test_issue_list_of_figures_is_complete() -> None:
    expected = {
        "event_counts", "skip_rate", "skip_rate_by_listener", "skip_rate_by_hour", "skip_rate_by_position",
        "seconds_to_skip", "share_heard", "survival", "track_duration", "plays_per_track", "correlation",
        "mutual_information", "attribute_danceability", "attribute_energy", "attribute_key",
        "attribute_loudness", "attribute_speechiness", "attribute_acousticness",
        "attribute_instrumentalness", "attribute_liveness", "attribute_valence", "attribute_tempo",
    }  # fmt: skip
    assert expected <= set(FIGURE_NAMES)


def test_the_page_names_no_other_resource_and_forbids_itself_any(small_report: Path) -> None:
    html = (small_report / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link rel=.stylesheet|<img|<image", html)
    assert re.findall(r'(?:href|src)="([^"#][^"]*)"', html) == ["data:,"]
    assert "default-src 'none'" in html
    assert '<meta name="viewport"' in html


def test_ids_in_the_page_are_unique(small_report: Path) -> None:
    ids = re.findall(r' id="([^"]+)"', (small_report / "report.html").read_text(encoding="utf-8"))
    assert len(ids) == len(set(ids))


def test_names_from_outside_are_escaped(small_report: Path) -> None:
    html = (small_report / "report.html").read_text(encoding="utf-8")
    assert "small &amp; &lt;sweet&gt;" in html
    assert "<sweet>" not in html


def test_equal_data_gives_equal_pages(
    small_report: Path, small_statistics: Statistics, tmp_path: Path
) -> None:
    write_report(small_statistics, tmp_path / "again", title="small & <sweet>")
    assert (tmp_path / "again" / "report.html").read_bytes() == (small_report / "report.html").read_bytes()


def test_colours_follow_the_scheme(small_report: Path) -> None:
    html = (small_report / "report.html").read_text(encoding="utf-8")
    charts = "".join(re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL))
    assert "var(--chart-ink)" in charts
    assert re.findall(r"#[0-9a-f]{6}\b", charts) == []


def test_statistics_lie_beside_the_page(
    small_report: Path, small_statistics: Statistics, tmp_path: Path
) -> None:
    write_json(small_statistics, tmp_path / "deeper" / "numbers.json")
    beside = json.loads((small_report / "statistics.json").read_text(encoding="utf-8"))
    assert beside == json.loads((tmp_path / "deeper" / "numbers.json").read_text(encoding="utf-8"))
    assert beside["rows"]["plays"] == 60


@pytest.mark.usefixtures("one_section")
def test_an_older_report_is_replaced(small_statistics: Statistics, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("old")
    write_report(small_statistics, out, title="new")
    assert "old" not in (out / "report.html").read_text(encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_refused(small_statistics: Statistics, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"the folder holds 'thesis\.txt'"):
        write_report(small_statistics, tmp_path, title="new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_refused(small_statistics: Statistics, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="not a folder"):
        write_report(small_statistics, tmp_path / "out", title="new")
    with pytest.raises(DataError, match="cannot write"):
        write_json(small_statistics, tmp_path / "out" / "numbers.json")


@pytest.mark.usefixtures("one_section")
def test_a_failure_half_way_leaves_nothing_new_and_the_old_report(
    small_statistics: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "render", full)
    with pytest.raises(DataError, match="no space left on device"):
        write_report(small_statistics, out, title="new")
    assert (out / "report.html").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("one_section")
def test_a_failed_swap_puts_the_old_report_back(
    small_statistics: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("old")
    rename = os.rename

    def refuse_new(source: Path, target: Path) -> None:
        if source.name == "new":
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_new)
    with pytest.raises(DataError, match="input/output error"):
        write_report(small_statistics, out, title="new")
    assert (out / "report.html").read_text() == "old"


@pytest.mark.parametrize(
    ("events", "without_data"),
    [
        (
            [],
            {"event_counts", "skip_rate", "skip_rate_by_hour", "survival", "seconds_to_skip", "correlation"},
        ),
        ([(0, 1, "a", "PLAY", 5)], {"seconds_to_skip", "share_heard", "mutual_information", "correlation"}),
        ([(0, 1, "a", "PLAY", 5), (0, 1, "a", "SKIP", 5)], {"mutual_information", "correlation"}),
    ],
    ids=["no event", "one play", "one skip"],
)
def test_figures_without_data_say_so(tmp_path: Path, events: list[Event], without_data: set[str]) -> None:
    write_report(describe(tiny_dataset(events)), tmp_path / "out", title="degenerate")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    sentences = dict(re.findall(r'id="(\w+)">\s*<h3>[^<]*</h3>\s*<p>([^<]*)</p>', html))
    assert sentences.keys() == set(FIGURE_NAMES)
    assert {name for name, said in sentences.items() if said.startswith("No data: ")} >= without_data
    assert not sentences["track_duration"].startswith("No data")


def test_sentences_come_from_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[:3])
    events = [(0, 1, "a", "PLAY", 5), (30, 1, "a", "SKIP", 5), (60, 1, "b", "PLAY", 5)]
    write_report(describe(tiny_dataset(events)), tmp_path / "out", title="tiny")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "50.00 % of 2 plays are skipped" in html
    assert "Half of the skips come before 30.00 % of the track" in html
    assert "All plays are of one listener, listener 1: 50.00 % are skipped." in html


def test_many_listeners_are_drawn_without_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST_WHISKERS", 1)
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[1:2])
    events = [(0, 1, "a", "PLAY", 5), (30, 1, "a", "SKIP", 5), (60, 2, "b", "PLAY", 6)]
    write_report(describe(tiny_dataset(events)), tmp_path / "out", title="crowd")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    figure = html[html.index('id="skip_rate_by_listener"') : html.index('id="skip_rate_by_hour"')]
    assert "LineCollection" not in figure
    assert "No data" not in figure


def test_a_crowd_is_drawn_as_one_line_and_not_as_a_dot_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SECTIONS", SECTIONS[1:2])
    events = [(60 * i, i, "a", "PLAY", i) for i in range(40)]
    elements = []
    for most_dots in (40, 39):
        monkeypatch.setattr(marks, "MOST_DOTS", most_dots)
        write_report(describe(tiny_dataset(events)), tmp_path / "out", title="crowd")
        html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        figure = html[html.index('id="skip_rate_by_listener"') : html.index('id="skip_rate_by_hour"')]
        elements.append(figure.count("<use"))
    assert elements[0] - elements[1] == 40

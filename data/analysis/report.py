"""The report of a data set, and how it reaches the disk: whole or not at all."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from data import atomic_write
from data.analysis.contents import FIGURE_NAMES, SECTIONS, FigureEntry
from data.analysis.phrases import NoDataError, many, percent
from data.analysis.statistics import Statistics
from data.pages import chart
from data.pages.page import Chart, Fact, Page, Section, Table, render

REPORT_NAME, STATISTICS_NAME = "report.html", "statistics.json"
_OURS = frozenset({REPORT_NAME, STATISTICS_NAME, *(f"{name}.png" for name in FIGURE_NAMES)})


def write_report(
    statistics: Statistics, out: Path, *, title: str, advance: Callable[[str], None] = lambda step: None
) -> None:
    """Writes the page, a PNG a figure and the statistics; the folder appears whole or not at all.

    Args:
        statistics: From `describe`.
        out: Folder to write; an older report there is replaced.
        title: What the page calls the data set.
        advance: Is called with the name of each figure before it is drawn.

    Raises:
        DataError: The folder cannot be written, or holds what no report put there.
    """
    with atomic_write.atomic_folder(out, "report", _OURS) as folder:
        page = _page(statistics, folder, title, advance)
        (folder / REPORT_NAME).write_text(render(page), encoding="utf-8")
        (folder / STATISTICS_NAME).write_text(_as_json(statistics), encoding="utf-8")


def require_replaceable(out: Path) -> None:
    """Refuses to replace a folder that holds anything but an older report.

    Raises:
        DataError: It is a file, or holds something else.
    """
    atomic_write.require_replaceable(out, "report", _OURS)


def write_json(statistics: Statistics, file: Path) -> None:
    """Writes all the statistics as JSON; `-` is standard output.

    Raises:
        DataError: The file cannot be written.
    """
    text = _as_json(statistics)
    if str(file) == "-":
        sys.stdout.write(text)
        return
    with atomic_write.atomic_file(file) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _page(statistics: Statistics, folder: Path, title: str, advance: Callable[[str], None]) -> Page:
    sections = []
    for section in SECTIONS:
        charts = []
        for entry in section.figures:
            advance(entry.title.lower())
            charts.append(_draw(entry, statistics, folder))
        small = section.figures[0].size == chart.SMALL
        sections.append(Section(section.title, charts, section.intro, small))
    rows, overall = statistics.rows, statistics.overall
    median = statistics.seconds_to_skip.summary.median
    facts = [
        Fact("tracks", f"{rows.tracks:,}"),
        Fact("listeners", f"{rows.listeners:,}"),
        Fact("sessions", f"{rows.sessions:,}"),
        Fact("plays", f"{rows.plays:,}"),
        Fact("skipped", "none" if overall is None else percent(overall.rate)),
        Fact("median to skip", "none" if median is None else f"{median:.2f} s"),
    ]
    lead = (
        f"{many(rows.plays, 'play')}, {many(rows.tracks, 'track')} and "
        f"{many(rows.listeners, 'listener')}. Artist and track name that occur more than once: "
        f"{many(rows.duplicated_pairs, 'pair')}."
    )
    return Page(f"Data set {title}", lead, facts, sections, f"SHA-256 of the data set: {statistics.digest}")


def _draw(entry: FigureEntry, statistics: Statistics, folder: Path) -> Chart:
    table: Table | None = None
    with chart.new_chart(entry.name, entry.size) as (figure, axes):
        try:
            sentence = entry.sentence(statistics)
        except NoDataError as reason:
            sentence = f"No data: {reason}."
            chart.no_data(axes)
        else:
            entry.draw(axes, statistics)
            table = entry.table(statistics)
        chart.lay_out(figure)
        svg = chart.as_svg(figure, entry.title)
        chart.save_png(figure, folder / f"{entry.name}.png", entry.title, sentence)
    return Chart(entry.name, entry.title, sentence, svg, table)


def _as_json(statistics: Statistics) -> str:
    return json.dumps(statistics.as_dict(), indent=1, allow_nan=False) + "\n"

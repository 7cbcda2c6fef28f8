"""The report of a data set, and how it reaches the disk: whole or not at all."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from data import atomic_write as replacing
from data.analysis.recipes import FIGURE_NAMES, SECTIONS, FigureRecipe
from data.analysis.statistics import Statistics
from data.analysis.wording import NoDataError, many, percent
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
        advance: Told the name of each figure before it is drawn.

    Raises:
        DataError: The folder cannot be written, or holds what no report put there.
    """
    with replacing.replaced_folder(out, "report", _OURS) as folder:
        page = _page(statistics, folder, title, advance)
        (folder / REPORT_NAME).write_text(render(page), encoding="utf-8")
        (folder / STATISTICS_NAME).write_text(_as_json(statistics), encoding="utf-8")


def require_replaceable(out: Path) -> None:
    """Refuses to replace a folder that holds anything but an older report.

    Raises:
        DataError: It is a file, or holds something else.
    """
    replacing.require_replaceable(out, "report", _OURS)


def write_json(statistics: Statistics, file: Path) -> None:
    """Writes all the statistics as JSON; `-` is standard output.

    Raises:
        DataError: The file cannot be written.
    """
    text = _as_json(statistics)
    if str(file) == "-":
        sys.stdout.write(text)
        return
    with replacing.replaced_file(file) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _page(statistics: Statistics, folder: Path, title: str, advance: Callable[[str], None]) -> Page:
    sections = []
    for section in SECTIONS:
        charts = []
        for recipe in section.figures:
            advance(recipe.title.lower())
            charts.append(_draw(recipe, statistics, folder))
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


def _draw(recipe: FigureRecipe, statistics: Statistics, folder: Path) -> Chart:
    table: Table | None = None
    with chart.new_chart(recipe.name, recipe.size) as (figure, axes):
        try:
            sentence = recipe.say(statistics)
        except NoDataError as reason:
            sentence = f"No data: {reason}."
            chart.no_data(axes)
        else:
            recipe.draw(axes, statistics)
            table = recipe.tabulate(statistics)
        chart.lay_out(figure)
        svg = chart.as_svg(figure, recipe.title)
        chart.save_png(figure, folder / f"{recipe.name}.png", recipe.title, sentence)
    return Chart(recipe.name, recipe.title, sentence, svg, table)


def _as_json(statistics: Statistics) -> str:
    return json.dumps(statistics.as_dict(), indent=1, allow_nan=False) + "\n"

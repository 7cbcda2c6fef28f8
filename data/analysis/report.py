"""The report of a data set, and how it reaches the disk: whole or not at all."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from data.analysis import chart, sentences
from data.analysis.page import Chart, Fact, Page, Section, Table, render
from data.analysis.recipes import FIGURE_NAMES, SECTIONS, FigureRecipe
from data.analysis.statistics import Statistics
from data.errors import DataError

REPORT_NAME, STATISTICS_NAME = "report.html", "statistics.json"


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
    require_replaceable(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as beside:
            whole = Path(beside) / "new"
            whole.mkdir()
            page = _page(statistics, whole, title, advance)
            (whole / REPORT_NAME).write_text(render(page), encoding="utf-8")
            (whole / STATISTICS_NAME).write_text(_as_json(statistics), encoding="utf-8")
            _swap(whole, out.resolve(), Path(beside) / "old")
    except OSError as error:
        raise _cannot_write(out, error) from error


def require_replaceable(out: Path) -> None:
    """Refuses to replace a folder that holds anything but an older report.

    Raises:
        DataError: It is a file, or holds something else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise DataError(out, None, None, "cannot write a report here: not a folder")
    ours = {REPORT_NAME, STATISTICS_NAME, *(f"{name}.png" for name in FIGURE_NAMES)}
    foreign = sorted(entry.name for entry in out.iterdir() if entry.name not in ours)
    if foreign:
        raise DataError(out, None, None, f"cannot write a report here: the folder holds {foreign[0]!r}")


def write_json(statistics: Statistics, file: Path) -> None:
    """Writes all the statistics as JSON; `-` is standard output.

    Raises:
        DataError: The file cannot be written.
    """
    text = _as_json(statistics)
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as beside:
            whole = Path(beside) / file.name
            whole.write_text(text, encoding="utf-8")
            os.replace(whole, file)
    except OSError as error:
        raise _cannot_write(file, error) from error


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
        Fact("skipped", "none" if overall is None else sentences.percent(overall.rate)),
        Fact("median to skip", "none" if median is None else f"{median:.2f} s"),
    ]
    lead = (
        f"{sentences.many(rows.plays, 'play')}, {sentences.many(rows.tracks, 'track')} and "
        f"{sentences.many(rows.listeners, 'listener')}. Artist and track name that occur more than once: "
        f"{sentences.many(rows.duplicated_pairs, 'pair')}."
    )
    return Page(f"Data set {title}", lead, facts, sections, f"SHA-256 of the data set: {statistics.digest}")


def _draw(recipe: FigureRecipe, statistics: Statistics, folder: Path) -> Chart:
    table: Table | None = None
    with chart.new_chart(recipe.name, recipe.size) as (figure, axes):
        try:
            sentence = recipe.say(statistics)
        except sentences.NoDataError as reason:
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


def _swap(new: Path, place: Path, old: Path) -> None:
    """Moves the new folder into its place; when that fails, what was there is back again."""
    if place.exists():
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if old.exists():
            os.rename(old, place)
        raise


def _cannot_write(path: Path, error: OSError) -> DataError:
    return DataError(path, None, None, f"cannot write: {(error.strerror or str(error)).lower()}")

"""Which figures the report has, in which order: a new one is its functions and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from data.analysis import figures, sentences, tables
from data.analysis.statistics import AUDIO_ATTRIBUTES, Statistics
from data.pages import chart
from data.pages.page import Table


@dataclass(frozen=True)
class FigureEntry:
    """How one figure comes about.

    Attributes:
        name: Name of its PNG and of its anchor in the page.
        draw: Draws it.
        sentence: Returns its sentence; raises `NoDataError` when there is nothing to draw.
        table: Returns the numbers behind it.
    """

    name: str
    title: str
    draw: Callable[[Axes, Statistics], None]
    sentence: Callable[[Statistics], str]
    table: Callable[[Statistics], Table]
    size: tuple[float, float] = chart.NORMAL


def _entry(name: str, title: str, size: tuple[float, float] = chart.NORMAL) -> FigureEntry:
    """Returns a figure whose three functions have its name."""
    draw, sentence, table = (getattr(module, name) for module in (figures, sentences, tables))
    return FigureEntry(name, title, draw, sentence, table, size)


def _attribute_entry(name: str) -> FigureEntry:
    return FigureEntry(
        f"attribute_{name}",
        name.capitalize(),
        partial(figures.attribute, name),
        partial(sentences.attribute, name),
        partial(tables.attribute, name),
        chart.SMALL,
    )


@dataclass(frozen=True)
class SectionEntry:
    """Figures that belong together; the introduction says what a reader must know to read them."""

    title: str
    figures: tuple[FigureEntry, ...]
    intro: str = ""


SECTIONS = (
    SectionEntry("What happened", (_entry("event_counts", "Events"), _entry("skip_rate", "Skip rate"))),
    SectionEntry(
        "Who skips, and when",
        (
            _entry("skip_rate_by_listener", "Skip rate by listener", chart.SMALL),
            _entry("skip_rate_by_hour", "Skip rate by hour", chart.SMALL),
            _entry("skip_rate_by_position", "Skip rate by position in the session", chart.SMALL),
        ),
        "Each dot is the share of plays skipped, its line the 95 % interval.",
    ),
    SectionEntry(
        "How long a play lasts",
        (
            _entry("seconds_to_skip", "Seconds to the skip", chart.SMALL),
            _entry("share_heard", "Share of the track heard", chart.SMALL),
            _entry("survival", "Still listening after t seconds", chart.SMALL),
        ),
        "A play leaves the curve “still listening” when it is skipped or when its track ends. The curve "
        "above it (Kaplan-Meier) counts skips alone: a track's end only says “not skipped so far”.",
    ),
    SectionEntry(
        "Tracks",
        (
            _entry("track_duration", "Track duration"),
            _entry("plays_per_track", "Plays per track by storage class"),
        ),
    ),
    SectionEntry("Attributes of the tracks", tuple(_attribute_entry(name) for name in AUDIO_ATTRIBUTES)),
    SectionEntry(
        "What tells a skip",
        (
            _entry("mutual_information", "Mutual information with the outcome", chart.TALL),
            _entry("correlation", "Correlations between attributes of the plays", chart.TALL),
        ),
        "Only what is known before a play starts. Blue squares go together, orange ones against each other.",
    ),
)
FIGURE_NAMES = tuple(entry.name for section in SECTIONS for entry in section.figures)

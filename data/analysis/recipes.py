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
class FigureRecipe:
    """How one figure comes about.

    Attributes:
        name: Name of its PNG and of its anchor in the page.
        draw: Draws it.
        say: Returns its sentence; raises `NoDataError` when there is nothing to draw.
        tabulate: Returns the numbers behind it.
    """

    name: str
    title: str
    draw: Callable[[Axes, Statistics], None]
    say: Callable[[Statistics], str]
    tabulate: Callable[[Statistics], Table]
    size: tuple[float, float] = chart.NORMAL


def _recipe(name: str, title: str, size: tuple[float, float] = chart.NORMAL) -> FigureRecipe:
    """Finds a figure's three functions by its name."""
    draw, say, tabulate = (getattr(module, name) for module in (figures, sentences, tables))
    return FigureRecipe(name, title, draw, say, tabulate, size)


def _attribute_recipe(name: str) -> FigureRecipe:
    return FigureRecipe(
        f"attribute_{name}",
        name.capitalize(),
        partial(figures.attribute, name),
        partial(sentences.attribute, name),
        partial(tables.attribute, name),
        chart.SMALL,
    )


@dataclass(frozen=True)
class SectionRecipe:
    """Figures that belong together; the introduction says what a reader must know to read them."""

    title: str
    figures: tuple[FigureRecipe, ...]
    intro: str = ""


SECTIONS = (
    SectionRecipe("What happened", (_recipe("event_counts", "Events"), _recipe("skip_rate", "Skip rate"))),
    SectionRecipe(
        "Who skips, and when",
        (
            _recipe("skip_rate_by_listener", "Skip rate by listener", chart.SMALL),
            _recipe("skip_rate_by_hour", "Skip rate by hour", chart.SMALL),
            _recipe("skip_rate_by_position", "Skip rate by position in the session", chart.SMALL),
        ),
        "Each dot is the share of plays skipped, its line the 95 % interval.",
    ),
    SectionRecipe(
        "How long a play lasts",
        (
            _recipe("seconds_to_skip", "Seconds to the skip", chart.SMALL),
            _recipe("share_heard", "Share of the track heard", chart.SMALL),
            _recipe("survival", "Still listening after t seconds", chart.SMALL),
        ),
        "A play leaves the curve “still listening” when it is skipped or when its track ends. The curve "
        "above it (Kaplan-Meier) counts skips alone: a track's end only says “not skipped so far”.",
    ),
    SectionRecipe(
        "Tracks",
        (
            _recipe("track_duration", "Track duration"),
            _recipe("plays_per_track", "Plays per track by storage class"),
        ),
    ),
    SectionRecipe("Attributes of the tracks", tuple(_attribute_recipe(name) for name in AUDIO_ATTRIBUTES)),
    SectionRecipe(
        "What tells a skip",
        (
            _recipe("mutual_information", "Mutual information with the outcome", chart.TALL),
            _recipe("correlation", "Correlations between attributes of the plays", chart.TALL),
        ),
        "Only what is known before a play starts. Blue squares go together, orange ones against each other.",
    ),
)
FIGURE_NAMES = tuple(recipe.name for section in SECTIONS for recipe in section.figures)

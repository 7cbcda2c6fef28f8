"""The shell of a report: one HTML page that needs nothing but itself.

It loads no script, no font and no image from anywhere, and its content security policy forbids it to. It
follows the reader's light or dark scheme and fits a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from data.pages.chart import css_variables


@dataclass(frozen=True)
class Fact:
    """One number for the head of the page, formatted."""

    label: str
    value: str


@dataclass(frozen=True)
class Table:
    """The numbers behind a chart, formatted; folded away until the reader asks."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """A figure and what it says.

    Attributes:
        name: Unique in the page; the anchor that links to the chart.
        sentence: What it shows, computed from the data.
        svg: From `chart.as_svg`; it goes into the page as it is.
    """

    name: str
    title: str
    sentence: str
    svg: str
    table: Table | None = None


@dataclass(frozen=True)
class Section:
    """Charts that belong together; `small` ones stand three in a row on a wide screen."""

    title: str
    charts: Sequence[Chart]
    intro: str = ""
    small: bool = False


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    lead: str
    facts: Sequence[Fact]
    sections: Sequence[Section]
    footer: str = ""


def render(page: Page) -> str:
    """Returns the page as HTML; every text of it is escaped."""
    here = resources.files("data.pages")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    template = environment.from_string((here / "page.html.jinja").read_text(encoding="utf-8"))
    css = (here / "page.css").read_text(encoding="utf-8")
    light, dark = css_variables()
    return template.render(page=page, css=Markup(css), light=Markup(light), dark=Markup(dark)) + "\n"

"""The look of a chart: drawn once, saved as a PNG and as an SVG that follows the page's light or dark scheme.

Charts are drawn in the light palette. In the SVG every colour of it becomes a CSS variable, which the page
sets for each scheme; text stays text, in the page's font.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PALETTE = {
    "surface": ("#fffffe", "#161b22"),  # what a chart lies on
    "ink": ("#1f2329", "#e6edf3"),
    "muted": ("#59636f", "#9aa5b1"),
    "grid": ("#e1e5ea", "#2d343d"),
    "main": ("#2f6fdd", "#6ea8fe"),
    "warm": ("#d4572a", "#ff9361"),
    "calm": ("#2a9474", "#56d3a8"),
}
"""Colour in the light and in the dark scheme, by the name of its CSS variable (`--chart-…`)."""

SURFACE, INK, MUTED, GRID, MAIN, WARM, CALM = (light for light, _ in PALETTE.values())

NORMAL, SMALL, TALL = (4.4, 2.8), (3.7, 2.5), (4.4, 4.0)
"""Width and height in inches: small enough that text stays readable when a phone scales the chart down."""

_TITLE_INCHES = 0.3
_PNG_DPI = 200

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100,
    "figure.facecolor": SURFACE,
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "patch.edgecolor": SURFACE,
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.6,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
}
_VARIABLE_OF = {light: f"var(--chart-{name})" for name, (light, _) in PALETTE.items()}


@contextmanager
def new_chart(name: str, size: tuple[float, float] = NORMAL) -> Iterator[tuple[Figure, Axes]]:
    """Opens an empty chart; draw on it, `lay_out` it and save it within the `with` block.

    Args:
        name: Unique in its page: the ids in the SVG come from it.
        size: Width and height in inches.

    Yields:
        The figure, outside pyplot's global state, and its axes.
    """
    style: Any = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        yield figure, figure.add_subplot()


def no_data(axes: Axes) -> None:
    """Returns in the middle of the chart that there is nothing to draw."""
    axes.clear()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no data", ha="center", va="center", color=MUTED, transform=axes.transAxes)


def lay_out(figure: Figure) -> None:
    """Makes room for labels, once for all files that the drawn chart is saved to."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # else every save would do it anew


def as_svg(figure: Figure, title: str) -> str:
    """Returns the chart as an `<svg>` element to put into a page.

    Args:
        figure: From `new_chart`, drawn and laid out.
        title: For readers who cannot see it.
    """
    written = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(written, format="svg", facecolor="none", metadata=no_metadata)
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page styles all charts at once, and an <svg> inside HTML needs no namespaces.
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    viewbox = re.search(r'viewBox="[^"]*"', svg)
    assert viewbox is not None, "matplotlib always writes one"
    head = f'<svg {viewbox.group()} role="img" aria-label="{escape(title)}">'
    svg = head + svg[svg.index(">") + 1 :]
    svg = _without_idle_ids(svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda colour: _VARIABLE_OF.get(colour.group(), colour.group()), svg)
    # Hundredths of a point are plenty; numbers that the chart shows as text stay.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag.group()), svg)
    return re.sub(r"\n\s*", "\n", svg).strip()


def save_png(figure: Figure, path: Path, title: str, sentence: str) -> None:
    """Saves the chart, with its title above it, as a PNG; the figure is of no use afterwards.

    Args:
        figure: From `new_chart`, drawn and laid out.
        path: File to write.
        title: Drawn, and kept in the file's metadata.
        sentence: What the chart says, kept in the file's metadata.
    """
    width, height = figure.get_size_inches()
    shrunk = height / (height + _TITLE_INCHES)
    for axes in figure.axes:
        x, y, wide, high = axes.get_position(original=True).bounds
        axes.set_position((x, y * shrunk, wide, high * shrunk))
    figure.set_size_inches(width, height + _TITLE_INCHES)
    figure.text(0.02, 1 - 0.3 * (1 - shrunk), title, va="top", fontsize=10, fontweight="bold")
    figure.savefig(path, format="png", dpi=_PNG_DPI, metadata={"Title": title, "Description": sentence})


def css_variables() -> tuple[str, str]:
    """Returns the declarations of the palette's CSS variables: for the light scheme, for the dark one."""
    light, dark = (
        " ".join(f"--chart-{name}: {colours[scheme]};" for name, colours in PALETTE.items())
        for scheme in (0, 1)
    )
    return light, dark


def _without_idle_ids(svg: str) -> str:
    """Drops ids that nothing refers to: matplotlib repeats them from chart to chart."""
    used = set(re.findall(r"#([\w-]+)", svg))
    return re.sub(r' id="([^"]*)"', lambda match: match.group() if match.group(1) in used else "", svg)

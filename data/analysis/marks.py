"""What several figures draw alike: bars without a scale, rates with intervals, histograms, marked values."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from data.analysis.distributions import Histogram
from data.analysis.skip_rates import SkipRate
from data.analysis.statistics import Statistics
from data.pages.chart import INK, MAIN, MUTED, WARM

MOST_WHISKERS, MOST_DOTS = 120, 2000
PERCENT = PercentFormatter(xmax=1.0, decimals=0, symbol=" %")

_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.10g}")


def without_scale(axes: Axes) -> None:
    """Leaves only the names of the bars: the bars carry their numbers."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", labelcolor=INK)


def draw_rates(axes: Axes, rates: Sequence[SkipRate], at: Sequence[int], statistics: Statistics) -> None:
    """Draws rates at their places, with intervals while they are few, and the rate of all plays."""
    shares = np.array([rate.rate for rate in rates])
    if len(rates) <= MOST_WHISKERS:
        below = shares - [rate.low for rate in rates]
        above = [rate.high for rate in rates] - shares
        axes.errorbar(at, shares, yerr=[below, above], fmt="none", ecolor=MUTED, elinewidth=1.0, alpha=0.6)
    style = "o" if len(rates) <= MOST_DOTS else "-"  # in the page each dot is an element of its own
    axes.plot(at, shares, style, color=MAIN, markersize=4 if len(rates) <= MOST_WHISKERS else 2)
    if statistics.overall is not None:
        axes.axhline(statistics.overall.rate, color=WARM, linewidth=1.2, linestyle="--", label="all plays")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    axes.yaxis.set_major_formatter(PERCENT)
    top = max(rate.high for rate in rates) if len(rates) <= MOST_WHISKERS else float(shares.max())
    axes.set_ylim(0, max(top, 0.01) * 1.05)


def draw_histogram(axes: Axes, histogram: Histogram, colour: str) -> None:
    """Draws the bins of a histogram that has any."""
    edges = np.array(histogram.edges)
    axes.bar(edges[:-1], histogram.counts, width=np.diff(edges), align="edge", color=colour)
    axes.yaxis.set_major_formatter(_THOUSANDS)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_xlim(edges[0], edges[-1])


def mark(axes: Axes, marks: list[tuple[str, float | None]], *, names_inside: bool = False) -> None:
    """Draws a line with its name at each of two rising values, the names between the lines or outside."""
    _, top = axes.get_ylim()
    axes.set_ylim(top=top * 1.25)
    for (name, value), align in zip(
        marks, ("left", "right") if names_inside else ("right", "left"), strict=True
    ):
        if value is None:
            continue
        axes.axvline(value, color=INK, linewidth=1.0, linestyle="--")
        axes.annotate(
            f"{name}\n{value:,.1f} s", (value, top * 1.23), xytext=(4 if align == "left" else -4, 0),
            textcoords="offset points", ha=align, va="top", color=INK, fontsize=8.5,
        )  # fmt: skip

"""One function a figure: draws what the statistics hold onto empty axes."""

import itertools

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from data.analysis.marks import PERCENT, draw_histogram, draw_rates, mark, without_scale
from data.analysis.phrases import column_label
from data.analysis.skip_rates import SkipRate
from data.analysis.statistics import PITCH_CLASSES, WHOLE_NUMBERS, Statistics
from data.pages.chart import CALM, GRID, INK, MAIN, MUTED, SURFACE, WARM

UNITS = {"loudness": "dB", "tempo": "beats a minute", "popularity": "0 to 100", "key": "pitch class"}
FEWEST_PLAYS_AT_POSITION = 30


def event_counts(axes: Axes, statistics: Statistics) -> None:
    """Draws one bar an event type."""
    names = list(statistics.event_counts)
    bars = axes.barh(
        [column_label(name) for name in names], list(statistics.event_counts.values()), color=MAIN
    )
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, color=INK)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    without_scale(axes)


def skip_rate(axes: Axes, statistics: Statistics) -> None:
    """Draws the share skipped of all plays and of four situations."""
    rates = [rate for rate in (statistics.overall, *statistics.by_situation) if rate is not None]
    names = [str(rate.group) for rate in rates]
    shares = [rate.rate for rate in rates]
    axes.barh(names, shares, color=[WARM] + [MAIN] * (len(rates) - 1))
    axes.barh(names, [1 - share for share in shares], left=shares, color=GRID)
    for row, rate in enumerate(rates):
        inside = rate.rate > 0.25
        axes.text(
            rate.rate + (-0.02 if inside else 0.02), row, f"{rate.rate:.2%}".replace("%", " %"),
            ha="right" if inside else "left", va="center", color=SURFACE if inside else INK,
        )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    without_scale(axes)


def skip_rate_by_listener(axes: Axes, statistics: Statistics) -> None:
    """Draws every listener's rate with its interval, from the least to the most impatient."""
    rates = sorted(statistics.by_listener.groups, key=lambda rate: rate.rate)
    draw_rates(axes, rates, range(1, len(rates) + 1), statistics)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("listeners, by rising skip rate")


def skip_rate_by_hour(axes: Axes, statistics: Statistics) -> None:
    """Draws the rate of every hour of the day with its interval."""
    rates = statistics.by_hour.groups
    draw_rates(axes, rates, [int(rate.group) for rate in rates], statistics)
    axes.set_xlim(-0.8, 23.8)
    axes.set_xticks(range(0, 24, 3), [f"{hour:02d}" for hour in range(0, 24, 3)])
    axes.set_xlabel("hour of the day (UTC)")


def skip_rate_by_position(axes: Axes, statistics: Statistics) -> None:
    """Draws the rate at every position in the session that has enough plays."""
    rates = positions_with_enough_plays(statistics)
    draw_rates(axes, rates, [int(rate.group) + 1 for rate in rates], statistics)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.2, int(rates[-1].group) + 1.8)
    axes.set_xlabel("position in the session")


def positions_with_enough_plays(statistics: Statistics) -> list[SkipRate]:
    """Returns the rates of positions with 30 plays or more; of all positions when none has so many."""
    rates = statistics.by_position.groups
    return [rate for rate in rates if rate.plays >= FEWEST_PLAYS_AT_POSITION] or rates


def seconds_to_skip(axes: Axes, statistics: Statistics) -> None:
    """Draws the histogram with its mean and median."""
    draw_histogram(axes, statistics.seconds_to_skip.histogram, WARM)
    summary = statistics.seconds_to_skip.summary
    mark(axes, [("median", summary.median), ("mean", summary.mean)])
    axes.set(xlabel="seconds from play to skip", ylabel="skipped plays")


def share_heard(axes: Axes, statistics: Statistics) -> None:
    """Draws how much of the track was heard when the skip came."""
    draw_histogram(axes, statistics.share_heard.histogram, WARM)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.set(xlabel="share of the track heard before the skip", ylabel="skipped plays", xlim=(0, 1))


def survival(axes: Axes, statistics: Statistics) -> None:
    """Draws the share still listening, and what would be left if no track ended."""
    curve = statistics.survival
    axes.plot(curve.seconds, curve.not_skipped, color=CALM, label="not skipped, if no track ended")
    axes.plot(curve.seconds, curve.still_listening, color=MAIN, label="still listening")
    axes.fill_between(curve.seconds, curve.still_listening, color=MAIN, alpha=0.12, linewidth=0)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set(xlabel="seconds since the play began", ylim=(0, 1.02), xlim=(0, max(curve.seconds[-1], 1)))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)


def track_duration(axes: Axes, statistics: Statistics) -> None:
    """Draws the histogram of the tracks' durations with the 1st and the 99th percentile."""
    draw_histogram(axes, statistics.track_duration_s.histogram, MAIN)
    summary = statistics.track_duration_s.summary
    mark(axes, [("1st percentile", summary.p01), ("99th percentile", summary.p99)], names_inside=True)
    axes.set(xlabel="duration in seconds", ylabel="tracks")


def plays_per_track(axes: Axes, statistics: Statistics) -> None:
    """Draws the mean number of plays of a track, by storage class."""
    classes = statistics.storage_classes
    names = [
        f"{column_label(entry.storage_class)}\n{entry.tracks:,} track{'' if entry.tracks == 1 else 's'}"
        for entry in classes
    ]
    bars = axes.bar(names, [entry.plays_per_track or 0.0 for entry in classes], width=0.6, color=MAIN)
    axes.bar_label(bars, fmt="{:,.2f}", padding=2, color=INK)
    axes.margins(y=0.12)
    axes.set_ylabel("plays per track")
    axes.tick_params(axis="x", length=0)


def attribute(name: str, axes: Axes, statistics: Statistics) -> None:
    """Draws the histogram of one attribute of the tracks."""
    draw_histogram(axes, statistics.attributes[name].histogram, MAIN)
    if name in WHOLE_NUMBERS:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if name == "key":
        axes.set_xticks(range(len(PITCH_CLASSES)), PITCH_CLASSES)
    axes.set_xlabel(UNITS.get(name, "0 no, 1 yes" if name == "explicit" else "0 to 1"))
    axes.set_ylabel("tracks")


def correlation(axes: Axes, statistics: Statistics) -> None:
    """Draws the correlations as squares: the stronger, the more solid; one colour a sign."""
    names, matrix = statistics.correlation.columns, statistics.correlation.matrix
    for column, row in itertools.combinations(range(len(names)), 2):
        r = matrix[row][column]
        if r is None:
            continue
        colour = MAIN if r >= 0 else WARM
        axes.barh(row, 0.92, left=column - 0.46, height=0.92, color=colour, alpha=abs(r), linewidth=0)
        if abs(r) >= 0.195:
            axes.text(column, row, f"{r:.1f}".replace("0.", "."), ha="center", va="center", fontsize=6.5)
    labels = [column_label(name).replace("advertisement before", "after advert") for name in names]
    for column, label in enumerate(labels[:-1]):  # on the stairs, where there is room
        axes.text(
            column - 0.1, column + 0.3, label, rotation=45, rotation_mode="anchor", fontsize=8, color=MUTED
        )
    axes.set_yticks(range(1, len(names)), labels[1:], fontsize=8)
    axes.set(xlim=(-0.6, len(names) + 1.2), ylim=(len(names) - 0.4, -2.6), aspect="equal")
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def mutual_information(axes: Axes, statistics: Statistics) -> None:
    """Draws one bar an attribute, and the estimate's noise."""
    information = statistics.mutual_information
    names = [column_label(entry.attribute) for entry in information.attributes]
    axes.barh(names, [entry.nats for entry in information.attributes], color=MAIN)
    axes.invert_yaxis()
    if information.shuffled_nats is not None:
        axes.axvline(information.shuffled_nats, color=WARM, linewidth=1.2, linestyle="--")
        axes.annotate(
            "most with shuffled outcomes", (information.shuffled_nats, len(names) - 1), xytext=(6, 0),
            textcoords="offset points", color=WARM, va="center",
        )  # fmt: skip
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlabel("mutual information with the outcome, in nats")

"""The numbers behind a figure, as a table; a figure whose sentence says them all has none."""

from collections.abc import Sequence

from data.analysis.distributions import Histogram
from data.analysis.phrases import percent
from data.analysis.skip_rates import SkipRate
from data.analysis.statistics import Statistics
from data.pages.page import Table

MOST_ROWS = 200
SECONDS_APART = 15


def event_counts(statistics: Statistics) -> Table:
    """Returns the counts by event type."""
    return Table(("event", "count"), [(name, f"{n:,}") for name, n in statistics.event_counts.items()])


def skip_rate(statistics: Statistics) -> Table:
    """Returns the overall rate and that of every situation."""
    overall = [] if statistics.overall is None else [statistics.overall]
    return _rates("plays", [*overall, *statistics.by_situation])


def skip_rate_by_listener(statistics: Statistics) -> Table:
    """Returns the listeners' rates, the most impatient first."""
    return _rates("listener", sorted(statistics.by_listener.groups, key=lambda rate: -rate.rate))


def skip_rate_by_hour(statistics: Statistics) -> Table:
    """Returns the hours' rates."""
    return _rates("hour (UTC)", statistics.by_hour.groups)


def skip_rate_by_position(statistics: Statistics) -> Table:
    """Returns the rates by position, counted from 0."""
    return _rates("position (from 0)", statistics.by_position.groups)


def seconds_to_skip(statistics: Statistics) -> Table:
    """Returns the histogram."""
    return _histogram("seconds", statistics.seconds_to_skip.histogram)


def share_heard(statistics: Statistics) -> Table:
    """Returns the histogram."""
    return _histogram("share heard", statistics.share_heard.histogram)


def survival(statistics: Statistics) -> Table:
    """Returns both curves every 15 seconds."""
    curve = statistics.survival
    return Table(
        ("seconds", "still listening", "not skipped, if no track ended"),
        [
            (str(t), percent(curve.still_listening[t]), percent(curve.not_skipped[t]))
            for t in curve.seconds[::SECONDS_APART]
        ],
    )


def track_duration(statistics: Statistics) -> Table:
    """Returns the histogram."""
    return _histogram("seconds", statistics.track_duration_s.histogram)


def plays_per_track(statistics: Statistics) -> Table:
    """Returns the storage classes."""
    return Table(
        ("class", "tracks", "plays", "plays per track", "ever played", "daily cost"),
        [
            (
                entry.storage_class, f"{entry.tracks:,}", f"{entry.plays:,}", _number(entry.plays_per_track),
                percent(entry.played_share or 0.0), f"{entry.daily_cost:,.2f}",
            )
            for entry in statistics.storage_classes
        ],
    )  # fmt: skip


def attribute(name: str, statistics: Statistics) -> Table:
    """Returns the summary of one attribute."""
    summary = statistics.attributes[name].summary
    fields = ("mean", "std", "min", "p01", "q25", "median", "q75", "p99", "max")
    return Table(("statistic", "value"), [(field, _number(getattr(summary, field))) for field in fields])


def correlation(statistics: Statistics) -> Table:
    """Returns the whole matrix."""
    names = statistics.correlation.columns
    rows = zip(names, statistics.correlation.matrix, strict=True)
    return Table(("", *names), [(name, *map(_number, row)) for name, row in rows])


def mutual_information(statistics: Statistics) -> Table:
    """Returns the attributes' information."""
    entries = statistics.mutual_information.attributes
    return Table(("attribute", "nats"), [(entry.attribute, f"{entry.nats:.4f}") for entry in entries])


def _rates(noun: str, rates: Sequence[SkipRate]) -> Table:
    rows = [
        (str(rate.group), f"{rate.plays:,}", f"{rate.skips:,}", percent(rate.rate),
         f"{percent(rate.low)} to {percent(rate.high)}")
        for rate in rates[:MOST_ROWS]
    ]  # fmt: skip
    if len(rates) > MOST_ROWS:
        rows.append((f"and {len(rates) - MOST_ROWS:,} more", "", "", "", ""))
    return Table((noun, "plays", "skips", "skip rate", "95 % interval"), rows)


def _histogram(noun: str, histogram: Histogram) -> Table:
    bounds = zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False)
    rows = [(f"{low:,.2f} to {high:,.2f}", f"{count:,}") for low, high, count in bounds]
    if histogram.n_beyond:
        rows.append(("above", f"{histogram.n_beyond:,}"))
    return Table((noun, "count"), rows)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"

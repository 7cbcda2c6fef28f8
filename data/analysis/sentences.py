"""One function a figure: says in words what its numbers say."""

from data.analysis.figures import positions_with_enough_plays
from data.analysis.phrases import NoDataError, column_label, in_seconds, many, percent, spread
from data.analysis.skip_rates import SkipRate
from data.analysis.statistics import PITCH_CLASSES, Statistics

STRONG_CORRELATION = 0.5


def event_counts(statistics: Statistics) -> str:
    """Returns how many events of each kind there are for every play."""
    counts, plays = statistics.event_counts, statistics.rows.plays
    if not statistics.rows.events:
        raise NoDataError("the sessions hold no event")
    if not plays:
        raise NoDataError("the sessions hold no play")
    return (
        f"{many(statistics.rows.events, 'event')} in {many(statistics.rows.sessions, 'session')}: to every "
        f"100 plays come {100 * counts['SKIP'] / plays:.1f} skips, {100 * counts['LIKE'] / plays:.1f} likes "
        f"and {100 * counts['ADVERTISEMENT'] / plays:.1f} advertisements; premium was bought "
        f"{many(counts['BUY_PREMIUM'], 'time')}."
    )


def skip_rate(statistics: Statistics) -> str:
    """Returns the overall rate, its uncertainty, and which situation differs most."""
    overall = _overall(statistics)
    sentence = (
        f"{percent(overall.rate)} of {many(overall.plays, 'play')} are skipped (95 % interval "
        f"{percent(overall.low)} to {percent(overall.high)}); always guessing "
        f"“{'skipped' if overall.rate > 0.5 else 'played through'}” is right for "
        f"{percent(max(overall.rate, 1 - overall.rate))}."
    )
    if not statistics.by_situation:
        return sentence
    extreme = max(statistics.by_situation, key=lambda rate: abs(rate.rate - overall.rate))
    return f"{sentence} Farthest from that: {extreme.group}, with {percent(extreme.rate)}."


def skip_rate_by_listener(statistics: Statistics) -> str:
    """Returns how far listeners are apart, and whether chance explains it."""
    _overall(statistics)
    return spread(statistics.by_listener, statistics.by_listener.groups, "listener", "listener {}")


def skip_rate_by_hour(statistics: Statistics) -> str:
    """Returns how far the hours are apart, and whether chance explains it."""
    _overall(statistics)
    return spread(statistics.by_hour, statistics.by_hour.groups, "hour", "{:02d}:00")


def skip_rate_by_position(statistics: Statistics) -> str:
    """Returns how far positions are apart, and whether chance explains it."""
    _overall(statistics)
    shown = positions_with_enough_plays(statistics)
    shifted = [SkipRate(int(r.group) + 1, r.plays, r.skips, r.rate, r.low, r.high) for r in shown]
    hidden = len(statistics.by_position.groups) - len(shown)
    note = f" {many(hidden, 'position')} with fewer than 30 plays left out." if hidden else ""
    return spread(statistics.by_position, shifted, "position", "play {}") + note


def seconds_to_skip(statistics: Statistics) -> str:
    """Returns when skips come."""
    return in_seconds(statistics.seconds_to_skip, "Skips come", "no play was skipped")


def share_heard(statistics: Statistics) -> str:
    """Returns how much of a skipped track is heard, and how many skips come early and late."""
    summary, histogram = statistics.share_heard.summary, statistics.share_heard.histogram
    if summary.median is None:
        raise NoDataError("no play was skipped")
    early = sum(histogram.counts[:5]) / summary.count
    late = sum(histogram.counts[15:]) / summary.count
    return (
        f"Half of the skips come before {percent(summary.median)} of the track: {percent(early)} of them in "
        f"its first quarter, {percent(late)} in its last."
    )


def survival(statistics: Statistics) -> str:
    """Returns when half of the plays are over, and what the second curve means."""
    curve, plays = statistics.survival, statistics.rows.plays
    if not curve.seconds:
        raise NoDataError("the sessions hold no play")
    half = next((t for t, share in enumerate(curve.still_listening) if share < 0.5), curve.seconds[-1])
    marks = [t for t in (30, 60, 180) if t < len(curve.seconds)]
    kept = "".join(f"{percent(curve.still_listening[t])} after {t}\u00a0s, " for t in marks)
    return (
        f"Still listened to, of {many(plays, 'play')}: {kept}fewer than half after {half}\u00a0s. "
        f"If no track ended, {percent(curve.not_skipped[half])} would be left by then."
    )


def track_duration(statistics: Statistics) -> str:
    """Returns how long tracks are, and how long the extremes."""
    return in_seconds(statistics.track_duration_s, "Tracks last", "there is no track")


def plays_per_track(statistics: Statistics) -> str:
    """Returns which storage class's tracks are played most, and what share of the cost it has."""
    known = [entry for entry in statistics.storage_classes if entry.plays_per_track is not None]
    if not known:
        raise NoDataError("no track has a storage class")
    cost = sum(entry.daily_cost for entry in known)
    per_class = "; ".join(
        f"{entry.storage_class} {entry.plays_per_track:,.2f} plays a track, "
        f"{percent(entry.played_share or 0.0)} ever played, "
        f"{percent(entry.daily_cost / cost) if cost else 'none'} of the daily cost"
        for entry in known
    )
    return f"{per_class}."


def attribute(name: str, statistics: Statistics) -> str:
    """Returns where the middle half of the tracks lies, or which value is the most common."""
    described = statistics.attributes[name]
    summary, histogram = described.summary, described.histogram
    if summary.mean is None or summary.q25 is None or summary.q75 is None:
        raise NoDataError("there is no track")
    if name == "explicit":
        return f"{percent(summary.mean)} of the tracks are explicit."
    if name == "key":
        fullest = max(range(len(histogram.counts)), key=histogram.counts.__getitem__)
        key = round((histogram.edges[fullest] + histogram.edges[fullest + 1]) / 2)
        most = percent(histogram.counts[fullest] / summary.count)
        return f"The most common is {PITCH_CLASSES[key] if key >= 0 else 'none'}, with {most} of the tracks."
    return f"Mean {summary.mean:.4g}; half of the tracks lie between {summary.q25:.4g} and {summary.q75:.4g}."


def correlation(statistics: Statistics) -> str:
    """Returns which pair goes together most, and which attribute goes most with a skip."""
    names, matrix = statistics.correlation.columns, statistics.correlation.matrix
    pairs = [
        (abs(r), r, names[row], names[column])
        for row in range(len(names)) for column in range(row)
        if (r := matrix[row][column]) is not None
    ]  # fmt: skip
    if not pairs:
        raise NoDataError("correlation needs plays that differ")
    _, r, one, other = max(pairs)
    strong = sum(size > STRONG_CORRELATION for size, *_ in pairs)
    sentence = (
        f"{strong} of {many(len(pairs), 'pair')} correlate above 0.5 in size; most of all "
        f"{column_label(one)} and {column_label(other)} (r\u00a0=\u00a0{r:+.2f})."
    )
    with_skip = [pair for pair in pairs if pair[2] == "skipped"]
    if not with_skip:
        return sentence
    _, r, _, other = max(with_skip)
    return f"{sentence} With a skip, none goes farther than {column_label(other)} (r\u00a0=\u00a0{r:+.3f})."


def mutual_information(statistics: Statistics) -> str:
    """Returns how much the best attribute tells, against the noise and against who listens."""
    information = statistics.mutual_information
    if not information.attributes or information.shuffled_nats is None or information.listener_nats is None:
        raise NoDataError("it takes five plays of each outcome to estimate it")
    best = information.attributes[0]
    sampled = information.n_plays < statistics.rows.plays
    return (
        f"No single attribute tells more than {best.nats:.4f} nats ({column_label(best.attribute)}), "
        f"{percent(best.nats / information.entropy_nats)} of what there is to know "
        f"({information.entropy_nats:.3f}); with shuffled outcomes the estimate still reaches "
        f"{information.shuffled_nats:.4f}. Who listens tells {information.listener_nats:.4f}. Estimated on "
        f"{'a random sample of ' if sampled else ''}{many(information.n_plays, 'play')}, "
        f"seed {information.seed}."
    )


def _overall(statistics: Statistics) -> SkipRate:
    if statistics.overall is None:
        raise NoDataError("the sessions hold no play")
    return statistics.overall

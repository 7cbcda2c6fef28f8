"""What several sentences say alike: shares, counts, how far groups are apart, how seconds spread."""

from data.analysis.distributions import Distribution
from data.analysis.skip_rates import GroupedSkipRate, SkipRate

SMALL_P_VALUE = 0.01


class NoDataError(Exception):
    """A figure has nothing to show; says why, for readers of the report."""


def percent(share: float) -> str:
    """Returns a share with two decimals, as in `34.12 %`; the space does not break."""
    return f"{share * 100:.2f}\u00a0%"


def many(count: int, noun: str) -> str:
    """Returns a count with its noun, in the plural unless there is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def spread(grouped: GroupedSkipRate, shown: list[SkipRate], noun: str, name: str) -> str:
    """Returns how far the shown groups are apart, and whether chance explains it; `name` formats a group."""
    low, high = min(shown, key=lambda rate: rate.rate), max(shown, key=lambda rate: rate.rate)
    if len(shown) == 1:
        return f"All plays are of one {noun}, {name.format(low.group)}: {percent(low.rate)} are skipped."
    lowest, highest = name.format(low.group), name.format(high.group)
    sentence = f"From {percent(low.rate)} ({lowest}) to {percent(high.rate)} ({highest})"
    p_value = grouped.chance_p_value
    if p_value is None:
        return f"{sentence}: all plays ended alike."
    p = "p\u00a0<\u00a00.001" if p_value < 0.001 else f"p\u00a0=\u00a0{p_value:.3f}"
    if p_value < SMALL_P_VALUE:
        return f"{sentence}: more than chance would set {noun}s apart if plays were independent ({p})."
    return f"{sentence}: no more than chance would set {noun}s apart ({p})."


def in_seconds(described: Distribution, verb: str, why_not: str) -> str:
    """Returns how a number of seconds is distributed; raises a `NoDataError` when there is none."""
    summary = described.summary
    if summary.mean is None:
        raise NoDataError(why_not)
    std = "" if summary.std is None else f", std {summary.std:.2f}"
    beyond = described.histogram.n_beyond
    note = f" {beyond:,} above {described.histogram.edges[-1]:,.0f} s are not drawn." if beyond else ""
    return (
        f"{verb} {summary.min:.2f} to {summary.max:.2f} s: mean {summary.mean:.2f}, median "
        f"{summary.median:.2f}{std}; the middle half {summary.q25:.2f} to {summary.q75:.2f}, the 1st and "
        f"99th percentile {summary.p01:.2f} and {summary.p99:.2f}.{note}"
    )


def column_label(name: str) -> str:
    """Returns what a report calls a column: its name without underscores and unit."""
    return name.removesuffix("_s").replace("_", " ").lower()

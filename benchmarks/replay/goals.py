"""The promises about the cache, held against what was measured."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

DEFAULT_MBIT = 2.0


class Goal(NamedTuple):
    """A promise.

    Attributes:
        promise: In words.
        found: What was measured.
        met: Whether that keeps it.
    """

    promise: str
    found: str
    met: bool


def goals(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Goal]:
    """Yields the promises: those for the given data at 2 Mbit/s, then those for all data and bandwidths.

    Args:
        found: What was measured, by data set, the given one first; and "a million plays".
    """
    replays = [it for it in found.values() if _at(DEFAULT_MBIT) in it]
    given, link = replays[0], replays[0][_at(DEFAULT_MBIT)]
    share = link["advisor's share of the oracle's gain, %"]
    yield Goal("advisor has 90 % of the oracle's gain", f"{share:.1f} %", share >= 90.0)
    rival, (lead, low, high) = min(_leads(link), key=lambda it: it[1][0])
    yield Goal(
        f"advisor is ahead of the next best ({rival})", f"{lead:+.2f} ({low:+.2f} to {high:+.2f})", low > 0
    )
    wasted = link["wasted bytes against next-n-full, %"]
    yield Goal("30 % fewer bytes wasted than by next-n-full", f"{wasted:+.1f} %", wasted <= -30.0)
    p95, full = link["p95 start, ms"], link["p95 start of next-n-full, ms"]
    yield Goal(
        "p95 start no worse than its, and 265 ms at most",
        f"{p95:.0f} and {full:.0f} ms",
        p95 <= min(full, 265.0),
    )
    links = [it for replay in replays for name, it in replay.items() if name.startswith("at ")]
    leads = [lead[0] for link in links for _, lead in _leads(link)]
    yield Goal(
        f"advisor is ahead in all {len(leads)} comparisons", f"{min(leads):+.2f} at least", min(leads) > 0
    )
    more = max(link["wasted bytes against next-n-full, %"] for link in links)
    yield Goal("fewer bytes wasted than by next-n-full everywhere", f"{more:+.1f} % at most", more < 0)
    if skips := given.get("fewer skips by the ranking, %"):
        middle, low, high = skips
        interval = f"{middle:.1f} % ({low:.1f} to {high:.1f})"
        yield Goal("5 % fewer skips by the ranking", interval, middle >= 5.0 and low > 0)
    if million := found.get("a million plays"):
        yield Goal("a million plays in 10 minutes", f"{million['seconds']:.0f} s", million["seconds"] < 600.0)


def _at(mbit: float) -> str:
    return f"at {mbit:g} Mbit/s"


def _leads(link: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Yields (rival, [lead in score, low, high]) for each policy but `none` and `oracle`."""
    for name, value in link.items():
        if name.startswith("score over "):
            yield name.removeprefix("score over "), value

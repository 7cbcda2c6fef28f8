"""What a client has seen of its link, and what a plan may expect of it. Nothing of a link is assumed known.

Two things are estimated: how fast bytes come while they come (`throughput`), and how long the silences are
that a buffer has to bridge.

A **silence** is measured as the lead that would have bridged it: how far, in seconds, what came fell behind
the audio that was played meanwhile. A link that carries nothing for 5 s is one of 5 s, and so is one that
carries half of the audio's rate for 10 s.

Until enough was watched, silences are expected as one an hour, of any length from 1 to 30 s, all orders of
magnitude alike. It is an assumption for safety, taken from no data set: it counts as if a quarter of an hour
had been watched, and fades as more is.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from cache_client.prefetch.throughput import Transfer, mean_throughput, safe_throughput

_ASSUMED_WATCHED_S = 900.0
_ASSUMED_SILENCES = 0.25
_ASSUMED_SILENCES_S = (1.0, 1.7, 3.0, 5.5, 10.0, 17.0, 30.0)
"""Log-uniform; together they count as the assumed number."""

_SPREAD = (0.5, 0.7, 0.9, 1.2, 1.7)
"""The next silences are like the seen ones, not of their very lengths: each stands for these multiples."""


@dataclass(frozen=True, slots=True)
class LinkObservations:
    """What a client has seen of its link; everything empty before the first byte.

    Attributes:
        transfers: The latest ones while bytes flowed, newest last.
        watched_s: For how long the link was watched in which `silences_s` came, in seconds.
        silences_s: The leads that would have bridged the silences of that time, in seconds, newest last.
    """

    transfers: tuple[Transfer, ...] = ()
    watched_s: float = 0.0
    silences_s: tuple[float, ...] = ()


class Silence(NamedTuple):
    """An expected silence.

    Attributes:
        lead_s: The lead that bridges it, in seconds.
        per_s: How often it comes, a second.
    """

    lead_s: float
    per_s: float


class LinkEstimate:
    """What a plan expects of the link.

    Attributes:
        bytes_per_s: What it carries while it carries, in bytes/s; None while nothing was
            seen.
        safe_bytes_per_s: The same for a single transfer that must be in time: a margin less; None likewise.
        longest_s: The lead that bridges all expected silences, in seconds.
    """

    def __init__(
        self,
        bytes_per_s: float | None,
        silences: Iterable[Silence],
        safe_bytes_per_s: float | None = None,
    ) -> None:
        """Sorts the silences, so that each question takes a search and no loop."""
        self.bytes_per_s, self.safe_bytes_per_s = bytes_per_s, safe_bytes_per_s
        by_lead = sorted(silences)
        self._leads_s = [it.lead_s for it in by_lead]
        self.longest_s = self._leads_s[-1] if by_lead else 0.0
        # Of the silences from each place on: how many a second, and their leads added up.
        self._per_s = [*accumulate((it.per_s for it in reversed(by_lead)), initial=0.0)][::-1]
        leads_per_s = (it.lead_s * it.per_s for it in reversed(by_lead))
        self._lead_s_per_s = [*accumulate(leads_per_s, initial=0.0)][::-1]

    def silent_s(self, lead_s: float) -> float:
        """Returns the seconds of silence to expect, a second watched, where the buffer has some lead."""
        place = bisect_right(self._leads_s, lead_s)
        return max(0.0, self._lead_s_per_s[place] - lead_s * self._per_s[place])

    def interruptions(self, lead_s: float) -> float:
        """Returns how many silences outlast some lead, a second watched."""
        return self._per_s[bisect_right(self._leads_s, lead_s)]


def link_estimate(observed: LinkObservations) -> LinkEstimate:
    """Returns what to expect of a link after what was seen of it."""
    transfers = observed.transfers
    return LinkEstimate(mean_throughput(transfers), _silences(observed), safe_throughput(transfers))


def _silences(observed: LinkObservations) -> Iterator[Silence]:
    watched_s = max(0.0, observed.watched_s) + _ASSUMED_WATCHED_S
    for lead_s in _ASSUMED_SILENCES_S:
        yield Silence(lead_s, _ASSUMED_SILENCES / len(_ASSUMED_SILENCES_S) / watched_s)
    for seen_s in observed.silences_s:
        for factor in _SPREAD:
            yield Silence(seen_s * factor, 1.0 / len(_SPREAD) / watched_s)

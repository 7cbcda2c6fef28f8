"""How fast bytes come, on the safe side."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_LATEST = 5


class Transfer(NamedTuple):
    """Some bytes that came at a stretch.

    Attributes:
        size_bytes: How many.
        duration_s: In which time, in seconds.
    """

    size_bytes: float
    duration_s: float


def safe_throughput(transfers: Sequence[Transfer]) -> float | None:
    """Returns the latest transfers' harmonic mean less a margin for how wrong such means were, in bytes/s.

    Args:
        transfers: Newest last.

    Returns:
        None when there is none.

    Source:
        Yin et al., "A Control-Theoretic Approach for Dynamic Adaptive Video Streaming over HTTP", SIGCOMM
        2015.
    """
    rates = _rates(transfers)
    if not rates:
        return None
    first = max(1, len(rates) - _LATEST)
    errors = [abs(_mean(rates[:at]) - rates[at]) / rates[at] for at in range(first, len(rates))]
    return _mean(rates) / (1.0 + max(errors, default=0.0))


def mean_throughput(transfers: Iterable[Transfer]) -> float | None:
    """Returns what transfers carried over their whole time, in bytes/s; None when there is none."""
    usual = [it for it in transfers if _is_rate(it)]
    duration_s = sum(it.duration_s for it in usual)
    return sum(it.size_bytes for it in usual) / duration_s if usual else None


def _rates(transfers: Iterable[Transfer]) -> list[float]:
    return [it.size_bytes / it.duration_s for it in transfers if _is_rate(it)]


def _is_rate(transfer: Transfer) -> bool:
    """Returns whether a transfer has a rate: a clock can make zero or infinity of a read."""
    size_bytes, duration_s = transfer
    return size_bytes > 0 and duration_s > 0 and 0.0 < size_bytes / duration_s < math.inf


def _mean(rates: Sequence[float]) -> float:
    latest = rates[-_LATEST:]
    return len(latest) / sum(1.0 / rate for rate in latest)

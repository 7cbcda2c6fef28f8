"""The fetch plan under way: what the link carries while the playing track leaves room."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache_client.prefetch.plan import Fetch
from cache_client.simulator.cache import ClientCache


@dataclass(slots=True)
class _Transfer:
    """A range under way or waiting its turn; its first byte can be there at `ready_s`."""

    track_id: str
    end_byte: int  # not included
    ready_s: float | None = None  # None while it has not been asked for


class Transfers:
    """Works off a plan in order, one range at a time, asking for the next one while one flows."""

    def __init__(self, cache: ClientCache, ready_s: Callable[[str, float], float]) -> None:
        """Starts empty; `ready_s` returns when a track's first byte, asked for at a moment, is there."""
        self._cache = cache
        self._ready_s = ready_s
        self._transfers: deque[_Transfer] = deque()
        self.downloaded_bytes = 0.0

    def ready_s(self, track_id: str) -> float | None:
        """Returns when bytes of a planned track can flow, in s; None when it was not asked for."""
        for transfer in self._transfers:
            if transfer.track_id == track_id:
                return transfer.ready_s
        return None

    def follow(self, plan: Sequence[Fetch], now_s: float) -> None:
        """Drops the plan under way for another; what both have asked for goes on without a new request."""
        asked = {t.track_id: t.ready_s for t in self._transfers if t.ready_s is not None}
        self._transfers = deque(
            _Transfer(fetch.track_id, fetch.last_byte + 1, asked.get(fetch.track_id)) for fetch in plan
        )
        self._ask_for(0, now_s)

    def run(self, now_s: float, until_s: float, bytes_per_s: float) -> tuple[float, float]:
        """Transfers what a share of the link carries between two moments.

        Returns:
            For how many seconds bytes were on their way, and how many came.
        """
        full_s, before_bytes = 0.0, self.downloaded_bytes
        while self._transfers and now_s < until_s:
            transfer = self._transfers[0]
            assert transfer.ready_s is not None
            begin_s = max(now_s, transfer.ready_s)
            if begin_s >= until_s:
                break
            if bytes_per_s <= 0:
                full_s += until_s - begin_s
                break
            self._ask_for(1, begin_s)
            entry = self._cache.entry(transfer.track_id)
            missing_bytes = max(0.0, transfer.end_byte - entry.downloaded_bytes)
            end_s = begin_s + missing_bytes / bytes_per_s
            full_s += min(end_s, until_s) - begin_s
            if end_s > until_s:
                moved_bytes = (until_s - begin_s) * bytes_per_s
                entry.downloaded_bytes += moved_bytes
                self.downloaded_bytes += moved_bytes
                break
            entry.downloaded_bytes += missing_bytes
            self.downloaded_bytes += missing_bytes
            self._transfers.popleft()
            self._ask_for(0, end_s)
            now_s = end_s
        return full_s, self.downloaded_bytes - before_bytes

    def _ask_for(self, place: int, now_s: float) -> None:
        """Sends the request for a range, where the plan has one at that place that was not asked for yet."""
        if len(self._transfers) > place and (transfer := self._transfers[place]).ready_s is None:
            transfer.ready_s = self._ready_s(transfer.track_id, now_s)

"""A listener's device: what lasts from session to session."""

from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.simulator.cache import ClientCache
from cache_client.simulator.link import Link, watch

_LONGEST_MEMORY_S = 20 * 3600.0
"""An observer keeps a hundred silences: a longer past adds little, and takes long to simulate."""


class Device:
    """A cache, and an observer of the link."""

    def __init__(self, cache_bytes: int, observer: LinkObserver) -> None:
        """Starts with an empty cache."""
        self.cache = ClientCache(cache_bytes)
        self.observer = observer


def seen_before(link: Link, listened_s: float, audio_bytes_per_s: float) -> LinkObservations:
    """Returns what a device saw of a link over which its listener had listened for some time, in seconds."""
    observer = LinkObserver(audio_bytes_per_s)
    watch(link, min(listened_s, _LONGEST_MEMORY_S), audio_bytes_per_s, observer)
    return observer.observations()

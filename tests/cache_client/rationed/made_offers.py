"""Small hand-made offers."""

import numpy as np

from cache_client.rationed import Offers
from cache_client.rationed.offers import Offer
from cache_client.rpc.messages import ListenerContext, RecentPlay


def offer(
    track_id: str = "a", *, duration_s: float = 100.0, recent: tuple[tuple[str, bool], ...] = ()
) -> Offer:
    """Returns an offer at 160 kbit/s, with recent plays of (track_id, skipped)."""
    context = ListenerContext(recent_plays=tuple(RecentPlay(*it) for it in recent))
    return Offer("1", track_id, duration_s, int(duration_s * 20_000), ("jazz",), context)


def many(n: int = 400, n_earlier: int = 50, n_listeners: int = 8) -> Offers:
    """Returns offers whose listeners skip more or less, in the middle of the track."""
    draw = np.random.default_rng(0)
    listener = draw.integers(0, n_listeners, n)
    skipped = (
        draw.random(n_earlier + n)
        < np.linspace(0.05, 0.9, n_listeners)[
            np.concatenate([draw.integers(0, n_listeners, n_earlier), listener])
        ]
    )
    numbers = np.concatenate([np.zeros(n_earlier, dtype=int), listener])
    seen: dict[int, list[tuple[str, bool]]] = {}
    offers = []
    for place, (number, skip) in enumerate(zip(numbers.tolist(), skipped.tolist(), strict=True)):
        mine = seen.setdefault(number, [])
        offers.append(offer(str(place), duration_s=float(draw.integers(60, 400)), recent=tuple(mine)))
        mine.append((str(place), skip))
    heard = np.where(skipped[n_earlier:], 0.5, 1.0)
    return Offers(tuple(offers), n_earlier, listener, heard, ~skipped[n_earlier:])

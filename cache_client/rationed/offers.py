"""The plays as they come up: each offers its track to be fetched whole."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cache_client.prefetch.byte_price import WINDOW
from cache_client.prefetch.delivery import Delivery
from cache_client.rpc.messages import ListenerContext
from cache_client.simulator.contexts import RecordedContexts
from cache_client.simulator.trace import held_out


@dataclass(frozen=True, slots=True)
class Offer:
    """A track that comes up for a listener, and what is known before it starts."""

    listener_id: str
    track_id: str
    duration_s: float
    size_bytes: int
    favourite_genres: tuple[str, ...]
    context: ListenerContext


@dataclass(frozen=True, eq=False)
class Offers:
    """Offers in time order: those before the period, which a price may start from, then the period's.

    What became of an offer is for the figures and the oracle alone.

    Attributes:
        all: The offers, (n_earlier + n_plays,).
        n_earlier: How many of them came before the period.
        listener: Number of the listener of each play of the period, (n_plays,).
        heard_share: Share of the track that was heard, in [0, 1], (n_plays,).
        played_through: Whether it was heard out, (n_plays,).
    """

    all: tuple[Offer, ...]
    n_earlier: int
    listener: NDArray[np.int64]
    heard_share: NDArray[np.float64]
    played_through: NDArray[np.bool_]

    @property
    def size_bytes(self) -> NDArray[np.int64]:
        """Returns the size of each track of the period, in bytes, (n_plays,)."""
        return np.array([it.size_bytes for it in self.all[self.n_earlier :]], dtype=np.int64)

    @property
    def heard_s(self) -> NDArray[np.float64]:
        """Returns how long each play of the period was heard, in seconds, (n_plays,)."""
        return np.array([it.duration_s for it in self.all[self.n_earlier :]]) * self.heard_share


def read_offers(plays: pd.DataFrame, *, holdout: float, delivery: Delivery) -> Offers:
    """Returns the held-out plays as offers, after those of as many plays before as a price rests on.

    Args:
        plays: All of `data.plays`, in time order: earlier ones were known of a listener.
        holdout: Share of the plays, the last ones by time, whose sessions are the period.
        delivery: Tells a track's size.

    Raises:
        UsageError: No session starts in that part.
    """
    kept = held_out(plays, holdout)
    first = int(kept.index[0])
    earlier = plays.iloc[max(0, first - WINDOW) : first]
    contexts_of = RecordedContexts(plays)
    table = pd.concat([earlier, kept])
    columns = (table[name] for name in ("listener_id", "track_id", "duration_s", "favourite_genres"))
    offers = tuple(
        Offer(listener_id, track_id, duration_s, delivery.size_bytes(duration_s), tuple(genres), known)
        for listener_id, track_id, duration_s, genres, known in zip(
            *columns, map(contexts_of.at, table.index), strict=True
        )
    )
    return Offers(
        offers,
        len(earlier),
        pd.factorize(kept["listener_id"])[0].astype(np.int64),
        (kept["listened_s"] / kept["duration_s"]).clip(0.0, 1.0).to_numpy(dtype=np.float64),
        ~kept["skipped"].to_numpy(dtype=bool),
    )

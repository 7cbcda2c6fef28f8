"""How often each track will be asked for in a day, from what was played."""

import pandas as pd

from cache_client.placement import TrackDemand
from data import Catalogue

PRIOR_PLAYS = 0.25
"""Every track counts as played so often more, spread by popularity: what was never played may yet be. The
total stays what was recorded."""


def demands(catalogue: Catalogue, plays: pd.DataFrame) -> list[TrackDemand]:
    """Returns each track's expected plays a day and the share heard of them.

    Args:
        catalogue: The tracks with their storage.
        plays: What `data.plays` returned.
    """
    tracks = catalogue.tracks
    span_days = 1.0
    if len(plays):
        span = plays["started_at"].iloc[-1] - plays["started_at"].iloc[0]
        span_days = max(1.0, span.total_seconds() / 86_400)
    counted = plays.groupby("track_id").size()
    share = (plays["listened_s"] / plays["duration_s"]).clip(0.0, 1.0)
    mean_share = float(share.mean()) if len(plays) else 1.0
    heard = share.groupby(plays["track_id"]).sum()
    popularity = tracks["popularity"].astype(float)
    prior = PRIOR_PLAYS * (popularity + 1.0) / (popularity.mean() + 1.0)
    per_day = len(plays) / (len(plays) + float(prior.sum())) / span_days
    found = []
    columns = (tracks["id"], tracks["duration_ms"], tracks["storage_class"], prior)
    for track_id, duration_ms, storage_class, expected in zip(*columns, strict=True):
        n = float(counted.get(track_id, 0.0)) + float(expected)
        heard_share = (float(heard.get(track_id, 0.0)) + float(expected) * mean_share) / n
        known = storage_class if isinstance(storage_class, str) else None
        found.append(TrackDemand(track_id, float(duration_ms) / 60_000, known, n * per_day, heard_share))
    return found

"""Rules about artists, tracks, listeners and how tracks are stored."""

import numpy as np
import pandas as pd

from data.quality.rules import Broken, Tables, rule
from data.reading.faults import Severity
from data.schema import STORAGE_COST_PER_MINUTE


@rule("duplicate-artist-name", Severity.WARNING, table="artists", column="name")
def duplicate_artist_name(tables: Tables) -> Broken:
    """Names that more than one artist has."""
    names = tables["artists"]["name"].dropna()
    shared = names[names.duplicated(keep=False)]
    repeated = shared[shared.duplicated()]
    return Broken(repeated, count=shared.nunique(), note=f"{len(shared)} rows")


@rule("nameless-artist", Severity.WARNING, table="artists", column="name")
def nameless_artist(tables: Tables) -> Broken:
    """Artists whose name is the empty string."""
    return Broken(_blank(tables["artists"]["name"]))


@rule("nameless-track", Severity.WARNING, table="tracks", column="name")
def nameless_track(tables: Tables) -> Broken:
    """Tracks whose name is the empty string."""
    return Broken(_blank(tables["tracks"]["name"]))


def _blank(names: "pd.Series[str]") -> "pd.Series[str]":
    return names[names.str.strip() == ""]


@rule("duplicate-track", Severity.WARNING, table="tracks", column="name")
def duplicate_track(tables: Tables) -> Broken:
    """Pairs of artist and track name that more than one track has."""
    tracks = tables["tracks"].dropna(subset=["id_artist", "name"])
    pair = ["id_artist", "name"]
    shared = tracks[tracks.duplicated(pair, keep=False)]
    repeated = shared[shared.duplicated(pair)]
    most = int(shared.groupby(pair).size().max()) if len(shared) else 0
    n_pairs = len(shared) - len(repeated)
    return Broken(repeated["name"], count=n_pairs, note=f"{len(shared)} rows; the most frequent {most} times")


@rule("unknown-artist", Severity.WARNING, table="tracks", column="id_artist", needs=("artists",))
def unknown_artist(tables: Tables) -> Broken:
    """Tracks of an artist that artists.jsonl does not have; they count as without genres."""
    artists = tables["tracks"]["id_artist"].dropna()
    return Broken(artists[~artists.isin(tables["artists"]["id"].dropna())])


@rule("stored-unknown-track", Severity.WARNING, table="track_storage", column="track_id", needs=("tracks",))
def stored_unknown_track(tables: Tables) -> Broken:
    """Stored tracks that tracks.jsonl does not have."""
    stored = tables["track_storage"]["track_id"].dropna()
    return Broken(stored[~stored.isin(tables["tracks"]["id"].dropna())])


@rule("track-not-stored", Severity.WARNING, table="tracks", column="id", needs=("track_storage",))
def track_not_stored(tables: Tables) -> Broken:
    """Tracks without a line in track_storage.jsonl."""
    ids = tables["tracks"]["id"].dropna()
    return Broken(ids[~ids.isin(tables["track_storage"]["track_id"].dropna())])


@rule("storage-cost", Severity.WARNING, table="track_storage", column="daily_cost", needs=("tracks",))
def storage_cost(tables: Tables) -> Broken:
    """Daily costs that are not the storage class's rate times the track's minutes."""
    storage = tables["track_storage"].dropna().drop_duplicates("track_id")
    tracks = tables["tracks"].dropna(subset=["id", "duration_ms"]).drop_duplicates("id")
    duration_ms = storage["track_id"].map(tracks.set_index("id")["duration_ms"].astype("float64"))
    minutes = duration_ms.astype("float64") / 60_000  # without a row, map keeps the ids' type
    due = storage["storage_class"].map(STORAGE_COST_PER_MINUTE).astype("float64") * minutes
    paid = storage["daily_cost"].astype("float64")
    wrong = due.notna() & ~np.isclose(paid, due, rtol=1e-6, atol=1e-9)
    return Broken(paid[wrong])

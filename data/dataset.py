"""A data set in memory: the five tables, and the catalogue joined from three of them."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from data.reading.repairs import Repairs


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The tracks, with what the other files know about them.

    Attributes:
        tracks: One row a track in file order (RangeIndex): the columns of `tracks.jsonl`, `genres` (list[str]
            of the artist, empty when the artist is unknown), `storage_class` (str or None), `daily_cost`
            (float64, NaN when unknown).
        repairs: What lenient reading did to the files.
    """

    tracks: pd.DataFrame
    repairs: Repairs = field(default_factory=Repairs)

    @cached_property
    def track_ids(self) -> list[str]:
        """Returns the track ids in file order."""
        return self.tracks["id"].tolist()

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Returns the row of every track id."""
        return {track_id: row for row, track_id in enumerate(self.track_ids)}

    @classmethod
    def join(
        cls,
        artists: pd.DataFrame,
        tracks: pd.DataFrame,
        track_storage: pd.DataFrame,
        repairs: Repairs | None = None,
    ) -> "Catalogue":
        """Joins genres and storage to the tracks; ids are unique in each table."""
        genres_of = dict(zip(artists["id"], artists["genres"], strict=True))
        storage = track_storage.set_index("track_id").reindex(tracks["id"])
        joined = tracks.reset_index(drop=True)
        joined["genres"] = pd.Series(
            [genres_of.get(artist, []) for artist in joined["id_artist"]], dtype=object
        )
        # dtype=object: pandas would make strings of them, and NaN of None.
        storage_classes = [None if pd.isna(value) else value for value in storage["storage_class"]]
        joined["storage_class"] = pd.Series(storage_classes, dtype=object)
        joined["daily_cost"] = storage["daily_cost"].to_numpy(dtype=np.float64)
        return cls(joined, repairs or Repairs())


@dataclass(frozen=True, eq=False)
class Dataset:
    """The five tables of a data set, with the files' column names and row order.

    Attributes:
        artists: `artists.jsonl`; `genres` holds list[str].
        tracks: `tracks.jsonl`.
        users: `users.jsonl`; `favourite_genres` holds list[str].
        track_storage: `track_storage.jsonl`.
        sessions: `sessions.jsonl`; `timestamp` is datetime64[us], `user_id` and `session_id` are texts.
        digest: SHA-256 (hex) over the five files' bytes, in the order above.
        repairs: What lenient reading did to the files; nothing after strict reading.
    """

    artists: pd.DataFrame
    tracks: pd.DataFrame
    users: pd.DataFrame
    track_storage: pd.DataFrame
    sessions: pd.DataFrame
    digest: str
    repairs: Repairs = field(default_factory=Repairs)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Returns the tracks joined with their artists' genres and their storage."""
        return Catalogue.join(self.artists, self.tracks, self.track_storage, self.repairs)

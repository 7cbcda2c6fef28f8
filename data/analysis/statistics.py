"""Every number that the report shows."""

from dataclasses import asdict, dataclass
from typing import Any

from data.analysis.distributions import Distribution
from data.analysis.information import Correlation, MutualInformation
from data.analysis.skip_rates import GroupedSkipRate, SkipRate, Survival

AUDIO_ATTRIBUTES = (
    "popularity", "explicit", "danceability", "energy", "key", "loudness", "speechiness", "acousticness",
    "instrumentalness", "liveness", "valence", "tempo",
)  # fmt: skip
SHARES = frozenset({
    "danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness", "valence",
})  # fmt: skip
WHOLE_NUMBERS = frozenset({"popularity", "explicit", "key"})
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Rows:
    """How much there is; `duplicated_pairs` counts the (artist, track name) pairs that occur repeatedly."""

    artists: int
    tracks: int
    listeners: int
    stored_tracks: int
    events: int
    sessions: int
    plays: int
    duplicated_pairs: int


@dataclass(frozen=True)
class StorageClass:
    """The tracks of one storage class.

    Attributes:
        plays_per_track: Mean over all its tracks, those never played included.
        played_share: Share of its tracks with at least one play; None without tracks.
        daily_cost: Of all its tracks together.
    """

    storage_class: str
    tracks: int
    plays: int
    plays_per_track: float | None
    played_share: float | None
    daily_cost: float


@dataclass(frozen=True)
class Statistics:
    """All that is known of a data set; times in seconds, hours in UTC.

    Attributes:
        overall: The skip rate of all plays; None without plays.
        by_situation: Of plays with premium and without, and right after an advertisement or not.
        share_heard: Of the track, by the plays that were skipped.
        attributes: Of the tracks, by name.
    """

    digest: str
    rows: Rows
    event_counts: dict[str, int]
    overall: SkipRate | None
    by_situation: list[SkipRate]
    by_listener: GroupedSkipRate
    by_hour: GroupedSkipRate
    by_position: GroupedSkipRate
    seconds_to_skip: Distribution
    share_heard: Distribution
    survival: Survival
    track_duration_s: Distribution
    attributes: dict[str, Distribution]
    correlation: Correlation
    mutual_information: MutualInformation
    storage_classes: list[StorageClass]

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON: what has no value is None, never NaN."""
        return asdict(self)

"""Contracts of the five files of a Pozytywka data set, one JSON object a line.

A contract is a pandera model: its columns, their types, ranges and uniqueness. Fields that a contract does
not name (`mode`, `time_signature`, …) are accepted in the files and left out of the tables. No column may be
null.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
from pandera.typing import Series

STORAGE_COST_PER_MINUTE = {"SLOW": 0.003, "MEDIUM": 0.006, "FAST": 0.030}
"""Daily cost of storing one minute of a track, by storage class."""

EVENT_TYPES = ("PLAY", "SKIP", "LIKE", "ADVERTISEMENT", "BUY_PREMIUM")
TRACK_EVENT_TYPES = ("PLAY", "SKIP", "LIKE")
"""Events about a track; the others carry an empty `track_id`."""

RELEASE_DATE_PATTERN = r"^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?\Z"


SENTINELS = (-1, "-1", "null", "None", "nan", "NaN")
"""What stands in columns of ids where the id was lost."""
_LOST = [value for value in SENTINELS if isinstance(value, str)]


def _identifier(unique: bool = False) -> Any:
    return pa.Field(
        unique=unique,
        notin=_LOST,
        str_length={"min_value": 1},
        metadata={"identifier": True},
    )


def _number(unique: bool = False) -> Any:
    return pa.Field(unique=unique, notin=[-1], ge=0, metadata={"identifier": True})


def _between(lowest: float, highest: float) -> Any:
    return pa.Field(in_range={"min_value": lowest, "max_value": highest})


def _share() -> Any:
    return _between(0.0, 1.0)


class Artists(pa.DataFrameModel):
    """`artists.jsonl`."""

    id: Series[str] = _identifier(unique=True)
    name: Series[str]
    genres: Series[object]


class Tracks(pa.DataFrameModel):
    """`tracks.jsonl`: `loudness` in dB, `tempo` in beats a minute, `key` a pitch class (-1: none found)."""

    id: Series[str] = _identifier(unique=True)
    name: Series[str]
    popularity: Series[int] = _between(0, 100)
    duration_ms: Series[int] = pa.Field(gt=0)
    explicit: Series[int] = pa.Field(isin=[0, 1])
    id_artist: Series[str] = _identifier()
    release_date: Series[str] = pa.Field(str_matches=RELEASE_DATE_PATTERN)
    danceability: Series[float] = _share()
    energy: Series[float] = _share()
    key: Series[int] = _between(-1, 11)
    loudness: Series[float] = _between(-100.0, 20.0)
    speechiness: Series[float] = _share()
    acousticness: Series[float] = _share()
    instrumentalness: Series[float] = _share()
    liveness: Series[float] = _share()
    valence: Series[float] = _share()
    tempo: Series[float] = _between(0.0, 500.0)


class Users(pa.DataFrameModel):
    """`users.jsonl`: the listeners; `premium_user` is their state at the end of the recording."""

    user_id: Series[int] = _number(unique=True)
    name: Series[str]
    city: Series[str]
    street: Series[str]
    favourite_genres: Series[object]
    premium_user: Series[bool]


class TrackStorage(pa.DataFrameModel):
    """`track_storage.jsonl`: how a track is stored, and what that costs a day."""

    track_id: Series[str] = _identifier(unique=True)
    storage_class: Series[str] = pa.Field(isin=list(STORAGE_COST_PER_MINUTE))
    daily_cost: Series[float] = _between(0.0, 1e9)


class Sessions(pa.DataFrameModel):
    """`sessions.jsonl`: the events, `timestamp` in ISO 8601 (UTC when it names no offset)."""

    timestamp: Series[pd.Timestamp]
    user_id: Series[int] = _number()
    track_id: Series[str] = pa.Field(notin=_LOST, metadata={"identifier": True})
    event_type: Series[str] = pa.Field(isin=list(EVENT_TYPES))
    session_id: Series[int] = _number()


@dataclass(frozen=True)
class Column:
    """How one column is written in JSON, read by Arrow, and what its values are held to."""

    name: str
    json_types: tuple[type, ...]
    json_name: str
    arrow_type: arrow.DataType
    is_identifier: bool
    is_unique: bool
    checks: tuple[pa.Check, ...]

    @property
    def is_time(self) -> bool:
        """Tells whether the column holds times, which JSON writes as strings."""
        return self.json_name == "an ISO 8601 time"


# By the pandera model's type. JSON knows no int/float split: a whole number is a fine float, not the reverse.
_JSON_OF: dict[type, tuple[tuple[type, ...], str, arrow.DataType]] = {
    str: ((str,), "a string", arrow.string()),
    int: ((int,), "a whole number", arrow.int64()),
    float: ((int, float), "a number", arrow.float64()),
    bool: ((bool,), "true or false", arrow.bool_()),
    object: ((list,), "a list of strings", arrow.list_(arrow.string())),
    pd.Timestamp: ((str,), "an ISO 8601 time", arrow.string()),
}


@dataclass(frozen=True)
class FileContract:
    """One file of a data set: its name in the folder and its pandera model."""

    file_name: str
    model: type[pa.DataFrameModel]

    @property
    def name(self) -> str:
        """Returns the table's name."""
        return self.file_name.removesuffix(".jsonl")

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Returns the columns by name, in the model's order."""
        return {column.name: column for column in self._columns()}

    @cached_property
    def arrow_schema(self) -> arrow.Schema:
        """Returns the schema that Arrow's JSON reader is told to expect."""
        return arrow.schema([(column.name, column.arrow_type) for column in self.columns.values()])

    @cached_property
    def time_columns(self) -> tuple[str, ...]:
        """Returns the names of the columns of times, which JSON writes as strings."""
        return tuple(name for name, column in self.columns.items() if column.is_time)

    @cached_property
    def raw_arrow_schema(self) -> arrow.Schema:
        """Returns `arrow_schema` with the columns of times as times."""
        return arrow.schema(
            [
                (name, arrow.timestamp("us") if column.is_time else column.arrow_type)
                for name, column in self.columns.items()
            ]
        )

    def _columns(self) -> Iterator[Column]:
        declared = self.model.to_schema().columns
        for name, annotation in self.model.__annotations__.items():
            (kind,) = annotation.__args__  # Series[kind]
            is_identifier = bool((declared[name].metadata or {}).get("identifier"))
            yield Column(
                name, *_JSON_OF[kind], is_identifier, declared[name].unique, tuple(declared[name].checks)
            )


ARTISTS = FileContract("artists.jsonl", Artists)
TRACKS = FileContract("tracks.jsonl", Tracks)
USERS = FileContract("users.jsonl", Users)
TRACK_STORAGE = FileContract("track_storage.jsonl", TrackStorage)
SESSIONS = FileContract("sessions.jsonl", Sessions)

CATALOGUE_FILES = (ARTISTS, TRACKS, TRACK_STORAGE)
DATASET_FILES = (ARTISTS, TRACKS, USERS, TRACK_STORAGE, SESSIONS)

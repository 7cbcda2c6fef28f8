"""Contracts of the five files of a Pozytywka data set, one JSON object a line.

Fields that a contract does not name (`mode`, `time_signature`, …) are accepted in the files and left out of
the tables. No column may be null.
"""

from data.value_rules import (
    FLAG,
    ID,
    NOT_BELOW_0,
    NOT_EMPTY,
    NOT_LOST,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    WHOLE,
    Column,
    above,
    between,
    matching,
    one_of,
)

STORAGE_COST_PER_MINUTE = {"SLOW": 0.003, "MEDIUM": 0.006, "FAST": 0.030}
"""Daily cost of storing one minute of a track, by storage class."""

EVENT_TYPES = ("PLAY", "SKIP", "LIKE", "ADVERTISEMENT", "BUY_PREMIUM")
TRACK_EVENT_TYPES = ("PLAY", "SKIP", "LIKE")
"""Events about a track; the others carry an empty `track_id`."""

RELEASE_DATE_PATTERN = r"^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?\Z"

_IDENTIFIER = (NOT_LOST, NOT_EMPTY)
_LISTENER_OR_SESSION = (NOT_LOST, NOT_EMPTY, NOT_BELOW_0)
_SHARE = (between(0.0, 1.0),)


class FileContract:
    """One file of a data set: its name in the folder, and its columns by name, in the tables' order."""

    def __init__(self, file_name: str, *columns: Column) -> None:
        """Declares a file."""
        self.file_name = file_name
        self.name = file_name.removesuffix(".jsonl")
        self.columns = {column.name: column for column in columns}


ARTISTS = FileContract(
    "artists.jsonl",
    Column("id", TEXT, _IDENTIFIER, is_unique=True),
    Column("name", TEXT),
    Column("genres", TEXTS),
)
TRACKS = FileContract(
    "tracks.jsonl",
    Column("id", TEXT, _IDENTIFIER, is_unique=True),
    Column("name", TEXT),
    Column("popularity", WHOLE, (between(0, 100),)),
    Column("duration_ms", WHOLE, (above(0),)),
    Column("explicit", WHOLE, (one_of(0, 1),)),
    Column("id_artist", TEXT, _IDENTIFIER),
    Column("release_date", TEXT, (matching(RELEASE_DATE_PATTERN),)),
    Column("danceability", NUMBER, _SHARE),
    Column("energy", NUMBER, _SHARE),
    Column("key", WHOLE, (between(-1, 11),)),  # a pitch class; -1: none found
    Column("loudness", NUMBER, (between(-100.0, 20.0),)),  # dB
    Column("speechiness", NUMBER, _SHARE),
    Column("acousticness", NUMBER, _SHARE),
    Column("instrumentalness", NUMBER, _SHARE),
    Column("liveness", NUMBER, _SHARE),
    Column("valence", NUMBER, _SHARE),
    Column("tempo", NUMBER, (between(0.0, 500.0),)),  # beats a minute
)
USERS = FileContract(
    "users.jsonl",
    Column("user_id", ID, _LISTENER_OR_SESSION, is_unique=True),
    Column("name", TEXT),
    Column("city", TEXT),
    Column("street", TEXT),
    Column("favourite_genres", TEXTS),
    Column("premium_user", FLAG),  # at the end of the recording: `plays` rebuilds it for each play
)
TRACK_STORAGE = FileContract(
    "track_storage.jsonl",
    Column("track_id", TEXT, _IDENTIFIER, is_unique=True),
    Column("storage_class", TEXT, (one_of(*STORAGE_COST_PER_MINUTE),)),
    Column("daily_cost", NUMBER, (between(0.0, 1e9),)),
)
SESSIONS = FileContract(
    "sessions.jsonl",
    Column("timestamp", TIME),  # UTC when it names no offset
    Column("user_id", ID, _LISTENER_OR_SESSION),
    Column("track_id", TEXT, (NOT_LOST,)),
    Column("event_type", TEXT, (one_of(*EVENT_TYPES),)),
    Column("session_id", ID, _LISTENER_OR_SESSION),
)

CATALOGUE_FILES = (ARTISTS, TRACKS, TRACK_STORAGE)
DATASET_FILES = (ARTISTS, TRACKS, USERS, TRACK_STORAGE, SESSIONS)

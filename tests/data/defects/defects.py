"""Defects to plant in a generated data set: what each does to a line, and the rule that finds it.

Most of the kinds are those of the real release v1. A defect does as little as it can: it is planted on a line
that nothing else hangs on (a LIKE, an ADVERTISEMENT) where the fault allows it. Some cannot help breaking a
second rule: the tracks of an artist who has lost the id are tracks of an unknown artist.
"""

from dataclasses import dataclass

from data.schema import ARTISTS, SESSIONS, TRACK_STORAGE, TRACKS, USERS, FileContract
from tests.data.defects.planters import (
    UNKNOWN_ID,
    Planter,
    add_copy,
    as_before,
    backwards,
    before_play,
    dearer,
    drop,
    half,
    late_skip,
    needless_track,
    rewrite_advertisement,
    second_listener,
    set_fields,
    stored_unknown,
    stranger,
    track_twice,
    without_street,
)


@dataclass(frozen=True)
class Defect:
    """One kind of defect.

    Attributes:
        name: Its name.
        file: The file that it is planted in.
        meaning: What it does, in words.
        rule: The rule of `validate` that finds it.
        column: The column that the rule names; None when it is not one column's.
        plant: Plants it.
    """

    name: str
    file: FileContract
    meaning: str
    rule: str
    column: str | None
    plant: Planter


# fmt: off
DEFECTS = (
    Defect("artist-id-lost", ARTISTS, "the id is -1", "sentinel", "id", set_fields(id=-1)),
    Defect("genres-null", ARTISTS, "the genres are null", "null", "genres", set_fields(genres=None)),
    Defect("artist-name-shared", ARTISTS, "two artists of one name",
           "duplicate-artist-name", "name", as_before("name")),
    Defect("artist-nameless", ARTISTS, "the name is empty", "nameless-artist", "name", set_fields(name="")),
    Defect("track-name-null", TRACKS, "the name is null", "null", "name", set_fields(name=None)),
    Defect("track-nameless", TRACKS, "the name is empty", "nameless-track", "name", set_fields(name="")),
    Defect("track-listed-twice", TRACKS, "two lines of one id", "duplicate-id", "id", track_twice),
    Defect("track-name-shared", TRACKS, "two tracks of one artist and name",
           "duplicate-track", "name", as_before("id_artist", "name")),
    Defect("track-of-nobody", TRACKS, "the artist is not in artists.jsonl",
           "unknown-artist", "id_artist", set_fields(id_artist=UNKNOWN_ID)),
    Defect("track-artist-empty", TRACKS, "the artist's id is empty",
           "empty", "id_artist", set_fields(id_artist="")),
    Defect("duration-as-text", TRACKS, "the duration is a text",
           "wrong-type", "duration_ms", set_fields(duration_ms="3:45")),
    Defect("energy-too-high", TRACKS, "the energy is 1.7, beyond 1",
           "out-of-range", "energy", set_fields(energy=1.7)),
    Defect("popularity-too-high", TRACKS, "the popularity is 101, beyond 100",
           "out-of-range", "popularity", set_fields(popularity=101)),
    Defect("tempo-nan", TRACKS, "the tempo is NaN", "not-finite", "tempo", set_fields(tempo=float("nan"))),
    Defect("release-month-13", TRACKS, "released in a month 13",
           "bad-format", "release_date", set_fields(release_date="2001-13-01")),
    Defect("explicit-unknown", TRACKS, "explicit is 2, neither 0 nor 1",
           "not-allowed", "explicit", set_fields(explicit=2)),
    Defect("favourite-genres-null", USERS, "the favourite genres are null",
           "null", "favourite_genres", set_fields(favourite_genres=None)),
    Defect("premium-null", USERS, "whether the listener pays is null",
           "null", "premium_user", set_fields(premium_user=None)),
    Defect("premium-as-text", USERS, "whether the listener pays is a text",
           "wrong-type", "premium_user", set_fields(premium_user="yes")),
    Defect("listener-stray-id", USERS, "a field that does not belong there",
           "stray-field", "id", set_fields(id=-1)),
    Defect("listener-listed-twice", USERS, "two lines of one listener",
           "duplicate-id", "user_id", add_copy()),
    Defect("street-missing", USERS, "a field is not there", "missing-field", "street", without_street),
    Defect("storage-unknown", TRACK_STORAGE, "a storage class that there is not",
           "not-allowed", "storage_class", set_fields(storage_class="FROZEN")),
    Defect("storage-overpriced", TRACK_STORAGE, "ten times the cost", "storage-cost", "daily_cost", dearer),
    Defect("stored-twice", TRACK_STORAGE, "two lines of one track", "duplicate-id", "track_id", add_copy()),
    Defect("stored-unknown", TRACK_STORAGE, "a track that is not in tracks.jsonl",
           "stored-unknown-track", "track_id", stored_unknown),
    Defect("not-stored", TRACK_STORAGE, "a track's line is gone", "track-not-stored", "id", drop),
    Defect("event-type-null", SESSIONS, "the event's type is null",
           "null", "event_type", set_fields("LIKE", event_type=None)),
    Defect("event-type-unknown", SESSIONS, "an event type that there is not",
           "not-allowed", "event_type", set_fields("ADVERTISEMENT", event_type="PAUSE")),
    Defect("event-track-null", SESSIONS, "the track is null",
           "null", "track_id", set_fields("LIKE", track_id=None)),
    Defect("event-track-empty", SESSIONS, "no track on an event that is about one",
           "no-track", "track_id", set_fields("LIKE", track_id="")),
    Defect("event-track-needless", SESSIONS, "a track on an event that is about none",
           "needless-track-id", "track_id", needless_track),
    Defect("event-track-unknown", SESSIONS, "a PLAY of a track that is not in tracks.jsonl",
           "unknown-track", "track_id", add_copy("PLAY", track_id=UNKNOWN_ID)),
    Defect("event-listener-null", SESSIONS, "the listener is null",
           "null", "user_id", set_fields("ADVERTISEMENT", user_id=None)),
    Defect("event-listener-lost", SESSIONS, "the listener is -1",
           "sentinel", "user_id", set_fields("ADVERTISEMENT", user_id=-1)),
    Defect("event-listener-unknown", SESSIONS, "a listener who is not in users.jsonl",
           "unknown-listener", "user_id", stranger),
    Defect("session-fraction", SESSIONS, "the session's id is no whole number",
           "wrong-type", "session_id", set_fields("LIKE", session_id=12.5)),
    Defect("session-negative", SESSIONS, "the session's id is below 0",
           "out-of-range", "session_id", set_fields("ADVERTISEMENT", session_id=-7)),
    Defect("session-shared", SESSIONS, "a session of two listeners",
           "two-listeners", "session_id", second_listener),
    Defect("time-month-13", SESSIONS, "a time in a month 13",
           "bad-time", "timestamp", set_fields("LIKE", timestamp="2023-13-01T00:00:00")),
    Defect("time-backwards", SESSIONS, "an event earlier than the one before",
           "time-backwards", "timestamp", backwards),
    Defect("event-twice", SESSIONS, "one event in two lines",
           "repeated-event", None, add_copy("ADVERTISEMENT")),
    Defect("skip-unplayed", SESSIONS, "a SKIP before the PLAY",
           "skip-without-play", "event_type", before_play("SKIP")),
    Defect("like-unplayed", SESSIONS, "a LIKE before the PLAY",
           "like-without-play", "event_type", before_play("LIKE")),
    Defect("skip-late", SESSIONS, "a SKIP two hours late, after the track's end",
           "skip-after-end", "timestamp", late_skip),
    Defect("line-cut-off", SESSIONS, "half a line", "not-json", None, rewrite_advertisement(half)),
    Defect("line-in-list", SESSIONS, "an object in a list",
           "not-an-object", None, rewrite_advertisement(lambda text: [b"[" + text + b"]"])),
    Defect("line-not-utf8", SESSIONS, "bytes that are no text",
           "not-utf8", None, rewrite_advertisement(lambda text: [b"\xff" + text])),
    Defect("line-blank", SESSIONS, "a blank line",
           "blank-line", None, rewrite_advertisement(lambda text: [text, b""])),
    Defect("line-crlf", SESSIONS, "a line that ends in CR LF",
           "crlf", None, rewrite_advertisement(lambda text: [text + b"\r"])),
    Defect("field-twice", SESSIONS, "a field twice in one line",
           "duplicate-key", "track_id",
           rewrite_advertisement(lambda text: [text[:-1] + b', "track_id": ""}'])),
)
"""All defects, by file."""
# fmt: on

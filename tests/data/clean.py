"""A tiny data set by hand without a fault, to plant one in."""

import json
from collections.abc import Callable
from typing import Any

Records = dict[str, list[Any]]
"""The lines of each table: an object, or text and bytes to be written as they are."""
Plant = Callable[[Records], object]

_AUDIO = {
    "danceability": 0.5, "energy": 0.5, "key": -1, "loudness": -7.5, "speechiness": 0.1, "acousticness": 0.2,
    "instrumentalness": 0, "liveness": 0.3, "valence": 0.4, "tempo": 120,
}  # fmt: skip


def _track(track_id: str, artist: str, duration_ms: int) -> dict[str, Any]:
    return {
        "id": track_id, "name": f"song {track_id}", "popularity": 50, "duration_ms": duration_ms,
        "explicit": 0, "id_artist": artist, "release_date": "2001-02-03", **_AUDIO,
    }  # fmt: skip


def _listener(user_id: int) -> dict[str, Any]:
    return {
        "user_id": user_id, "name": f"listener {user_id}", "city": "Łódź", "street": "Prosta 1",
        "favourite_genres": ["pop"], "premium_user": False,
    }  # fmt: skip


def _event(second: int, user_id: int, track_id: str, event_type: str, session_id: int) -> dict[str, Any]:
    return {
        "timestamp": f"2023-01-01T10:{second // 60:02}:{second % 60:02}", "user_id": user_id,
        "track_id": track_id, "event_type": event_type, "session_id": session_id,
    }  # fmt: skip


def clean_records() -> Records:
    return {
        "artists": [
            {"id": "A1", "name": "Ann", "genres": ["pop"]},
            {"id": "A2", "name": "Bob", "genres": ["rock"]},
        ],
        "tracks": [_track("T1", "A1", 60_000), _track("T2", "A2", 120_000)],
        "users": [_listener(1), _listener(2)],
        "track_storage": [
            {"track_id": "T1", "storage_class": "SLOW", "daily_cost": 0.003},
            {"track_id": "T2", "storage_class": "FAST", "daily_cost": 0.06},
        ],
        "sessions": [
            _event(0, 1, "T1", "PLAY", 10),
            _event(10, 1, "T1", "LIKE", 10),
            _event(20, 1, "T1", "SKIP", 10),
            _event(21, 1, "", "ADVERTISEMENT", 10),
            _event(30, 1, "T2", "PLAY", 10),
            _event(5, 2, "T2", "PLAY", 11),
            _event(125, 2, "T1", "PLAY", 11),
        ],
    }


def as_line(record: Any) -> bytes:
    if isinstance(record, bytes):
        return record
    return (record if isinstance(record, str) else json.dumps(record)).encode("utf-8", "surrogatepass")

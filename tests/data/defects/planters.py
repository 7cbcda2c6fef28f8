"""How a defect is planted: functions from a line's object to the lines to write instead."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from data.generator.listeners import FIRST_LISTENER_ID

Record = dict[str, Any]
Lines = list[Record | bytes]
Planter = Callable[[Record, Record | None], Lines | None]
"""Gets a line's object, and that of the line before (None: there is none, or it is planted already).

Returns the lines to write instead, objects or plain bytes, or None where the defect cannot be planted."""

UNKNOWN_ID = "0" * 22
_FAR_AWAY = 1_000_000_000
"""Beyond the number of any listener or session."""


def set_fields(on: str | None = None, **values: Any) -> Planter:
    """Sets fields, in an event of the type `on` if it is given."""

    def plant(record: Record, before: Record | None) -> Lines | None:
        return [{**record, **values}] if on in (None, record.get("event_type")) else None

    return plant


def as_before(*names: str) -> Planter:
    """Takes fields over from the line before."""

    def plant(record: Record, before: Record | None) -> Lines | None:
        return [{**record, **{name: before[name] for name in names}}] if before else None

    return plant


def add_copy(on: str | None = None, **values: Any) -> Planter:
    """Adds a copy of the line with other values behind it, an event of the type `on` if it is given."""

    def plant(record: Record, before: Record | None) -> Lines | None:
        return [record, {**record, **values}] if on in (None, record.get("event_type")) else None

    return plant


def drop(record: Record, before: Record | None) -> Lines | None:
    """Leaves the line out."""
    return []


def without_street(record: Record, before: Record | None) -> Lines | None:
    """Takes the street out of a listener."""
    return [{name: value for name, value in record.items() if name != "street"}]


def track_twice(record: Record, before: Record | None) -> Lines | None:
    """Adds the track again, by another name."""
    return [record, {**record, "name": f"{record['name']} (again)"}]


def dearer(record: Record, before: Record | None) -> Lines | None:
    """Makes the storage ten times as dear."""
    return [{**record, "daily_cost": 10 * record["daily_cost"]}]


def stored_unknown(record: Record, before: Record | None) -> Lines | None:
    """Stores a track whose id is another one's backwards."""
    return [record, {**record, "track_id": record["track_id"][::-1]}]


def rewrite_advertisement(write: Callable[[bytes], Lines]) -> Planter:
    """Rewrites the text of an ADVERTISEMENT, the event that nothing hangs on."""

    def plant(record: Record, before: Record | None) -> Lines | None:
        return write(json.dumps(record).encode()) if record["event_type"] == "ADVERTISEMENT" else None

    return plant


def needless_track(record: Record, before: Record | None) -> Lines | None:
    """Gives an ADVERTISEMENT the track before it."""
    if record["event_type"] != "ADVERTISEMENT" or not before or not before["track_id"]:
        return None
    return [{**record, "track_id": before["track_id"]}]


def _in_session(record: Record, before: Record | None) -> bool:
    return before is not None and before["session_id"] == record["session_id"]


def second_listener(record: Record, before: Record | None) -> Lines | None:
    """Gives an ADVERTISEMENT in a session to another listener."""
    if record["event_type"] != "ADVERTISEMENT" or not _in_session(record, before):
        return None
    is_first = record["user_id"] == FIRST_LISTENER_ID
    return [{**record, "user_id": FIRST_LISTENER_ID + is_first}]


def backwards(record: Record, before: Record | None) -> Lines | None:
    """Puts an ADVERTISEMENT a minute before the event before it."""
    if record["event_type"] != "ADVERTISEMENT" or not before or not _in_session(record, before):
        return None
    return [{**record, "timestamp": _later(before["timestamp"], timedelta(minutes=-1))}]


def late_skip(record: Record, before: Record | None) -> Lines | None:
    """Puts a SKIP two hours later: no track is that long."""
    if record["event_type"] != "SKIP":
        return None
    return [{**record, "timestamp": _later(record["timestamp"], timedelta(hours=2))}]


def _later(timestamp: str, by: timedelta) -> str:
    return (datetime.fromisoformat(timestamp) + by).isoformat()


def before_play(event_type: str) -> Planter:
    """Puts an event in front of the first PLAY of a session."""

    def plant(record: Record, before: Record | None) -> Lines | None:
        if record["event_type"] != "PLAY" or before is None or _in_session(record, before):
            return None
        return [{**record, "event_type": event_type}, record]

    return plant


def stranger(record: Record, before: Record | None) -> Lines | None:
    """Adds a session of a listener whom nobody knows, one PLAY long."""
    if record["event_type"] != "PLAY":
        return None
    session_id = _FAR_AWAY + record["session_id"]
    return [record, {**record, "user_id": _FAR_AWAY, "session_id": session_id}]


def half(text: bytes) -> Lines:
    """Returns the first half of a line."""
    return [text[: len(text) // 2]]

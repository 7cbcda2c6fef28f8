"""Writes the lines of a data set's files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.generator.timeline import EVENTS, EventBlock


def write_rows(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes columns of equal length as one JSON object a line."""
    names = list(columns)
    with path.open("w", encoding="ascii", newline="\n") as file:
        for row in zip(*columns.values(), strict=True):
            file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


def event_lines(block: EventBlock, listener_id: int, first_session_id: int, track_ids: Sequence[str]) -> str:
    """Returns a block's events as lines of `sessions.jsonl`.

    The lines are put together without a JSON encoder, which would take most of the time: nothing in them
    needs escaping.
    """
    tails = [f'", "event_type": "{event}", "session_id": ' for event in EVENTS]
    middle = f'", "user_id": {listener_id}, "track_id": "'
    # Python's isoformat, as in the real release: microseconds, left out when they are zero.
    times = np.datetime_as_string(block.at.astype("datetime64[us]")).tolist()
    rows = zip(times, block.track.tolist(), block.event.tolist(), block.session.tolist(), strict=True)
    ids = [*track_ids, ""]  # the last one serves the events without a track, whose row is -1
    return "".join(
        [
            f'{{"timestamp": "{time.removesuffix(".000000")}{middle}{ids[track]}{tails[event]}'
            f"{first_session_id + session}}}\n"
            for time, track, event, session in rows
        ]
    )

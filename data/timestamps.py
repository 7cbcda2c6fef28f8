"""Columns of ISO 8601 times."""

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
from numpy.typing import NDArray

TIMESTAMP_PATTERN = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$"
_SHORTEST = len("2023-01-01T00:00")


def to_timestamps(texts: arrow.ChunkedArray) -> tuple[arrow.ChunkedArray, NDArray[np.bool_]]:
    """Parses ISO 8601 times, with or without fractions of a second and an offset.

    Args:
        texts: Strings, shape (n,); null where there is none.

    Returns:
        The times, shape (n,), microseconds without a time zone (UTC when they name no offset), null where
        there is none; and whether there was a text that is no time, shape (n,).
    """
    try:  # Arrow is ten times faster, and knows neither offsets nor nanoseconds; it takes a date for a time
        if (compute.min(compute.utf8_length(texts)).as_py() or 0) >= _SHORTEST:
            return texts.cast(arrow.timestamp("us")), np.zeros(len(texts), dtype=bool)
    except arrow.ArrowInvalid:
        pass  # one of them is written another way, or is no time: find out which
    column = texts.to_pandas()
    times = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    well_formed = compute.fill_null(compute.match_substring_regex(texts, TIMESTAMP_PATTERN), False).to_numpy()
    usable = times.notna().to_numpy() & well_formed
    times = times.dt.tz_localize(None).dt.as_unit("us").where(usable)
    bad = column.notna().to_numpy() & ~usable
    return arrow.chunked_array([arrow.Array.from_pandas(times, type=arrow.timestamp("us"))]), bad

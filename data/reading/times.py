"""Columns of ISO 8601 times."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as arrow
from numpy.typing import NDArray

_PATTERN = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$"
_SHORTEST = len("2023-01-01T00:00")


def timestamps(texts: Sequence[str | None]) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Parses ISO 8601 times, with or without fractions of a second and an offset.

    Args:
        texts: One a time, shape (n,); None where there is none.

    Returns:
        The times, shape (n,), datetime64[us] (UTC when they name no offset), NaT where there is none; and
        whether there was a text that is no time, shape (n,).
    """
    try:  # Arrow is ten times faster, and knows neither offsets nor nanoseconds; it takes a date for a time
        if min(map(len, filter(None, texts)), default=_SHORTEST) >= _SHORTEST:
            times = arrow.array(texts, arrow.string()).cast(arrow.timestamp("us"))
            return times.to_numpy(zero_copy_only=False), np.zeros(len(texts), dtype=bool)
    except arrow.ArrowInvalid:
        pass  # one of them is written another way, or is no time: find out which
    column = pd.Series(list(texts), dtype="str")
    parsed = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    usable = parsed.notna() & column.str.match(_PATTERN, na=False)
    bad = (column.notna() & ~usable).to_numpy(dtype=bool)
    return parsed.dt.tz_localize(None).dt.as_unit("us").where(usable).to_numpy(), bad

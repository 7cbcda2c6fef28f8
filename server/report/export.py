"""The joined predictions of a phase as a file, for other tools: CSV or Parquet, a batch at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from data.atomic_write import atomic_file
from server.errors import ServiceError

Row = Mapping[str, Any]
Write = Callable[[Sequence[Row]], None]

SUFFIXES = (".csv", ".parquet")
GENRE_SEPARATOR = "|"
_INSTANT = pa.timestamp("ms", tz="UTC")  # as fine as MongoDB's

SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()), ("experiment", pa.string()), ("phase", pa.string()),
        ("arm", pa.string()), ("model", pa.string()), ("version", pa.string()), ("digest", pa.string()),
        ("arm_probability", pa.float64()), ("listener_id", pa.string()), ("track_id", pa.string()),
        ("favourite_genres", pa.list_(pa.string())), ("play_through_probability", pa.float64()),
        ("skipped", pa.bool_()), ("requested_at", _INSTANT), ("latency_us", pa.int64()),
        ("metric", pa.string()), ("outcome_skipped", pa.bool_()), ("outcome_listened_ms", pa.int64()),
        ("outcome_recorded_at", _INSTANT),
    ]
)  # fmt: skip
"""One row a prediction; what an outcome tells is null while there is none."""

_LATER_FIELDS = {"digest": "", "metric": "accuracy"}  # what older documents lack


def require_known_suffix(path: Path | None) -> None:
    """Refuses a file whose name does not say what it is to hold.

    Raises:
        ServiceError: When it ends neither with `.csv` nor with `.parquet`.
    """
    if path is not None and path.suffix not in SUFFIXES:
        raise ServiceError(f"--export: {path} has to end with {' or '.join(SUFFIXES)}")


@contextmanager
def exporting(path: Path) -> Iterator[Write]:
    """Yields what writes documents into a file, which is there, whole, once the block has ended well.

    Args:
        path: Where to; its suffix says as what.

    Raises:
        ServiceError: When the suffix is unknown.
        DataError: When the file cannot be written.
    """
    require_known_suffix(path)
    with atomic_file(path) as fresh, _writer(fresh, path.suffix) as write:
        yield lambda rows: write(_table(rows))


@contextmanager
def _writer(path: Path, suffix: str) -> Iterator[Callable[[pa.Table], None]]:
    if suffix == ".parquet":
        with parquet.ParquetWriter(path, SCHEMA) as file:
            yield file.write_table
        return
    with csv.CSVWriter(path, _with_joined_genres(SCHEMA.empty_table()).schema) as file:
        yield lambda table: file.write_table(_with_joined_genres(table))


def _table(rows: Sequence[Row]) -> pa.Table:
    return pa.table({field.name: pa.array(_values(rows, field.name), field.type) for field in SCHEMA})


def _values(rows: Sequence[Row], name: str) -> list[Any]:
    """Returns a column of the documents."""
    if name == "prediction_id":
        return [row["_id"] for row in rows]
    if name.startswith("outcome_"):
        inner = name.removeprefix("outcome_")
        return [outcome and outcome[inner] for outcome in (row.get("outcome") for row in rows)]
    return [row.get(name, _LATER_FIELDS.get(name)) for row in rows]


def _with_joined_genres(table: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    at = table.schema.get_field_index("favourite_genres")
    joined = pc.binary_join(table.column(at), GENRE_SEPARATOR)
    return table.set_column(at, "favourite_genres", joined)

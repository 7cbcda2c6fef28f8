"""What a spool file takes over: rows of one that was deleted while open, and files of older releases."""

import sqlite3
from contextlib import closing, suppress

import structlog

from server.log.spool.file import FILE_NAME, SpoolFile

_ROWS = 1000
_TABLES = {
    "predictions": "prediction_id, body, keep_until",
    "outcomes": "prediction_id, body, looks",
    "dead_letters": "kind, prediction_id, body, reason, detail, died_at",
}
# Older releases had a file a worker. Their outcomes were either beside their predictions, or held.
_FORMER = {
    "predictions": "SELECT prediction_id, body FROM predictions ORDER BY prediction_id",
    "outcomes": "SELECT prediction_id, outcome FROM predictions WHERE outcome IS NOT NULL"
    " UNION ALL SELECT prediction_id, outcome FROM outcomes",
    "dead_letters": "SELECT CASE WHEN body IS NULL THEN 'outcome' ELSE 'prediction' END, prediction_id,"
    " coalesce(body, outcome), 'refused', reason, CAST(strftime('%s', 'now') AS REAL) FROM dead_letters"
    " UNION ALL SELECT 'outcome', prediction_id, outcome, 'refused', reason,"
    " CAST(strftime('%s', 'now') AS REAL) FROM dead_letters"
    " WHERE body IS NOT NULL AND outcome IS NOT NULL",
}
_FORMER_COLUMNS = {
    "predictions": "prediction_id, body",
    "outcomes": "prediction_id, body",
    "dead_letters": "kind, prediction_id, body, reason, detail, died_at",
}

_log = structlog.get_logger("server.log.spool.takeover")


def take_over(source: SpoolFile, target: SpoolFile) -> None:
    """Copies what waits from one file to another, and what callers may ask for again; repeats do no harm."""
    position = source.position()
    for table, columns in _TABLES.items():
        left = f"number > {position} OR keep_until IS NOT NULL" if table == "predictions" else "TRUE"
        query = f"SELECT {columns} FROM {table} WHERE {left} ORDER BY number"
        _copy(source.connection, query, target, table, columns)


def take_over_former(target: SpoolFile) -> None:
    """Moves what files of older releases hold, beside a spool file, into it; what cannot be read stays."""
    for path in sorted(target.path.parent.glob("*.sqlite3")):
        if path.name == FILE_NAME:
            continue
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as source:
                for table, query in _FORMER.items():
                    _copy(source, query, target, table, _FORMER_COLUMNS[table])
        except sqlite3.Error as error:
            _log.error("spool_not_taken_over", spool=str(path), reason=str(error))
            continue
        _log.info("spool_taken_over", spool=str(path))
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).unlink()


def _copy(source: sqlite3.Connection, query: str, target: SpoolFile, table: str, columns: str) -> None:
    """Copies rows, part by part; those that are there already, as after a crash, are not doubled."""
    marks = {column: f"?{n}" for n, column in enumerate(columns.split(", "), start=1)}
    change = (
        f"INSERT OR IGNORE INTO {table} ({columns}) SELECT {', '.join(marks.values())} WHERE NOT EXISTS"
        f" (SELECT 1 FROM {table} WHERE prediction_id = {marks['prediction_id']} AND body = {marks['body']})"
    )
    rows = source.execute(query)
    while some := rows.fetchmany(_ROWS):
        with target.transaction():
            target.connection.executemany(change, some)

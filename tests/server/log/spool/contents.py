"""What the tests of the spool put into its file, and read from it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.rows import DeadLetter, Kind, Reason, Row

HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


@contextmanager
def opened(folder: Path) -> Iterator[SpoolFile]:
    """Opens a folder's spool file as another process would, for the duration of a block."""
    with closing(SpoolFile(folder / FILE_NAME)) as file:
        yield file


def predictions_in(folder: Path) -> list[PredictionRecord]:
    """Returns the predictions that wait, in order."""
    with opened(folder) as file:
        return [row.record() for row in file.next_predictions(100_000)]


def outcomes_in(folder: Path) -> list[tuple[str, Outcome]]:
    """Returns the outcomes that wait with their predictions' ids, in order."""
    query = "SELECT number, prediction_id, body FROM outcomes ORDER BY number"
    with opened(folder) as file:
        rows = [Row(*row) for row in file.connection.execute(query)]
        return [(row.prediction_id, row.outcome()) for row in rows]


def dead_letters_in(folder: Path) -> list[tuple[str, str, str, str]]:
    """Returns kind, id, reason and detail of the dead letters, in order."""
    query = "SELECT kind, prediction_id, reason, detail FROM dead_letters ORDER BY number"
    with opened(folder) as file:
        return file.connection.execute(query).fetchall()


def deliver(folder: Path, limit: int = 100_000) -> int:
    """Takes what waits first for delivered; returns how many."""
    with opened(folder) as file:
        rows = file.next_predictions(limit)
        if rows:
            with file.transaction():
                file.advance(rows)
        return len(rows)


def refuse(folder: Path, detail: str = "") -> None:
    """Makes dead letters of all predictions that wait, as delivery does when MongoDB refuses them."""
    with opened(folder) as file, file.transaction():
        rows = file.next_predictions(100_000)
        file.add_dead_letters(DeadLetter(Kind.PREDICTION, row, Reason.REFUSED, detail) for row in rows)
        file.advance(rows)


def write_broken_file(folder: Path) -> None:
    """Puts something else in the spool file's place."""
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(b"not a database, but long enough to be looked at" * 50)

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace
from structlog.testing import capture_logs

from server.log.record import Outcome, PredictionRecord
from server.log.spool import takeover
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.rows import DeadLetter, Kind, Reason
from server.log.spool.spool import Spool
from server.log.spool.status import retry_dead_letters
from server.log.spool.takeover import take_over, take_over_former
from tests.server.log.spool.contents import (
    HEARD,
    SKIPPED,
    dead_letters_in,
    opened,
    outcomes_in,
    predictions_in,
)

MakeRecord = Callable[[int], PredictionRecord]
A, B = "a" * 24, "b" * 24

FORMER_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE predictions (
    prediction_id TEXT PRIMARY KEY, body TEXT NOT NULL, outcome TEXT
) WITHOUT ROWID;
CREATE TABLE outcomes (
    prediction_id TEXT PRIMARY KEY, outcome TEXT NOT NULL, held_at REAL NOT NULL, next_try REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY, prediction_id TEXT NOT NULL, body TEXT, outcome TEXT, reason TEXT NOT NULL
);
CREATE INDEX dead_letters_by_id ON dead_letters (prediction_id);
"""


def body_of(record: PredictionRecord | Outcome) -> str:
    """Returns a body as former releases wrote it: times with an offset, the outcome apart."""
    fields = asdict(record)
    fields.pop("outcome", None)
    return json.dumps(fields, default=lambda time: time.isoformat())


def write_former(folder: Path, worker: int, statements: dict[str, list[tuple[object, ...]]]) -> Path:
    """Writes the spool file of a worker as former releases did, and leaves it as a kill -9 would."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{worker}.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(FORMER_SCHEMA)
        for statement, rows in statements.items():
            connection.executemany(statement, rows)
        for suffix in ("", "-wal"):  # closing would remove what a process that is killed leaves behind
            shutil.copy(f"{path}{suffix}", folder / f"copy{suffix}")
    for suffix in ("", "-wal"):
        (folder / f"copy{suffix}").rename(f"{path}{suffix}")
    return path


PREDICTION = "INSERT INTO predictions VALUES (?, ?, ?)"
OUTCOME = "INSERT INTO outcomes VALUES (?, ?, 0, 0)"
DEAD = "INSERT INTO dead_letters (prediction_id, body, outcome, reason) VALUES (?, ?, ?, ?)"


def prediction_row(record: PredictionRecord, outcome: Outcome | None = None) -> tuple[object, ...]:
    return record.prediction_id, body_of(record), outcome and body_of(outcome)


@pytest.fixture
def former(folder: Path, make_record: MakeRecord) -> list[Path]:
    """What two workers of a former release left."""
    first, second, third = (make_record(n) for n in (1, 2, 3))
    return [
        write_former(
            folder,
            0,
            {
                PREDICTION: [prediction_row(second, HEARD), prediction_row(first)],
                OUTCOME: [(A, body_of(SKIPPED))],
            },
        ),
        write_former(
            folder,
            1,
            {
                PREDICTION: [prediction_row(third)],
                DEAD: [(B, body_of(make_record(4)), None, "too odd"), (A, None, body_of(HEARD), "another")],
            },
        ),
    ]


def assert_all_taken_over(folder: Path, make_record: MakeRecord) -> None:
    assert predictions_in(folder) == [make_record(n) for n in (1, 2, 3)]
    assert outcomes_in(folder) == [(make_record(2).prediction_id, HEARD), (A, SKIPPED)]
    assert dead_letters_in(folder) == [
        ("prediction", B, "refused", "too odd"),
        ("outcome", A, "refused", "another"),
    ]


def test_what_workers_of_a_former_release_left_is_taken_over_and_their_files_leave(
    folder: Path, former: list[Path], file: SpoolFile, make_record: MakeRecord
) -> None:
    with capture_logs() as logs:
        take_over_former(file)
        take_over_former(file)  # the next start
    assert [line["event"] for line in logs] == ["spool_taken_over"] * 2
    assert_all_taken_over(folder, make_record)
    assert {path.name for path in folder.iterdir()} == {
        FILE_NAME,
        f"{FILE_NAME}-wal",
        f"{FILE_NAME}-shm",
        "log.queue",
    }


def test_a_former_file_that_cannot_be_read_stays_and_keeps_nobody_from_the_others(
    folder: Path, former: list[Path], file: SpoolFile, make_record: MakeRecord
) -> None:
    broken, foreign = folder / "00.sqlite3", folder / "2.sqlite3"
    broken.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    with capture_logs() as logs:
        take_over_former(file)
    assert [(line["event"], Path(line["spool"]).name) for line in logs] == [
        ("spool_taken_over", "0.sqlite3"),
        ("spool_not_taken_over", "00.sqlite3"),
        ("spool_taken_over", "1.sqlite3"),
        ("spool_not_taken_over", "2.sqlite3"),
    ]
    assert broken.exists()
    assert foreign.exists()
    assert_all_taken_over(folder, make_record)


@pytest.mark.parametrize("delivered", [False, True])
def test_a_take_over_that_was_cut_off_doubles_nothing(
    folder: Path, former: list[Path], file: SpoolFile, make_record: MakeRecord, delivered: bool
) -> None:
    """As by a crash between the copy and the end of the former file."""
    copies = [(path, path.with_name(f"{path.name}-wal")) for path in former]
    kept = {path: path.read_bytes() for pair in copies for path in pair}
    take_over_former(file)
    if delivered:
        with file.transaction():
            file.advance(file.next_predictions(10))
    for path, content in kept.items():
        path.write_bytes(content)
    take_over_former(file)
    assert_all_taken_over(folder, make_record)  # MongoDB takes what it has once more


def test_an_outcome_of_a_former_dead_letter_is_taken_over_with_it(
    folder: Path, file: SpoolFile, make_record: MakeRecord
) -> None:
    record = make_record(1)
    row = (record.prediction_id, body_of(record), body_of(HEARD), "too odd")
    write_former(folder, 0, {DEAD: [row]})
    take_over_former(file)
    assert dead_letters_in(folder) == [
        ("prediction", record.prediction_id, "refused", "too odd"),
        ("outcome", record.prediction_id, "refused", "too odd"),
    ]
    assert retry_dead_letters(folder) == 2
    assert predictions_in(folder) == [record]
    assert outcomes_in(folder) == [(record.prediction_id, HEARD)]


def test_a_new_spool_has_nothing_to_take_over(file: SpoolFile) -> None:
    with capture_logs() as logs:
        take_over_former(file)
    assert logs == []


async def test_a_file_that_is_deleted_while_workers_append_loses_nothing(
    folder: Path, file: SpoolFile, make_record: MakeRecord
) -> None:
    """Delivery has the deleted file open as well: all that was in it can be read."""
    spool = Spool(folder, max_records=100)
    for n in (1, 2, 3, 4):
        await spool.append(make_record(n), retried=n == 2)
    with file.transaction():
        file.advance(file.next_predictions(2))  # 1 is in MongoDB; so is 2, which stays for retries
    (refused,) = file.next_predictions(1)
    with file.transaction():
        file.add_dead_letters([DeadLetter(Kind.PREDICTION, refused, Reason.REFUSED, "too odd")])
        file.advance([refused])
    await spool.append_outcome(A, HEARD)
    await spool.append_outcome(A, SKIPPED)
    with file.transaction():
        file.postpone_outcomes(file.due_outcomes(1), 0)

    shutil.rmtree(folder)
    await spool.append(make_record(5))  # to a new file already
    await spool.append_outcome(B, HEARD)
    with opened(folder) as fresh:
        take_over(file, fresh)
        take_over(file, fresh)  # again, as after a disk that was full for a moment
        first, again = fresh.first_outcomes([A])[A], make_record(2)
        assert fresh.looks([first]) == {first.number: 1}
    assert predictions_in(folder) == [make_record(n) for n in (5, 2, 4)]
    assert outcomes_in(folder) == [(B, HEARD), (A, HEARD), (A, SKIPPED)]
    assert dead_letters_in(folder) == [
        ("prediction", make_record(3).prediction_id, "refused", "too odd"),
    ]
    answer = await spool.append(replace(again, arm="another"), retried=True)
    assert answer == again
    await spool.close()


def test_a_large_file_is_taken_over_in_parts(
    folder: Path, file: SpoolFile, tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that append to the new file meanwhile wait for none of it long."""
    monkeypatch.setattr(takeover, "_ROWS", 10)
    statements: list[str] = []
    records = [make_record(n) for n in range(95)]
    with opened(tmp_path / "deleted") as source:
        with source.transaction():
            source.insert(records)
        file.connection.set_trace_callback(statements.append)
        take_over(source, file)
    assert statements.count("COMMIT") == 10
    assert predictions_in(folder) == records

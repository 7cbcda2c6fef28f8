import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.errors import StartError
from server.log.record import PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.rows import DeadLetter, Kind, Reason
from server.log.spool.status import (
    SpoolCounts,
    SpoolStatus,
    count_spooled,
    purge_dead_letters,
    read_status,
    retry_dead_letters,
)
from server.log.spool.turn import DELIVERY_LOCK_NAME
from tests.server.log.spool.contents import (
    HEARD,
    SKIPPED,
    dead_letters_in,
    deliver,
    opened,
    outcomes_in,
    predictions_in,
    refuse,
    write_broken_file,
)

MakeRecord = Callable[[int], PredictionRecord]
A, B, C = "a" * 24, "b" * 24, "c" * 24
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def insert(folder: Path, *records: PredictionRecord, kept: bool = False) -> None:
    with opened(folder) as file, file.transaction():
        file.insert(records, [record.prediction_id for record in records] if kept else ())


def refuse_outcomes(folder: Path, **reasons: Reason) -> None:
    """Makes dead letters of new outcomes, by the letter that their prediction's id is made of."""
    with opened(folder) as file, file.transaction():
        file.insert_outcomes((letter * 24, HEARD) for letter in reasons)
        firsts = file.first_outcomes(letter * 24 for letter in reasons)
        file.add_dead_letters(
            DeadLetter(Kind.OUTCOME, firsts[letter * 24], reason) for letter, reason in reasons.items()
        )


@pytest.mark.parametrize(
    "use", [count_spooled, read_status, retry_dead_letters, purge_dead_letters], ids=lambda use: use.__name__
)
def test_a_file_that_is_no_spool_is_one_clear_error(folder: Path, use: Callable[[Path], object]) -> None:
    write_broken_file(folder)
    with pytest.raises(StartError, match="cannot open the spool"):
        use(folder)


@pytest.mark.parametrize(
    "use", [count_spooled, read_status, retry_dead_letters, purge_dead_letters], ids=lambda use: use.__name__
)
def test_a_folder_that_cannot_be_looked_into_is_one_clear_error(
    tmp_path: Path, use: Callable[[Path], object]
) -> None:
    with pytest.raises(StartError, match="cannot use the spool"):
        use(tmp_path / ("x" * 300))  # refused to root as well, whom no permission keeps out


def test_where_there_is_no_spool_nothing_waits_and_nothing_is_made(folder: Path) -> None:
    assert count_spooled(folder) == SpoolCounts()
    assert read_status(folder) == SpoolStatus()
    assert (retry_dead_letters(folder), purge_dead_letters(folder)) == (0, 0)
    assert not folder.exists()


def test_a_spool_that_lacks_a_table_is_one_clear_error(folder: Path, file: SpoolFile) -> None:
    file.connection.execute("DROP TABLE dead_letters")
    with pytest.raises(StartError, match="cannot use the spool"):
        read_status(folder)


def test_what_waits_is_counted_exactly_and_apart_from_what_is_kept_for_retries(
    folder: Path, make_record: MakeRecord
) -> None:
    insert(folder, make_record(0), make_record(1), kept=True)
    assert deliver(folder) == 2
    insert(folder, *(make_record(n) for n in range(2, 6)))
    with opened(folder) as file, file.transaction():
        file.insert_outcomes([(A, HEARD), (A, SKIPPED), (B, HEARD)])
        file.connection.execute(
            "DELETE FROM predictions WHERE prediction_id = ?", (make_record(3).prediction_id,)
        )
    assert count_spooled(folder) == SpoolCounts(waiting=3, held_outcomes=3)
    status = read_status(folder)
    assert (status.waiting, status.waiting_outcomes) == (3, 3)


def test_dead_predictions_are_counted_by_phase_and_apart_from_outcomes(
    folder: Path, make_record: MakeRecord
) -> None:
    """Else a record that was refused in an old phase would forbid every later verdict."""
    records = [replace(make_record(n), phase=phase) for n, phase in enumerate(("old", "new", "new"))]
    insert(folder, *records)
    refuse(folder)
    refuse_outcomes(folder, a=Reason.UNKNOWN_PREDICTION)
    experiment = records[0].experiment
    phases = (None, (experiment, "old"), (experiment, "new"), ("another", "new"))
    counted = [count_spooled(folder, phase) for phase in phases]
    assert [counts.dead_letters for counts in counted] == [3, 1, 2, 0]
    assert {(counts.waiting, counts.held_outcomes, counts.dead_outcomes) for counts in counted} == {(0, 0, 1)}


@pytest.mark.parametrize("body", ["{", "7", "{}"])
def test_what_cannot_be_read_counts_for_every_phase_and_has_no_age(
    folder: Path, make_record: MakeRecord, body: str
) -> None:
    insert(folder, make_record(1), make_record(2))
    with opened(folder) as file:
        file.connection.execute("UPDATE predictions SET body = ?", (body,))
    assert read_status(folder).oldest is None
    refuse(folder)
    assert count_spooled(folder, ("another", "phase")) == SpoolCounts(dead_letters=2)


def test_the_oldest_is_the_first_prediction_or_outcome_that_waits(
    folder: Path, make_record: MakeRecord
) -> None:
    def oldest() -> datetime | None:
        return read_status(folder).oldest

    insert(folder, make_record(1))
    assert oldest() == NOON
    with opened(folder) as file, file.transaction():
        file.insert_outcomes([(A, replace(HEARD, recorded_at=NOON - timedelta(minutes=1)))])
        file.insert_outcomes([(A, replace(SKIPPED, recorded_at=NOON + timedelta(minutes=1)))])
    assert oldest() == NOON - timedelta(minutes=1)
    with opened(folder) as file, file.transaction():
        file.remove_outcomes(file.due_outcomes(1))
    assert oldest() == NOON
    assert deliver(folder) == 1
    assert oldest() == NOON + timedelta(minutes=1)
    with opened(folder) as file, file.transaction():
        file.remove_outcomes(file.due_outcomes(1))
    assert oldest() is None


def test_since_when_mongodb_is_away_is_shown_until_it_is_back(folder: Path, file: SpoolFile) -> None:
    noon_s = NOON.timestamp()
    for since, shown in ((noon_s, NOON), (noon_s + 60, NOON), (None, None)):
        with file.transaction():
            file.set_away_since(since)
        assert read_status(folder).away_since == shown


_HOLDER = """
import sys
from pathlib import Path
from server.log.lock import lock_file

with lock_file(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_delivery_runs_while_another_process_holds_its_lock(folder: Path, file: SpoolFile) -> None:
    assert not read_status(folder).delivering
    command = [sys.executable, "-c", _HOLDER, str(folder / DELIVERY_LOCK_NAME)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert read_status(folder).delivering
        assert read_status(folder).delivering  # to look takes nothing away
        holder.kill()
    assert not read_status(folder).delivering


def test_dead_letters_are_counted_by_kind_and_reason(folder: Path, make_record: MakeRecord) -> None:
    insert(folder, make_record(1), make_record(2))
    refuse(folder)
    refuse_outcomes(folder, a=Reason.CONFLICT, b=Reason.REFUSED, c=Reason.CONFLICT)
    assert read_status(folder).dead == {
        ("outcome", "conflict"): 2,
        ("outcome", "refused"): 1,
        ("prediction", "refused"): 2,
    }


def test_dead_letters_are_put_back_into_the_queue_by_reason(folder: Path, make_record: MakeRecord) -> None:
    insert(folder, make_record(1))
    refuse(folder)
    refuse_outcomes(folder, a=Reason.CONFLICT, b=Reason.REFUSED)
    insert(folder, make_record(2))
    assert retry_dead_letters(folder, "unreadable") == 0
    assert retry_dead_letters(folder, "refused") == 2
    assert predictions_in(folder) == [make_record(2), make_record(1)]
    assert outcomes_in(folder) == [(B, HEARD)]
    assert dead_letters_in(folder) == [("outcome", A, "conflict", "")]
    assert retry_dead_letters(folder) == 1
    assert outcomes_in(folder) == [(B, HEARD), (A, HEARD)]
    assert read_status(folder).dead == {}


@pytest.mark.parametrize("use", [retry_dead_letters, purge_dead_letters])
def test_many_dead_letters_go_part_by_part_and_in_order(
    folder: Path, make_record: MakeRecord, use: Callable[[Path, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers wait for each transaction."""
    n = 2_500
    records = [make_record(number) for number in range(n)]
    insert(folder, *records)
    refuse(folder)
    refuse_outcomes(folder, a=Reason.CONFLICT)
    changed = []
    transaction = SpoolFile.transaction

    @contextmanager
    def counted(file: SpoolFile) -> Iterator[None]:
        before = file.connection.total_changes
        with transaction(file):
            yield
        changed.append(file.connection.total_changes - before)

    monkeypatch.setattr(SpoolFile, "transaction", counted)
    assert use(folder, "refused") == n
    monkeypatch.undo()
    assert max(changed) <= 2_000
    assert predictions_in(folder) == (records if use is retry_dead_letters else [])
    assert read_status(folder).dead == {("outcome", "conflict"): 1}


def test_a_dead_letter_that_is_kept_for_retries_is_delivered_again(
    folder: Path, make_record: MakeRecord
) -> None:
    insert(folder, make_record(1), kept=True)
    refuse(folder)
    assert predictions_in(folder) == []
    assert retry_dead_letters(folder) == 1
    assert predictions_in(folder) == [make_record(1)]
    assert (count_spooled(folder).waiting, deliver(folder)) == (1, 1)
    with opened(folder) as file:  # and is still there for them
        (row,) = file.find([make_record(1).prediction_id]).values()
        assert row.record() == make_record(1)


def test_a_dead_letter_that_waits_again_already_is_not_doubled(folder: Path, make_record: MakeRecord) -> None:
    insert(folder, make_record(1))
    refuse(folder)
    insert(folder, make_record(1))
    assert retry_dead_letters(folder) == 1
    assert predictions_in(folder) == [make_record(1)]
    assert dead_letters_in(folder) == []


def test_dead_letters_are_dropped_by_reason_and_nothing_else(folder: Path, make_record: MakeRecord) -> None:
    insert(folder, make_record(1), make_record(2), kept=True)
    refuse(folder)
    refuse_outcomes(folder, a=Reason.CONFLICT, b=Reason.UNREADABLE)
    insert(folder, make_record(3))
    with opened(folder) as file, file.transaction():
        file.insert_outcomes([(C, SKIPPED)])
    assert purge_dead_letters(folder, "conflict") == 1
    assert read_status(folder).dead == {("outcome", "unreadable"): 1, ("prediction", "refused"): 2}
    assert purge_dead_letters(folder) == 3
    assert dead_letters_in(folder) == []
    assert predictions_in(folder) == [make_record(3)]
    assert outcomes_in(folder) == [(C, SKIPPED)]
    with opened(folder) as file:  # a retry is answered as before
        assert file.find([make_record(1).prediction_id])


def test_who_looks_waits_for_no_writer(folder: Path, file: SpoolFile, make_record: MakeRecord) -> None:
    """A report, or Prometheus, looks while calls are answered."""
    with file.transaction():
        file.insert([make_record(1)])
    with file.transaction():
        file.insert([make_record(2)])
        assert count_spooled(folder).waiting == 1
        assert read_status(folder).waiting == 1
    assert count_spooled(folder).waiting == 2

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from server.log.record import Outcome, PredictionRecord
from server.log.spool import rows as spool_rows
from server.log.spool.file import SpoolFile
from server.log.spool.rows import RETRIED_WITHIN_S, DeadLetter, Kind, Reason, Row
from tests.server.log.spool.contents import HEARD, SKIPPED, dead_letters_in, opened

MakeRecord = Callable[[int], PredictionRecord]
A, B, C = ("a" * 24, "b" * 24, "c" * 24)


def insert(file: SpoolFile, *records: PredictionRecord, kept: bool = False) -> None:
    with file.transaction():
        file.insert(records, [record.prediction_id for record in records] if kept else ())


def insert_outcomes(file: SpoolFile, *outcomes: tuple[str, Outcome]) -> None:
    with file.transaction():
        file.insert_outcomes(outcomes)


def advance(file: SpoolFile, limit: int = 10_000) -> None:
    with file.transaction():
        file.advance(file.next_predictions(limit))


def prune(file: SpoolFile) -> int:
    with file.transaction():
        return file.prune()


def waiting_in(file: SpoolFile) -> list[PredictionRecord]:
    return [row.record() for row in file.next_predictions(10_000)]


def due(file: SpoolFile, limit: int = 10) -> list[tuple[str, Outcome]]:
    return [(row.prediction_id, row.outcome()) for row in file.due_outcomes(limit)]


def test_a_group_of_any_size_is_added_read_in_order_and_removed(
    file: SpoolFile, make_record: MakeRecord
) -> None:
    records = [replace(make_record(n), track_id=f"ü\n{n}") for n in reversed(range(2500))]
    insert(file, *records)
    assert waiting_in(file) == records
    assert file.waiting() == 2500
    advance(file, 2499)
    assert waiting_in(file) == [records[-1]]
    assert file.waiting() == 1
    advance(file)
    assert (file.waiting(), waiting_in(file)) == (0, [])


def test_a_prediction_that_is_here_stays_as_it_is(file: SpoolFile, make_record: MakeRecord) -> None:
    insert(file, make_record(1))
    insert(file, replace(make_record(1), track_id="another"), make_record(2), make_record(2))
    assert waiting_in(file) == [make_record(1), make_record(2)]
    assert file.find([make_record(1).prediction_id, A]).keys() == {make_record(1).prediction_id}


def test_what_is_taken_for_delivered_a_second_time_does_no_harm(
    file: SpoolFile, make_record: MakeRecord
) -> None:
    insert(file, make_record(1), make_record(2))
    first = file.next_predictions(2)
    advance(file)
    insert(file, make_record(3))
    with file.transaction():
        file.advance(first)
    assert waiting_in(file) == [make_record(3)]
    assert (file.position(), file.waiting()) == (2, 1)


def test_numbers_are_never_given_again(folder: Path, file: SpoolFile, make_record: MakeRecord) -> None:
    """Else a prediction would get a number that is taken for delivered."""
    insert(file, make_record(1), make_record(2))
    advance(file)
    with opened(folder) as reopened:
        insert(reopened, make_record(3))
        assert waiting_in(reopened) == [make_record(3)]
        assert reopened.waiting() == 1


def test_skipped_numbers_count_as_waiting_until_they_are_passed(
    file: SpoolFile, make_record: MakeRecord
) -> None:
    insert(file, *(make_record(n) for n in range(5)))
    gone = [(make_record(n).prediction_id,) for n in (1, 2)]
    with file.transaction():
        file.connection.executemany("DELETE FROM predictions WHERE prediction_id = ?", gone)
    assert file.waiting() == 5
    advance(file, 2)  # 0 and 3
    assert file.waiting() == 1
    advance(file)
    assert file.waiting() == 0


def test_what_callers_may_ask_for_again_is_kept_after_delivery_until_its_time(
    file: SpoolFile, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(file, make_record(1))
    insert(file, make_record(2), make_record(3), kept=True)
    advance(file, 2)
    names = [make_record(n).prediction_id for n in (1, 2, 3)]
    assert (file.waiting(), prune(file)) == (1, 0)
    assert file.find(names).keys() == {*names[1:]}
    later = time.time() + RETRIED_WITHIN_S + 1
    monkeypatch.setattr("server.log.spool.rows.time.time", lambda: later)
    assert prune(file) == 1
    assert file.find(names).keys() == {names[2]}  # MongoDB does not have it
    assert waiting_in(file) == [make_record(3)]
    advance(file)
    assert prune(file) == 1
    assert file.find(names) == {}


def test_no_more_than_so_many_are_kept(
    file: SpoolFile, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_rows, "MOST_KEPT", 3)
    insert(file, *(make_record(n) for n in range(9)), kept=True)
    advance(file)
    # A few at a time, since callers wait meanwhile.
    monkeypatch.setattr(spool_rows, "_MOST_ROWS", 4)
    assert [prune(file), prune(file), prune(file)] == [4, 2, 0]
    names = [make_record(n).prediction_id for n in range(9)]
    assert file.find(names).keys() == {*names[6:]}


def test_looking_for_what_is_kept_too_long_takes_no_longer_the_more_is_kept(
    file: SpoolFile, make_record: MakeRecord
) -> None:
    """It is done all the time, and callers wait for it."""
    insert(file, *(make_record(n) for n in range(5000)), kept=True)
    advance(file)
    thousands_of_steps: list[int] = []
    with file.transaction():
        file.connection.set_progress_handler(lambda: thousands_of_steps.append(1), 1000)
        assert file.prune() == 0
        file.connection.set_progress_handler(None, 0)
    assert len(thousands_of_steps) < 30


def test_the_first_outcome_of_each_prediction_is_found(file: SpoolFile) -> None:
    insert_outcomes(file, (A, HEARD), (B, SKIPPED), (A, SKIPPED), (B, HEARD), (C, HEARD))
    found = file.first_outcomes([A, B, "d" * 24])
    assert {name: row.outcome() for name, row in found.items()} == {A: HEARD, B: SKIPPED}


def test_outcomes_are_due_in_order_and_the_first_of_a_prediction_first(file: SpoolFile) -> None:
    insert_outcomes(file, (B, HEARD), (A, HEARD), (A, SKIPPED), (C, SKIPPED))
    assert due(file) == [(B, HEARD), (A, HEARD), (C, SKIPPED)]
    assert due(file, 2) == [(B, HEARD), (A, HEARD)]
    with file.transaction():
        file.remove_outcomes(file.due_outcomes(2))
    assert due(file) == [(A, SKIPPED), (C, SKIPPED)]


def test_an_outcome_that_goes_takes_those_along_that_report_the_same_of_its_prediction(
    file: SpoolFile,
) -> None:
    most = Outcome(skipped=True, listened_ms=2**63 - 1, recorded_at=HEARD.recorded_at)
    later = replace(most, recorded_at=HEARD.recorded_at + timedelta(hours=1))
    less = replace(most, listened_ms=2**63 - 2)
    insert_outcomes(file, (A, most), (A, less), (B, most), (A, later), (A, SKIPPED))
    file.connection.execute("UPDATE outcomes SET body = '{' WHERE number = 5")
    with file.transaction():
        file.remove_outcomes(file.due_outcomes(1))
    left = file.connection.execute("SELECT number FROM outcomes ORDER BY number").fetchall()
    assert left == [(2,), (3,), (5,)]
    with file.transaction():
        file.remove_outcomes([Row(5, A, "{")])
    assert due(file) == [(A, less), (B, most)]


def test_an_outcome_waits_while_its_prediction_waits_here(file: SpoolFile, make_record: MakeRecord) -> None:
    """It may be joined on the way, and MongoDB would be asked in vain."""
    plain, kept = make_record(1), make_record(2)
    insert(file, plain)
    insert(file, kept, kept=True)
    insert_outcomes(file, (plain.prediction_id, HEARD), (kept.prediction_id, SKIPPED), (C, HEARD))
    assert due(file) == [(C, HEARD)]
    advance(file, 1)
    assert due(file) == [(plain.prediction_id, HEARD), (C, HEARD)]
    advance(file)  # it stays for retries, and is in MongoDB
    assert due(file) == [(plain.prediction_id, HEARD), (kept.prediction_id, SKIPPED), (C, HEARD)]


def test_a_postponed_outcome_is_due_later_and_its_looks_are_counted(
    file: SpoolFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_outcomes(file, (A, HEARD), (B, HEARD))
    rows = file.due_outcomes(10)
    with file.transaction():
        file.postpone_outcomes(rows[:1], 10)
    assert due(file) == [(B, HEARD)]
    assert file.looks(rows) == {rows[0].number: 1, rows[1].number: 0}
    now = time.monotonic()
    monkeypatch.setattr("server.log.spool.rows.time.monotonic", lambda: now + 11)
    assert due(file) == [(B, HEARD), (A, HEARD)]


def test_the_outcomes_of_one_prediction_keep_no_others_from_being_due(file: SpoolFile) -> None:
    """Nobody has it, and a caller reports it again and again."""
    insert_outcomes(file, *[(A, HEARD)] * 5)
    with file.transaction():
        file.postpone_outcomes(file.due_outcomes(1), 60)
    insert_outcomes(file, *[(A, HEARD)] * 5, (B, SKIPPED))
    assert due(file, 1) == [(B, SKIPPED)]


def test_a_look_for_a_prediction_counts_for_all_its_outcomes(file: SpoolFile) -> None:
    """Else each of them would be looked for as long as the first."""
    insert_outcomes(file, (A, HEARD), (A, SKIPPED), (B, HEARD))
    first, other = file.due_outcomes(10)
    with file.transaction():
        file.postpone_outcomes([first], 0)
        file.remove_outcomes([first])
    second = file.first_outcomes([A])[A]
    assert file.looks([second, other]) == {second.number: 1, other.number: 0}


def test_a_machine_that_was_started_anew_postpones_nothing(
    file: SpoolFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_outcomes(file, (A, HEARD))
    with file.transaction():
        file.postpone_outcomes(file.due_outcomes(10), 10)
    monkeypatch.setattr("server.log.spool.rows.time.monotonic", lambda: 1.0)
    assert due(file) == []
    with file.transaction():
        file.look_now()
    assert due(file) == [(A, HEARD)]


def test_a_clock_that_is_set_back_keeps_no_outcome_from_being_due(
    file: SpoolFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_outcomes(file, (A, HEARD))
    with file.transaction():
        file.postpone_outcomes(file.due_outcomes(10), 0)
    now = time.time()
    monkeypatch.setattr("server.log.spool.rows.time.time", lambda: now - 86_400)
    assert due(file) == [(A, HEARD)]


def test_dead_letters_keep_reason_and_detail_and_leave_the_way_free(
    folder: Path, file: SpoolFile, make_record: MakeRecord
) -> None:
    insert(file, make_record(1))
    insert_outcomes(file, (A, HEARD), (A, SKIPPED))
    (prediction,), (outcome,) = file.next_predictions(1), file.due_outcomes(10)
    with file.transaction():
        file.add_dead_letters(
            [
                DeadLetter(Kind.PREDICTION, prediction, Reason.REFUSED, "too odd"),
                DeadLetter(Kind.OUTCOME, outcome, Reason.CONFLICT),
            ]
        )
        file.advance([prediction])
    assert dead_letters_in(folder) == [
        ("prediction", make_record(1).prediction_id, "refused", "too odd"),
        ("outcome", A, "conflict", ""),
    ]
    assert (file.waiting(), due(file)) == (0, [(A, SKIPPED)])


def test_what_earlier_releases_spooled_is_read(make_record: MakeRecord) -> None:
    """They knew no digests, and wrote times another way."""
    record = replace(make_record(1), digest="")
    fields = asdict(record) | {"requested_at": record.requested_at.isoformat()}
    body = json.dumps({name: value for name, value in fields.items() if name not in ("digest", "outcome")})
    assert Row(1, record.prediction_id, body).record() == record
    body = json.dumps(asdict(HEARD) | {"recorded_at": HEARD.recorded_at.isoformat()})
    assert Row(1, A, body).outcome() == HEARD


def test_what_later_releases_spooled_is_read_without_what_they_added(
    file: SpoolFile, make_record: MakeRecord
) -> None:
    insert(file, make_record(1))
    insert_outcomes(file, (A, HEARD))
    for table in ("predictions", "outcomes"):
        file.connection.execute(f"UPDATE {table} SET body = json_set(body, '$.added', 7)")
    (row,) = file.next_predictions(10)
    assert '"added":7' in row.body
    assert row.record() == make_record(1)
    assert due(file) == [(A, HEARD)]


@pytest.mark.parametrize("body", ["", "{", "7", '{"model": 1}'])
def test_what_cannot_be_read_is_a_value_error(body: str) -> None:
    row = Row(1, A, body)
    for read in (row.record, row.outcome):
        with pytest.raises(ValueError):  # noqa: PT011
            read()


def test_a_row_that_is_nested_too_deep_is_one_that_cannot_be_read() -> None:
    row = Row(1, A, '{"later":' + "[" * 100_000)
    with pytest.raises(ValueError, match="nested too deep"):
        row.record()
    with pytest.raises(ValueError, match="nested too deep"):
        row.outcome()

"""The experiment log in the real embedded database."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from pymongo.errors import WriteError

from server.errors import (
    OutcomeConflictError,
    StartError,
    StorageUnavailableError,
    UnknownPredictionError,
)
from server.log.mongo.documents import PredictionDocument, to_record, to_stored
from server.log.mongo.embedded.database import embedded_mongodb, find_program
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
async def store(mongodb_uri: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(mongodb_uri)
    yield store
    await store.close()


def with_outcome(record: PredictionRecord, outcome: Outcome) -> PredictionRecord:
    return replace(record, outcome=outcome)


async def outcomes() -> dict[str, Outcome | None]:
    found = await PredictionDocument.find_all().to_list()
    return {d.id: Outcome(**d.outcome.model_dump()) if d.outcome else None for d in found}


async def test_rows_stored_twice_are_there_once_and_gain_their_outcome(
    store: MongoStore, make_record: MakeRecord
) -> None:
    first, second, third = (make_record(n) for n in range(3))
    assert await store.add([first, second]) == []
    # As after a crash between MongoDB's answer and the spool's: known rows again, beside a new one.
    assert await store.add([with_outcome(first, HEARD), second, with_outcome(third, SKIPPED)]) == []
    assert await outcomes() == {
        first.prediction_id: HEARD,
        second.prediction_id: None,
        third.prediction_id: SKIPPED,
    }


async def test_a_duplicate_in_another_unique_index_is_not_taken_for_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    """An index that somebody added: what it refuses is nowhere, and must not leave the spool as if stored."""
    await store.connect()
    collection = PredictionDocument.get_pymongo_collection()
    await collection.create_index([("track_id", 1)], name="somebodys", unique=True)
    first, second = make_record(1), make_record(2)
    assert await store.add([first]) == []
    (refusal,) = await store.add([with_outcome(first, HEARD), second])
    assert refusal.prediction_id == second.prediction_id
    assert "somebodys" in refusal.reason
    assert await outcomes() == {first.prediction_id: HEARD}


async def test_an_outcome_that_lost_to_another_machines_is_told(
    store: MongoStore, make_record: MakeRecord
) -> None:
    record = make_record(1)
    await store.add([record])
    await store.add_outcome(record.prediction_id, HEARD)
    (refusal,) = await store.add([with_outcome(record, SKIPPED)])
    assert refusal.late_outcome == SKIPPED
    assert await outcomes() == {record.prediction_id: HEARD}


async def test_the_first_outcome_wins(store: MongoStore, make_record: MakeRecord) -> None:
    known = make_record(1).prediction_id
    await store.add([make_record(1)])
    await store.add_outcome(known, HEARD)
    await store.add_outcome(known, Outcome(False, 9000, datetime.now(UTC)))
    with pytest.raises(OutcomeConflictError):
        await store.add_outcome(known, SKIPPED)
    await store.add([with_outcome(make_record(1), SKIPPED)])
    assert await outcomes() == {known: HEARD}


async def test_an_unknown_prediction_is_told_apart(store: MongoStore) -> None:
    with pytest.raises(UnknownPredictionError):
        await store.add_outcome("f" * 24, HEARD)


async def test_what_mongodb_will_never_take_is_refused_and_the_rest_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    await store.connect()
    database = PredictionDocument.get_pymongo_collection().database
    validator = {"$jsonSchema": {"properties": {"_id": {"enum": [make_record(1).prediction_id]}}}}
    await database.command({"collMod": "predictions", "validator": validator})
    (refusal,) = await store.add([make_record(1), make_record(2)])
    assert refusal.prediction_id == make_record(2).prediction_id
    assert list(await outcomes()) == [make_record(1).prediction_id]


async def test_the_queries_that_people_make_have_their_indexes(store: MongoStore) -> None:
    await store.connect()
    indexes = await PredictionDocument.get_pymongo_collection().index_information()
    assert {
        "by_model_and_time",
        "by_listener",
        "by_time",
        "by_experiment",
        "without_outcome",
    } <= indexes.keys()


async def test_a_mongodb_that_is_away_is_unavailable(make_record: MakeRecord) -> None:
    store = MongoStore("mongodb://127.0.0.1:9")
    with pytest.raises(StorageUnavailableError):
        await store.add([make_record(1)])
    with pytest.raises(StorageUnavailableError):
        await store.add_outcome("f" * 24, HEARD)
    await store.close()


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("mongodb://user:secret@db:27018,other/?appName=x", "mongodb://db:27018,other/playthrough"),
        ("mongodb://user:se#cret@db/log", "mongodb://db/log"),
        ("mongodb://[::1]:27018", "mongodb://[::1]:27018/playthrough"),
    ],
)
async def test_the_address_may_be_logged(uri: str, address: str) -> None:
    store = MongoStore(uri)
    assert store.address == address
    await store.close()


@pytest.mark.parametrize(
    "uri",
    [
        "secret",
        "http://user:secret@db",
        "mongodb://user:secret@",
        "mongodb://user:se:cret@db",
        "mongodb://user:se/cret@db/log",
        "mongodb://user:se?cret@db/log",
        "mongodb://[::1/log",
    ],
)
def test_a_bad_uri_is_refused_without_its_password(uri: str) -> None:
    with pytest.raises(StartError, match="not usable") as caught:
        MongoStore(uri)
    assert "cret" not in str(caught.value)


async def test_what_is_stored_is_what_its_document_would_be(
    store: MongoStore, make_record: MakeRecord
) -> None:
    await store.connect()  # no document can be made before
    for outcome in (None, HEARD):
        record = replace(make_record(1), outcome=outcome)
        stored = to_stored(record)
        assert PredictionDocument(**stored).model_dump(by_alias=True) == {
            **stored,
            "favourite_genres": list(stored["favourite_genres"]),
        }
        assert to_record({**stored, "of_a_later_release": 1}) == record


async def test_a_document_of_an_earlier_release_is_taken_and_read(
    store: MongoStore, make_record: MakeRecord
) -> None:
    await store.connect()
    earlier = {name: value for name, value in to_stored(make_record(1)).items() if name != "digest"}
    await PredictionDocument.get_pymongo_collection().insert_one(earlier)
    assert [found async for found in store.find({})] == [replace(make_record(1), digest="")]


async def test_a_host_that_takes_connections_and_never_answers_is_away_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = MongoStore(f"mongodb://127.0.0.1:{silent.getsockname()[1]}")
        async with asyncio.timeout(10):
            with pytest.raises(StorageUnavailableError):
                await store.connect()
        await store.close()


async def test_a_mongodb_that_begins_to_hang_keeps_no_outcome_and_no_end_waiting(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    if find_program() is None:
        pytest.skip("secantusd-py is not installed")
    async with embedded_mongodb(tmp_path) as uri:
        store = MongoStore(uri)
        await store.add([make_record(1)])
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(15):  # a socket's timeout is 20 s
                with pytest.raises(StorageUnavailableError):
                    await store.add_outcome(make_record(1).prediction_id, HEARD)
                assert store.away
                await store.close()
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_mongodb_itself_checks_each_write(store: MongoStore, make_record: MakeRecord) -> None:
    good = to_stored(with_outcome(make_record(1), HEARD))
    await store.connect()
    collection = PredictionDocument.get_pymongo_collection()
    for field, wrong in (
        ("_id", "short"),
        ("digest", 7),
        ("metric", ""),
        ("arm_probability", 0.0),
        ("play_through_probability", 1.5),
        ("skipped", "yes"),
        ("requested_at", "2030-01-01"),
        ("outcome", {"skipped": True}),
        ("favourite_genres", [1]),
    ):
        with pytest.raises(WriteError, match="failed validation"):
            await collection.insert_one({**good, field: wrong})
    with pytest.raises(WriteError, match="failed validation"):
        await collection.insert_one({name: value for name, value in good.items() if name != "phase"})
    await collection.insert_one({**good, "of_a_later_release": 1})


async def test_an_impossible_record_becomes_a_refusal_and_the_rest_is_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    wrong = replace(make_record(1), play_through_probability=1.5)
    inexpressible = replace(make_record(2), latency_us=1 << 70)
    refusals = await store.add([wrong, inexpressible, make_record(3)])
    assert {refusal.prediction_id for refusal in refusals} == {
        wrong.prediction_id,
        inexpressible.prediction_id,
    }
    assert list(await outcomes()) == [make_record(3).prediction_id]


async def test_old_predictions_are_deleted_only_when_that_is_wanted(mongodb_uri: str) -> None:
    for ttl_days, expected in ((None, None), (2, 172_800), (3, 259_200), (3, 259_200), (None, None)):
        store = MongoStore(mongodb_uri, ttl_days=ttl_days)
        await store.connect()
        indexes = await PredictionDocument.get_pymongo_collection().index_information()
        assert indexes.get("expires", {}).get("expireAfterSeconds") == expected
        await store.close()


async def test_a_reader_changes_nothing(mongodb_uri: str) -> None:
    store = MongoStore(mongodb_uri, read_only=True)
    await store.connect()
    assert await PredictionDocument.get_pymongo_collection().database.list_collection_names() == []
    await store.close()


async def test_the_store_remembers_whether_mongodb_is_there(
    store: MongoStore, make_record: MakeRecord
) -> None:
    store.away = True
    await store.add([make_record(1)])
    assert not store.away
    gone = MongoStore("mongodb://127.0.0.1:9")
    with pytest.raises(StorageUnavailableError):
        await gone.add([make_record(1)])
    assert gone.away
    await gone.close()

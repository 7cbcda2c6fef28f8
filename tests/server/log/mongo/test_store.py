"""The experiment log in the real embedded database."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from server.errors import StartError, StorageUnavailableError
from server.log.mongo import store as store_module
from server.log.mongo.documents import OutcomeDocument, PredictionDocument
from server.log.mongo.embedded.database import embedded_mongodb, find_program
from server.log.mongo.store import Joined, MongoStore, Stored
from server.log.record import Outcome, PredictionRecord
from tests.server.stored import all_records

MakeRecord = Callable[[int], PredictionRecord]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
HEARD_LATER = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2031, 1, 1, tzinfo=UTC))
SKIPPED = Outcome(skipped=True, listened_ms=1000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
async def store(mongodb_uri: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(mongodb_uri)
    yield store
    await store.close()


def by_id(*records: PredictionRecord) -> dict[str, PredictionRecord]:
    return {record.prediction_id: record for record in records}


async def stored(store: MongoStore) -> dict[str, PredictionRecord]:
    return by_id(*await all_records(store))


async def test_what_is_stored_is_read_as_it_was_logged(store: MongoStore, make_record: MakeRecord) -> None:
    records = by_id(make_record(1), replace(make_record(2), listener_id=None).with_outcome(HEARD))
    assert await store.add(records) == Stored(set(records), {})
    assert await stored(store) == records


async def test_rows_stored_twice_are_there_once_and_only_new_ones_bring_their_outcome(
    store: MongoStore, make_record: MakeRecord
) -> None:
    first, second, third = (make_record(n) for n in range(3))
    await store.add(by_id(first, second))
    # As after a crash between MongoDB's answer and the spool's: known rows again, beside a new one.
    again = by_id(first.with_outcome(HEARD), second, third.with_outcome(SKIPPED))
    assert await store.add(again) == Stored({third.prediction_id}, {})
    assert await stored(store) == by_id(first, second, third.with_outcome(SKIPPED))


async def test_a_duplicate_in_another_unique_index_is_not_taken_for_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    """An index that somebody added: what it refuses is nowhere, and must not leave the spool as if stored."""
    await store.connect()
    collection = PredictionDocument.get_pymongo_collection()
    await collection.create_index([("track_id", 1)], name="somebodys", unique=True)
    first, second, third = make_record(1), make_record(2), replace(make_record(3), track_id="other")
    await store.add(by_id(first))
    found = await store.add(by_id(first, second, third))
    assert found.inserted == {third.prediction_id}
    assert found.refused == {second.prediction_id: "a unique index of this MongoDB refused it"}
    assert await stored(store) == by_id(first, third)


async def test_outcomes_are_joined_and_the_first_one_wins(store: MongoStore, make_record: MakeRecord) -> None:
    records = by_id(*(make_record(n) for n in range(4)))
    known, settled, other, untouched = records
    await store.add(records)
    await store.join({settled: HEARD, other: HEARD})
    outcomes = {known: SKIPPED, settled: HEARD_LATER, other: SKIPPED, "f" * 24: HEARD}
    found = await store.join(outcomes)
    # What was reported again brings nothing to the counts of outcomes.
    predicted = {known: ("simple", 0.25)}
    assert found == Joined({known, settled}, {other}, {"f" * 24}, set(), predicted)
    assert {key: record.outcome for key, record in (await stored(store)).items()} == {
        known: SKIPPED,
        settled: HEARD,
        other: HEARD,
        untouched: None,
    }


async def test_an_outcome_that_was_joined_before_a_crash_still_counts_and_one_of_a_foreign_document_does_not(
    store: MongoStore, make_record: MakeRecord
) -> None:
    records = by_id(*(make_record(n) for n in range(3)))
    await store.add(records)
    # As the clock has it; MongoDB keeps milliseconds.
    outcomes = dict.fromkeys(records, replace(HEARD, recorded_at=datetime(2030, 1, 1, 0, 0, 0, 123_456, UTC)))
    await store.join(outcomes)
    collection = PredictionDocument.get_pymongo_collection()
    foreign = [{"$unset": {"play_through_probability": 1}}, {"$set": {"model": 7}}]
    for prediction_id, change in zip(list(records)[1:], foreign, strict=True):
        await collection.update_one({"_id": prediction_id}, change, bypass_document_validation=True)
    again = await store.join(outcomes)
    assert again.joined == set(records)
    assert again.predicted == {make_record(0).prediction_id: ("simple", 0.25)}


async def test_an_outcome_of_a_prediction_without_the_field_is_joined(
    store: MongoStore, make_record: MakeRecord
) -> None:
    await store.add(by_id(make_record(1)))
    collection = PredictionDocument.get_pymongo_collection()
    await collection.update_one({}, {"$unset": {"outcome": 1}})
    assert (await store.join({make_record(1).prediction_id: HEARD})).joined == {make_record(1).prediction_id}


async def test_a_prediction_that_comes_between_the_two_steps_of_a_look_is_neither_unknown_nor_in_conflict(
    store: MongoStore, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    give, prediction_id = store_module._give, make_record(1).prediction_id

    async def give_then_insert(outcomes: dict[str, OutcomeDocument]) -> set[str]:
        refused = await give(outcomes)
        await store.add(by_id(make_record(1)))
        return refused

    await store.connect()
    monkeypatch.setattr(store_module, "_give", give_then_insert)
    assert await store.join({prediction_id: HEARD}) == Joined(set(), set(), set(), set())
    monkeypatch.undo()
    assert (await store.join({prediction_id: HEARD})).joined == {prediction_id}
    assert (await stored(store))[prediction_id].outcome == HEARD


@pytest.mark.parametrize(
    "foreign",
    [
        {"skipped": False, "listened_ms": 9000, "recorded_at": HEARD.recorded_at, "of_a_later_release": 1},
        {"skipped": False, "listened_ms": 9000},
    ],
)
async def test_an_outcome_of_another_release_counts(
    store: MongoStore, make_record: MakeRecord, foreign: dict[str, Any]
) -> None:
    await store.add(by_id(make_record(1), make_record(2)))
    collection = PredictionDocument.get_pymongo_collection()
    bypassing = {"bypass_document_validation": True}
    await collection.update_many({}, {"$set": {"outcome": foreign}}, **bypassing)  # type: ignore[arg-type]
    first, second = make_record(1).prediction_id, make_record(2).prediction_id
    predicted = {first: ("simple", 0.25)} if "recorded_at" in foreign else {}
    found = await store.join({first: HEARD, second: SKIPPED})
    assert found == Joined({first}, {second}, set(), set(), predicted)


@pytest.mark.parametrize("foreign", ["heard", {"heard": True}, 1])
async def test_an_outcome_that_somebody_made_up_holds_up_nothing(
    store: MongoStore, make_record: MakeRecord, foreign: Any
) -> None:
    """It can never be read, so delivery would look for it for ever."""
    await store.add(by_id(make_record(1)))
    collection = PredictionDocument.get_pymongo_collection()
    change = {"$set": {"outcome": foreign}}
    await collection.database.command({"collMod": "predictions", "validator": {}})
    await collection.update_one({"_id": make_record(1).prediction_id}, change)
    assert await store.add(by_id(make_record(1), make_record(2))) == Stored(
        {make_record(2).prediction_id}, {}
    )
    first, second = make_record(1).prediction_id, make_record(2).prediction_id
    joined = await store.join({first: HEARD, second: HEARD})
    assert joined == Joined({second}, {first}, set(), set(), {second: ("simple", 0.25)})


async def test_what_mongodb_will_never_take_is_refused_and_the_rest_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    await store.connect()
    good, bad = make_record(1).prediction_id, make_record(2).prediction_id
    database = PredictionDocument.get_pymongo_collection().database
    validator = {"$jsonSchema": {"properties": {"_id": {"enum": [good]}}}}
    await database.command({"collMod": "predictions", "validator": validator})
    found = await store.add(by_id(make_record(1), make_record(2)))
    assert found == Stored({good}, {bad: "MongoDB refused it with code 121"})
    assert set(await stored(store)) == {good}


async def test_an_outcome_that_mongodb_will_never_take_is_refused_and_the_rest_joined(
    store: MongoStore, make_record: MakeRecord
) -> None:
    first, second, third = (make_record(n).prediction_id for n in range(3))
    await store.add(by_id(*(make_record(n) for n in range(3))))
    database = PredictionDocument.get_pymongo_collection().database
    validator = {"outcome.listened_ms": {"$ne": 1000}}
    await database.command({"collMod": "predictions", "validator": validator})
    impossible = Outcome(skipped=True, listened_ms=1 << 64, recorded_at=HEARD.recorded_at)
    found = await store.join({first: SKIPPED, second: HEARD, third: impossible})
    assert found == Joined({second}, set(), set(), {first, third}, {second: ("simple", 0.25)})


async def test_impossible_records_are_refused_in_words_that_quote_nothing_and_the_rest_is_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    impossible = {
        "arm_probability": 0.0,
        "play_through_probability": 1.5,
        "arm": "",
        "latency_us": 1 << 70,
        "track_id": "lone \ud800 surrogate",
        "favourite_genres": ("rock", "\ud800"),
    }
    bad = [replace(make_record(n), **{name: it}) for n, (name, it) in enumerate(impossible.items())]
    found = await store.add(by_id(*bad, make_record(99)))
    assert found.inserted == set(await stored(store)) == {make_record(99).prediction_id}
    assert [found.refused[record.prediction_id] for record in bad] == [
        "arm_probability: greater_than",
        "play_through_probability: less_than_equal",
        "arm: string_too_short",
        "latency_us: less_than",
        "track_id: string_unicode",
        "UnicodeEncodeError",
    ]


async def test_a_record_that_is_too_large_is_refused_and_the_rest_stored(
    store: MongoStore, make_record: MakeRecord
) -> None:
    huge = replace(make_record(1), favourite_genres=("x" * (17 << 20),))
    found = await store.add(by_id(huge, make_record(2)))
    assert found.inserted == {make_record(2).prediction_id}
    assert found.refused.keys() == {huge.prediction_id}
    assert await stored(store) == by_id(make_record(2))


async def test_a_mongodb_that_is_away_is_unavailable(make_record: MakeRecord) -> None:
    store = MongoStore("mongodb://127.0.0.1:9")
    with pytest.raises(StorageUnavailableError):
        await store.add(by_id(make_record(1)))
    with pytest.raises(StorageUnavailableError):
        await store.join({"f" * 24: HEARD})
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


async def test_a_host_that_takes_connections_and_never_answers_is_away_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = MongoStore(f"mongodb://127.0.0.1:{silent.getsockname()[1]}")
        async with asyncio.timeout(10):
            with pytest.raises(StorageUnavailableError):
                await store.connect()
        await store.close()


async def test_a_mongodb_that_begins_to_hang_is_away_after_the_uris_time_and_keeps_no_end_waiting(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    if find_program() is None:
        pytest.skip("secantusd-py is not installed")
    async with embedded_mongodb(tmp_path) as uri:
        store = MongoStore(f"{uri}?socketTimeoutMS=500")
        await store.add(by_id(make_record(1)))
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(15):  # without the option, a socket's timeout is 20 s
                with pytest.raises(StorageUnavailableError):
                    await store.join({make_record(1).prediction_id: HEARD})
                await store.close()
        finally:
            os.kill(pid, signal.SIGCONT)

"""The collection as delivery leaves it: indexes and validation, in the real embedded database."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import ASCENDING, DESCENDING, AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure, WriteError
from structlog.testing import capture_logs

from server.log.mongo.collection import prepare
from server.log.mongo.documents import to_document
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord
from tests.server.stored import all_records

MakeRecord = Callable[[int], PredictionRecord]
Collection = AsyncCollection[dict[str, Any]]
HEARD = Outcome(skipped=False, listened_ms=9000, recorded_at=datetime(2030, 1, 1, tzinfo=UTC))
# As the last release before they went made them.
FORMER = {
    "by_model_and_time": [("model", ASCENDING), ("version", ASCENDING), ("requested_at", DESCENDING)],
    "by_listener": [("listener_id", ASCENDING), ("requested_at", DESCENDING)],
    "by_time": [("requested_at", DESCENDING)],
    "by_experiment": [("experiment", ASCENDING), ("phase", ASCENDING), ("requested_at", ASCENDING)],
    "without_outcome": [("outcome", ASCENDING), ("requested_at", ASCENDING)],
}


@pytest.fixture
async def raw(mongodb_uri: str) -> AsyncIterator[Collection]:
    """The collection as anybody else has it."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb_uri, tz_aware=True)
    yield client.get_default_database()["predictions"]
    await client.close()


async def connect(uri: str, **options: Any) -> None:
    store = MongoStore(uri, **options)
    await store.connect()
    await store.close()


async def test_each_documented_query_has_its_index_and_nothing_else_has(
    mongodb_uri: str, raw: Collection
) -> None:
    await connect(mongodb_uri)
    assert (await raw.index_information()).keys() == {"_id_", "by_experiment", "by_listener"}


async def test_the_indexes_of_earlier_releases_are_dropped_and_those_of_others_stay(
    mongodb_uri: str, raw: Collection
) -> None:
    for name, keys in FORMER.items():
        await raw.create_index(keys, name=name)
    await raw.create_index([("track_id", ASCENDING)], name="somebodys")
    await connect(mongodb_uri)
    assert (await raw.index_information()).keys() == {"_id_", "by_experiment", "by_listener", "somebodys"}


async def test_old_predictions_are_deleted_only_when_that_is_wanted(
    mongodb_uri: str, raw: Collection
) -> None:
    for ttl_days, expected_s in ((None, None), (2, 172_800), (3, 259_200), (3, 259_200), (None, None)):
        await connect(mongodb_uri, ttl_days=ttl_days)
        indexes = await raw.index_information()
        assert indexes.get("expires", {}).get("expireAfterSeconds") == expected_s
        assert len(indexes) == 3 + (ttl_days is not None)


async def test_a_reader_changes_nothing(mongodb_uri: str, raw: Collection) -> None:
    await connect(mongodb_uri, read_only=True)
    assert await raw.database.list_collection_names() == []


WRONG = [
    ("_id", ""),
    ("experiment", ""),
    ("arm", 7),
    ("track_id", None),
    ("digest", 7),
    ("listener_id", 7),
    ("arm_probability", 0.0),
    ("arm_probability", 1.5),
    ("play_through_probability", 1.5),
    ("play_through_probability", "0.5"),
    ("skipped", "yes"),
    ("requested_at", "2030-01-01"),
    ("metric", ""),
    ("latency_us", -1),
    ("latency_us", 0.5),
    ("favourite_genres", [1]),
    ("favourite_genres", "rock"),
    ("outcome", "skipped"),
    ("outcome", {"skipped": True}),
    ("outcome", {"skipped": 1, "listened_ms": 1, "recorded_at": HEARD.recorded_at}),
    ("outcome", {"skipped": True, "listened_ms": -1, "recorded_at": HEARD.recorded_at}),
]


@pytest.fixture
async def good(mongodb_uri: str, make_record: MakeRecord) -> dict[str, Any]:
    """A document as MongoDB takes it, and its collection made."""
    await connect(mongodb_uri)
    document = to_document(make_record(1).prediction_id, make_record(1).with_outcome(HEARD))
    fields: dict[str, Any] = document.model_dump(by_alias=True)
    return fields


async def test_mongodb_itself_refuses_what_is_no_document(raw: Collection, good: dict[str, Any]) -> None:
    for field, wrong in WRONG:
        with pytest.raises(WriteError, match="failed validation"):
            await raw.insert_one({**good, field: wrong})
    for field in good.keys() - {"_id", "digest", "metric", "outcome"}:
        with pytest.raises(WriteError, match="failed validation"):
            await raw.insert_one({name: value for name, value in good.items() if name != field})
    await raw.insert_one(good)
    with pytest.raises(WriteError, match="failed validation"):
        await raw.update_one({"_id": good["_id"]}, {"$set": {"outcome.listened_ms": -1}})


async def test_what_other_releases_write_passes_and_is_read(
    mongodb_uri: str, raw: Collection, good: dict[str, Any], make_record: MakeRecord
) -> None:
    """An earlier one knows no digest, a later one has fields that this one does not know."""
    earlier = {name: value for name, value in good.items() if name not in ("digest", "outcome")}
    outcome = good["outcome"] | {"of_a_later_release": 1}
    later = good | {"_id": "later", "outcome": outcome, "of_a_later_release": {"a": [1]}}
    await raw.insert_many([earlier, later])
    store = MongoStore(mongodb_uri, read_only=True)
    found = {record.prediction_id: record for record in await all_records(store)}
    assert found == {
        good["_id"]: replace(make_record(1), digest=""),
        "later": replace(make_record(1), prediction_id="later", outcome=HEARD),
    }
    await store.close()


async def test_long_numbers_pass(raw: Collection, good: dict[str, Any]) -> None:
    """MongoDB has two types of integers, and Python's are of the one or the other by their size."""
    outcome = good["outcome"] | {"listened_ms": 2**63 - 1}
    await raw.insert_one(good | {"latency_us": 2**63 - 1, "outcome": outcome})


async def test_a_user_who_may_not_change_the_collection_is_warned_and_served(
    mongodb_uri: str, raw: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = raw.database.command

    async def refuse(what: dict[str, Any]) -> Any:
        if "collMod" in what:
            raise OperationFailure("not authorized", code=13)
        return await command(what)

    monkeypatch.setattr(raw.database, "command", refuse)
    with capture_logs() as logs:
        await prepare(raw.database, None)
    assert [line["event"] for line in logs] == ["no_validation"]
    assert "by_listener" in await raw.index_information()

"""The collection around the documents: its schema and its expiry; `documents` declares the other indexes."""

import contextlib
from typing import Any

import structlog
from beanie import init_beanie
from pymongo import ASCENDING, AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from server.log.mongo.documents import PredictionDocument

Client = AsyncMongoClient[dict[str, Any]]
EXPIRY_INDEX = "expires"
_UNAUTHORIZED = 13
_DAY_S = 86_400
_PROBABILITY = {"bsonType": ["double", "int"], "minimum": 0, "maximum": 1}
_ARM_PROBABILITY = {"bsonType": ["double", "int"], "minimum": 0, "exclusiveMinimum": True, "maximum": 1}
_TEXT = {"bsonType": "string"}
_NAME = {"bsonType": "string", "minLength": 1}
_COUNT = {"bsonType": ["int", "long"], "minimum": 0}

SCHEMA: dict[str, Any] = {
    "bsonType": "object",
    "required": [
        "experiment", "phase", "arm", "model", "version", "arm_probability", "listener_id", "track_id",
        "favourite_genres", "play_through_probability", "skipped", "requested_at", "latency_us", "outcome",
    ],
    # `digest` and `metric` came later: older servers, and what they spooled, lack them. Other fields are let
    # pass: while servers are upgraded one by one, an older one that starts last would otherwise make all that
    # the newer ones write invalid.
    "properties": {
        "_id": {"bsonType": "string", "pattern": "^[0-9a-f]{24}$"},
        "experiment": _NAME,
        "phase": _TEXT,
        "arm": _NAME,
        "model": _NAME,
        "version": _NAME,
        "digest": _TEXT,
        "metric": _NAME,
        "arm_probability": _ARM_PROBABILITY,
        "listener_id": {"bsonType": ["string", "null"]},
        "track_id": _NAME,
        "favourite_genres": {"bsonType": "array", "items": _TEXT},
        "play_through_probability": _PROBABILITY,
        "skipped": {"bsonType": "bool"},
        "requested_at": {"bsonType": "date"},
        "latency_us": _COUNT,
        "outcome": {
            "bsonType": ["object", "null"],
            "required": ["skipped", "listened_ms", "recorded_at"],
            "properties": {
                "skipped": {"bsonType": "bool"},
                "listened_ms": _COUNT,
                "recorded_at": {"bsonType": "date"},
            },
        },
    },
}  # fmt: skip
"""What MongoDB itself checks on every write, whoever writes."""

_log = structlog.get_logger("server.log.mongo.collection")


async def prepare(database: AsyncDatabase[dict[str, Any]], ttl_days: int | None) -> None:
    """Makes the collection, its indexes and its validation, or brings them up to date.

    Args:
        database: Where the collection is.
        ttl_days: How long a prediction is kept; None keeps all.

    Raises:
        PyMongoError: When MongoDB does not answer, or refuses.
    """
    name = PredictionDocument.Settings.name
    with contextlib.suppress(CollectionInvalid):  # it is there already
        await database.create_collection(name)
    validation = {"validator": {"$jsonSchema": SCHEMA}, "validationLevel": "moderate"}
    try:
        await database.command({"collMod": name, **validation})
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        _log.warning("no_validation", reason="the user may not change the collection: grant dbAdmin")
    await init_beanie(database, document_models=[PredictionDocument])
    await _keep_for(database, ttl_days)


async def _keep_for(database: AsyncDatabase[dict[str, Any]], ttl_days: int | None) -> None:
    """Makes, changes or drops the index by which MongoDB deletes old predictions."""
    collection = database[PredictionDocument.Settings.name]
    current = (await collection.index_information()).get(EXPIRY_INDEX)
    wanted_s = None if ttl_days is None else ttl_days * _DAY_S
    if current is not None and current.get("expireAfterSeconds") != wanted_s:
        await collection.drop_index(EXPIRY_INDEX)
        current = None
    if current is None and wanted_s is not None:
        keys = [("requested_at", ASCENDING)]
        await collection.create_index(keys, name=EXPIRY_INDEX, expireAfterSeconds=wanted_s)

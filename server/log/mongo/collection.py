"""The collection around the documents: made, and brought up to date with what `documents` declares."""

import contextlib
from typing import Any

import structlog
from beanie import init_beanie
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from server.log.mongo.documents import PredictionDocument
from server.log.mongo.validation import bson_schema

EXPIRY_INDEX = "expires"
# What earlier releases made, and no documented query needs.
_FORMER_INDEXES = frozenset({"by_model_and_time", "by_time", "without_outcome"})
_UNAUTHORIZED = 13
_DAY_S = 86_400

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
    validation = {
        "validator": {"$jsonSchema": bson_schema(PredictionDocument)},
        "validationLevel": "moderate",
    }
    try:
        await database.command({"collMod": name, **validation})
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        _log.warning("no_validation", reason="the user may not change the collection: grant dbAdmin")
    await init_beanie(database, document_models=[PredictionDocument])
    await _keep_for(database, ttl_days)


async def _keep_for(database: AsyncDatabase[dict[str, Any]], ttl_days: int | None) -> None:
    """Drops former indexes, and makes, changes or drops the one by which MongoDB deletes old predictions."""
    collection = database[PredictionDocument.Settings.name]
    found = await collection.index_information()
    for index in _FORMER_INDEXES & found.keys():
        await collection.drop_index(index)
    current = found.get(EXPIRY_INDEX)
    wanted_s = None if ttl_days is None else ttl_days * _DAY_S
    if current is not None and current.get("expireAfterSeconds") != wanted_s:
        await collection.drop_index(EXPIRY_INDEX)
        current = None
    if current is None and wanted_s is not None:
        keys = [("requested_at", ASCENDING)]
        await collection.create_index(keys, name=EXPIRY_INDEX, expireAfterSeconds=wanted_s)

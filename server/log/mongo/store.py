"""The experiment log in MongoDB."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import bson
from beanie import init_beanie
from bson.errors import BSONError
from msgspec import convert, structs
from pydantic import BaseModel
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from server.errors import OutcomeConflictError, StartError, StorageUnavailableError, UnknownPredictionError
from server.log.mongo.collection import prepare
from server.log.mongo.documents import PredictionDocument, to_record, to_stored
from server.log.mongo.uri import DEFAULT_DATABASE, describe, without_secrets
from server.log.record import Outcome, PredictionRecord

_DUPLICATE_KEY = 11000
# A record that MongoDB will never take: BadValue, TypeMismatch, InvalidBSON, a field name with a dollar or a
# dot, DocumentValidationFailure, BSONObjectTooLarge, a key too large for an index.
_POISON_CODES = frozenset({2, 14, 22, 52, 57, 121, 10334, 17280, 17419})
_MAX_BYTES = 16 << 20
# What the driver raises for a document that BSON cannot express.
_INEXPRESSIBLE = (BSONError, ValueError, OverflowError)
# A server that takes connections and never answers is logged after this, not after a socket's timeout.
_PING_TIMEOUT_S = 2.5
# Callers wait for this one, and the spool can hold an outcome for a server that hangs.
_OUTCOME_TIMEOUT_S = 1.0
# The embedded database answers a query over a million documents only when it has read all of them.
_READ_TIMEOUT_MS = 900_000
_MAX_IDLE_MS = 60_000
# MongoDB's own batches are of 16 MB, which as Python objects are a hundred.
_FOUND_AT_ONCE = 5_000
# The driver reports the end of its sessions, to a server that hangs for as long as a socket's timeout.
_CLOSE_TIMEOUT_S = 0.5


class Refusal(NamedTuple):
    """What can never be stored, and why: a prediction, or only the outcome that came with it.

    Attributes:
        prediction_id: The prediction.
        reason: Why, in a line.
        late_outcome: The outcome, when the prediction is stored with another one that came first.
    """

    prediction_id: str
    reason: str
    late_outcome: Outcome | None = None


class MongoStore:
    """Stores predictions in a MongoDB that may be away at any time, also at the start.

    Attributes:
        address: The URI as it may be logged: without user, password and options.
        away: Whether the last call found nobody there.
    """

    def __init__(self, uri: str, *, ttl_days: int | None = None, read_only: bool = False) -> None:
        """Prepares a client; nothing is connected yet.

        Args:
            uri: A MongoDB URI; its path names the database, `playthrough` by default.
            ttl_days: How long MongoDB keeps a prediction; None keeps all.
            read_only: Whether to leave the collection and its indexes as they are.

        Raises:
            StartError: When the URI is malformed. The message does not show it: it may hold a password.
        """
        if not uri.startswith(("mongodb://", "mongodb+srv://")):
            raise StartError(
                "the MongoDB URI is not usable: it has to begin with mongodb:// or mongodb+srv://"
            )
        try:
            self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
                uri,
                tz_aware=True,
                serverSelectionTimeoutMS=2_000,
                # The driver also gives up on a server that keeps its own look at it waiting for so long.
                connectTimeoutMS=_READ_TIMEOUT_MS if read_only else 2_000,
                socketTimeoutMS=_READ_TIMEOUT_MS if read_only else 20_000,
                # The embedded database closes connections that were idle for 300 s, firewalls sooner: a write
                # that meets a closed one fails.
                maxIdleTimeMS=_MAX_IDLE_MS,
                # A row leaves the spool on MongoDB's word: that has to mean "on disk, on most members".
                w="majority",
                journal=True,
            )
        except (PyMongoError, ValueError) as error:
            raise StartError(f"the MongoDB URI is not usable: {without_secrets(uri, str(error))}") from None
        self.address = describe(uri)
        self.away = False
        self._ttl_days, self._read_only = ttl_days, read_only
        self._database = self._client.get_default_database(default=DEFAULT_DATABASE)
        self._initialised = False
        self._initialising = asyncio.Lock()

    async def connect(self) -> None:
        """Makes the collection and its indexes, once.

        Raises:
            StorageUnavailableError: When MongoDB does not answer, or refuses.
        """
        async with self._initialising:
            if self._initialised:
                return
            with self._noticing():
                await self._ping()
                if self._read_only:
                    await init_beanie(self._database, document_models=[PredictionDocument], skip_indexes=True)
                else:
                    await prepare(self._database, self._ttl_days)
            self._initialised = True

    async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]:
        """Stores records, in any order and as often as one likes: one that is there counts as stored.

        Returns:
            What can never be stored; all else is.

        Raises:
            StorageUnavailableError: When some are not stored for now.
        """
        await self.connect()
        if not records:
            return []
        documents = [to_stored(record) for record in records]
        refusals: list[Refusal] = []
        repeated: dict[str, str] = {}  # what MongoDB answered, by id
        with self._noticing():
            try:
                collection = PredictionDocument.get_pymongo_collection()
                await collection.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for failure in _final_failures(error):
                    prediction_id, reason = documents[failure["index"]]["_id"], str(failure.get("errmsg"))
                    if failure["code"] == _DUPLICATE_KEY:
                        repeated[prediction_id] = reason
                    else:
                        refusals.append(Refusal(prediction_id, reason))
            except _INEXPRESSIBLE:  # the driver refuses the whole batch for one that BSON cannot express
                refusals = [refusal for document in documents if (refusal := _inexpressible(document))]
                if not refusals:
                    raise
                refused = {refusal.prediction_id for refusal in refusals}
                return refusals + await self.add([r for r in records if r.prediction_id not in refused])
            refusals += await self._reconcile([r for r in records if r.prediction_id in repeated], repeated)
        return refusals

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Joins an outcome to a stored prediction, atomically: the first one wins.

        Raises:
            UnknownPredictionError: When MongoDB has no such prediction.
            OutcomeConflictError: When it has another outcome.
            StorageUnavailableError: When MongoDB does not answer, or not soon.
        """
        try:
            async with asyncio.timeout(_OUTCOME_TIMEOUT_S):
                await self._join_outcome(prediction_id, outcome)
        except TimeoutError:
            self.away = True
            raise StorageUnavailableError(f"no answer within {_OUTCOME_TIMEOUT_S:g} s") from None

    async def _join_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        await self.connect()
        collection = PredictionDocument.get_pymongo_collection()
        with self._noticing():
            joined = await collection.update_one(*_join(prediction_id, outcome))
            if joined.matched_count:
                return
            stored = await collection.find_one({"_id": prediction_id}, {"outcome": 1})
        if stored is None:
            raise UnknownPredictionError(prediction_id)
        if not _agrees(stored["outcome"], outcome):
            raise OutcomeConflictError(prediction_id)

    async def find(self, query: dict[str, Any]) -> AsyncIterator[PredictionRecord]:
        """Yields the predictions that a MongoDB filter finds, in no particular order.

        Raises:
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        with self._noticing():
            async for found in PredictionDocument.get_pymongo_collection().find(query):
                yield to_record(found)

    async def find_batches(
        self, query: dict[str, Any], shape: type[BaseModel] | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yields the documents that a MongoDB filter finds, some thousands at a time, in no particular order.

        They come as MongoDB returns them: to build a model of each takes longer than all the rest.

        Args:
            query: The filter.
            shape: Names the fields to return, as a projection of Beanie; None returns all.

        Raises:
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        with self._noticing():
            found = PredictionDocument.find(query, projection_model=shape, batch_size=_FOUND_AT_ONCE)
            cursor = await found.get_cursor()
            assert cursor is not None
            async with cursor:
                while batch := await cursor.to_list(_FOUND_AT_ONCE):
                    yield batch

    async def aggregate(self, pipeline: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Yields the results of an aggregation that changes nothing.

        Raises:
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        with self._noticing():
            async for found in await PredictionDocument.get_pymongo_collection().aggregate(pipeline):
                yield found

    async def close(self) -> None:
        """Closes the connections."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                return await self._client.close()
        await self._client.close()  # it has forgotten by now the sessions whose end it wanted to report

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(_PING_TIMEOUT_S):
                await self._client.admin.command("ping")
        except TimeoutError:
            raise StorageUnavailableError(f"no answer within {_PING_TIMEOUT_S:g} s") from None

    async def _reconcile(
        self, records: Sequence[PredictionRecord], reasons: Mapping[str, str]
    ) -> list[Refusal]:
        """Gives outcomes to predictions that were stored before theirs came.

        Args:
            records: Those that MongoDB called duplicates.
            reasons: What it answered, by id.

        Returns:
            Those that are not there, since another unique index than that of `_id` has refused them, and the
            outcomes that came after another one.
        """
        if not records:
            return []
        collection = PredictionDocument.get_pymongo_collection()
        joins = [UpdateOne(*_join(r.prediction_id, r.outcome)) for r in records if r.outcome]
        if joins:
            await collection.bulk_write(joins, ordered=False)
        query = {"_id": {"$in": [record.prediction_id for record in records]}}
        stored = {found["_id"]: found["outcome"] async for found in collection.find(query, {"outcome": 1})}
        refusals = []
        for record in records:
            known = record.prediction_id
            if known not in stored:
                refusals.append(Refusal(known, reasons[known]))
            elif record.outcome and not _agrees(stored[known], record.outcome):
                refusals.append(Refusal(known, "another outcome was recorded first", record.outcome))
        return refusals

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Turns the driver's errors into ours, and remembers whether MongoDB is there."""
        try:
            yield
        except PyMongoError as error:
            self.away = True
            raise StorageUnavailableError(str(error)) from error
        except StorageUnavailableError:
            self.away = True
            raise
        self.away = False


def _final_failures(error: BulkWriteError) -> list[dict[str, Any]]:
    """Returns a bulk write's failures when trying again would change nothing.

    Raises:
        StorageUnavailableError: When some may pass later (a new primary, a write concern not met in time, …).
    """
    details = error.details or {}
    failures: list[dict[str, Any]] = details.get("writeErrors", [])
    final = _POISON_CODES | {_DUPLICATE_KEY}
    passing = [failure for failure in failures if failure["code"] not in final]
    if passing or details.get("writeConcernErrors"):
        raise StorageUnavailableError(str((passing or details["writeConcernErrors"])[0].get("errmsg")))
    return failures


def _inexpressible(document: Mapping[str, Any]) -> Refusal | None:
    """Returns why a document can never be sent to MongoDB, or None when it can."""
    try:
        if len(bson.encode(document)) <= _MAX_BYTES:
            return None
        return Refusal(document["_id"], "larger than MongoDB takes")
    except _INEXPRESSIBLE as error:
        return Refusal(document["_id"], f"{type(error).__name__}: {error}")


def _agrees(stored: dict[str, Any] | None, outcome: Outcome) -> bool:
    """Returns whether what MongoDB has reports the same as an outcome."""
    return stored is not None and convert(stored, Outcome).agrees_with(outcome)


def _join(prediction_id: str, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the filter and the change that give a prediction its outcome unless it has one."""
    return {"_id": prediction_id, "outcome": None}, {"$set": {"outcome": structs.asdict(outcome)}}

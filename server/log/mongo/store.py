"""The experiment log in MongoDB."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from beanie import init_beanie
from msgspec import structs
from pydantic import BaseModel
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from server.errors import OutcomeConflictError, StartError, StorageUnavailableError, UnknownPredictionError
from server.log.mongo.collection import prepare
from server.log.mongo.documents import OutcomeDocument, PredictionDocument
from server.log.mongo.refusals import INEXPRESSIBLE, Refusal, inexpressible, read_rows
from server.log.mongo.uri import DEFAULT_DATABASE, describe, without_secrets
from server.log.record import Outcome
from server.log.spool.rows import HeldOutcome, SpooledRow

Projection = TypeVar("Projection", bound=BaseModel)

_DUPLICATE_KEY = 11000
# A record that MongoDB will never take: BadValue, TypeMismatch, InvalidBSON, a field name with a dollar or a
# dot, DocumentValidationFailure, BSONObjectTooLarge, a key too large for an index.
_POISON_CODES = frozenset({2, 14, 22, 52, 57, 121, 10334, 17280, 17419})


@dataclass(frozen=True, slots=True)
class JoinedOutcomes:
    """What became of held outcomes.

    Attributes:
        joined: Their predictions have them.
        conflicting: Their predictions have another one, which came first.
        unknown: MongoDB has no such prediction.
    """

    joined: list[HeldOutcome]
    conflicting: list[HeldOutcome]
    unknown: list[HeldOutcome]


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
                connectTimeoutMS=2_000,
                socketTimeoutMS=20_000,
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
                if self._read_only:
                    await init_beanie(self._database, document_models=[PredictionDocument], skip_indexes=True)
                else:
                    await prepare(self._database, self._ttl_days)
            self._initialised = True

    async def add(self, rows: Sequence[SpooledRow]) -> list[Refusal]:
        """Stores rows, in any order and as often as one likes: a row that is there already counts as stored.

        Args:
            rows: What to store.

        Returns:
            The rows that can never be stored, and the outcomes that came after another one; all else is
            stored.

        Raises:
            StorageUnavailableError: When some are not stored for now.
        """
        await self.connect()
        documents, refusals = read_rows(rows)
        if not documents:
            return refusals
        by_id = {row.prediction_id: row for row in rows}
        repeated: dict[str, str] = {}  # what MongoDB said, by id
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
                        refusals.append(Refusal(by_id[prediction_id], reason))
            except INEXPRESSIBLE:  # the driver refuses the whole batch for one that BSON cannot express
                hopeless = [refusal for d in documents if (refusal := inexpressible(d, by_id[d["_id"]]))]
                if not hopeless:
                    raise
                bad = {refusal.dead.prediction_id for refusal in (*refusals, *hopeless)}
                rest = [row for row in rows if row.prediction_id not in bad]
                return refusals + hopeless + await self.add(rest)
            refusals += await self._reconcile([by_id[name] for name in repeated], repeated)
        return refusals

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Joins an outcome to a stored prediction, atomically: the first one wins.

        Raises:
            UnknownPredictionError: When MongoDB has no such prediction.
            OutcomeConflictError: When it has another outcome.
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        collection = PredictionDocument.get_pymongo_collection()
        with self._noticing():
            joined = await collection.update_one(*_join(prediction_id, outcome))
            if joined.matched_count:
                return
            document = await PredictionDocument.get(prediction_id)
        if document is None:
            raise UnknownPredictionError(prediction_id)
        if document.outcome is None or not document.outcome.to_outcome().agrees_with(outcome):
            raise OutcomeConflictError(prediction_id)

    async def add_outcomes(self, held: Sequence[HeldOutcome]) -> JoinedOutcomes:
        """Joins outcomes that waited, as `add_outcome` does each, and says what became of them.

        Raises:
            StorageUnavailableError: When MongoDB does not answer; all may be given again.
        """
        result = JoinedOutcomes([], [], [])
        for each in held:
            try:
                await self.add_outcome(each.prediction_id, Outcome.from_json(each.outcome))
            except UnknownPredictionError:
                result.unknown.append(each)
            except OutcomeConflictError:
                result.conflicting.append(each)
            else:
                result.joined.append(each)
        return result

    async def find(self, query: dict[str, Any], projection: type[Projection]) -> AsyncIterator[Projection]:
        """Reads stored predictions.

        Args:
            query: A MongoDB filter.
            projection: The fields to read.

        Yields:
            The predictions, in no particular order.

        Raises:
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        with self._noticing():
            async for found in PredictionDocument.find(query, projection_model=projection):
                yield found

    async def aggregate(self, pipeline: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Lets MongoDB compute something over stored predictions.

        Args:
            pipeline: An aggregation that changes nothing.

        Yields:
            Its results.

        Raises:
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        with self._noticing():
            async for found in await PredictionDocument.get_pymongo_collection().aggregate(pipeline):
                yield found

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _reconcile(self, rows: Sequence[SpooledRow], reasons: Mapping[str, str]) -> list[Refusal]:
        """Gives outcomes to rows that were stored before theirs came.

        Args:
            rows: Those that MongoDB called duplicates.
            reasons: What it said, by id.

        Returns:
            The rows that are not there: another unique index than that of `_id` has refused them. And the
            outcomes that came after another one.
        """
        if not rows:
            return []
        collection = PredictionDocument.get_pymongo_collection()
        outcomes = {row.prediction_id: Outcome.from_json(row.outcome) for row in rows if row.outcome}
        joins = [UpdateOne(*_join(each, outcome)) for each, outcome in outcomes.items()]
        if joins:
            await collection.bulk_write(joins, ordered=False)
        query = {"_id": {"$in": [row.prediction_id for row in rows]}}
        stored = {found["_id"]: found["outcome"] async for found in collection.find(query, {"outcome": 1})}
        refusals = []
        for row in rows:
            if row.prediction_id not in stored:
                refusals.append(Refusal(row, reasons[row.prediction_id]))
            elif row.outcome and not _agrees(stored[row.prediction_id], outcomes[row.prediction_id]):
                late = HeldOutcome(row.prediction_id, row.outcome, time.time())
                refusals.append(Refusal(late, "another outcome was recorded first"))
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


def _agrees(stored: dict[str, Any] | None, outcome: Outcome) -> bool:
    """Says whether what MongoDB has tells the same as an outcome."""
    return stored is not None and OutcomeDocument(**stored).to_outcome().agrees_with(outcome)


def _join(prediction_id: str, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the filter and the change that give a prediction its outcome unless it has one."""
    return {"_id": prediction_id, "outcome": None}, {"$set": {"outcome": structs.asdict(outcome)}}

"""The experiment log in MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import bson
from beanie import init_beanie
from bson.errors import BSONError
from pydantic import BaseModel
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from server.errors import OutcomeConflictError, StartError, StorageUnavailableError, UnknownPredictionError
from server.experiment.collection import prepare
from server.experiment.documents import OutcomeDocument, PredictionDocument
from server.experiment.records import Outcome, PredictionRecord
from server.experiment.spool_file import HeldOutcome, SpooledRow
from server.experiment.uri import DEFAULT_DATABASE, describe, without_secrets

Projection = TypeVar("Projection", bound=BaseModel)

_DUPLICATE_KEY = 11000
_MAX_BYTES = 16 << 20
_INEXPRESSIBLE = (BSONError, ValueError, OverflowError)
# A record that MongoDB will never take: BadValue, TypeMismatch, InvalidBSON, a field name with a dollar or a
# dot, DocumentValidationFailure, BSONObjectTooLarge, a key too large for an index.
_POISON_CODES = frozenset({2, 14, 22, 52, 57, 121, 10334, 17280, 17419})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that can never be stored, and why."""

    row: SpooledRow
    reason: str


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
            The rows that can never be stored; all others are stored.

        Raises:
            StorageUnavailableError: When some are not stored for now.
        """
        await self.connect()
        documents, refusals = _documents(rows)
        if not documents:
            return refusals
        by_id = {row.prediction_id: row for row in rows}
        repeated: list[PredictionDocument] = []
        with self._noticing():
            try:
                await PredictionDocument.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for failure in _final_failures(error):
                    document = documents[failure["index"]]
                    if failure["code"] == _DUPLICATE_KEY:
                        repeated.append(document)
                    else:
                        refusals.append(Refusal(by_id[document.id], str(failure.get("errmsg"))))
            except _INEXPRESSIBLE:  # the driver refuses the whole batch for one that BSON cannot express
                hopeless = [refusal for d in documents if (refusal := _inexpressible(d, by_id[d.id]))]
                if not hopeless:
                    raise
                bad = {refusal.row.prediction_id for refusal in (*refusals, *hopeless)}
                rest = [row for row in rows if row.prediction_id not in bad]
                return refusals + hopeless + await self.add(rest)
            await self._join_outcomes(repeated)
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
            joined = await collection.update_one(*_join(prediction_id, OutcomeDocument.of(outcome)))
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

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _join_outcomes(self, documents: Sequence[PredictionDocument]) -> None:
        """Gives outcomes to documents that were stored before their outcome came."""
        joins = [UpdateOne(*_join(d.id, d.outcome)) for d in documents if d.outcome is not None]
        if joins:
            await PredictionDocument.get_pymongo_collection().bulk_write(joins, ordered=False)

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


def _documents(rows: Sequence[SpooledRow]) -> tuple[list[PredictionDocument], list[Refusal]]:
    """Reads spooled rows; one that does not make a document is refused and does not hold up the others."""
    documents: list[PredictionDocument] = []
    refusals: list[Refusal] = []
    for row in rows:
        try:
            outcome = None if row.outcome is None else Outcome.from_json(row.outcome)
            documents.append(PredictionDocument.of(PredictionRecord.from_json(row.body), outcome))
        except (ValueError, TypeError, KeyError) as error:
            refusals.append(Refusal(row, f"{type(error).__name__}: {error}"))
    return documents, refusals


def _inexpressible(document: PredictionDocument, row: SpooledRow) -> Refusal | None:
    """Says why a document can never be sent to MongoDB, or None when it can."""
    try:
        if len(bson.encode(document.model_dump())) <= _MAX_BYTES:
            return None
        return Refusal(row, "larger than MongoDB takes")
    except _INEXPRESSIBLE as error:
        return Refusal(row, f"{type(error).__name__}: {error}")


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


def _join(prediction_id: str, outcome: OutcomeDocument) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the filter and the change that give a prediction its outcome unless it has one."""
    return {"_id": prediction_id, "outcome": None}, {"$set": {"outcome": outcome.model_dump()}}

"""The experiment log in MongoDB."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from beanie import init_beanie
from bson.errors import BSONError
from pydantic import BaseModel
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from server.errors import OutcomeConflictError, StartError, StorageUnavailableError, UnknownPredictionError
from server.experiment.documents import OutcomeDocument, PredictionDocument
from server.experiment.records import Outcome, PredictionRecord
from server.experiment.spool import SpooledRow

Projection = TypeVar("Projection", bound=BaseModel)

DEFAULT_DATABASE = "playthrough"
_DUPLICATE_KEY = 11000
# A record that MongoDB will never take: BadValue, DocumentValidationFailure, BSONObjectTooLarge.
_POISON_CODES = frozenset({2, 121, 10334})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that can never be stored, and why."""

    row: SpooledRow
    reason: str


class MongoStore:
    """Stores predictions in a MongoDB that may be away at any time, also at the start.

    Attributes:
        address: The URI as it may be logged: without user, password and options.
    """

    def __init__(self, uri: str) -> None:
        """Prepares a client; nothing is connected yet.

        Args:
            uri: A MongoDB URI; its path names the database, `playthrough` by default.

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
            raise StartError(f"the MongoDB URI is not usable: {_reason(uri, str(error))}") from None
        self.address = _describe(uri)
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
            try:
                await init_beanie(self._database, document_models=[PredictionDocument])
            except PyMongoError as error:
                raise StorageUnavailableError(str(error)) from error
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
        try:
            await PredictionDocument.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            for failure in _final_failures(error):
                document = documents[failure["index"]]
                if failure["code"] == _DUPLICATE_KEY:
                    repeated.append(document)
                else:
                    refusals.append(Refusal(by_id[document.id], str(failure.get("errmsg"))))
        except PyMongoError as error:
            raise StorageUnavailableError(str(error)) from error
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
        try:
            joined = await collection.update_one(*_join(prediction_id, OutcomeDocument.of(outcome)))
            if joined.matched_count:
                return
            document = await PredictionDocument.get(prediction_id)
        except PyMongoError as error:
            raise StorageUnavailableError(str(error)) from error
        if document is None:
            raise UnknownPredictionError(prediction_id)
        if document.outcome is None or not document.outcome.to_outcome().agrees_with(outcome):
            raise OutcomeConflictError(prediction_id)

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
        try:
            async for found in PredictionDocument.find(query, projection_model=projection):
                yield found
        except PyMongoError as error:
            raise StorageUnavailableError(str(error)) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _join_outcomes(self, documents: Sequence[PredictionDocument]) -> None:
        """Gives outcomes to documents that were stored before their outcome came."""
        joins = [UpdateOne(*_join(d.id, d.outcome)) for d in documents if d.outcome is not None]
        if not joins:
            return
        try:
            await PredictionDocument.get_pymongo_collection().bulk_write(joins, ordered=False)
        except PyMongoError as error:
            raise StorageUnavailableError(str(error)) from error


def _describe(uri: str) -> str:
    """Returns a usable MongoDB URI as it may be logged: without user and password, and without options.

    It is taken apart as the driver does it: a password may hold a `#`, where `urlsplit` would end.
    """
    scheme, _, rest = uri.partition("?")[0].partition("://")
    hosts, _, database = rest.partition("/")
    return f"{scheme}://{hosts.rpartition('@')[2]}/{database or DEFAULT_DATABASE}"


def _documents(rows: Sequence[SpooledRow]) -> tuple[list[PredictionDocument], list[Refusal]]:
    """Reads spooled rows; one that does not make a document is refused and does not hold up the others."""
    documents: list[PredictionDocument] = []
    refusals: list[Refusal] = []
    for row in rows:
        try:
            outcome = None if row.outcome is None else Outcome.from_json(row.outcome)
            documents.append(PredictionDocument.of(PredictionRecord.from_json(row.body), outcome))
        except (ValueError, TypeError, KeyError, BSONError) as error:
            refusals.append(Refusal(row, f"{type(error).__name__}: {error}"))
    return documents, refusals


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


def _reason(uri: str, message: str) -> str:
    """Returns what the driver says of a URI, unless that quotes any of what stands before its hosts."""
    secret = uri.partition("://")[2].rpartition("@")[0]
    if any(part in message for part in re.split(r"[/?#@:]", secret) if part):
        return "perhaps its user or password has to be percent-encoded"
    return " ".join(message.replace(uri, "<uri>").split())

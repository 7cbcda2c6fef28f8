"""The experiment log in MongoDB, by way of Beanie."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import bson
from beanie import BulkWriter, init_beanie
from beanie.operators import In, Set
from bson.errors import BSONError
from msgspec import structs
from pydantic import BaseModel, ValidationError
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError

from server.errors import StorageUnavailableError
from server.log.mongo.client import close_client, database_of, make_client
from server.log.mongo.collection import prepare
from server.log.mongo.documents import (
    OutcomeDocument,
    OutcomeView,
    PredictionDocument,
    to_document,
)
from server.log.mongo.uri import describe
from server.log.record import Outcome, PredictionRecord

_DUPLICATE_KEY = 11000
# A document that MongoDB will never take: BadValue, TypeMismatch, InvalidBSON, a field name with a dollar or
# a dot, DocumentValidationFailure, BSONObjectTooLarge, a key too large for an index.
_POISON_CODES = frozenset({2, 14, 22, 52, 57, 121, 10334, 17280, 17419})
_MAX_BYTES = 16 << 20
# What the driver raises for a document that BSON cannot express.
_INEXPRESSIBLE = (BSONError, ValueError, OverflowError)
# A server that takes connections and never answers is logged after this, not after a socket's timeout.
_PING_TIMEOUT_S = 2.5
# MongoDB's own batches are of 16 MB, which as Python objects are a hundred.
_FOUND_AT_ONCE = 5_000


class Stored(NamedTuple):
    """What became of predictions that were to be stored.

    Attributes:
        inserted: Ids of those that were stored now, with their outcomes; all others were there before, with
            the outcomes that they had.
        refused: Those that can never be stored, by id, and why, in words that quote nothing of them.
    """

    inserted: set[str]
    refused: dict[str, str]


class Joined(NamedTuple):
    """What became of outcomes, by the ids of their predictions; those in no set are to be tried again.

    Attributes:
        joined: The prediction has this outcome.
        conflicting: The prediction had another one first.
        unknown: There is no such prediction.
        refused: It can never be stored.
        predicted: Model and play-through probability of those joined whose prediction has exactly this
            outcome, not an equal one that was reported before.
    """

    joined: set[str]
    conflicting: set[str]
    unknown: set[str]
    refused: set[str]
    predicted: Mapping[str, tuple[str, float]] = MappingProxyType({})


class MongoStore:
    """Stores predictions in a MongoDB that may be away at any time, also at the start.

    Attributes:
        address: The URI as it may be logged: without user, password and options.
    """

    def __init__(self, uri: str, *, ttl_days: int | None = None, read_only: bool = False) -> None:
        """Prepares a client; nothing is connected yet.

        Args:
            uri: A MongoDB URI; its path names the database, `playthrough` by default.
            ttl_days: How long MongoDB keeps a prediction; None keeps all.
            read_only: Whether to leave the collection and its indexes as they are.

        Raises:
            StartError: When the URI is not usable; see `make_client`.
        """
        self._client = make_client(uri, long_reads=read_only)
        self._database = database_of(self._client, uri)
        self.address = describe(uri)
        self._ttl_days, self._read_only = ttl_days, read_only
        self._initialised = False

    async def connect(self) -> None:
        """Makes the collection and its indexes, once.

        Raises:
            StorageUnavailableError: When MongoDB does not answer, or refuses.
        """
        if self._initialised:
            return
        with _translated_errors():
            await self._ping()
            if self._read_only:
                await init_beanie(self._database, document_models=[PredictionDocument], skip_indexes=True)
            else:
                await prepare(self._database, self._ttl_days)
        self._initialised = True

    async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
        """Stores predictions by id, in any order and as often as one likes: what is there counts as stored.

        Raises:
            StorageUnavailableError: When some are not stored for now.
        """
        await self.connect()
        documents, refused = _to_documents(records)
        if not documents:
            return Stored(set(), refused)
        repeated: set[str] = set()
        with _translated_errors():
            try:
                await PredictionDocument.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for failure in _final_failures(error):
                    prediction_id = documents[failure["index"]].id
                    if failure["code"] == _DUPLICATE_KEY:
                        repeated.add(prediction_id)
                    else:
                        refused[prediction_id] = f"MongoDB refused it with code {failure['code']}"
            except _INEXPRESSIBLE:  # the driver refuses the whole batch for one that BSON cannot express
                bad = {document.id: why for document in documents if (why := _inexpressible(document))}
                if not bad:
                    raise
                stored = await self.add({key: it for key, it in records.items() if key not in bad})
                return Stored(stored.inserted, {**stored.refused, **bad})
            for prediction_id in repeated - (await _find(repeated)).keys():
                refused[prediction_id] = "a unique index of this MongoDB refused it"
        return Stored({document.id for document in documents} - repeated - refused.keys(), refused)

    async def join(self, outcomes: Mapping[str, Outcome]) -> Joined:
        """Gives predictions their outcomes by id, atomically: the first one wins.

        Raises:
            StorageUnavailableError: When MongoDB does not answer.
        """
        await self.connect()
        documents, refused = _to_outcomes(outcomes)
        if documents:
            with _translated_errors():
                refused |= await _give(documents)
                stored = await _find(documents.keys() - refused)
        else:
            stored = {}
        # Without an outcome: it was stored between the two calls, and is joined at the next try.
        settled = {key: view.has(outcomes[key]) for key, view in stored.items() if view.outcome is not None}
        joined = {key for key, agrees in settled.items() if agrees}
        unknown = set(documents.keys() - stored.keys() - refused)
        predicted = {
            key: predicted
            for key in joined
            if stored[key].is_from(outcomes[key]) and (predicted := stored[key].predicted())
        }
        return Joined(joined, settled.keys() - joined, unknown, refused, predicted)

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
        with _translated_errors():
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
        with _translated_errors():
            async for found in PredictionDocument.aggregate(pipeline):
                yield found

    async def close(self) -> None:
        """Closes the connections."""
        await close_client(self._client)

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(_PING_TIMEOUT_S):
                await self._client.admin.command("ping")
        except TimeoutError:
            raise StorageUnavailableError(f"no answer within {_PING_TIMEOUT_S:g} s") from None


async def _give(outcomes: Mapping[str, OutcomeDocument]) -> set[str]:
    """Gives predictions that have none their outcomes; returns the ids of what MongoDB will never take."""
    writer = BulkWriter(ordered=False)
    for prediction_id, outcome in outcomes.items():
        # One flat filter: Beanie joins expressions by $and, for which the embedded database reads everything.
        without = PredictionDocument.find_one({"_id": prediction_id, "outcome": None})
        change = Set({PredictionDocument.outcome: outcome})  # type: ignore[no-untyped-call]
        await without.update(change, bulk_writer=writer)
    try:
        await writer.commit()
    except BulkWriteError as error:
        ids = list(outcomes)
        return {ids[failure["index"]] for failure in _final_failures(error)}
    return set()


async def _find(prediction_ids: Collection[str]) -> dict[str, OutcomeView]:
    """Returns those predictions that are stored, by id."""
    if not prediction_ids:
        return {}
    found = PredictionDocument.find(
        In(PredictionDocument.id, list(prediction_ids)), projection_model=OutcomeView
    )
    return {view.id: view async for view in found}


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except PyMongoError as error:
        raise StorageUnavailableError(_describe(error)) from error


def _describe(error: PyMongoError) -> str:
    """Returns what went wrong in words that quote no document: those of a refusal can."""
    if isinstance(error, ConnectionFailure):
        return str(error)
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__}, code {code}"


def _to_documents(
    records: Mapping[str, PredictionRecord],
) -> tuple[list[PredictionDocument], dict[str, str]]:
    """Returns the documents, and why some records are none, by id."""
    documents, refused = [], {}
    for prediction_id, record in records.items():
        try:
            documents.append(to_document(prediction_id, record))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            refused[prediction_id] = f"{'.'.join(map(str, first['loc']))}: {first['type']}"
    return documents, refused


def _to_outcomes(outcomes: Mapping[str, Outcome]) -> tuple[dict[str, OutcomeDocument], set[str]]:
    """Returns the outcomes as they are stored, and the ids of those that have a value out of its range."""
    documents, refused = {}, set()
    for prediction_id, outcome in outcomes.items():
        try:
            documents[prediction_id] = OutcomeDocument.model_validate(structs.asdict(outcome))
        except ValidationError:
            refused.add(prediction_id)
    return documents, refused


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
        first = (passing or details["writeConcernErrors"])[0]
        raise StorageUnavailableError(f"a write failed for now, code {first.get('code')}")
    return failures


def _inexpressible(document: PredictionDocument) -> str | None:
    """Returns why a document can never be sent to MongoDB, or None when it can."""
    try:
        if len(bson.encode(document.model_dump(by_alias=True))) <= _MAX_BYTES:
            return None
        return "larger than MongoDB takes"
    except _INEXPRESSIBLE as error:
        return type(error).__name__

"""The experiment log as the service sees it: durable at once, in MongoDB soon."""

from typing import Protocol

from bson import ObjectId

from server.experiment.records import Outcome, PredictionRecord
from server.experiment.spool import Spool


class OutcomeStore(Protocol):
    """Where the outcome of a prediction goes that has left the spool."""

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Joins an outcome to a stored prediction; the first one wins."""
        ...


class ExperimentLog:
    """Logs predictions and joins them with what really happened."""

    def __init__(self, spool: Spool, store: OutcomeStore) -> None:
        """Takes the durable spool, and the store behind it."""
        self._spool = spool
        self._store = store

    def new_prediction_id(self) -> str:
        """Returns an id that no other process makes, and that sorts by time: an ObjectId's 24 digits."""
        return str(ObjectId())

    async def add(self, record: PredictionRecord) -> None:
        """Returns once the record is on disk.

        Raises:
            SpoolFullError: When it cannot be logged now.
        """
        await self._spool.append(record)

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Returns once the outcome is on disk.

        A prediction leaves the spool only after MongoDB has it: an id that the spool lacks is in MongoDB, or
        unknown, and to look in this order finds every prediction that was ever answered.

        Raises:
            UnknownPredictionError: When no such prediction was logged.
            OutcomeConflictError: When another outcome was recorded first.
            StorageUnavailableError: When the spool lacks the id and MongoDB does not answer.
            SpoolFullError: When the disk is full.
        """
        if not await self._spool.add_outcome(prediction_id, outcome):
            await self._store.add_outcome(prediction_id, outcome)

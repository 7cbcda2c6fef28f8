"""The experiment log as the service sees it: durable at once, in MongoDB soon."""

from typing import Protocol

from bson import ObjectId

from server.errors import StorageUnavailableError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.spool import Spool


class _Store(Protocol):
    @property
    def away(self) -> bool: ...
    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None: ...


class ExperimentLog:
    """Logs predictions and joins them with what really happened."""

    def __init__(self, spool: Spool, store: _Store) -> None:
        """Sets the durable spool, and the store behind it."""
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
        """Returns once the outcome is durable.

        A prediction leaves the spool only after MongoDB has it: an id that no worker's spool has is in
        MongoDB, or unknown, and to look in this order finds every prediction that was ever answered on this
        machine. While MongoDB is away such an outcome is taken on trust, and delivery finds its
        prediction later.

        Raises:
            UnknownPredictionError: When no such prediction was logged.
            OutcomeConflictError: When another outcome was recorded first.
            SpoolFullError: When the disk is full.
        """
        if await self._spool.add_outcome(prediction_id, outcome):
            return
        if not self._store.away:
            try:
                return await self._store.add_outcome(prediction_id, outcome)
            except StorageUnavailableError:
                pass
        await self._spool.hold_outcome(prediction_id, outcome)

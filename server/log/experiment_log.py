"""The experiment log as the service sees it: durable when it returns, in MongoDB soon."""

from server.errors import UnknownPredictionError
from server.log.prediction_id import is_possible, new_prediction_id
from server.log.record import Outcome, PredictionRecord
from server.log.spool.spool import Spool


class ExperimentLog:
    """Logs predictions and what really happened. It knows the spool alone: delivery is another process's."""

    def __init__(self, spool: Spool) -> None:
        """Sets the durable spool."""
        self._spool = spool

    def new_prediction_id(self, request_id: str = "") -> str:
        """Returns an id that nobody else has: the same one for the same request id, unless that is empty."""
        return new_prediction_id(request_id)

    async def add(self, record: PredictionRecord, *, retried: bool = False) -> PredictionRecord:
        """Returns what is logged under the record's id, once it is on disk; see `Spool.append`.

        Raises:
            SpoolFullError: When it cannot be logged now.
        """
        return await self._spool.append(record, retried=retried)

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Returns once the outcome is on disk; delivery joins it to its prediction, on whichever machine.

        Raises:
            UnknownPredictionError: When no server can have issued the id.
            SpoolFullError: When it cannot be kept now.
        """
        if not is_possible(prediction_id):
            raise UnknownPredictionError(prediction_id)
        await self._spool.append_outcome(prediction_id, outcome)

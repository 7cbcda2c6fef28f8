"""Documents as MongoDB stores and returns them."""

from typing import Any

from msgspec import convert, structs

from server.log.mongo.store import MongoStore
from server.log.record import PredictionRecord


def to_stored(record: PredictionRecord) -> dict[str, Any]:
    """Returns a record as MongoDB stores it."""
    fields = structs.asdict(record)
    outcome = None if record.outcome is None else structs.asdict(record.outcome)
    return {"_id": fields.pop("prediction_id"), **fields, "outcome": outcome}


async def all_records(store: MongoStore) -> list[PredictionRecord]:
    """Returns all that a store holds, without what later releases have added."""
    found = [document async for batch in store.find_batches({}) for document in batch]
    names = PredictionRecord.__struct_fields__
    return [
        convert(
            {name: value for name, value in document.items() if name in names}
            | {"prediction_id": document["_id"]},
            PredictionRecord,
        )
        for document in found
    ]

"""The real server over the tiny world, and a way to its methods that spares the network."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import bson
import grpc
from pydantic import SecretStr

from data import read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb
from server import app
from server.log.mongo.documents import PredictionDocument, to_document
from server.log.spool.file import FILE_NAME, SpoolFile
from server.settings import ServerSettings
from tests.fuzz.journal import Journal, listening
from tests.fuzz.messages import Words
from tests.fuzz.tiny_world import MODELS, make_world

SERVICE = pb.DESCRIPTOR.services_by_name["PredictionService"]
METHODS = {method.name: method for method in SERVICE.methods}
"""The contract's methods, by name."""

_EVERY_GENRE = ("rock", "pop", "jazz", "ROCK", "r&b", "nothing like it")


@dataclass(frozen=True)
class Served:
    """A running server.

    Attributes:
        address: Where it listens, as HOST:PORT.
        handlers: What gRPC calls for each method of the contract, by name.
        journal: What it logs.
        words: What means something to it.
        spool: Its spool's file.
    """

    address: str
    handlers: Mapping[str, Any]
    journal: Journal
    words: Words
    spool: SpoolFile

    def forget_log(self) -> int:
        """Takes all rows out of the spool as delivery would; returns how many, and raises for bad ones."""
        file, count = self.spool, 0
        with file.transaction():
            while rows := file.next_predictions(1_000):
                for row in rows:
                    document = to_document(row.prediction_id, row.record())
                    bson.encode(document.model_dump(by_alias=True))
                file.advance(rows)
                count += len(rows)
            while outcomes := file.due_outcomes(1_000):
                for row in outcomes:
                    row.outcome()
                file.remove_outcomes(outcomes)
                count += len(outcomes)
        return count


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Served]:
    """Runs a server over a tiny world, whose spool nobody delivers, for the duration of a block."""
    make_world(directory)
    settings = ServerSettings(
        data=directory / "data",
        models=directory / "models",
        port=0,
        var_dir=directory / "var",
        mongodb_uri=SecretStr("mongodb://127.0.0.1:9/nowhere"),
        registry_poll_s=0.0,
        drain_grace_s=1.0,
    )
    registered: dict[str, Mapping[str, Any]] = {}
    make_server = grpc.aio.server

    def make_recorded(*arguments: Any, **options: Any) -> grpc.aio.Server:
        server = make_server(*arguments, **options)
        register = server.add_registered_method_handlers

        def record(service: str, handlers: dict[str, Any]) -> None:
            registered[service] = handlers
            register(service, handlers)

        server.add_registered_method_handlers = record  # type: ignore[assignment, method-assign]
        return server

    with (
        listening() as journal,
        patch.object(app, "storing", _storing_nowhere),
        # Beanie's own check that it is connected. Not a mock, which would remember each call.
        patch.object(PredictionDocument, "get_pymongo_collection", new=lambda *_: None),
        patch.object(grpc.aio, "server", make_recorded),
    ):
        asyncio.get_running_loop().set_exception_handler(journal.note)
        async with app.running(settings, lambda _line: None) as address:
            spool = SpoolFile(settings.spool_directory / FILE_NAME)
            yield Served(address, registered[SERVICE.full_name], journal, _words(settings), spool)
            spool.close()


def _words(settings: ServerSettings) -> Words:
    catalogue = read_catalogue(settings.data_directory)
    genres = {genre for genres in catalogue.tracks["genres"] for genre in genres}
    return {
        "track_id": catalogue.track_ids,
        "track_ids": catalogue.track_ids,
        "genres": [*_EVERY_GENRE, *sorted(genres)],
        "model": ["", *MODELS],
        "version": ["", "1", "2"],
        "listener_id": ["", "1", "2"],
        "request_id": ["", "first", "second"],
        "prediction_id": ["0" * 20 + "e139"],
    }


@asynccontextmanager
async def _storing_nowhere(settings: ServerSettings, *_: object) -> AsyncIterator[ServerSettings]:
    yield settings

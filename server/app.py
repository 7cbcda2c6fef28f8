"""Puts the server together: the only module that wires concrete classes to each other."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from data import read_catalogue
from server.arms import follow, load_experiment
from server.experiment.embedded import EmbeddedMongo
from server.experiment.folder_lock import lock_folder
from server.experiment.log import ExperimentLog
from server.experiment.spool import Spool
from server.experiment.spool_folder import SUFFIX
from server.experiment.store import MongoStore
from server.experiment.watching import FileWatcher
from server.experiment.writer import SpoolWriter
from server.loading import choose_default, load_models
from server.ports import LoadedModel
from server.rpc.listening import RpcServer, check_free
from server.service import PredictionService
from server.settings import ServerSettings

_FLUSH_TIMEOUT_S = 10.0

_log = structlog.get_logger("server")


async def serve(settings: ServerSettings, announce: Callable[[str], None] = print) -> None:
    """Serves until SIGTERM or SIGINT, then ends in order.

    Args:
        settings: What to serve, and where.
        announce: Takes the lines meant for people and for waiting programs.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with running(settings, announce) as address:
        announce(f"listening on {address}")
        await stopping.wait()
        _log.info("stopping")
    _log.info("stopped")


@asynccontextmanager
async def running(settings: ServerSettings, announce: Callable[[str], None] = print) -> AsyncIterator[str]:
    """Runs the server for the duration of a block.

    Args:
        settings: What to serve, and where.
        announce: Takes the line that names the embedded database.

    Yields:
        The address that it listens on, as HOST:PORT.

    Raises:
        StartError: When it cannot start.
        DataError: When the data set cannot be read.
    """
    check_free(settings.host, settings.port)  # before anything is loaded or started
    async with AsyncExitStack() as stack:  # closed in reverse: calls, then the spool, then the database
        lock = await asyncio.to_thread(lock_folder, settings.var_dir)
        stack.callback(lock.close)
        external = settings.external_mongodb_uri
        store = None if external is None else _store(settings, external)  # first: a bad URI is known at once
        loading = asyncio.create_task(asyncio.to_thread(_load, settings))
        stack.push_async_callback(_settle, loading)
        if store is None:
            store = _store(settings, await _embedded_uri(settings, stack, announce))
        stack.push_async_callback(store.close)
        models = await loading
        experiment, arm_models = await asyncio.to_thread(load_experiment, settings, models)
        spool = Spool(
            settings.spool_directory / f"0{SUFFIX}",
            max_records=settings.spool_max_records,
            min_free_bytes=settings.spool_min_free_bytes,
        )
        stack.push_async_callback(spool.close)
        writer = SpoolWriter(spool, store)
        writer.start()
        stack.push_async_callback(writer.stop, _FLUSH_TIMEOUT_S)
        service = PredictionService(
            models,
            choose_default(models, settings.default_model),
            experiment,
            ExperimentLog(spool, store),
            arm_models,
        )
        if settings.experiment_file is not None:
            watcher = FileWatcher(settings.experiment_file, lambda: follow(settings, service))
            watcher.start()
            stack.push_async_callback(watcher.stop)
        rpc = RpcServer(service)
        address = await rpc.start(settings.host, settings.port)
        stack.push_async_callback(rpc.stop, settings.drain_grace_s)
        _log.info("serving", address=address, models=list(models), mongodb=store.address)
        yield address


def _store(settings: ServerSettings, uri: str) -> MongoStore:
    return MongoStore(uri, ttl_days=settings.experiment_ttl_days)


async def _embedded_uri(
    settings: ServerSettings, stack: AsyncExitStack, announce: Callable[[str], None]
) -> str:
    """Starts the embedded database and says where it is."""
    embedded = EmbeddedMongo(settings.embedded_directory)
    uri = await embedded.start()
    stack.push_async_callback(embedded.stop)
    announce(f"embedded MongoDB at {uri}")
    return uri


def _load(settings: ServerSettings) -> dict[str, LoadedModel]:
    return load_models(settings.models, read_catalogue(settings.data_directory))


async def _settle(loading: "asyncio.Task[dict[str, LoadedModel]]") -> None:
    """Waits for a load whose result nobody wants any more, since something else has failed."""
    with contextlib.suppress(Exception):
        await loading

"""Puts the server together: the only module that wires concrete classes to each other."""

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass

import pyarrow
import structlog
from threadpoolctl import threadpool_limits

from data import read_catalogue
from models.registry import Registry
from server.arm_models import ArmLoader, ExperimentFollower
from server.call_counts import CallCounts
from server.coalescing import Coalescer
from server.file_watch import FileWatcher
from server.hot_swap import RegistryWatch
from server.library import Library
from server.log.delivery import Delivery
from server.log.experiment_log import ExperimentLog
from server.log.lock import lock_folder
from server.log.mongo.embedded.database import embedded_mongodb
from server.log.mongo.store import MongoStore
from server.log.spool.folder import SUFFIX
from server.log.spool.spool import Spool
from server.model_loading import ModelLoader, VersionLoader
from server.rpc.listening_port import check_free
from server.rpc.server import RpcServer
from server.service import PredictionService
from server.settings import ServerSettings
from server.stop_signals import stop_event

_FLUSH_TIMEOUT_S = 10.0

_log = structlog.get_logger("server")
_Loading = asyncio.Task[tuple[ModelLoader, Library]]


@dataclass(frozen=True, slots=True)
class Place:
    """Which one of several equal processes this is.

    Attributes:
        worker: Its number, from 0.
        workers: How many there are.
    """

    worker: int = 0
    workers: int = 1


async def serve(settings: ServerSettings, announce: Callable[[str], None] = print) -> None:
    """Serves in this process until SIGTERM or SIGINT, then ends in order.

    Args:
        settings: What to serve, and where.
        announce: Takes the lines meant for people and for waiting programs.
    """
    stopping = stop_event()
    async with running(settings, announce) as address:
        keep_for_good()
        announce(f"listening on {address}")
        await stopping.wait()
        _log.info("stopping")
    _log.info("stopped")


@asynccontextmanager
async def running(settings: ServerSettings, announce: Callable[[str], None] = print) -> AsyncIterator[str]:
    """Runs the whole server in this process for the duration of a block.

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
        loading = _begin_loading(settings, stack)
        if store is None:
            embedded = embedded_mongodb(settings.embedded_directory, announce)
            store = _store(settings, await stack.enter_async_context(embedded))
        stack.push_async_callback(store.close)
        yield await _start(settings, Place(), store, loading, stack)


@asynccontextmanager
async def working(settings: ServerSettings, place: Place) -> AsyncIterator[str]:
    """Runs one of several workers for the duration of a block; folders and database are its parent's care.

    Args:
        settings: What to serve, and where; names a MongoDB.
        place: Which worker this is.

    Yields:
        The address that it listens on, as HOST:PORT.

    Raises:
        StartError: When it cannot start.
        DataError: When the data set cannot be read.
    """
    assert settings.external_mongodb_uri is not None
    async with AsyncExitStack() as stack:
        store = _store(settings, settings.external_mongodb_uri)
        stack.push_async_callback(store.close)
        yield await _start(settings, place, store, _begin_loading(settings, stack), stack)


def keep_for_good() -> None:
    """Settles down after loading, in a process that does nothing else.

    What is loaded leaves the garbage collector's sight, whose pauses grow with it, and the memory that
    loading needed goes back to the system, where the C library knows how.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


async def _start(
    settings: ServerSettings, place: Place, store: MongoStore, loading: _Loading, stack: AsyncExitStack
) -> str:
    """Starts everything that answers calls; returns the address."""
    loader, library = await loading
    arms = ArmLoader(settings, loader.versions)
    experiment, arm_models = await asyncio.to_thread(arms.load, library)
    loader.versions.gently = True  # from now on there are calls to answer
    stack.callback(loader.versions.hurry)  # a load under way at the end is waited for
    spool = Spool(
        settings.spool_directory / f"{place.worker}{SUFFIX}",
        max_records=settings.spool_max_records,
        min_free_bytes=settings.spool_min_free_bytes,
    )
    stack.push_async_callback(spool.close)
    delivery = Delivery(spool, store)
    delivery.start()
    stack.push_async_callback(delivery.stop, _FLUSH_TIMEOUT_S)
    counts = CallCounts()
    coalescer = Coalescer(counts)
    service = PredictionService(
        library,
        experiment,
        ExperimentLog(spool, store),
        arm_models,
        coalescer,
    )
    await _start_metrics(settings, place, counts, coalescer, spool, service, stack)
    rpc = RpcServer(service, counts, max_in_flight=settings.max_in_flight, share_port=place.workers > 1)
    address = await rpc.start(settings.host, settings.port)
    stack.push_async_callback(rpc.stop, settings.drain_grace_s)
    _start_watches(settings, loader, ExperimentFollower(arms, service), service, rpc, stack)
    _log.info("serving", address=address, models=list(library.serving), mongodb=store.address)
    return address


def _start_watches(
    settings: ServerSettings,
    loader: ModelLoader,
    follower: ExperimentFollower,
    service: PredictionService,
    rpc: RpcServer,
    stack: AsyncExitStack,
) -> None:
    """Begins to follow the experiment's file where there is one, and the registry unless told not to."""
    if settings.experiment_file is not None:
        watcher = FileWatcher(settings.experiment_file, follower.follow)
        watcher.start()
        stack.push_async_callback(watcher.stop)
    if settings.registry_poll_s == 0:
        return

    async def swap(library: Library) -> None:
        service.library = library
        rpc.follow_models()
        await follower.follow_or_keep()  # an arm that names no version is the newest one's

    watch = RegistryWatch(
        loader, swap, interval_s=settings.registry_poll_s, versions_kept=settings.versions_kept
    )
    watch.start()
    stack.push_async_callback(watch.stop)


async def _start_metrics(
    settings: ServerSettings,
    place: Place,
    counts: CallCounts,
    coalescer: Coalescer,
    spool: Spool,
    service: PredictionService,
    stack: AsyncExitStack,
) -> None:
    """Publishes metrics where they are wanted; a worker's are shown by its parent."""
    if settings.metrics_port is None:
        return
    from server.metrics import MetricsPublisher, serve_metrics

    def models() -> tuple[int, int]:
        return sum(map(len, service.library.loaded.values())), len(service.library.failed)

    publisher = MetricsPublisher(
        counts, coalescer.batch_sizes, spool_depth=lambda: spool.depth, models=models
    )
    publisher.start()
    stack.push_async_callback(publisher.stop)
    if place.workers == 1:
        stop, address = serve_metrics(publisher.registry, settings.metrics_host, settings.metrics_port)
        stack.push_async_callback(asyncio.to_thread, stop)
        _log.info("metrics", address=address)


def _store(settings: ServerSettings, uri: str) -> MongoStore:
    return MongoStore(uri, ttl_days=settings.experiment_ttl_days)


def _begin_loading(settings: ServerSettings, stack: AsyncExitStack) -> _Loading:
    """Loads in a thread, for which the stack waits even if nobody wants the result any more."""
    loading = asyncio.create_task(asyncio.to_thread(_load, settings))
    stack.push_async_callback(_settle, loading)
    return loading


def _load(settings: ServerSettings) -> tuple[ModelLoader, Library]:
    threadpool_limits(1, user_api="blas")  # a worker is one core's; more threads would spin for the others'
    catalogue = read_catalogue(settings.data_directory, lenient=settings.lenient)
    for repair in catalogue.repairs:
        _log.warning("data_repaired", **asdict(repair))
    pyarrow.default_memory_pool().release_unused()  # what reading needed: some 30 MB
    loader = ModelLoader(VersionLoader(Registry(settings.models), catalogue), settings.default_model)
    return loader, loader.load()


async def _settle(loading: _Loading) -> None:
    """Waits for a load whose result nobody wants any more, since something else has failed."""
    with contextlib.suppress(Exception):
        await loading

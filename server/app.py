"""Puts the server together: the only module that wires concrete classes to each other."""

import asyncio
import contextlib
import ctypes
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import pyarrow
import structlog
from threadpoolctl import threadpool_limits

from data import read_catalogue
from models import Registry
from server.access.start import followed_access, followed_tls
from server.call_counts import CallCounts
from server.catalogue_tracks import CatalogueTracks
from server.child import Order
from server.daemon_thread import abandon, run_in_daemon_thread
from server.data_check import ServedData, check_data
from server.experiment.assignment import Experiment
from server.hot_swap import HotSwap, load_models
from server.limits.limits import limiting
from server.loaded_models import LoadedModels
from server.log.experiment_log import ExperimentLog
from server.log.lock import lock_folder
from server.log.mongo.uri import describe
from server.log.spool.spool import Spool
from server.model_loader import ModelLoader
from server.polling import polling
from server.rpc.call_records import recording
from server.rpc.channel_options import ConnectionLimits
from server.rpc.gate import Gate
from server.rpc.health import HealthServicer
from server.rpc.health_port import answering_health
from server.rpc.security import Security
from server.rpc.server import RpcServer
from server.service import PredictionService
from server.settings import ServerSettings
from server.start_checks import check_start
from server.stop_budget import StopBudget
from server.storage import storing

if TYPE_CHECKING:
    from server.access.tls import FollowedTls

_SWITCH_INTERVAL_S = 0.0005
# Soon enough for who edits the file and looks what happens.
_EXPERIMENT_POLL_S = 1.0
# A certificate is renewed days before its end; who takes a permission away wants it gone soon.
_ACCESS_POLL_S = 1.0

_log = structlog.get_logger("server")


@asynccontextmanager
async def running(
    settings: ServerSettings, announce: Callable[[str], None] = print, budget: StopBudget | None = None
) -> AsyncIterator[str]:
    """Runs the whole server in this process for the duration of a block.

    Args:
        settings: What to serve, and where.
        announce: Called with the line that names the embedded database.
        budget: The time for the end in order; by default the grace period of the settings.

    Yields:
        The address that it listens on, as HOST:PORT.

    Raises:
        StartError: When it cannot start.
        DataError: When the data set cannot be read.
    """
    check_start(settings)
    budget = budget or StopBudget(settings.drain_grace_s, settings.drain_pause_s)
    # Closed in reverse: calls, the spool, delivery, the database, and the health port last.
    async with AsyncExitStack() as stack:
        order = Order(settings, 0, 1)
        health = await _answer_health(order, stack)
        loader = await run_in_daemon_thread(_read_data, settings)
        # Nothing is written before the data is known to be good. Then what stands behind the spool starts,
        # while the models, which `check_start` has seen, are loaded.
        stack.callback((await asyncio.to_thread(lock_folder, settings.var_dir)).close)
        loading = run_in_daemon_thread(load_models, loader, settings)
        stack.callback(abandon, loading)
        settings = await stack.enter_async_context(storing(settings, announce, budget))
        yield await _start(order._replace(settings=settings), loader, await loading, health, stack, budget)


@asynccontextmanager
async def working(order: Order, budget: StopBudget) -> AsyncIterator[str]:
    """Runs one of several workers for the duration of a block; its parent keeps all that there is one of.

    Args:
        order: What to serve, where, and which worker this is.
        budget: The time for the end in order.

    Yields:
        The address that it listens on, as HOST:PORT.

    Raises:
        StartError: When it cannot start.
        DataError: When the data set cannot be read.
    """
    async with AsyncExitStack() as stack:
        loader = await run_in_daemon_thread(_read_data, order.settings)
        loaded = await run_in_daemon_thread(load_models, loader, order.settings)
        # Not before it is loaded: others answer on the same port by then.
        health = await _answer_health(order, stack)
        yield await _start(order, loader, loaded, health, stack, budget)


def keep_for_good() -> None:
    """Settles down after loading, in a process that does nothing else.

    What is loaded leaves the garbage collector's sight, whose pauses grow with it, and the memory that
    loading needed goes back to the system, where the C library knows how.
    """
    # So long the thread of long answers keeps the interpreter each time that the event loop wants it. The
    # usual 5 ms add up: a call that comes meanwhile waits several times.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


async def _answer_health(order: Order, stack: AsyncExitStack) -> HealthServicer:
    """Opens the health port where one is wanted; returns what both ports answer health checks with."""
    health, settings = HealthServicer(), order.settings
    if settings.health_port is not None:
        port = answering_health(health, settings.health_host, settings.health_port, share_port=order.of > 1)
        _log.info("health", address=await stack.enter_async_context(port))
    return health


async def _start(
    order: Order,
    loader: ModelLoader,
    loaded: tuple[LoadedModels, Experiment],
    health: HealthServicer,
    stack: AsyncExitStack,
    budget: StopBudget,
) -> str:
    """Starts everything that answers calls; returns the address."""
    settings = order.settings
    stack.enter_context(loader.yielding())  # from now on there are calls to answer
    service = PredictionService(*loaded, _log_of(settings, stack), CatalogueTracks(loader.catalogue))
    tls = followed_tls(settings)
    security = Security(tls, followed_access(settings))
    gate = await _gate(order, service, security, tls, stack, budget)
    connections = ConnectionLimits(
        settings.max_connections, settings.max_streams_per_connection, settings.max_connection_age_s
    )
    rpc = RpcServer(service, gate, security, health, connections, share_port=order.of > 1)
    address = await rpc.start(settings.host, settings.port)
    stack.push_async_callback(budget.spend, rpc.stop)
    await _start_polling(settings, security, HotSwap(loader, settings, service, rpc.follow_models), stack)
    stack.push_async_callback(budget.pause)  # everything answers on, until callers have gone elsewhere
    stack.callback(rpc.drain)
    # A daemon: nobody waits for it at the end. One worker warns for all.
    check = partial(check_data, service.library, loader.served, warn=order.number == 0)
    threading.Thread(target=check, daemon=True).start()
    _log_start(address, service.library, settings)
    return address


def _log_of(settings: ServerSettings, stack: AsyncExitStack) -> ExperimentLog:
    """Returns the experiment log, on its spool."""
    spool = Spool(
        settings.spool_directory,
        max_records=settings.spool_max_records,
        min_free_bytes=settings.spool_min_free_bytes,
    )
    stack.push_async_callback(spool.close)
    return ExperimentLog(spool)


async def _gate(
    order: Order,
    service: PredictionService,
    security: Security,
    tls: "FollowedTls | None",
    stack: AsyncExitStack,
    budget: StopBudget,
) -> Gate:
    """Returns what calls pass, with what counts, limits and records them there."""
    settings, counts = order.settings, CallCounts()
    if settings.metrics_port is not None:
        from server.metrics.start import showing_metrics

        expires_at = None if tls is None else lambda: tls.value.not_after.timestamp()
        await stack.enter_async_context(showing_metrics(order, counts, lambda: service.library, expires_at))
    limits = await stack.enter_async_context(limiting(settings, counts.loop_lag))
    recorder = await stack.enter_async_context(recording(settings, budget))
    return Gate(counts, security, limits, recorder)


async def _start_polling(
    settings: ServerSettings, security: Security, swap: HotSwap, stack: AsyncExitStack
) -> None:
    """Begins to follow the files of access and TLS, and the experiment's and the registry where wanted."""
    await stack.enter_async_context(polling("access and TLS files", security.look, _ACCESS_POLL_S))
    if settings.experiment_file is not None:
        look = swap.look_at_experiment_file
        await stack.enter_async_context(polling("experiment file", look, _EXPERIMENT_POLL_S))
    if settings.registry_poll_s > 0:
        registry = polling("model registry", swap.look_at_registry, settings.registry_poll_s)
        await stack.enter_async_context(registry)


def _log_start(address: str, library: LoadedModels, settings: ServerSettings) -> None:
    alone = settings.delivery == "none"
    mongodb = "left to another process" if alone else describe(settings.external_mongodb_uri or "")
    default = f"{library.default_model} ({library.default_reason})"
    _log.info("serving", address=address, models=list(library.serving), default=default, mongodb=mongodb)


def _read_data(settings: ServerSettings) -> ModelLoader:
    threadpool_limits(1, user_api="blas")  # a worker is one core's; more threads would spin for the others'
    catalogue = read_catalogue(settings.data_directory, lenient=settings.lenient)
    for repair in catalogue.repairs:
        _log.warning("data_repaired", **asdict(repair))
    pyarrow.default_memory_pool().release_unused()  # what reading needed: some 30 MB
    served = ServedData(settings.data_directory)
    return ModelLoader(Registry(settings.models), catalogue, settings.default_model, served)

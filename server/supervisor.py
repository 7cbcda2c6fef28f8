"""Runs several workers on one port, each a process of its own, and keeps them running.

The kernel spreads connections over the workers (SO_REUSEPORT). What there is one of belongs to this process:
the embedded database, the folder's lock, and the page that Prometheus reads.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from pydantic import SecretStr

from server.backoff import backoff_s
from server.errors import StartError
from server.log.lock import lock_folder
from server.rpc.listening_port import reserved
from server.settings import ServerSettings, to_json, worker_environment
from server.start_checks import check_start
from server.stop_budget import StopBudget

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
# One that has run so long was healthy: its end does not continue the failures before.
_HEALTHY_AFTER_S = 30.0
# What a worker needs beyond the grace period to close its files and connections.
_END_MARGIN_S = 5.0
# What one needs whose end is cut short.
_CUT_SHORT_S = 2.0

_log = structlog.get_logger("server.supervisor")


class Worker:
    """One place among the workers: a process that is replaced when it ends.

    Attributes:
        ready: Done once the first one serves, or cannot.
    """

    def __init__(self, order: str, number: int, metrics_directory: Path | None) -> None:
        """Starts the first process in the background, which reads the line `order`."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order = order
        self._number = number
        self._metrics_directory = metrics_directory
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._task = asyncio.create_task(self._keep_running(), name=f"worker-{number}")

    async def stop(self, within_s: float) -> None:
        """Ends it in order; kills it when it takes longer than `within_s` seconds."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            self._task.cancel()
        else:
            self._process.terminate()
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late and self._process is not None:
            _log.error("worker_killed", worker=self._number)
            self._process.kill()
            await asyncio.wait([self._task])
        if self.ready.done() and not self.ready.cancelled():
            self.ready.exception()  # retrieved: another worker's is the one that is raised

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping:
            began = loop.time()
            code = await self._run_one()
            if self._stopping or not self.ready.done() or self.ready.exception() is not None:
                return
            failures = 0 if loop.time() - began > _HEALTHY_AFTER_S else failures + 1
            delay_s = backoff_s(failures, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
            _log.error("worker_ended", worker=self._number, exit_code=code, restart_in_s=round(delay_s, 1))
            await asyncio.sleep(delay_s)

    async def _run_one(self) -> int:
        """Runs one worker process to its end; returns its exit code."""
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=worker_environment(self._metrics_directory),
            # Its own session: a Ctrl-C in the terminal is for the supervisor, which ends them in order.
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        if self._stopping:
            process.terminate()
        process.stdin.write(self._order.encode() + b"\n")  # stays open: its end ends the worker
        answer = await process.stdout.readline()
        if answer:
            self._handle(json.loads(answer))
        code = await process.wait()
        if self._metrics_directory is not None:
            from server.metrics import forget_worker

            forget_worker(process.pid, self._metrics_directory)
        if not self.ready.done():
            self.ready.set_exception(StartError(f"a worker ended with exit code {code} before it was ready"))
        return code

    def _handle(self, message: dict[str, object]) -> None:
        """Handles a worker's message about itself."""
        if "error" not in message:
            _log.info("worker_ready", worker=self._number)
            if not self.ready.done():
                self.ready.set_result(None)
        elif self.ready.done():
            _log.error("worker_failed", worker=self._number, reason=message["error"])
        else:
            self.ready.set_exception(StartError(str(message["error"])))


@asynccontextmanager
async def supervising(
    settings: ServerSettings, announce: Callable[[str], None] = print, budget: StopBudget | None = None
) -> AsyncIterator[str]:
    """Runs several workers for the duration of a block, once all of them serve.

    Args:
        settings: What to serve, where, and by how many workers.
        announce: Called with the line that names the embedded database.
        budget: The time for the workers' end in order; by default the grace period of the settings.

    Yields:
        The address that they listen on, as HOST:PORT.

    Raises:
        StartError: When it cannot start.
        DataError: When a file of the data set is missing.
    """
    check_start(settings)
    budget = budget or StopBudget(settings.drain_grace_s)
    async with AsyncExitStack() as stack:
        stack.callback((await asyncio.to_thread(lock_folder, settings.var_dir)).close)
        if settings.external_mongodb_uri is None:
            from server.log.mongo.embedded.database import embedded_mongodb  # PyMongo: only when it is needed

            embedded = embedded_mongodb(settings.embedded_directory, announce)
            uri = await stack.enter_async_context(embedded)
            settings = settings.model_copy(update={"mongodb_uri": SecretStr(uri)})
        port = stack.enter_context(reserved(settings.host, settings.port))
        settings = settings.model_copy(update={"port": port})
        metrics_directory = _show_metrics(settings, stack)
        workers = []
        for number in range(settings.workers):
            order = {"settings": to_json(settings), "worker": number, "workers": settings.workers}
            workers.append(Worker(json.dumps(order), number, metrics_directory))
        stack.push_async_callback(budget.spend, partial(_stop_all, workers))
        await asyncio.gather(*(worker.ready for worker in workers))
        yield f"{settings.host}:{port}"


async def _stop_all(workers: list[Worker], grace_s: float) -> None:
    """Ends all; cancelled, it gives them a second signal, which cuts their end short."""
    try:
        await asyncio.gather(*(worker.stop(grace_s + _END_MARGIN_S) for worker in workers))
    except asyncio.CancelledError:
        await asyncio.gather(*(worker.stop(_CUT_SHORT_S) for worker in workers))
        raise


def _show_metrics(settings: ServerSettings, stack: AsyncExitStack) -> Path | None:
    """Shows the workers' metrics when they are wanted; returns where the workers put them."""
    if settings.metrics_port is None:
        return None
    from server.metrics import registry_of_workers, serve_metrics

    directory = Path(stack.enter_context(TemporaryDirectory(prefix="playthrough-metrics-")))
    stop, address = serve_metrics(
        registry_of_workers(directory), settings.metrics_host, settings.metrics_port
    )
    stack.push_async_callback(asyncio.to_thread, stop)
    _log.info("metrics", address=address)
    return directory

"""A prediction server as a child process, for as long as a simulation needs it."""

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from cache_client.laboratory_errors import ServerStartError
from cache_client.settings import child_environment

_READY = "listening on "
_STOP_TIMEOUT_S = 10.0
_HURRIED_STOP_S = 0.2
"""After a failure or Ctrl-C nobody waits for the child: what it writes is deleted anyway, and on Linux its
own database ends with it."""


def server_command(data_directory: Path, models_directory: Path, *, lenient: bool = False) -> list[str]:
    """Returns the command of a server on a free port, which repairs its data set when that is `lenient`."""
    command = [sys.executable, "-m", "server"]
    # Absolute, since the child runs in a folder of its own.
    command += ["--data", str(data_directory.absolute()), "--models", str(models_directory.absolute())]
    # Ranking logs nothing, so the child gets a database of its own rather than the configured one.
    command += ["--port", "0", "--mongodb-uri", "embedded"]
    return [*command, "--lenient"] if lenient else command


@asynccontextmanager
async def running_server(command: Sequence[str], start_timeout_s: float) -> AsyncIterator[str]:
    """Starts a server, yields where it listens, and ends it.

    It runs in a temporary folder that is deleted with it, where it writes and finds no `.env`.

    Args:
        command: Prints `listening on HOST:PORT` when ready, and ends on SIGTERM.
        start_timeout_s: How long it may take to be ready, in seconds.

    Raises:
        ServerStartError: It ended, or was not ready in time; with the last line that it wrote.
    """
    # A killed child's database may still write while its folder is deleted.
    folder = tempfile.TemporaryDirectory(prefix="playthrough-", ignore_cleanup_errors=True)
    with folder as var_directory, tempfile.TemporaryFile() as log:
        environment = child_environment(Path(var_directory))
        server = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=log, env=environment, cwd=var_directory
        )
        patience_s = _HURRIED_STOP_S
        try:
            yield await _address(server, log, start_timeout_s)
            patience_s = _STOP_TIMEOUT_S
        finally:
            await _stop(server, patience_s)


async def _address(server: Process, log: IO[bytes], timeout_s: float) -> str:
    """Returns where the server listens, once it prints that."""
    assert server.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            async for line in server.stdout:
                text = line.decode(errors="replace").strip()
                if text.startswith(_READY):
                    return text.removeprefix(_READY)
            # Not before it has ended: to signal a process that is about to would take its exit status away.
            await server.wait()
    except TimeoutError:
        raise ServerStartError(f"the server was not ready after {timeout_s:g} s") from None
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    last_line = lines[-1].removeprefix("error: ") if lines else "it wrote nothing"
    raise ServerStartError(f"the server did not start: {last_line}")


async def _stop(server: Process, patience_s: float) -> None:
    """Ends the server: by SIGTERM, and by SIGKILL when that takes too long."""
    with suppress(ProcessLookupError):
        server.terminate()
    try:
        async with asyncio.timeout(patience_s):
            # Reads what is left, so that a full pipe cannot keep the server from ending.
            await server.communicate()
    except TimeoutError:
        server.kill()
        await server.wait()

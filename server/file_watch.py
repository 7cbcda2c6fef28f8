"""Follows the experiment's settings file while the server runs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from server.errors import ServerError

_POLL_INTERVAL_S = 1.0

_log = structlog.get_logger("server.experiment")
Stamp = tuple[int, int, int] | None


class FileWatcher:
    """Calls back when a file has changed. It polls: that works on every file system, in containers too."""

    def __init__(
        self, path: Path, changed: Callable[[], Awaitable[None]], interval_s: float = _POLL_INTERVAL_S
    ) -> None:
        """Notes how the file is now; `start` begins to look.

        Args:
            path: The file; it need not exist.
            changed: Called after a change; a ServerError of its is logged, and the next change awaited.
            interval_s: How often to look, in seconds.
        """
        self._path = path
        self._changed = changed
        self._interval_s = interval_s
        self._seen = _stamp(path)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look in the background."""
        self._task = asyncio.create_task(self._run(), name="experiment-watcher")

    async def stop(self) -> None:
        """Stops looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            stamp = _stamp(self._path)
            if stamp == self._seen:
                continue
            self._seen = stamp
            try:
                await self._changed()
            except ServerError as error:
                _log.error("experiment_file_refused", reason=str(error), kept="the experiment as it was")
            except Exception:
                _log.exception("experiment_file_refused", kept="the experiment as it was")


def _stamp(path: Path) -> Stamp:
    """Returns what changes when a file is written or replaced; None when it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

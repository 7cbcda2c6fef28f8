"""Looking again every so often: how the server notices new models, a changed file, and new counts.

Files are polled rather than watched: a look is a few `stat` calls, and it works on network file systems and
in containers, where notifications do not arrive.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

_log = structlog.get_logger("server.polling")


@asynccontextmanager
async def polling(name: str, look: Callable[[], Awaitable[None]], interval_s: float) -> AsyncIterator[None]:
    """Looks again and again in the background for the duration of a block.

    Args:
        name: What for, in the log.
        look: Called after each interval; what it raises is logged, and the next look comes all the same.
        interval_s: Time between two looks, in seconds.
    """

    async def look_again() -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await look()
            except Exception:
                _log.exception("poll_failed", what=name)

    task = asyncio.create_task(look_again(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Returns what changes when a file is written or replaced; None when it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

"""Listens to all that is logged, and keeps what no input may cause."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog


class Journal(logging.Handler):
    """Keeps records of errors, and of any severity with a traceback.

    Attributes:
        faults: What was kept since it was last asked for, a text each.
    """

    def __init__(self) -> None:
        """Starts with nothing."""
        super().__init__()
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record that counts."""
        if record.levelno >= logging.ERROR or record.exc_info:
            self.faults.append(self.format(record))

    def note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keeps what a task of an event loop has died of."""
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")

    def take(self) -> list[str]:
        """Returns what was kept, and begins anew."""
        faults, self.faults = self.faults, []
        return faults


@contextmanager
def listening() -> Iterator[Journal]:
    """Sends what structlog and all libraries log to a journal for the duration of a block."""
    journal, root = Journal(), logging.getLogger()
    former = root.handlers
    root.handlers = [journal]
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    try:
        yield journal
    finally:
        structlog.reset_defaults()
        root.handlers = former

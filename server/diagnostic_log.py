"""How the server logs: structured lines on stderr, JSON for machines and colours for a terminal."""

import logging
import sys

import structlog
from structlog.typing import EventDict


def configure_logs(level: str, **everywhere: object) -> None:
    """Sends structlog's and every library's records to stderr in one form.

    Args:
        level: Least severity that is shown, for example "info".
        **everywhere: Fields that every line of this process carries.
    """

    def add_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**everywhere, **event}

    shared: list[structlog.typing.Processor] = [
        add_fields,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    if sys.stderr.isatty():
        last: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer()]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("server").setLevel(level.upper())
    structlog.configure(
        processors=[*shared[:3], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

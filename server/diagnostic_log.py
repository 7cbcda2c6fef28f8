"""How the server logs: structured lines on stderr, JSON for machines and colours for a terminal."""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import structlog
from structlog.typing import EventDict

from server.line_budget import FloodFilter

LogFormat = Literal["auto", "json", "console"]

_log = structlog.get_logger("server")


def configure_logs(level: str, form: LogFormat = "auto", **everywhere: object) -> None:
    """Sends structlog's and every library's records to stderr in one form.

    Args:
        level: Least severity that is shown, for example "info".
        form: "json", a line a record; "console", for people; "auto", which is the latter in a terminal.
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
    if form == "console" or (form == "auto" and sys.stderr.isatty()):
        # Not structlog's own traceback, which shows local variables: a request is one.
        plain = structlog.dev.plain_traceback
        last: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(FloodFilter())
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


def log_the_uncaught() -> None:
    """Sends the log what Python itself would print on stderr: warnings, and errors that nobody catches."""

    def warn(message: Warning | str, category: type[Warning], file: str, line: int, *_: object) -> None:
        _log.warning(
            "python_warning", category=category.__name__, message=str(message), where=f"{file}:{line}"
        )

    def uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            _log.critical("uncaught", exc_info=(kind, error, trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            name = args.thread and args.thread.name
            _log.critical("uncaught_in_thread", thread=name, exc_info=args.exc_value)

    def unraisable(args: Any) -> None:
        _log.error("unraisable", where=repr(args.object), exc_info=args.exc_value)

    warnings.showwarning = warn  # type: ignore[assignment]
    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable


def stack_of(error: BaseException) -> str:
    """Returns an error and its causes as Python shows them, less the messages, which may quote a request."""
    return "\n".join(
        f"{''.join(traceback.format_tb(one.__traceback__))}{type(one).__module__}.{type(one).__qualname__}"
        for one in reversed(list(_chain(error)))
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what it came from, the latest first."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)

"""What is recorded of a call beside the counts: its id, its span, and its line in the access log."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from google.protobuf.message import Message

from server.access.caller import Caller
from server.access_log import AccessLog
from server.call_ids import CALL_ID_KEY, call_id_of
from server.polling import polling
from server.rpc.errors import Context
from server.rpc.health import SERVICE_NAME
from server.settings import ServerSettings
from server.stop_budget import StopBudget

# Soon enough for who follows the log, and a thread's start is worth some lines.
_WRITE_EVERY_S = 0.5


class CallSpan(Protocol):
    """What `server.tracing` makes of a call."""

    trace_id: str

    def end(self, code: str, attributes: Mapping[str, str]) -> None:
        """Ends the span."""


class Tracer(Protocol):
    """What begins spans: `server.tracing.Tracer`, which only who traces imports."""

    def begin(self, method: str, metadata: Mapping[str, str | bytes]) -> CallSpan | None:
        """Begins the span of a call; None when it is not sampled."""


class CallRecord:
    """A call under way that is traced, or may get a line in the access log.

    Attributes:
        id: The call's id.
        trace_id: Id of its trace when it is sampled, else "".
    """

    __slots__ = ("_access_log", "_method", "_request", "_span", "_started_s", "id", "trace_id")

    def __init__(
        self,
        method: str,
        request: Message | None,
        context: Context,
        tracer: Tracer | None,
        log: AccessLog | None,
    ) -> None:
        """Begins the span, and has the answer carry the call's id."""
        self._started_s = time.perf_counter()
        self._method, self._request, self._access_log = method, request, log
        metadata = dict(context.invocation_metadata() or ())
        self._span = None if tracer is None else tracer.begin(f"{SERVICE_NAME}/{method}", metadata)
        self.trace_id = self._span.trace_id if self._span else ""
        self.id = call_id_of(metadata, self.trace_id)
        context.set_trailing_metadata(((CALL_ID_KEY, self.id),))

    def end(self, code: str, caller: Caller | None, answer: Any) -> None:
        """Ends the span, and has the line written.

        Args:
            code: Name of the call's status code.
            caller: Who made it; None when the gate refused it.
            answer: Its answer; None when it failed.
        """
        model, version = getattr(answer, "model", ""), getattr(answer, "version", "")
        # Who is not let in leaves no span: to send "sampled" must not be enough to fill the collector.
        if self._span is not None and caller is not None:
            self._span.end(code, _named("playthrough.", call_id=self.id, model=model, version=version))
        if self._access_log is not None and self._access_log.wants(code):
            self._access_log.add(self._line(code, caller, answer, _named(model=model, version=version)))

    def _line(
        self, code: str, caller: Caller | None, answer: Any, model: dict[str, str]
    ) -> dict[str, object]:
        line: dict[str, object] = {
            "call_id": self.id,
            "method": self._method,
            "code": code,
            "duration_ms": round((time.perf_counter() - self._started_s) * 1000, 3),
            **model,
        }
        if self._request is not None:
            line["request_bytes"] = self._request.ByteSize()
        if answer is not None:
            line["answer_bytes"] = answer.ByteSize()
        if caller is not None:
            line["caller_kind"] = caller.kind
            if caller.kind != "anonymous":  # that one's name is an address
                line["caller"] = caller.name
        if self.trace_id:
            line["trace_id"] = self.trace_id
        return line


def _named(prefix: str = "", **values: str) -> dict[str, str]:
    """Returns the values that there are."""
    return {f"{prefix}{name}": value for name, value in values.items() if value}


class CallRecorder:
    """Begins the record of each call."""

    def __init__(self, tracer: Tracer | None = None, access_log: AccessLog | None = None) -> None:
        """Records by what is given."""
        self._tracer, self._access_log = tracer, access_log

    def begin(self, method: str, request: Any, context: Context) -> CallRecord:
        """Begins the record of a call."""
        return CallRecord(method, request, context, self._tracer, self._access_log)


@asynccontextmanager
async def recording(settings: ServerSettings, budget: StopBudget) -> AsyncIterator[CallRecorder | None]:
    """Yields what records calls during a block, by spans and the access log; None where neither is wanted.

    Args:
        settings: The server's.
        budget: The time for the last spans.

    Raises:
        StartError: When OpenTelemetry's variables make no sense.
    """
    tracer, access_log = None, None
    async with AsyncExitStack() as stack:
        if settings.tracing:
            from server import tracing  # the extra

            tracer = tracing.Tracer()
            stack.push_async_callback(budget.spend, tracer.close)
        if settings.access_log_sample > 0:
            access_log = AccessLog(settings.access_log_sample)
            stack.callback(access_log.write_now)  # what the last calls left
            await stack.enter_async_context(polling("access log", access_log.write, _WRITE_EVERY_S))
        yield CallRecorder(tracer, access_log) if tracer or access_log else None


def id_of(call: CallRecord | None, context: Context) -> str:
    """Returns the id of a call, recorded or not: one that fails has one in any case."""
    return call.id if call else call_id_of(dict(context.invocation_metadata() or ()))

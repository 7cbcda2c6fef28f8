"""What is recorded of a call beside the counts: its id, its span, and its line in the access log."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf.message import Message

from server.access.caller import Caller
from server.access_log import AccessLog
from server.call_ids import CALL_ID_KEY, call_id_of
from server.rpc.errors import Context
from server.rpc.health import SERVICE_NAME


class CallSpan(Protocol):
    """What `server.tracing` makes of a call."""

    trace_id: str

    def end(self, code: str, attributes: Mapping[str, str]) -> None:
        """Ends the span."""


class Tracer(Protocol):
    """What begins spans: `server.tracing.Tracer`, which only who traces imports."""

    def begin(self, method: str, metadata: Mapping[str, str | bytes]) -> CallSpan:
        """Begins the span of a call."""


class CallRecord:
    """A call under way of which nothing is recorded; one that fails has an id all the same.

    Attributes:
        trace_id: Id of the call's trace when it is sampled, else "".
    """

    __slots__ = ("_context", "_id", "trace_id")

    def __init__(self, context: Context) -> None:
        """Begins with no id."""
        self._context = context
        self._id = self.trace_id = ""

    @property
    def id(self) -> str:
        """Returns the call's id, which is looked for when it is first asked for: that takes microseconds."""
        if not self._id:
            self._id = call_id_of(dict(self._context.invocation_metadata() or ()))
        return self._id

    @property
    def answer_metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what tells the caller the call's id."""
        return ((CALL_ID_KEY, self.id),)

    def end(self, code: str, caller: Caller | None, answer: Any) -> None:
        """Records how the call ended.

        Args:
            code: Name of its status code.
            caller: Who made it; None when the gate refused it.
            answer: Its answer; None when it failed.
        """


class _KeptRecord(CallRecord):
    """A call that is traced, or may get a line in the access log."""

    __slots__ = ("_access_log", "_method", "_request", "_span", "_started_s")

    def __init__(
        self, method: str, request: Message, context: Context, tracer: Tracer | None, log: AccessLog | None
    ) -> None:
        """Begins the span, and has the answer carry the call's id."""
        super().__init__(context)
        self._started_s = time.perf_counter()
        self._method, self._request, self._access_log = method, request, log
        metadata = dict(context.invocation_metadata() or ())
        self._span = None if tracer is None else tracer.begin(f"{SERVICE_NAME}/{method}", metadata)
        self.trace_id = self._span.trace_id if self._span else ""
        self._id = call_id_of(metadata, self.trace_id)
        context.set_trailing_metadata(self.answer_metadata)

    def end(self, code: str, caller: Caller | None, answer: Any) -> None:
        """Ends the span, and writes the line."""
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
            "request_bytes": self._request.ByteSize(),
            **model,
        }
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
        """Records by what is given; without either, only failures get an id."""
        self._tracer, self._access_log = tracer, access_log
        self._keeps = tracer is not None or access_log is not None

    def begin(self, method: str, request: Any, context: Context) -> CallRecord:
        """Begins the record of a call."""
        if self._keeps:
            return _KeptRecord(method, request, context, self._tracer, self._access_log)
        return CallRecord(context)

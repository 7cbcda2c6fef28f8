"""What a call pays for being traced, or for a line in the access log: the wrapper of every method, in a loop.

The method answers at once and the call's context is made up, so that what remains is the wrapper and what it
records. Counted is the processor time of all threads, the one that sends the spans included; every figure is
the median over rounds, in each of which all kinds are measured in turns.

Example: python -m benchmarks.recording
"""

import asyncio
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Annotated, Any

import grpc
import typer
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from benchmarks.load.servers import processor
from playthrough.v1 import prediction_service_pb2 as pb
from server.access_log import AccessLog
from server.call_counts import CallCounts
from server.limits.in_flight import InFlight
from server.limits.limits import Limits
from server.limits.loop_lag import LoopLag
from server.rpc.call_records import CallRecorder
from server.rpc.calls import Gated, answers
from server.rpc.gate import Gate
from server.rpc.security import Security
from server.tracing import Tracer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_AGENT = ("user-agent", "grpc-python/1.85.1")
_ANSWER = pb.PredictResponse(play_through_probability=0.5, model="advanced", version="1")
_REQUEST = pb.PredictRequest(track_id="track", favourite_genres=["rock"])


class _Context:
    """As much of a call's context as the wrapper looks at."""

    def __init__(self, traceparent_flags: str | None) -> None:
        """Names a trace where flags are given."""
        trace = f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{traceparent_flags}"
        self._metadata = (_AGENT, ("traceparent", trace)) if traceparent_flags else (_AGENT,)

    def peer(self) -> str:
        """Returns the caller's address."""
        return "ipv4:127.0.0.1:51234"

    def time_remaining(self) -> float:
        """Returns how long the caller waits, in seconds."""
        return 5.0

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what the caller sent."""
        return self._metadata

    def set_trailing_metadata(self, metadata: object) -> None:
        """Sends nothing."""


class _Servicer(Gated):
    """Answers at once."""

    @answers
    async def Predict(self, request: Any, context: Any) -> pb.PredictResponse:
        """Answers a constant."""
        return _ANSWER


_CLOSES_WITHIN_S = 1.0


class _Nowhere(SpanExporter):
    """Takes every span."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Forgets the spans."""
        return SpanExportResult.SUCCESS


def _kinds(tracer: Tracer) -> dict[str, tuple[_Servicer, "grpc.aio.ServicerContext[Any, Any]"]]:
    """Returns what is compared: a servicer that records, and how it is called."""
    log, traced = CallRecorder(access_log=AccessLog(0.01)), CallRecorder(tracer=tracer)

    def kind(recorder: CallRecorder | None, flags: str | None = None) -> Any:
        return _Servicer(
            Gate(CallCounts(), Security(), Limits(InFlight(1_000), None, LoopLag(), 0.0), recorder)
        ), _Context(flags)

    return {
        "nothing recorded": kind(None),
        "access log of 1 %": kind(log),
        "traced, not sampled": kind(traced, "00"),
        "traced, sampled": kind(traced, "01"),
    }


async def _us_a_call(servicer: _Servicer, context: Any, calls: int) -> float:
    method = servicer.Predict
    began = process_time()
    for _ in range(calls):
        await method(_REQUEST, context)
    return (process_time() - began) / calls * 1e6


async def _measure(rounds: int, calls: int) -> dict[str, list[float]]:
    tracer = Tracer(_Nowhere())
    kinds = _kinds(tracer)
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, (servicer, context) in kinds.items():
            found[name].append(await _us_a_call(servicer, context, calls))
    await tracer.close(_CLOSES_WITHIN_S)
    return found


@app.command(epilog="Example: python -m benchmarks.recording")
def recording(
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 21,
    calls: Annotated[int, typer.Option(min=1, help="Calls in one measurement.")] = 5_000,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write JSON.")] = None,
) -> None:
    """Prints what the wrapper takes a call, and what recording adds; takes half a minute."""
    found = asyncio.run(_measure(rounds, calls))
    plain = found["nothing recorded"]
    print(f"processor: {processor()}")
    rows = {}
    for name, us in found.items():
        extra = [one - other for one, other in zip(us, plain, strict=True)]
        rows[name] = {
            "us": statistics.median(us),
            "extra_us": statistics.median(extra),
            "lowest_extra_us": min(extra),
            "highest_extra_us": max(extra),
        }
        print(
            f"{name}: {rows[name]['us']:.1f} µs a call, {rows[name]['extra_us']:+.1f} µs "
            f"({min(extra):+.1f} to {max(extra):+.1f})"
        )
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    app()

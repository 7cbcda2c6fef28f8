"""What every call goes through: the gate, the counts, and errors into status codes."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

import grpc
import structlog

from server import errors
from server.call_counts import UNKNOWN_CALLER
from server.call_ids import CALL_ID_KEY
from server.diagnostic_log import stack_of
from server.rpc.call_records import id_of
from server.rpc.errors import Context, abort, code_of
from server.rpc.gate import Gate
from server.rpc.readable import unreadable

Request = TypeVar("Request")
Response = TypeVar("Response")

_log = structlog.get_logger("server.rpc")


class Gated:
    """A servicer whose calls pass a gate, and are counted there."""

    def __init__(self, gate: Gate) -> None:
        """Answers the calls that the gate lets in."""
        self.gate = gate


Servicer = TypeVar("Servicer", bound=Gated)
Method = Callable[[Servicer, Request, Context], Awaitable[Response]]


def answers(method: Method[Servicer, Request, Response]) -> Method[Servicer, Request, Response]:
    """Wraps an RPC method: domain errors get their status, and a bug INTERNAL with no internals."""
    name = method.__name__

    @functools.wraps(method)
    async def answered(self: Servicer, request: Request, context: Context) -> Response:
        gate = self.gate
        started = perf_counter()
        recorder = gate.recorder
        call = None if recorder is None else recorder.begin(name, request, context)
        model, code, caller, answer = "", "OK", None, None
        try:
            caller = gate.enter(name, context)
            if request is None:
                raise unreadable()
            answer = await method(self, request, context)
            model = getattr(answer, "model", "")
            return answer
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except errors.ServiceError as error:
            code = code_of(error).name
            if isinstance(error, errors.ShedError):
                gate.counts.shed[error.reason] += 1
            await abort(context, error, id_of(call, context))
        except Exception as error:
            code = "INTERNAL"
            call_id = id_of(call, context)
            _log.error("call_failed", method=name, call_id=call_id, exception=stack_of(error))
            await context.abort(grpc.StatusCode.INTERNAL, "internal error", ((CALL_ID_KEY, call_id),))
        finally:
            if caller is not None:
                gate.leave(name, caller)
            kind = UNKNOWN_CALLER if caller is None else caller.kind
            # Who is not let in leaves no span: its exemplar would lead nowhere.
            trace_id = "" if call is None or caller is None else call.trace_id
            gate.counts.add((name, model, code, kind), perf_counter() - started, trace_id)
            if call is not None:
                call.end(code, caller, answer)

    return answered

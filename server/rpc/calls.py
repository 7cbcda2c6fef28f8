"""What every call goes through: the gate, the counts, and errors into status codes."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

import grpc
import structlog

from server import errors
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
        model, code, caller = "", "OK", None
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
            await abort(context, error)
        except Exception:
            code = "INTERNAL"
            _log.exception("call_failed", method=name)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")
        finally:
            if caller is not None:
                gate.leave(name, caller)
            gate.counts.add((name, model, code), perf_counter() - started)

    return answered

"""What every call goes through: the limit, the counts, and errors into status codes."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

import grpc
import structlog

from server import errors
from server.call_counts import CallCounts
from server.rpc.errors import Context, abort, code_of

Request = TypeVar("Request")
Response = TypeVar("Response")

_log = structlog.get_logger("server.rpc")


class Limited:
    """A servicer whose calls are counted, and refused beyond a limit.

    grpcio has a limit of its own, `maximum_concurrent_rpcs`, whose count has gone wrong in releases; and it
    tells the caller nothing.
    """

    def __init__(self, counts: CallCounts, max_in_flight: int) -> None:
        """Counts calls, of which `max_in_flight` may be under way."""
        self.counts = counts
        self.max_in_flight = max_in_flight


Servicer = TypeVar("Servicer", bound=Limited)
Method = Callable[[Servicer, Request, Context], Awaitable[Response]]


def answers(method: Method[Servicer, Request, Response]) -> Method[Servicer, Request, Response]:
    """Wraps an RPC method: domain errors get their status, and a bug INTERNAL with no internals."""
    name = method.__name__

    @functools.wraps(method)
    async def answered(self: Servicer, request: Request, context: Context) -> Response:
        counts = self.counts
        started = perf_counter()
        model, code = "", "OK"
        counts.in_flight += 1
        try:
            if counts.in_flight > self.max_in_flight:
                raise errors.OverloadedError
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
            counts.in_flight -= 1
            counts.add((name, model, code), perf_counter() - started)

    return answered

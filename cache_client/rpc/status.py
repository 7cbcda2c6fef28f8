"""The one boundary where gRPC's errors become this room's."""

from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from cache_client.rpc.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    NotFound,
    OutcomeConflict,
    Overloaded,
    ServerError,
    ServerUnavailable,
    UnexpectedStatus,
)

Detail = TypeVar("Detail", bound=Message)

_SIMPLE: dict[grpc.StatusCode, type[ServerError]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: OutcomeConflict,
}


def to_client_error(error: grpc.aio.AioRpcError, target: str, deadline_s: float) -> ServerError:
    """Returns this room's error for a failed call.

    Args:
        error: What grpc.aio raised.
        target: Where the call went, for the message.
        deadline_s: How long it was allowed to take, for the message.

    Returns:
        The error to raise, with a one-line message.
    """
    code, message = error.code(), " ".join((error.details() or "no details").split())
    if code in _SIMPLE:
        return _SIMPLE[code](message)
    if code is grpc.StatusCode.UNAVAILABLE:
        # Nobody there, or a server that drains or has lost its storage: its own message says which.
        return ServerUnavailable(f"prediction server at {target} is unavailable: {message}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"prediction server at {target} did not answer within {deadline_s:g} s")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidRequest(message, _violations(error))
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded(message, _retry_after_s(error))
    return UnexpectedStatus(f"prediction server at {target} answered {code.name}: {message}", code.name)


def _violations(error: grpc.aio.AioRpcError) -> tuple[FieldViolation, ...]:
    details = _details(error, error_details_pb2.BadRequest)
    return tuple(FieldViolation(v.field, v.description) for d in details for v in d.field_violations)


def _retry_after_s(error: grpc.aio.AioRpcError) -> float | None:
    details = _details(error, error_details_pb2.RetryInfo)
    return details[0].retry_delay.ToTimedelta().total_seconds() if details else None


def _details(error: grpc.aio.AioRpcError, kind: type[Detail]) -> list[Detail]:
    """Returns the rich details of a kind; none when the server sent none, or sent what does not fit."""
    try:
        # An AioRpcError answers code(), details() and trailing_metadata(): all that is asked of a call.
        status: status_pb2.Status | None = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        return []
    found = []
    for packed in status.details if status is not None else ():
        detail = kind()
        if packed.Unpack(detail):
            found.append(detail)
    return found

"""The one boundary where gRPC's errors become this package's."""

from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from cache_client.rpc.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    NotFoundError,
    Overloaded,
    PermissionDenied,
    ServerError,
    ServerUnavailable,
    Unauthenticated,
    UnexpectedStatus,
)

Detail = TypeVar("Detail", bound=Message)

_SIMPLE: dict[grpc.StatusCode, type[ServerError]] = {
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
}


def to_client_error(
    error: grpc.aio.AioRpcError, target: str, deadline_s: float, *, connected: bool = True
) -> ServerError:
    """Returns this package's error for a failed call, with a one-line message.

    Args:
        error: What grpc.aio raised.
        target: Where the call went, for the message.
        deadline_s: How long it was allowed to take, for the message.
        connected: Whether there was a connection when it failed.
    """
    code, message = error.code(), " ".join((error.details() or "no details").split())
    if code in _SIMPLE:
        return _SIMPLE[code](message)
    if code is grpc.StatusCode.UNAVAILABLE:
        # Nobody there, or a server that drains or has lost its storage: its own message says which. gRPC's
        # message for nobody there is a chain of causes, the last of them in plain words.
        reason = message.rpartition(": ")[2] if message.startswith("failed to connect") else message
        return ServerUnavailable(f"prediction server at {target} is unavailable: {reason}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return no_answer(target, deadline_s, connected=connected)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidRequest(message, _violations(error))
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded(message, _retry_after_s(error))
    return UnexpectedStatus(f"prediction server at {target} answered {code.name}: {message}", code.name)


def no_answer(target: str, deadline_s: float, *, connected: bool) -> ServerError:
    """Returns the error for a deadline that passed: a slow server's, or that of one that is not there.

    A refused connection is tried again, so that a short deadline passes before gRPC reports the refusal.
    """
    if connected:
        return DeadlineExceeded(f"prediction server at {target} did not answer within {deadline_s:g} s")
    return ServerUnavailable(
        f"prediction server at {target} is unavailable: no connection within {deadline_s:g} s, "
        "refused or unreachable"
    )


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

"""Turns errors into status codes, with what a client can act on."""

import math
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from server import errors
from server.call_ids import CALL_ID_KEY

Context = grpc.aio.ServicerContext[Any, Any]

# What nobody can foresee: when MongoDB, or the disk, takes records again.
_RETRY_AFTER_S = 1.0
_LEAST_RETRY_S = 0.01
_CODES: dict[type[errors.ServiceError], grpc.StatusCode] = {
    errors.InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownModelError: grpc.StatusCode.NOT_FOUND,
    errors.UnknownTrackError: grpc.StatusCode.NOT_FOUND,
    errors.UnknownPredictionError: grpc.StatusCode.NOT_FOUND,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.SpoolFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.TooLateError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.StorageUnavailableError: grpc.StatusCode.UNAVAILABLE,
}


def code_of(error: errors.ServiceError) -> grpc.StatusCode:
    """Returns an error's status code."""
    return _CODES.get(type(error), grpc.StatusCode.INTERNAL)


async def abort(context: Context, error: errors.ServiceError, call_id: str = "") -> NoReturn:
    """Ends the call with the error's status and details, and with the call's id where it has one."""
    code = code_of(error)
    status = status_pb2.Status(code=code.value[0], message=str(error))
    for detail in _details(error):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    rich = rpc_status.to_status(status)
    named = ((CALL_ID_KEY, call_id),) if call_id else ()
    await context.abort(rich.code, rich.details, (*rich.trailing_metadata, *named))


def _details(error: errors.ServiceError) -> list[Message]:
    """Returns what a client can act on beyond the message."""
    if isinstance(error, errors.InvalidRequestError):
        bad = error_details_pb2.BadRequest()
        for field, problem in error.violations:
            bad.field_violations.add(field=field, description=problem)
        return [bad]
    if isinstance(error, errors.SpoolFullError | errors.OverloadedError | errors.StorageUnavailableError):
        after_s = max(getattr(error, "retry_after_s", _RETRY_AFTER_S), _LEAST_RETRY_S)
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(math.ceil(after_s * 1000))
        return [retry]
    return []

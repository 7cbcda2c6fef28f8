"""What a server answers to bytes that are no message of a method's type: that the request is bad."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from server.errors import InvalidRequestError

Decode = Callable[[bytes], Any]


def refusing_unreadable(server: grpc.aio.Server) -> grpc.aio.Server:
    """Returns the server, whose methods are from now on registered so that they see what cannot be decoded.

    Left alone, gRPC takes the decoder's error for one of the method: it answers UNKNOWN, and each such call
    leaves a traceback in the log. An interceptor could see to it as well, and would cost every call.
    """
    register = server.add_registered_method_handlers

    def register_readable(service: str, handlers: Mapping[str, Any]) -> None:
        register(service, {name: _readable(handler) for name, handler in handlers.items()})

    server.add_registered_method_handlers = register_readable  # type: ignore[assignment, method-assign]
    return server


def unreadable() -> InvalidRequestError:
    """Returns the error of a request that could not be decoded, which is None to its method."""
    return InvalidRequestError([("request", "is no message of the type that the method takes")])


def _readable(handler: Any) -> Any:
    """Returns a method's handler with a decoder that never raises.

    A method gets None for what cannot be decoded; one that takes a stream, of which there is none of ours, an
    empty message.
    """
    decode: Decode = handler.request_deserializer
    instead = decode(b"") if handler.request_streaming else None

    def decode_or_not(content: bytes) -> Any:
        try:
            return decode(content)
        except DecodeError:
            return instead

    return handler._replace(request_deserializer=decode_or_not)

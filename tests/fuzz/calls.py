"""Calls a method with bytes: in this process, or over the network."""

from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any, NamedTuple, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.answers import check_answer, check_error
from tests.fuzz.messages import MessageMaker
from tests.fuzz.wire import broken

_CHANGES = 8
_BROKEN = 0.15
DETAILS = "grpc-status-details-bin"


class Ended(NamedTuple):
    """How a call ended: its code, what it said, and its answer when it was OK."""

    code: grpc.StatusCode
    message: str = ""
    details: bytes = b""
    answer: bytes = b""


Call = Callable[[MethodDescriptor, bytes], Awaitable[Ended]]


class _Ended(Exception):
    """A call that its handler has ended with an error."""


class Context:
    """What a handler sees of a call that comes from nowhere: it takes any other method and answers None."""

    ended = Ended(grpc.StatusCode.OK)

    def peer(self) -> str:
        """Returns who calls."""
        return "ipv4:127.0.0.1:1"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what was sent beside the request."""
        return ()

    def auth_context(self) -> dict[str, Any]:
        """Returns how the caller was told from others."""
        return {}

    async def abort(self, code: grpc.StatusCode, message: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """Ends the call."""
        self.ended = Ended(code, message, dict(trailing_metadata or ()).get(DETAILS, b""))
        raise _Ended

    async def abort_with_status(self, status: Any) -> NoReturn:
        """Ends the call."""
        await self.abort(status.code, status.details, status.trailing_metadata)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Returns a method that does nothing."""
        return lambda *_arguments, **_options: None


def in_process(handlers: Any) -> Call:
    """Returns what calls a method's handler as gRPC does, without a network.

    Args:
        handlers: What gRPC calls, by the methods' names.
    """

    async def call(method: MethodDescriptor, content: bytes) -> Ended:
        handler, context = handlers[method.name], Context()
        try:
            answer = await handler.unary_unary(handler.request_deserializer(content), context)
        except _Ended:
            return context.ended
        return Ended(grpc.StatusCode.OK, answer=handler.response_serializer(answer))

    return call


def over(channel: grpc.aio.Channel) -> Call:
    """Returns what calls a method with bytes over a channel."""

    async def call(method: MethodDescriptor, content: bytes) -> Ended:
        ask: Any = channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")
        try:
            return Ended(grpc.StatusCode.OK, answer=await ask(content, timeout=30))
        except grpc.aio.AioRpcError as error:
            details = dict(error.trailing_metadata() or ()).get(DETAILS, b"")
            return Ended(error.code(), error.details() or "", bytes(details))

    return call


def check(method: MethodDescriptor, ended: Ended) -> None:
    """Raises AssertionError when the end of a call is none that the contract foresees."""
    if ended.code is grpc.StatusCode.OK:
        check_answer(GetMessageClass(method.output_type).FromString(ended.answer))
    else:
        check_error(ended.code, ended.message, ended.details)


def made_requests(method: MethodDescriptor, maker: MessageMaker, random: Random) -> Iterator[bytes]:
    """Yields requests' bytes without end: new ones, the last one changed, and some of broken bytes."""
    while True:
        message = maker.message(method.input_type)
        for _ in range(_CHANGES):
            content = message.SerializeToString()
            yield broken(random, content) if random.random() < _BROKEN else content
            maker.change(message)

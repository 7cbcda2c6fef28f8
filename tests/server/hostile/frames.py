"""The frames and calls that attacks are made of."""

import struct
from dataclasses import dataclass

from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CANCEL = 8
LARGEST_WINDOW = 2**31 - 1

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the server would answer.

    Attributes:
        path: Its method, as `/SERVICE/METHOD`.
        message: The request, serialised.
    """

    path: str
    message: bytes

    def headers(self, *extra: Header) -> bytes:
        """Returns its header block, which leaves the connection's HPACK table as it is."""
        usual = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", self.path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        return bytes(Encoder().encode([(*header, True) for header in (*usual, *extra)]))

    def body(self, *, compressed: bool = False, claimed_bytes: int | None = None) -> bytes:
        """Returns its message as gRPC frames it, where asked with a length that is not its own."""
        length = len(self.message) if claimed_bytes is None else claimed_bytes
        return struct.pack(">BI", compressed, length) + self.message

    def whole(self, stream_id: int, *extra: Header) -> bytes:
        """Returns all frames of it."""
        return begin(stream_id, self.headers(*extra)) + data(stream_id, self.body(), "END_STREAM")


@dataclass(frozen=True, slots=True)
class Calls:
    """What attacks call.

    Attributes:
        small: Costs the server little, and is answered by little.
        big: Is answered by as much as possible.
    """

    small: Call
    big: Call


def hello(**settings: int) -> bytes:
    """Returns what a client says first, with settings such as INITIAL_WINDOW_SIZE=0."""
    frame = SettingsFrame(0, {getattr(SettingsFrame, name): value for name, value in settings.items()})
    return PREFACE + bytes(frame.serialize()) + bytes(SettingsFrame(0, flags=["ACK"]).serialize())


def begin(stream_id: int, headers: bytes, *flags: str) -> bytes:
    """Returns a HEADERS frame with a whole header block."""
    return bytes(HeadersFrame(stream_id, headers, flags=["END_HEADERS", *flags]).serialize())


def data(stream_id: int, body: bytes, *flags: str) -> bytes:
    """Returns a DATA frame."""
    return bytes(DataFrame(stream_id, body, flags=list(flags)).serialize())


def reset(stream_id: int) -> bytes:
    """Returns what cancels a stream."""
    return bytes(RstStreamFrame(stream_id, error_code=CANCEL).serialize())


def widen(stream_id: int, by_bytes: int = LARGEST_WINDOW) -> bytes:
    """Returns what lets the server send more."""
    return bytes(WindowUpdateFrame(stream_id, window_increment=by_bytes).serialize())


def raw(kind: int, flags: int, stream_id: int, payload: bytes, claimed_bytes: int | None = None) -> bytes:
    """Returns any frame, also such as hyperframe refuses to write."""
    length = len(payload) if claimed_bytes is None else claimed_bytes
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload

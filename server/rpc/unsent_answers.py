"""Long answers that their callers have not taken yet."""

from collections import Counter
from typing import TypeVar

from google.protobuf.message import Message

from server.errors import OverloadedError
from server.rpc.errors import Context

Answer = TypeVar("Answer", bound=Message)

# Four of the longest answers, or 128 of 128 kB.
MAX_CONNECTION_BYTES = 16 << 20
MAX_TOTAL_BYTES = 256 << 20
# Shorter ones are bounded well enough by the calls that a connection may have under way.
_LONG_BYTES = 32 << 10
# For who does read: by then it has taken some.
_RETRY_AFTER_S = 1.0


class UnsentAnswers:
    """Bounds what peers that ask and do not read make the server keep.

    gRPC's core keeps an answer until it is sent, and does not end a connection, of whatever age, while a
    write to it is under way: a peer that takes nothing off its socket stays for as long as it likes.
    """

    def __init__(self) -> None:
        """Begins with none."""
        self.total_bytes = 0
        self._by_peer: Counter[str] = Counter()

    def check(self, peer: str) -> None:
        """Lets a call of a connection go on that may have a long answer; also from another thread.

        Raises:
            OverloadedError: Its connection, or all of them together, have too much to take already.
        """
        peer_bytes = self._by_peer[peer] if self._by_peer else 0
        if peer_bytes >= MAX_CONNECTION_BYTES or self.total_bytes >= MAX_TOTAL_BYTES:
            raise OverloadedError("unsent", _RETRY_AFTER_S)

    def hold(self, answer: Answer, peer: str, context: Context) -> Answer:
        """Counts a connection's answer until it is sent or its call has ended; returns it."""
        n_bytes = answer.ByteSize()
        if n_bytes >= _LONG_BYTES:
            self._add(peer, n_bytes)
            context.add_done_callback(lambda _: self._add(peer, -n_bytes))  # type: ignore[arg-type]  # stub
        return answer

    def _add(self, peer: str, n_bytes: int) -> None:
        self.total_bytes += n_bytes
        self._by_peer[peer] += n_bytes
        if not self._by_peer[peer]:
            del self._by_peer[peer]

"""Attacks by name, and how one is carried out."""

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.server.hostile import floods, malformed, stalls
from tests.server.hostile.frames import Calls

_TICK_MS = 20
_RECEIVE_BYTES = 1 << 16
_OVER = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Sends = Callable[[Calls], Iterator[bytes]]
Connect = Callable[[], socket.socket]


@dataclass(frozen=True, slots=True)
class Attack:
    """What hostile clients do.

    Attributes:
        sends: Yields what one of them sends, in pieces; then it stays until the server ends it.
        connections: How many there are.
        reads: Whether they take what the server sends.
        pause_s: How long they wait after each piece, in seconds.
    """

    sends: Sends
    connections: int = 1
    reads: bool = True
    pause_s: float = 0.0

    @property
    def name(self) -> str:
        """Returns its name on the command line."""
        return self.sends.__name__.replace("_", "-") + ("" if self.reads else "-unread")


_ALL = (
    *map(
        Attack,
        (
            floods.rapid_reset,
            floods.made_you_reset,
            floods.calls_flood,
            floods.ping,
            floods.settings,
            floods.window_update,
            floods.continuation,
            floods.empty_continuation,
            floods.continuation_string,
            floods.continuation_fields,
            floods.continuation_table,
            floods.giant_headers,
            floods.hpack_bomb,
            floods.priority,
            floods.unknown_frames,
            floods.empty_data,
            floods.reset_unknown,
            floods.goaway,
            malformed.http1,
            malformed.tls,
            malformed.noise,
            malformed.oversize_frame,
            malformed.wrong_content_length,
            malformed.huge_message,
            malformed.gzip_bomb,
            malformed.bad_messages,
            malformed.unknown_methods,
        ),
    ),
    # Whose answers pile up in the server.
    Attack(floods.rapid_reset, reads=False),
    Attack(floods.ping, reads=False),
    Attack(floods.settings, reads=False),
    Attack(stalls.slow_reader, reads=False),
    Attack(stalls.zero_window),
    Attack(stalls.half_body),
    Attack(stalls.dribble, connections=20, pause_s=0.05),
    Attack(stalls.silent, connections=200),
    Attack(stalls.half_preface, connections=200),
    Attack(stalls.no_settings, connections=200),
    Attack(stalls.half_headers, connections=200),
    Attack(stalls.idle, connections=2_000),
)
ATTACKS = {attack.name: attack for attack in _ALL}


@dataclass(slots=True)
class Fate:
    """What became of the hostile clients.

    Attributes:
        connected: How many connections they made.
        ended: How many of those the server has ended, or refused.
        sent_bytes: What the system took of them.
        received_bytes: What they took of the server.
        seconds: How long it all took.
    """

    connected: int = 0
    ended: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0


def carry_out(attack: Attack, calls: Calls, connect: Connect, seconds: float, *, again: bool = False) -> Fate:
    """Attacks for a while, or until the server has ended every connection.

    Args:
        attack: What to do.
        calls: What to call.
        connect: Makes a connection; a TLS one does as well as a plain one.
        seconds: For how long.
        again: Whether to connect anew, and go on, where the server ends a connection.
    """
    fate, began = Fate(), time.monotonic()
    clients = _Clients(attack, calls, connect, fate)
    try:
        while clients.by_socket and time.monotonic() - began < seconds:
            clients.go_on(again=again)
            time.sleep(attack.pause_s)
    finally:
        clients.close()
    fate.seconds = time.monotonic() - began
    return fate


class _Clients:
    """All hostile connections of an attack."""

    def __init__(self, attack: Attack, calls: Calls, connect: Connect, fate: Fate) -> None:
        self._new = partial(_Client, attack, calls, connect, fate)
        self._fate = fate
        self._events = select.POLLOUT | select.POLLRDHUP | (select.POLLIN if attack.reads else 0)
        self._poll = select.poll()
        self.by_socket: dict[int, _Client] = {}
        for _ in range(attack.connections):
            self._add()

    def go_on(self, *, again: bool) -> None:
        """Lets each read and write what it can, and connects anew where asked."""
        for number, events in self._poll.poll(_TICK_MS):
            client = self.by_socket[number]
            if client.go_on(events):
                if client.is_done:
                    self._poll.modify(number, self._events & ~select.POLLOUT)
                continue
            self._fate.ended += 1
            self._poll.unregister(number)
            self.by_socket.pop(number).socket.close()
            if again:
                self._add()

    def close(self) -> None:
        for client in self.by_socket.values():
            client.socket.close()

    def _add(self) -> None:
        client = self._new()
        number = client.socket.fileno()
        self.by_socket[number] = client
        self._poll.register(number, self._events)


class _Client:
    """One hostile connection."""

    def __init__(self, attack: Attack, calls: Calls, connect: Connect, fate: Fate) -> None:
        self.socket = connect()
        self.socket.setblocking(False)
        self.is_done = False
        self._pieces, self._unsent = attack.sends(calls), memoryview(b"")
        self._fate = fate
        fate.connected += 1

    def go_on(self, events: int) -> bool:
        """Reads and writes what can be; returns whether the connection stands."""
        try:
            if events & select.POLLIN and not self._receive():
                return False
            if events & select.POLLOUT:
                self._send()
        except _AGAIN:
            pass
        except OSError:
            return False
        return bool(events & select.POLLIN) or not events & _OVER  # what has come is read to its end

    def _send(self) -> None:
        if not self._unsent:
            piece = next(self._pieces, None)
            if piece is None:
                self.is_done = True
                return
            self._unsent = memoryview(piece)
        sent = self.socket.send(self._unsent)
        self._fate.sent_bytes += sent
        self._unsent = self._unsent[sent:]

    def _receive(self) -> int:
        received = len(self.socket.recv(_RECEIVE_BYTES))
        self._fate.received_bytes += received
        return received

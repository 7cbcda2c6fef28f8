"""The port to listen on: whether it is free, and how several workers share it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.errors import StartError


def check_free(host: str, port: int) -> None:
    """Raises why a port cannot be opened; gRPC itself writes several lines and does not give the reason.

    Args:
        host: Address to listen on.
        port: Port; 0 is always free.

    Raises:
        StartError: When the port is taken or the address is not this machine's.
    """
    with _bound(host, port, socket.SO_REUSEADDR) as probe:
        try:
            probe.listen(1)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error


def open_port(add: Callable[[str], int], host: str, port: int) -> str:
    """Has a gRPC server take a port; returns the address as HOST:PORT.

    Args:
        add: The server's own method, such as `add_insecure_port`.
        host: Address to listen on.
        port: Port; 0 picks a free one.

    Raises:
        StartError: When the port is taken or the address is not this machine's.
    """
    shown = f"[{host}]" if ":" in host else host
    try:
        bound = add(f"{shown}:{port}")
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise StartError(f"cannot listen on {shown}:{port}")
    return f"{shown}:{bound}"


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Keeps a port for workers that share it: bound, so that nobody else gets it, but not listening.

    Yields:
        The port, which the system has chosen when 0 was asked for.

    Raises:
        StartError: When the port is taken or the address is not this machine's.
    """
    with _bound(host, port, socket.SO_REUSEADDR, socket.SO_REUSEPORT) as held:
        bound: int = held.getsockname()[1]
        yield bound


def _bound(host: str, port: int, *options: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        try:
            for option in options:
                bound.setsockopt(socket.SOL_SOCKET, option, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
    except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
        raise _cannot_listen(host, port, error) from error
    return bound


def _cannot_listen(host: str, port: int, error: Exception) -> StartError:
    return StartError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}")

"""Looks at a port before anything is opened on it."""

import socket

from server.errors import StartError


def check_free(host: str, port: int) -> None:
    """Says why a port cannot be opened; gRPC itself writes several lines of its own and does not say.

    Args:
        host: Address to listen on.
        port: Port; 0 is always free.

    Raises:
        StartError: When the port is taken or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"cannot listen on {host}:{port}: {reason}") from error

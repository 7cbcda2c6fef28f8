"""How a client says who it is: TLS from files, and tokens that rotate."""

from collections.abc import Callable
from pathlib import Path

import grpc

from cache_client.rpc.errors import InvalidCredentials, Unauthenticated

Token = str | Path | Callable[[], str]
"""A token, a file that holds one, which is read again when it changes, or what returns one for each call."""


def tls_credentials(
    ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """Returns credentials of TLS, or of mutual TLS, from PEM files.

    Args:
        ca: The authorities of the server's certificate; those that gRPC brings when not given.
        certificate: The client's own certificate, for a server that asks for one.
        key: Its private key.

    Raises:
        InvalidCredentials: A file cannot be read, or of certificate and key one is missing.
    """
    if (certificate is None) != (key is None):
        raise InvalidCredentials("a client certificate and its key go together")
    return grpc.ssl_channel_credentials(_read(ca), _read(key), _read(certificate))


def token_metadata(token: Token) -> Callable[[], tuple[tuple[str, str], ...]]:
    """Returns what makes the metadata of a call that shows a token.

    It raises Unauthenticated where there is no token to show.
    """
    if isinstance(token, Path):
        token = _TokenFile(token)
    if callable(token):
        source = token
        return lambda: _metadata(source())
    fixed = _metadata(token)
    return lambda: fixed


class _TokenFile:
    """A file that somebody else keeps fresh, such as Kubernetes or an agent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            if stamp != self._stamp:
                self._token, self._stamp = self._path.read_text("ascii").strip(), stamp
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or "not a token"
            raise Unauthenticated(f"cannot read the token file {self._path}: {problem}") from None
        return self._token


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Unauthenticated("the token is empty, or holds what no token can")  # and is not shown
    return (("authorization", f"Bearer {token}"),)


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise InvalidCredentials(f"cannot read {path}: {error.strerror}") from error

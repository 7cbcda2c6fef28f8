"""How a server's settings protect it, found out before it starts and followed while it runs."""

import ipaddress
import socket
from typing import TYPE_CHECKING

import structlog

from server.access.followed import Followed
from server.access.policy import Policy, read_policy
from server.errors import StartError
from server.settings import ServerSettings

if TYPE_CHECKING:
    from server.access.tls import FollowedTls

_log = structlog.get_logger("server.access")


def check_protection(settings: ServerSettings) -> None:
    """Raises what is wrong with how a server is to be protected, and what would leave it open by oversight.

    Raises:
        StartError: A file cannot be used, or the server would speak plain text beyond this machine untold.
    """
    tls = followed_tls(settings)
    access = followed_access(settings)
    if _is_loopback(settings.host):
        return
    if tls is not None:
        if access is None and settings.tls_client_ca is None:
            hint = "anybody may call everything: give --access-file, or --tls-client-ca"
            _log.warning("open_to_everybody", host=settings.host, hint=hint)
        return
    if not settings.insecure:
        raise StartError(
            f"will not listen on {settings.host} without TLS, since calls could be read and changed on their "
            "way: give --tls-dir, or --tls-cert and --tls-key, or --insecure (docs/security.md)"
        )
    _log.warning("insecure", host=settings.host, hint="calls can be read and changed on their way")


def followed_tls(settings: ServerSettings) -> "FollowedTls | None":
    """Returns the certificate and key that settings name, and the clients' authorities; None without TLS.

    Raises:
        StartError: They are named by halves or twice, or cannot be used.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if (certificate is None) != (key is None):
        raise StartError("--tls-cert and --tls-key go together")
    if settings.tls_dir is not None:
        if certificate is not None:
            raise StartError("give --tls-dir, or --tls-cert and --tls-key, not both")
        certificate, key = settings.tls_dir / "tls.crt", settings.tls_dir / "tls.key"
    if certificate is None or key is None:
        if settings.tls_client_ca is not None:
            raise StartError("--tls-client-ca needs --tls-dir, or --tls-cert and --tls-key")
        return None
    from server.access.tls import FollowedTls, TlsFiles  # here: cryptography takes 5 MB

    return FollowedTls(TlsFiles(certificate, key, settings.tls_client_ca))


def followed_access(settings: ServerSettings) -> Followed[Policy] | None:
    """Returns what the access file says; None without one.

    Raises:
        StartError: It cannot be used.
    """
    path = settings.access_file
    if path is None:
        return None
    mutual_tls = settings.tls_client_ca is not None
    return Followed("access", lambda: read_policy(path, mutual_tls=mutual_tls), lambda policy: policy.files)


def _is_loopback(host: str) -> bool:
    """Returns whether nobody but this machine reaches an address."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)
    except (OSError, ValueError):
        return False

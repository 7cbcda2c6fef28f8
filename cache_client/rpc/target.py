"""Where a server listens, as gRPC wants it."""

from cache_client.rpc.errors import InvalidTarget

DEFAULT_PORT = 50051

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:")


def with_port(target: str) -> str:
    """Returns a target that names its port: gRPC would dial 443 for a bare host.

    Args:
        target: `HOST`, `HOST:PORT`, an IPv6 address with or without brackets, or a URI of a gRPC name
            resolver, which stays as it is.

    Raises:
        InvalidTarget: It is the URL of a web page.
    """
    if target.lower().startswith(("http://", "https://")):
        host = target.partition("://")[2].rstrip("/")
        raise InvalidTarget(f"the server is no web page: name it {host!r}, not {target!r}")
    if target.startswith(_SCHEMES):
        return target
    if target.startswith("["):
        return f"{target}:{DEFAULT_PORT}" if target.endswith("]") else target
    host, colon, port = target.partition(":")
    if ":" in port:  # a bare IPv6 address
        return f"[{target}]:{DEFAULT_PORT}"
    return target if colon and port else f"{host}:{DEFAULT_PORT}"

"""What may be shown of a MongoDB URI: it can hold a password."""

import re

DEFAULT_DATABASE = "playthrough"


def describe(uri: str) -> str:
    """Returns a usable MongoDB URI as it may be logged: without user and password, and without options.

    It is taken apart as the driver does it: a password may hold a `#`, where `urlsplit` would end.
    """
    scheme, _, rest = uri.partition("?")[0].partition("://")
    hosts, _, database = rest.partition("/")
    return f"{scheme}://{hosts.rpartition('@')[2]}/{database or DEFAULT_DATABASE}"


def without_secrets(uri: str, message: str) -> str:
    """Returns what the driver says of a URI, unless that quotes any of what stands before its hosts."""
    secret = uri.partition("://")[2].rpartition("@")[0]
    if any(part in message for part in re.split(r"[/?#@:]", secret) if part):
        return "perhaps its user or password has to be percent-encoded"
    return " ".join(message.replace(uri, "<uri>").split())

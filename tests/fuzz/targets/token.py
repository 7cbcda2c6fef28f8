"""A bearer token of any bytes: refused with one error, or signed by our key."""

import base64
import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fuzz.formats import with_odd_value

MODULES = ("server.access.tokens", "jwt")
NEEDS = "server.access.tokens"

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_CLAIMS = {
    "iss": "https://issuer.example", "aud": "playthrough", "sub": "player", "exp": 4_102_444_800,
    "scope": "predict rank",
}  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Returns tokens that are good, by one claim or another."""
    more = {"nbf": 1, "iat": 1, "aud": ["playthrough", "others"], "scope": ["log", "admin"]}
    return {"good": _signed({}, _CLAIMS), "more-claims": _signed({"kid": "first"}, _CLAIMS | more)}


def mutate(content: bytes, random: Random) -> bytes:
    """Returns a token with a header or a claim changed, signed as if our issuer had."""
    try:
        parts = [base64.urlsafe_b64decode(part + b"==") for part in content.split(b".")[:2]]
        which = random.randrange(2)
        parts[which] = with_odd_value(parts[which], random)
    except (ValueError, IndexError, OverflowError, RecursionError):
        return b""
    head = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return head + b"." + base64.urlsafe_b64encode(_KEY.sign(head)).rstrip(b"=")


def _signed(header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    return jwt.encode(claims, _KEY, algorithm="EdDSA", headers=header).encode()


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input, and raises for a finding."""
    access = importlib.import_module("server.access.tokens")
    definitions = importlib.import_module("server.access.definition")
    errors = importlib.import_module("server.errors")
    key = jwt.algorithms.OKPAlgorithm.to_jwk(_KEY.public_key(), as_dict=True) | {"kid": "first"}
    definition = definitions.TokenDefinition(
        issuer=_CLAIMS["iss"], audience=_CLAIMS["aud"], keys="keys.json", scope_claim="scope"
    )
    keys = importlib.import_module("server.access.keys").parse_keys(
        json.dumps({"keys": [key]}).encode(), folder / "keys.json"
    )
    verifier = access.TokenVerifier(definition, keys)

    def check(content: bytes) -> None:
        token = content.decode("utf-8", "replace")
        for _ in range(2):  # anew, and remembered
            with suppress(errors.UnauthenticatedError):
                claims = verifier.verify(token)
                assert _is_ours(token), f"a forged token was taken: {token}"
                assert claims.subject, token
                assert claims.until_s > 0, token

    yield check


def _is_ours(token: str) -> bool:
    head, _, signature = token.encode().rpartition(b".")
    try:
        _KEY.public_key().verify(base64.urlsafe_b64decode(signature + b"=="), head)
    except (InvalidSignature, ValueError):
        return False
    return True

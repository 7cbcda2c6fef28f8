"""An access file, and the key file beside it: refused in a line, or held together.

An input's first byte says which of both, the others are its content.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.errors import StartError
from tests.fuzz.formats import with_odd_value
from tests.fuzz.one_line import check_refusal

MODULES = ("server.access", "server.toml_file", "tomllib")
NEEDS = "server.access.tokens"

_ACCESS, _KEYS = b"\0", b"\1"


def seeds() -> dict[str, bytes]:
    """Returns both files as the documentation shows them."""
    access = b"""open = ["list_models"]
[tokens]
issuer = "https://issuer.example"
audience = "playthrough"
keys = "keys.json"
scope_claim = "scope"
leeway_s = 5.0
[[callers]]
token = "player"
scopes = ["predict", "rank"]
[[callers]]
certificate = "dns:player.example"
scopes = []
"""
    edwards = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    curve = ec.derive_private_key(12_345, ec.SECP256R1()).public_key()
    keys = [
        jwt.algorithms.OKPAlgorithm.to_jwk(edwards, as_dict=True) | {"kid": "first", "use": "sig"},
        jwt.algorithms.ECAlgorithm.to_jwk(curve, as_dict=True) | {"kid": "second", "alg": "ES256"},
    ]
    return {"access": _ACCESS + access, "keys": _KEYS + json.dumps({"keys": keys}).encode()}


def mutate(content: bytes, random: Random) -> bytes:
    """Returns a key file with a value changed."""
    try:
        return _KEYS + with_odd_value(content[1:], random) if content.startswith(_KEYS) else b""
    except (ValueError, OverflowError, RecursionError):
        return b""


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input, and raises for a finding; it writes below a folder."""
    definitions = importlib.import_module("server.access.definition")
    keys = importlib.import_module("server.access.keys")
    path = folder / "access.toml"

    def check(content: bytes) -> None:
        try:
            if content.startswith(_KEYS):
                assert keys.parse_keys(content[1:], path)
            else:
                path.write_bytes(content[1:])
                definition = definitions.read_access_file(path, mutual_tls=True)
                assert definition.callers or definition.tokens
        except StartError as error:
            check_refusal(error)

    yield check

"""The public keys that tokens are checked with: a JWKS file (RFC 7517)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from server.errors import StartError
from server.toml_file import read_small_file

# By kind of key: a key has one algorithm, whatever a token's header says.
_ALGORITHMS: dict[object, str] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_MIN_RSA_BITS = 2048
_MAX_KEYS = 100

Keys = Mapping[str, jwt.PyJWK]
"""Public keys by their `kid`; "" for one that has none."""


def read_keys(path: Path) -> bytes:
    """Returns a key file's content.

    Raises:
        StartError: When it cannot be read, or is too large.
    """
    return read_small_file(path, "key file")


def parse_keys(content: bytes, path: Path) -> Keys:
    """Returns the keys of a JWKS; those of other kinds, or for other uses, are left out.

    Args:
        content: The file's content.
        path: The file, for the message.

    Raises:
        StartError: When it is no JWKS, holds what is secret or no key that can be used.
    """
    try:
        listed = json.loads(content)["keys"]
        if not isinstance(listed, list) or not 0 < len(listed) <= _MAX_KEYS:
            raise StartError(f"{path}: keys: not a list of 1 to {_MAX_KEYS}")
        pairs = list(_usable(listed, path))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StartError(f'{path}: not a JWKS, which is {{"keys": […]}}') from None
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise StartError(f"{path}: keys: two have the same kid")
    if not keys:
        raise StartError(f"{path}: keys: none for RS256, ES256 or EdDSA")
    if "" in keys and len(keys) > 1:
        raise StartError(f"{path}: keys: one of several has no kid")
    return keys


def _usable(listed: list[Any], path: Path) -> Iterator[tuple[str, jwt.PyJWK]]:
    for number, described in enumerate(listed):
        place = f"{path}: keys.{number}"
        if not isinstance(described, dict):
            raise StartError(f"{place}: not a key")
        if described.get("kty") == "oct" or "d" in described:
            raise StartError(f"{place}: a secret key, which has no place on a server")
        algorithm = _ALGORITHMS.get((described.get("kty"), described.get("crv")))
        if algorithm is None or described.get("alg", algorithm) != algorithm:
            continue
        if described.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(described, algorithm)
        except Exception:  # of many kinds, by what is wrong
            raise StartError(f"{place}: not a public key") from None
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS:
            raise StartError(f"{place}: an RSA key of fewer than {_MIN_RSA_BITS} bits")
        kid = described.get("kid", "")
        if not isinstance(kid, str):
            raise StartError(f"{place}.kid: not a string")
        yield kid, key

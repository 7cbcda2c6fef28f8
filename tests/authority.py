"""Certificates and tokens for tests: an authority that signs what it is told to."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

ISSUER, AUDIENCE = "https://login.example/", "playthrough"
_LOOPBACK = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


class Authority:
    """Signs certificates."""

    def __init__(self, name: str) -> None:
        """Makes its own."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = self._builder(name, self._key, timedelta(days=-2), timedelta(days=30))
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = builder.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(Encoding.PEM)

    def sign(
        self,
        common_name: str,
        names: Sequence[x509.GeneralName] = _LOOPBACK,
        since: timedelta = timedelta(days=-1),
        until: timedelta = timedelta(days=10),
        key: Any = None,
    ) -> tuple[bytes, bytes]:
        """Returns a certificate and its private key, as PEM."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(common_name, key, since, until)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def client(self, common_name: str = "", *uris: str, server: "Authority | None" = None) -> Any:
        """Returns channel credentials of a client that this authority vouches for."""
        certificate, key = self.sign(common_name, [x509.UniformResourceIdentifier(uri) for uri in uris])
        return grpc.ssl_channel_credentials((server or self).pem, key, certificate)

    def _builder(
        self, common_name: str, key: Any, since: timedelta, until: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=_name(common_name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now + since,
            not_valid_after=now + until,
        )


def write_pair(folder: Path, pair: tuple[bytes, bytes]) -> None:
    """Writes a certificate and its key as cert-manager does."""
    for name, content in zip(("tls.crt", "tls.key"), pair, strict=True):
        (folder / f"{name}.new").write_bytes(content)
        (folder / f"{name}.new").replace(folder / name)


KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public_pem(algorithm: str) -> bytes:
    """Returns the public key of an algorithm as PEM."""
    encoded: bytes = (
        KEYS[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return encoded


def jwk(algorithm: str, key: Any = None, **more: Any) -> dict[str, Any]:
    """Returns a public key as it stands in a JWKS."""
    kinds: dict[str, Any] = jwt.algorithms.get_default_algorithms()
    public = (key or KEYS[algorithm]).public_key()
    described: dict[str, Any] = kinds[algorithm].to_jwk(public, as_dict=True)
    return {key: value for key, value in described.items() if key != "key_ops"} | {"kid": algorithm, **more}


def write_jwks(path: Path, *keys: dict[str, Any]) -> None:
    """Replaces a key file by one of these keys, or of all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": list(keys) or [jwk(algorithm) for algorithm in KEYS]}))
    fresh.replace(path)


def claims(**changes: Any) -> dict[str, Any]:
    """Returns a good token's claims, changed; None leaves one out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "player", "exp": time.time() + 600}
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(algorithm: str = "ES256", key: Any = None, kid: str | None = None, **changes: Any) -> str:
    """Returns a token, good unless told otherwise."""
    headers = {"kid": algorithm if kid is None else kid}
    return jwt.encode(claims(**changes), key or KEYS[algorithm], algorithm, headers)

"""The server's certificate and key, and the authorities of its clients' certificates, as files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from server.access.followed import Followed
from server.errors import StartError
from server.toml_file import read_small_file

# cert-manager renews when a third of the lifetime is left: with a fifth left, it has failed to.
_WORRYING_SHARE = 0.2
_MIN_RSA_BITS = 2048

_log = structlog.get_logger("server.access")


class TlsFiles(NamedTuple):
    """Where they are, as PEM.

    Attributes:
        certificate: The server's certificate, then those between it and its authority.
        key: Its private key.
        client_ca: The authorities of clients' certificates; with it, each client has to show one.
    """

    certificate: Path
    key: Path
    client_ca: Path | None


class Tls(NamedTuple):
    """What is in them, found good.

    Attributes:
        certificate: PEM.
        key: PEM.
        client_ca: PEM; None where clients show no certificate.
        not_before: Since when the certificate is valid.
        not_after: Until when it is.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    not_before: datetime
    not_after: datetime


def read_tls(files: TlsFiles) -> Tls:
    """Returns what the files hold.

    Raises:
        StartError: When one cannot be read or is wrong, when they do not belong together, and when no
            client would take the certificate today, or could show one.
    """
    certificate = read_small_file(files.certificate, "certificate")
    key = read_small_file(files.key, "key")
    client_ca = None if files.client_ca is None else read_small_file(files.client_ca, "client CA")
    leaf = _certificates(certificate, files.certificate)[0]
    if not _is_usable(leaf):
        raise StartError(
            f"{files.certificate}: not of a key that clients shake hands with: RSA, P-256 or P-384"
        )
    if _public_key(key, files.key) != _encoded(leaf.public_key()):
        raise StartError(f"{files.key}: not the key of {files.certificate}")
    now = datetime.now(UTC)
    if client_ca is not None and files.client_ca is not None:
        authorities = _certificates(client_ca, files.client_ca)
        if not any(_is_valid(authority, now) for authority in authorities):
            raise StartError(f"{files.client_ca}: no authority that is valid now")
    if not _is_valid(leaf, now):
        valid = f"{leaf.not_valid_before_utc:%Y-%m-%dT%H:%MZ} to {leaf.not_valid_after_utc:%Y-%m-%dT%H:%MZ}"
        raise StartError(f"{files.certificate}: valid from {valid}, not now")
    return Tls(certificate, key, client_ca, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


class FollowedTls(Followed[Tls]):
    """The files as they are now; logs once when the certificate nears its end, and once at that."""

    def __init__(self, files: TlsFiles) -> None:
        """Reads the files.

        Raises:
            StartError: They cannot be used.
        """
        paths = [path for path in files if path is not None]
        super().__init__("tls", lambda: read_tls(files), lambda _tls: paths)
        self._logged: tuple[datetime, str] | None = None

    async def look(self) -> None:
        """Takes over what the files say now, if they have changed and can be used."""
        await super().look()
        self.look_at_expiry(datetime.now(UTC))

    def look_at_expiry(self, now: datetime) -> None:
        """Logs what is to be said of the certificate at a time, unless it has been."""
        tls = self.value
        left, lifetime = tls.not_after - now, tls.not_after - tls.not_before
        if left > lifetime * _WORRYING_SHARE:
            return
        event = "certificate_expires_soon" if left > timedelta() else "certificate_expired"
        if self._logged != (tls.not_after, event):
            self._logged = tls.not_after, event
            log = _log.warning if left > timedelta() else _log.error
            log(event, not_after=tls.not_after.isoformat())


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _is_usable(leaf: x509.Certificate) -> bool:
    """Returns whether gRPC's clients take a server's key; Ed25519 and P-521 load, and they hang up."""
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, RSAPublicKey):
        return key.key_size >= _MIN_RSA_BITS
    return isinstance(key, EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1")


def _certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except (ValueError, x509.InvalidVersion):
        raise StartError(f"{path}: not whole certificates in PEM") from None


def _public_key(content: bytes, path: Path) -> bytes:
    try:
        return _encoded(load_pem_private_key(content, password=None).public_key())
    except TypeError:
        raise StartError(f"{path}: the key is encrypted") from None
    except Exception:  # of several kinds, by what is wrong; none may show the key
        raise StartError(f"{path}: not a whole private key in PEM") from None


def _encoded(public_key: object) -> bytes:
    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded

"""Whom a client's certificate names: read from the certificate itself, since gRPC cuts its names at a NUL."""

from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from server.errors import UnauthenticatedError

_PREFIXES = ("dns:", "cn:")
_MAX_REMEMBERED = 1024  # of a kilobyte each, mostly


def certificate_names(pem: bytes, now_s: float) -> tuple[str, ...]:
    """Returns the names in a certificate as the access file writes them: URIs, hosts, common name.

    Args:
        pem: The certificate, which an authority vouched for when the connection began.
        now_s: The time, in seconds since 1970.

    Raises:
        UnauthenticatedError: It has expired since, or cannot be read.
    """
    names, until_s = _read(pem)
    if until_s < now_s:  # of a connection that lasts, or a TLS session that is resumed
        raise UnauthenticatedError("certificate_expired")
    return names


@lru_cache(_MAX_REMEMBERED)
def _read(pem: bytes) -> tuple[tuple[str, ...], float]:
    """Returns a certificate's names, and until when it is valid, in seconds since 1970."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        uris, hosts = _alternative_names(certificate)
        common = [str(it.value) for it in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except Exception:  # of many kinds, by what is wrong
        raise UnauthenticatedError("certificate_malformed") from None
    # A URI may have any scheme: `cn:root` as a URI must not pass for a common name.
    names = [uri for uri in uris if not uri.startswith(_PREFIXES)]
    names += [f"dns:{host}" for host in hosts]
    names += [f"cn:{name}" for name in common if name]
    return tuple(names), certificate.not_valid_after_utc.timestamp()


def _alternative_names(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    """Returns the URIs and the hosts of a certificate."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    return held.get_values_for_type(x509.UniformResourceIdentifier), held.get_values_for_type(x509.DNSName)

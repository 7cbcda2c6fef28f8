"""Which certificates and keys are taken, and what is said of their end."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from structlog.testing import capture_logs

from server.access.tls import FollowedTls, TlsFiles, read_tls
from server.errors import StartError
from tests.authority import KEYS, Authority, write_pair

AUTHORITY = Authority("authority")


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    write_pair(tmp_path, AUTHORITY.sign("server"))
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    return TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")


def test_a_pair_that_fits_is_taken(files: TlsFiles) -> None:
    found = read_tls(files)
    assert (found.certificate, found.client_ca) == (files.certificate.read_bytes(), AUTHORITY.pem)
    assert found.not_after - found.not_before == timedelta(days=11)


def encrypted(_files: TlsFiles) -> bytes:
    how = BestAvailableEncryption(b"password")
    content: bytes = KEYS["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    return content


def of_no_version(files: TlsFiles) -> bytes:
    good = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    return ssl.DER_cert_to_PEM_cert(good.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\22", 1)).encode()


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("tls.key", lambda _: AUTHORITY.sign("other")[1], r"tls\.key: not the key of .*tls\.crt"),
        ("tls.key", lambda files: files.key.read_bytes()[:100], r"tls\.key: not a whole private key"),
        ("tls.key", lambda _: b"", r"tls\.key: not a whole private key"),
        ("tls.key", encrypted, r"tls\.key: the key is encrypted"),
        ("tls.crt", lambda files: files.certificate.read_bytes()[:300], r"tls\.crt: not whole certificates"),
        ("tls.crt", lambda _: b"", r"tls\.crt: not whole certificates"),
        ("tls.crt", of_no_version, r"tls\.crt: not whole certificates"),
        ("ca.crt", lambda _: b"", r"ca\.crt: not whole certificates"),
        ("tls.crt", lambda _: b"x" * (257 << 10), r"tls\.crt: larger than"),
    ],
)
def test_what_is_broken_or_does_not_fit_is_told_and_no_key_shown(
    files: TlsFiles, file: str, content: object, problem: str
) -> None:
    assert callable(content)
    (files.certificate.parent / file).write_bytes(content(files))
    with pytest.raises(StartError, match=problem) as caught:
        read_tls(files)
    assert "\n" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize(("since", "until"), [(-5, -1), (1, 5)])
def test_a_certificate_that_no_client_takes_today_is_refused(files: TlsFiles, since: int, until: int) -> None:
    pair = AUTHORITY.sign("server", since=timedelta(days=since), until=timedelta(days=until))
    write_pair(files.certificate.parent, pair)
    with pytest.raises(StartError, match=r"valid from .*, not now"):
        read_tls(files)


def test_authorities_that_can_vouch_for_no_client_today_are_refused(files: TlsFiles) -> None:
    expired, _ = AUTHORITY.sign("old authority", until=timedelta(hours=-1))
    assert files.client_ca is not None
    files.client_ca.write_bytes(expired)
    with pytest.raises(StartError, match=r"ca\.crt: no authority that is valid now"):
        read_tls(files)
    files.client_ca.write_bytes(expired + AUTHORITY.pem)
    assert read_tls(files).client_ca == expired + AUTHORITY.pem


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 1024),
    ],
    ids=["Ed25519", "P-521", "RSA 1024"],
)
def test_a_key_that_no_client_shakes_hands_with_is_refused(files: TlsFiles, key: object) -> None:
    write_pair(files.certificate.parent, AUTHORITY.sign("server", key=key))
    with pytest.raises(StartError, match="not of a key that clients shake hands with"):
        read_tls(files)


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())],
    ids=["RSA", "P-384"],
)
def test_other_usual_keys_are_taken(files: TlsFiles, key: object) -> None:
    write_pair(files.certificate.parent, AUTHORITY.sign("server", key=key))
    assert read_tls(files).certificate == files.certificate.read_bytes()


def test_a_missing_file_is_named(files: TlsFiles) -> None:
    files.key.unlink()
    with pytest.raises(StartError, match=r"cannot read the key .*tls\.key: No such file"):
        read_tls(files)


def test_the_end_of_a_certificate_is_told_ahead_and_when_it_is_there_once_each(files: TlsFiles) -> None:
    followed = FollowedTls(files)
    end = followed.value.not_after
    with capture_logs() as logs:
        for left in (timedelta(days=5), timedelta(days=2), timedelta(days=1), timedelta(), -timedelta(1)):
            followed.look_at_expiry(end - left)
    told = [(line["event"], line["log_level"]) for line in logs]
    assert told == [("certificate_expires_soon", "warning"), ("certificate_expired", "error")]

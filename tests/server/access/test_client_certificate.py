"""Whom a certificate names, and until when."""

import time
from datetime import timedelta

import pytest
from cryptography import x509

from server.access.client_certificate import certificate_names
from server.errors import UnauthenticatedError
from tests.authority import Authority

AUTHORITY = Authority("authority")


def names(common_name: str, *alternatives: x509.GeneralName) -> tuple[str, ...]:
    pem, _ = AUTHORITY.sign(common_name, alternatives)
    return certificate_names(pem, time.time())


def test_uris_come_first_then_hosts_then_the_common_name() -> None:
    host, uri = x509.DNSName("example.com"), x509.UniformResourceIdentifier("spiffe://example.com/player")
    assert names("player", host, uri) == ("spiffe://example.com/player", "dns:example.com", "cn:player")
    assert names("player") == ("cn:player",)
    assert names("", x509.RFC822Name("player@example.com")) == ()


@pytest.mark.parametrize("uri", ["cn:root", "dns:example.com", "dns://example.com"])
def test_a_uri_is_taken_for_no_other_kind_of_name(uri: str) -> None:
    assert names("player", x509.UniformResourceIdentifier(uri)) == ("cn:player",)


def test_a_name_does_not_end_at_a_nul() -> None:
    host = x509.DNSName("example.com\0.example.org")
    assert names("root\0.player", host) == ("dns:example.com\0.example.org", "cn:root\0.player")


def test_one_that_has_expired_since_the_handshake_names_nobody() -> None:
    pem, _ = AUTHORITY.sign("player", until=timedelta(seconds=60))
    assert certificate_names(pem, time.time() + 50)
    with pytest.raises(UnauthenticatedError) as caught:
        certificate_names(pem, time.time() + 70)
    assert caught.value.reason == "certificate_expired"


def test_what_is_no_certificate_names_nobody() -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        certificate_names(AUTHORITY.pem[:200], time.time())
    assert caught.value.reason == "certificate_malformed"

"""How settings protect a server, and which leave it open by oversight."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.access.start import check_protection
from server.errors import StartError
from server.settings import ServerSettings
from tests.authority import Authority, write_pair

TOKENS = '[tokens]\nissuer = "i"\naudience = "a"\nkeys = "jwks.json"\nscope_claim = "scope"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = Authority("authority")
    write_pair(tmp_path, authority.sign("server"))
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "access.toml").write_text('[[callers]]\ncertificate = "cn:a"\nscopes = ["predict"]\n')
    return tmp_path


def check(folder: Path, **changes: Any) -> None:
    paths = {
        name: folder / value for name, value in changes.items() if isinstance(value, str) and name != "host"
    }
    check_protection(ServerSettings(**(changes | paths)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_nothing(folder: Path, host: str) -> None:
    with capture_logs() as logs:
        check(folder, host=host)
    assert logs == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "no.such.host.invalid"])
def test_beyond_loopback_plain_text_is_refused_unless_told(folder: Path, host: str) -> None:
    with pytest.raises(StartError, match=f"will not listen on {host} without TLS.*--insecure"):
        check(folder, host=host)
    with capture_logs() as logs:
        check(folder, host=host, insecure=True)
    assert [(line["event"], line["host"]) for line in logs] == [("insecure", host)]
    with capture_logs() as logs:
        check(folder, host=host, tls_dir=".")
        check(folder, host=host, tls_cert="tls.crt", tls_key="tls.key", insecure=True)
    assert [line["event"] for line in logs] == ["open_to_everybody"] * 2
    with capture_logs() as logs:
        check(folder, host=host, tls_dir=".", tls_client_ca="ca.crt")
        check(folder, host=host, tls_dir=".", tls_client_ca="ca.crt", access_file="access.toml")
    assert logs == []


def test_tokens_alone_do_not_protect_what_can_be_read_on_its_way(folder: Path) -> None:
    from tests.authority import write_jwks

    write_jwks(folder / "jwks.json")
    (folder / "access.toml").write_text(TOKENS)
    check(folder, access_file="access.toml")
    with pytest.raises(StartError, match="without TLS"):
        check(folder, host="0.0.0.0", access_file="access.toml")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tls_cert": "tls.crt"}, "--tls-cert and --tls-key go together"),
        ({"tls_key": "tls.key", "tls_dir": "."}, "--tls-cert and --tls-key go together"),
        ({"tls_cert": "tls.crt", "tls_key": "tls.key", "tls_dir": "."}, "not both"),
        ({"tls_client_ca": "ca.crt"}, "--tls-client-ca needs --tls-dir"),
        ({"tls_dir": "nowhere"}, r"cannot read the certificate .*nowhere/tls\.crt: No such file"),
        ({"tls_dir": ".", "tls_client_ca": "tls.key"}, r"tls\.key: not whole certificates"),
        ({"access_file": "nowhere.toml"}, "cannot read the access file"),
        ({"access_file": "access.toml", "tls_dir": "."}, "callers by certificate need mutual TLS"),
    ],
)
def test_what_does_not_fit_is_told(folder: Path, changes: dict[str, str], problem: str) -> None:
    with pytest.raises(StartError, match=problem):
        check(folder, **changes)


def test_certificates_and_their_callers_go_together(folder: Path) -> None:
    check(folder, tls_dir=".", tls_client_ca="ca.crt", access_file="access.toml")

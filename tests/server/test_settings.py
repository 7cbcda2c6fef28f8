import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.errors import StartError
from server.settings import from_json, load_settings, to_json

URI = "mongodb://user:secret@db/playthrough"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs where no `.env` is, and without the variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("MONGODB_URI", "DATA_VERSION", "PLAYTHROUGH_PORT", "PLAYTHROUGH_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_flags_beat_variables_and_variables_beat_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"PLAYTHROUGH_PORT=1\nMONGODB_URI={URI}\nDATA_VERSION=v1\n")
    settings = load_settings()
    assert (settings.port, settings.external_mongodb_uri) == (1, URI)
    assert settings.data_directory == Path("data/v1")

    monkeypatch.setenv("PLAYTHROUGH_PORT", "2")
    monkeypatch.setenv("MONGODB_URI", "mongodb://other")
    assert (load_settings().port, load_settings().external_mongodb_uri) == (2, "mongodb://other")

    flagged = load_settings(port=3, mongodb_uri="mongodb://flag", data=Path("here"))
    assert (flagged.port, flagged.external_mongodb_uri) == (3, "mongodb://flag")
    assert flagged.data_directory == Path("here")


def test_an_empty_variable_hides_the_experiment_file_of_dot_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PLAYTHROUGH_EXPERIMENT_FILE=e.toml\n")
    monkeypatch.delenv("PLAYTHROUGH_EXPERIMENT_FILE", raising=False)
    assert load_settings().experiment_file == Path("e.toml")
    monkeypatch.setenv("PLAYTHROUGH_EXPERIMENT_FILE", "")
    assert load_settings().experiment_file is None
    assert from_json(to_json(load_settings())) == load_settings()  # also in a worker


def test_a_worker_gets_the_settings_of_its_parent(tmp_path: Path) -> None:
    settings = load_settings(port=3, mongodb_uri=URI, data=Path("here"), metrics_port=0)
    (tmp_path / ".env").write_text("PLAYTHROUGH_DEFAULT_MODEL=simple\nPLAYTHROUGH_PORT=4\n")
    assert from_json(to_json(settings)) == settings


@pytest.mark.parametrize("value", [None, "", "embedded"])
def test_no_mongodb_means_the_embedded_one(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("MONGODB_URI", value)
    assert load_settings().external_mongodb_uri is None


def test_the_embedded_flag_hides_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", URI)
    assert load_settings(mongodb_uri="embedded").external_mongodb_uri is None


def test_a_bad_value_is_one_line_that_names_the_setting() -> None:
    with pytest.raises(StartError, match="port") as caught:
        load_settings(port=70_000)
    assert "\n" not in str(caught.value)


def test_the_password_does_not_show() -> None:
    assert "secret" not in repr(load_settings(mongodb_uri=URI))


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "127.0.0.1:7"), ("::", "[::1]:7"), ("10.0.0.5", "10.0.0.5:7"), ("localhost", "localhost:7")],
)
def test_a_server_is_reached_where_it_listens(host: str, address: str) -> None:
    assert load_settings(host=host, port=7).health_address == address
    assert load_settings(port=8, health_host=host, health_port=7).health_address == address


@pytest.mark.parametrize("server", ["localhost", "localhost:", "::1"])
def test_health_refuses_an_address_without_a_port(server: str) -> None:
    done = CliRunner().invoke(app, ["health", "--server", server])
    assert done.exit_code == 1
    assert f"not HOST:PORT: {server!r}" in done.output


def test_health_asks_the_configured_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:  # bound, not listening: no one else gets the port, and no one answers
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("PLAYTHROUGH_PORT", str(port))
        done = CliRunner().invoke(app, ["health", "--timeout-s", "0.5"])
    assert done.exit_code == 1
    assert f"127.0.0.1:{port}" in done.output

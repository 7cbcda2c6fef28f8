"""`python -m server` with certificates and an access file: processes of their own."""

import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import grpc
import pytest

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from tests.authority import AUDIENCE, ISSUER, Authority, token, write_jwks, write_pair
from tests.server.test_commands import Start, arguments, environment, ready, start

__all__ = ["arguments", "environment", "start"]  # fixtures

AUTHORITY = Authority("authority")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pair(tmp_path, AUTHORITY.sign("server"))
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    write_jwks(tmp_path / "jwks.json")
    access = (
        f'[tokens]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\nkeys = "jwks.json"\nscope_claim = "scope"\n'
    )
    (tmp_path / "access.toml").write_text(access)
    return tmp_path


@pytest.fixture
def secured(folder: Path) -> list[str]:
    return ["--tls-dir", str(folder), "--access-file", str(folder / "access.toml")]


def codes(address: str, shown: str, track_id: str, connections: int) -> list[grpc.StatusCode]:
    """Returns how a call ends on each of several connections, which the workers share."""
    found = []
    for _ in range(connections):
        options = [("grpc.use_local_subchannel_pool", 1)]
        trusting = grpc.ssl_channel_credentials(AUTHORITY.pem)
        with grpc.secure_channel(address, trusting, options=options) as channel:
            call = pb_grpc.PredictionServiceStub(channel).Predict
            metadata = (("authorization", f"Bearer {shown}"),)
            try:
                call(pb.PredictRequest(track_id=track_id), metadata=metadata, timeout=60)
                found.append(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                found.append(cast(grpc.Call, error).code())
    return found


def test_two_workers_ask_alike_and_follow_the_files_alike(
    start: Start, arguments: list[str], secured: list[str], folder: Path, track_ids: list[str]
) -> None:
    address, _ = ready(start(*arguments, *secured, "--workers", "2"))
    allowed, unknown = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED
    good = token(scope="predict")
    assert codes(address, good, track_ids[0], 12) == [allowed] * 12
    assert codes(address, "x", track_ids[0], 12) == [unknown] * 12
    write_pair(folder, Authority("another").sign("server"))  # which this client does not trust
    deadline = time.monotonic() + 60
    while set(codes(address, good, track_ids[0], 12)) != {grpc.StatusCode.UNAVAILABLE}:
        assert time.monotonic() < deadline, "a worker still serves the old certificate"
        time.sleep(0.2)


def test_beyond_loopback_a_start_in_plain_text_is_refused_in_a_line(
    start: Start, arguments: list[str], environment: dict[str, str]
) -> None:
    for more in ([], ["--workers", "2"]):
        refused = start(*arguments, "--host", "0.0.0.0", *more)
        output, errors = refused.communicate(timeout=60)
        assert (refused.returncode, output) == (1, "")
        assert errors.startswith("error: will not listen on 0.0.0.0 without TLS")
        assert errors.count("\n") == 1
    assert not Path(environment["PLAYTHROUGH_VAR_DIR"]).exists()


@pytest.fixture
def mutual(start: Start, arguments: list[str], folder: Path) -> tuple[str, "subprocess.Popen[str]"]:
    ca = str(folder / "ca.crt")
    process = start(
        *arguments,
        "--tls-dir",
        str(folder),
        "--tls-client-ca",
        ca,
        "--mongodb-uri",
        "mongodb://127.0.0.1:9/x",
    )
    return ready(process)[0], process


def test_health_asks_over_mutual_tls_and_the_server_tells_why_a_handshake_failed(
    mutual: tuple[str, "subprocess.Popen[str]"], folder: Path, environment: dict[str, str]
) -> None:
    address, process = mutual
    target = address.replace("127.0.0.1", "localhost")

    def health(**variables: Path) -> "subprocess.CompletedProcess[str]":
        told = {f"PLAYTHROUGH_CLIENT_TLS_{name.upper()}": str(path) for name, path in variables.items()}
        command = [sys.executable, "-m", "server", "health", "--server", target, "--timeout-s", "20"]
        return subprocess.run(command, env=environment | told, capture_output=True, text=True, timeout=120)

    client = folder / "client"
    client.mkdir()
    write_pair(client, AUTHORITY.sign("client"))
    good = health(ca=folder / "ca.crt", cert=client / "tls.crt", key=client / "tls.key")
    assert (good.returncode, good.stdout) == (0, "SERVING\n")
    nameless = health(ca=folder / "ca.crt")
    assert (nameless.returncode, nameless.stdout) == (1, "")
    assert "UNAVAILABLE" in nameless.stderr
    missing = health(ca=folder / "nowhere.crt")
    assert f"error: cannot read {folder / 'nowhere.crt'}" in missing.stderr
    half = health(ca=folder / "ca.crt", cert=client / "tls.crt")
    assert (half.returncode, half.stderr) == (1, "error: --tls-cert and --tls-key go together\n")
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in errors

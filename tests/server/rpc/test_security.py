"""The real aio server over TLS, asked by certificates and tokens that are good and that are not."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.settings import ServerSettings
from tests.authority import AUDIENCE, ISSUER, Authority, jwk, token, write_jwks, write_pair

AUTHORITY, STRANGER = Authority("authority"), Authority("stranger")
Running = Callable[..., AbstractAsyncContextManager[str]]

ACCESS = f"""
[tokens]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
keys = "jwks.json"
scope_claim = "scope"

[[callers]]
token = "player"
scopes = ["predict"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The port's files, as cert-manager writes them, an access file and its keys."""
    (tmp_path / "tls").mkdir()
    write_pair(tmp_path / "tls", AUTHORITY.sign("server"))
    (tmp_path / "tls" / "ca.crt").write_bytes(AUTHORITY.pem)
    (tmp_path / "access.toml").write_text(ACCESS)
    write_jwks(tmp_path / "jwks.json")
    return tmp_path


@pytest.fixture
def running(settings: ServerSettings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """Runs the server with settings changed, looks at its files often, and yields its address."""
    monkeypatch.setattr(app, "_ACCESS_POLL_S", 0.02)

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[str]:
        changes = {name: folder / value for name, value in changes.items()}
        async with app.running(settings.model_copy(update=changes), lambda _line: None) as address:
            yield address

    return run


@asynccontextmanager
async def connected(address: str, credentials: Any = None) -> AsyncIterator[Any]:
    """Yields a stub over TLS, with the authority trusted unless credentials say otherwise."""
    trusting = credentials or grpc.ssl_channel_credentials(AUTHORITY.pem)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.secure_channel(address, trusting, options=options) as channel:
        yield pb_grpc.PredictionServiceStub(channel)


def bearer(shown: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {shown}"),)


async def code_of(call: Any) -> grpc.StatusCode:
    """Returns how a call ends."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def served_serial(address: str) -> int:
    """Returns the serial number of the certificate that a new connection is shown."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number


def serves(address: str, pair: tuple[bytes, bytes]) -> bool:
    return served_serial(address) == serial(pair)


def serial(pair: tuple[bytes, bytes]) -> int:
    return x509.load_pem_x509_certificate(pair[0]).serial_number


async def test_a_renewed_certificate_is_served_and_the_connection_that_stands_calls_on(
    running: Running, folder: Path, track_ids: list[str]
) -> None:
    request, done, calls = pb.PredictRequest(track_id=track_ids[0]), asyncio.Event(), 0

    async def call_on(stub: Any) -> None:
        nonlocal calls
        while not done.is_set():
            await stub.Predict(request)
            calls += 1

    def more_than(before: int) -> bool:
        return calls > before

    async with running(tls_dir="tls") as address, connected(address) as stub:
        calling = asyncio.create_task(call_on(stub))
        for _ in range(3):
            renewed, before = AUTHORITY.sign("server"), calls
            write_pair(folder / "tls", renewed)
            await until(partial(serves, address, renewed))
            await until(partial(more_than, before))
        done.set()
        await calling
        async with connected(address) as another:
            await another.Predict(request)


BROKEN: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "expired": lambda: AUTHORITY.sign("server", since=timedelta(days=-3), until=timedelta(days=-1)),
    "of another key": lambda: (AUTHORITY.sign("server")[0], AUTHORITY.sign("server")[1]),
    "half written": lambda: (AUTHORITY.sign("server")[0][:200], AUTHORITY.sign("server")[1]),
    "empty": lambda: (b"", b""),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_certificate_leaves_the_old_one_and_is_told_once(
    running: Running, folder: Path, track_ids: list[str], broken: str
) -> None:
    served = AUTHORITY.sign("server")
    write_pair(folder / "tls", served)
    async with running(tls_dir="tls") as address, connected(address) as stub:
        with capture_logs() as logs:
            write_pair(folder / "tls", BROKEN[broken]())
            await until(lambda: any(line["event"] == "files_refused" for line in logs))
            for _ in range(3):
                assert await asyncio.to_thread(serves, address, served)
            await stub.Predict(pb.PredictRequest(track_id=track_ids[0]))
            renewed = AUTHORITY.sign("server")
            write_pair(folder / "tls", renewed)
            await until(partial(serves, address, renewed))
        refused = [line["reason"] for line in logs if line["event"] == "files_refused"]
        # The two files are replaced one after the other: a look between them is another state.
        assert 1 <= len(refused) <= 4
        assert len(set(refused)) == len(refused) or broken == "of another key"
        assert not any("PRIVATE" in reason for reason in refused)


async def test_plain_text_and_strangers_of_the_authority_get_no_answer(
    running: Running, track_ids: list[str]
) -> None:
    request = pb.PredictRequest(track_id=track_ids[0])
    async with running(tls_dir="tls", tls_client_ca="tls/ca.crt") as address:
        for shown in (
            grpc.ssl_channel_credentials(AUTHORITY.pem),
            STRANGER.client("player", server=AUTHORITY),
            expired_client(),
        ):
            async with connected(address, shown) as stub:
                assert await code_of(stub.Predict(request, timeout=30)) == grpc.StatusCode.UNAVAILABLE
        async with grpc.aio.insecure_channel(address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            assert await code_of(stub.Predict(request, timeout=30)) == grpc.StatusCode.UNAVAILABLE
        async with connected(address, AUTHORITY.client("player")) as stub:
            assert await code_of(stub.Predict(request)) == grpc.StatusCode.OK


def expired_client() -> Any:
    certificate, key = AUTHORITY.sign("player", until=timedelta(hours=-1))
    return grpc.ssl_channel_credentials(AUTHORITY.pem, key, certificate)


async def test_the_authorities_of_clients_are_followed_too(
    running: Running, folder: Path, track_ids: list[str]
) -> None:
    request = pb.PredictRequest(track_id=track_ids[0])
    newcomer = STRANGER.client("player", server=AUTHORITY)

    async def answered(address: str) -> bool:
        async with connected(address, newcomer) as stub:
            return await code_of(stub.Predict(request, timeout=30)) == grpc.StatusCode.OK

    async with running(tls_dir="tls", tls_client_ca="tls/ca.crt") as address:
        assert not await answered(address)
        (folder / "tls" / "ca.crt").write_bytes(AUTHORITY.pem + STRANGER.pem)
        async with asyncio.timeout(60):
            while not await answered(address):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_certificate_is_asked_for_its_scopes(
    running: Running, folder: Path, track_ids: list[str]
) -> None:
    (folder / "access.toml").write_text(
        '[[callers]]\ncertificate = "spiffe://example.com/player"\nscopes = ["predict"]\n'
        '[[callers]]\ncertificate = "cn:ranker"\nscopes = ["rank"]\n'
    )
    predict, rank = pb.PredictRequest(track_id=track_ids[0]), pb.RankTracksRequest(track_ids=track_ids[:2])
    files = {"tls_dir": "tls", "tls_client_ca": "tls/ca.crt", "access_file": "access.toml"}
    denied, ok = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.OK
    async with running(**files) as address:
        for credentials, expected in (
            (AUTHORITY.client("x", "https://example.com/", "spiffe://example.com/player"), (ok, denied)),
            (AUTHORITY.client("ranker"), (denied, ok)),
            (AUTHORITY.client("player"), (denied, denied)),
            (AUTHORITY.client(""), (grpc.StatusCode.UNAUTHENTICATED,) * 2),
            (AUTHORITY.client("player", "cn:ranker"), (denied, denied)),
            (AUTHORITY.client("ranker\0.example.com"), (denied, denied)),
        ):
            async with connected(address, credentials) as stub:
                found = await code_of(stub.Predict(predict)), await code_of(stub.RankTracks(rank))
                assert found == expected


async def test_tokens_open_what_they_may_and_changes_are_followed(
    running: Running, folder: Path, track_ids: list[str]
) -> None:
    request = pb.PredictRequest(track_id=track_ids[0])
    good, rotated = token("RS256"), token("ES256")
    async with running(tls_dir="tls", access_file="access.toml") as address, connected(address) as stub:

        async def code(shown: str, call: Any = stub.Predict, asked: Any = request) -> grpc.StatusCode:
            return await code_of(call(asked, metadata=bearer(shown)))

        async def becomes(shown: str, expected: grpc.StatusCode) -> None:
            async with asyncio.timeout(60):
                while await code(shown) != expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

        ok, denied, unknown = (
            grpc.StatusCode.OK,
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.UNAUTHENTICATED,
        )
        assert await code(good) == await code(rotated) == ok
        assert await code(good, stub.ListModels, pb.ListModelsRequest()) == denied
        assert await code(token(scope="admin"), stub.ListModels, pb.ListModelsRequest()) == ok
        write_jwks(folder / "jwks.json", jwk("ES256"))  # the key of the one that was remembered is gone
        await becomes(good, unknown)
        assert await code(rotated) == ok
        with capture_logs() as logs:
            (folder / "jwks.json").write_text('{"keys": [')
            await until(lambda: any(line["event"] == "files_refused" for line in logs))
            assert await code(rotated) == ok
        write_jwks(folder / "jwks.json")
        await becomes(good, ok)
        (folder / "access.toml").write_text(ACCESS.replace('["predict"]', '["rank"]'))
        await becomes(good, denied)
        (folder / "access.toml").write_text(ACCESS.replace('["predict"]', '["root"]'))
        (folder / "access.toml").write_text(ACCESS)
        await becomes(good, ok)


async def test_what_no_token_is_gets_the_same_answer_and_nothing_of_it_is_logged(
    running: Running, track_ids: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    request = pb.PredictRequest(track_id=track_ids[0])
    wrong: list[Any] = [
        None,
        bearer(token(exp=time.time() - 60)),
        bearer(token(aud="other")),
        bearer(token()[:-9]),
        bearer("x" * 8000),
        (*bearer(token()), *bearer(token())),
        (("authorization", f"Basic {token()}"),),
        (("authorization", ""),),
        (("proxy-authorization", f"Bearer {token()}"),),
        (("authorization-bin", b"Bearer \xff\xfe"),),
    ]
    told = set()
    with capture_logs() as logs:
        async with running(access_file="access.toml") as address:
            async with grpc.aio.insecure_channel(address) as channel:
                stub: Any = pb_grpc.PredictionServiceStub(channel)
                for metadata in wrong:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await stub.Predict(request, metadata=metadata)
                    told.add((caught.value.code(), caught.value.details()))
                good = token(sub="player")
                await stub.Predict(request, metadata=bearer(good))
                giant = await code_of(stub.Predict(request, metadata=bearer("x" * 20_000)))
                assert giant == grpc.StatusCode.RESOURCE_EXHAUSTED  # gRPC's own limit
            await until(lambda: len([it for it in logs if it["event"] == "calls_refused"]) >= 1)
            await asyncio.sleep(0.1)
    assert told == {(grpc.StatusCode.UNAUTHENTICATED, "a valid token or client certificate is needed")}
    refused = [line for line in logs if line["event"] == "calls_refused"]
    assert sum(line["calls"] for line in refused) == len(wrong)
    assert {"token_expired", "token_audience", "authorization_repeated", "authorization_scheme"} <= {
        line["reason"] for line in refused
    }
    written = repr(logs) + "".join(capfd.readouterr())
    shown = [value for metadata in [*wrong, bearer(good)] for _, value in metadata or ()]
    signatures = [it.rpartition(".")[2] for it in shown if isinstance(it, str) and it.count(".") == 2]
    assert signatures
    assert not any(signature in written for signature in signatures)


async def test_bytes_that_are_no_text_in_an_authorization_are_refused(
    running: Running, track_ids: list[str]
) -> None:
    """Spoken by hand: no client of gRPC's sends them."""
    async with running(access_file="access.toml") as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        writer.write(raw_call("/playthrough.v1.PredictionService/Predict", b"Bearer \xc3\xa9\xff"))
        await writer.drain()
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"grpc-status\x0216")
        assert answer.endswith(b"\x0216")  # UNAUTHENTICATED
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = pb_grpc.PredictionServiceStub(channel)
            good = stub.Predict(pb.PredictRequest(track_id=track_ids[0]), metadata=bearer(token()))
            assert await code_of(good) == grpc.StatusCode.OK


def raw_call(path: str, authorization: bytes) -> bytes:
    """Returns a request's frames, its headers as literals that are not indexed (RFC 7541, 6.2.2)."""
    headers = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"authorization", authorization),
    ]
    block = b"".join(b"\0" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in headers)
    frame = len(block).to_bytes(3, "big") + b"\1\4" + (1).to_bytes(4, "big") + block
    body = b"\0" * 5
    return frame + len(body).to_bytes(3, "big") + b"\0\1" + (1).to_bytes(4, "big") + body


async def test_health_stays_open_and_reflection_is_closed_with_the_access_file(
    running: Running, folder: Path
) -> None:
    async def reflected(channel: grpc.aio.Channel, shown: str | None) -> int:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        metadata = bearer(shown) if shown else None
        return sum(
            [
                len(it.list_services_response.service)
                async for it in stub.ServerReflectionInfo(asked, metadata=metadata)
            ]
        )

    async with running(access_file="access.toml") as address, grpc.aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        for shown, expected in (
            (None, grpc.StatusCode.UNAUTHENTICATED),
            (token(), grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await reflected(channel, shown)
            assert caught.value.code() == expected
        assert await reflected(channel, token(scope="admin")) == 3
        (folder / "access.toml").write_text('open = ["reflection", "list_models"]\n' + ACCESS)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    assert await reflected(channel, None) == 3
                    break
                await asyncio.sleep(0.02)
        stub: Any = pb_grpc.PredictionServiceStub(channel)
        assert len((await stub.ListModels(pb.ListModelsRequest())).models) == 2
        assert await code_of(stub.Predict(pb.PredictRequest())) == grpc.StatusCode.UNAUTHENTICATED

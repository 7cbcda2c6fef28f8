"""How the client says who it is, and what it raises where that is not enough."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from cache_client.prefetch.play import QueuedTrack
from cache_client.prefetch.prefetch_client import PrefetchClient
from cache_client.rpc import errors
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.credentials import tls_credentials
from cache_client.rpc.retry import RetryPolicy
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from tests.authority import Authority, write_pair
from tests.cache_client.scripted_server import ScriptedServicer

AUTHORITY = Authority("authority")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server's pair, a client's, and the authority of both."""
    for name in ("server", "client"):
        (tmp_path / name).mkdir()
        write_pair(tmp_path / name, AUTHORITY.sign(name))
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    return tmp_path


class Showing(ScriptedServicer):
    """Remembers what calls show."""

    shown: list[Any]

    async def _misbehave(self, request: object, context: Any) -> None:
        self.shown.append(dict(context.invocation_metadata()).get("authorization"))
        await super()._misbehave(request, context)


@pytest.fixture
def servicer() -> ScriptedServicer:
    servicer = Showing()
    servicer.shown = []
    return servicer


@pytest.fixture
async def secure_target(servicer: ScriptedServicer, folder: Path) -> AsyncIterator[str]:
    """Serves the servicer with mutual TLS."""
    server = grpc.aio.server()
    pb_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    pair = (folder / "server" / "tls.key").read_bytes(), (folder / "server" / "tls.crt").read_bytes()
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([pair], AUTHORITY.pem, require_client_auth=True)
    )
    await server.start()
    yield f"localhost:{port}"
    await server.stop(grace=None)


async def test_mutual_tls_from_files(secure_target: str, folder: Path) -> None:
    files = folder / "ca.crt", folder / "client" / "tls.crt", folder / "client" / "tls.key"
    async with PredictionClient(secure_target, credentials=tls_credentials(*files)) as client:
        assert (await client.predict("loved", [])).play_through_probability == 0.9
    other = [("grpc.ssl_target_name_override", "elsewhere.example")]
    for credentials, options in (
        (tls_credentials(files[0]), []),
        (None, []),
        (tls_credentials(*files), other),
    ):
        client = PredictionClient(
            secure_target,
            credentials=credentials,
            channel_options=options,
            retry=RetryPolicy(max_attempts=1),
        )
        async with client:
            with pytest.raises(errors.ServerUnavailable):
                await client.predict("loved", [])


def test_files_that_do_not_go_together_or_are_not_there_are_told(folder: Path) -> None:
    with pytest.raises(errors.InvalidCredentials, match="go together"):
        tls_credentials(folder / "ca.crt", folder / "client" / "tls.crt")
    with pytest.raises(errors.InvalidCredentials, match=r"cannot read .*nowhere: No such file"):
        tls_credentials(folder / "nowhere")


async def test_a_token_is_shown_with_each_call_and_rotates(
    target: str, servicer: Showing, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    fresh = map(str, range(5))
    for token, expected in (
        ("fixed", ["Bearer fixed", "Bearer fixed"]),
        (lambda: f"made-{next(fresh)}", ["Bearer made-0", "Bearer made-1"]),
        (file, ["Bearer first", "Bearer second-one"]),
    ):
        servicer.shown = []
        file.write_text("first\n")
        async with PredictionClient(target, token=token) as client:
            await client.predict("loved", [])
            file.write_text("second-one\n")
            await client.list_models()
        assert servicer.shown == expected
    servicer.shown = []
    async with PredictionClient(target) as client:
        await client.record_outcome("p0", skipped=True, listened_ms=1)
    assert servicer.shown == [None]


BAD = ["", "two words", "żółw", "line\nbreak"]


@pytest.mark.parametrize("token", BAD)
async def test_what_is_no_token_is_not_sent_and_not_shown(
    target: str, servicer: Showing, tmp_path: Path, token: str
) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        PredictionClient(target, token=token)
    assert token not in str(caught.value) or not token
    (tmp_path / "token").write_text(token, encoding="utf-8")
    async with PredictionClient(target, token=tmp_path / "token") as client:
        with pytest.raises(errors.Unauthenticated) as caught:
            await client.predict("loved", [])
    assert token not in str(caught.value) or not token
    assert servicer.shown == []


async def test_a_token_file_that_is_not_there_is_told_and_music_goes_on(target: str, tmp_path: Path) -> None:
    async with PredictionClient(target, token=tmp_path / "nowhere") as client:
        with pytest.raises(errors.Unauthenticated, match=r"cannot read the token file .*nowhere: No such"):
            await client.predict("loved", [])
        tracks = [QueuedTrack("loved", 60_000), QueuedTrack("liked", 60_000)]
        advice = await PrefetchClient(client).on_play(tracks[0], tracks[1:], free_bytes=1 << 20)
    assert "cannot read the token file" in advice.fallback_reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied),
    ],
)
async def test_a_refusal_has_a_type_of_its_own_and_is_not_repeated(
    client: PredictionClient, servicer: Showing, status: grpc.StatusCode, kind: type[errors.ServerError]
) -> None:
    servicer.status = status
    with pytest.raises(kind, match="as told"):
        await client.predict("loved", [])
    assert len(servicer.requests) == 1


async def test_channel_options_beat_our_own(target: str, servicer: Showing) -> None:
    servicer.unavailable_for = 1
    options = [("grpc.service_config", "{}"), ("grpc.primary_user_agent", "edge/1")]
    async with PredictionClient(target, channel_options=options) as client:
        with pytest.raises(errors.ServerUnavailable):  # the retry policy is gone
            await client.predict("loved", [])

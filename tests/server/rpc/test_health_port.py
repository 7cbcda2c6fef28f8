"""The port that probes ask: health alone, in plaintext, from before the start to the very end."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from server import app
from server.errors import StartError
from server.hot_swap import load_models
from server.rpc.health import LIVENESS, SERVICE_NAME, HealthServicer
from server.rpc.health_port import MAX_CONNECTIONS, answering_health
from server.settings import ServerSettings
from server.stop_budget import StopBudget

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def asking(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def status_of(health: Any, service: str) -> int:
    status: int = (await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)).status
    return status


def health_address(logs: Any) -> str:
    return str(next(line["address"] for line in logs if line["event"] == "health"))


async def test_it_answers_health_and_nothing_else(settings: ServerSettings, track_ids: list[str]) -> None:
    with capture_logs() as logs:
        async with app.running(settings.model_copy(update={"health_port": 0}), lambda _line: None):
            address = health_address(logs)
            async with asking(address) as health, grpc.aio.insecure_channel(address) as channel:
                assert await status_of(health, LIVENESS) == SERVING
                assert await status_of(health, SERVICE_NAME) == SERVING
                assert await status_of(health, f"{SERVICE_NAME}/simple") == SERVING
                predict: Any = pb_grpc.PredictionServiceStub(channel).Predict
                reflect: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # stubs lag
                calls = [
                    predict(pb.PredictRequest(track_id=track_ids[0])),
                    reflect.ServerReflectionInfo(
                        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
                    ).read(),
                ]
                for call in calls:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await call
                    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_it_lives_and_does_not_serve_while_it_loads(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    loop = asyncio.get_running_loop()

    def asked_meanwhile(*arguments: Any) -> Any:
        async def ask() -> None:
            async with asking(health_address(logs)) as health:
                told.extend([await status_of(health, name) for name in (LIVENESS, SERVICE_NAME)])

        asyncio.run_coroutine_threadsafe(ask(), loop).result(60)
        return load_models(*arguments)

    monkeypatch.setattr(app, "load_models", asked_meanwhile)
    with capture_logs() as logs:
        async with app.running(settings.model_copy(update={"health_port": 0}), lambda _line: None):
            assert told == [SERVING, NOT_SERVING]


async def test_before_the_end_it_reports_itself_out_of_service_and_answers_on(
    settings: ServerSettings, track_ids: list[str]
) -> None:
    """For the whole pause: calls, liveness, and streams that watch, which would begin again if they ended."""
    budget = StopBudget(60.0, 3600.0)
    with capture_logs() as logs:
        running = app.running(settings.model_copy(update={"health_port": 0}), lambda _line: None, budget)
        address = await running.__aenter__()
    async with (
        asking(health_address(logs)) as health,
        asking(address) as main_health,
        grpc.aio.insecure_channel(address) as channel,
    ):
        watch = main_health.Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
        assert (await watch.read()).status == SERVING
        ending = asyncio.create_task(running.__aexit__(None, None, None))
        assert (await watch.read()).status == NOT_SERVING
        predict: Any = pb_grpc.PredictionServiceStub(channel).Predict
        for _ in range(20):
            assert (await predict(pb.PredictRequest(track_id=track_ids[0]))).model == "advanced"
        for port in (health, main_health):
            assert await status_of(port, LIVENESS) == SERVING
            assert await status_of(port, SERVICE_NAME) == NOT_SERVING
            assert await status_of(port, f"{SERVICE_NAME}/simple") == NOT_SERVING
        again = asyncio.ensure_future(watch.read())
        await asyncio.sleep(0.1)
        assert not again.done()
        assert not ending.done()
        budget.cut_short()
        async with asyncio.timeout(60):
            await ending
        ended: object = (await asyncio.gather(again, return_exceptions=True))[0]
        assert ended is grpc.aio.EOF or isinstance(ended, grpc.aio.AioRpcError)


async def test_bytes_that_are_no_message_are_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        answering_health(HealthServicer(), "127.0.0.1", 0, share_port=False) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records


async def test_connections_to_it_are_few_so_that_they_cannot_take_the_servers_files() -> None:
    own = (("grpc.use_local_subchannel_pool", 1),)
    request = health_pb2.HealthCheckRequest()
    async with (
        answering_health(HealthServicer(), "127.0.0.1", 0, share_port=False) as address,
        AsyncExitStack() as stack,
    ):
        for _ in range(MAX_CONNECTIONS):
            writer = (await asyncio.open_connection(*address.split(":")))[1]
            stack.push_async_callback(writer.wait_closed)
            stack.callback(writer.close)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=own))
        health: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(request, timeout=60)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_taken_port_is_refused() -> None:
    async with answering_health(HealthServicer(), "127.0.0.1", 0, share_port=False) as address:
        with pytest.raises(StartError, match=f"cannot listen on {address}"):
            async with answering_health(
                HealthServicer(), "127.0.0.1", int(address.rpartition(":")[2]), share_port=False
            ):
                pass


_HANGING = """
import sys, time
from data import terminal
from server import cli
from server.service import PredictionService

PredictionService.predict = lambda *_: time.sleep(3600)
terminal.run(cli.app)
"""


def test_a_loop_that_hangs_answers_no_probe(
    data_directory: Path, registry_directory: Path, tmp_path: Path, track_ids: list[str]
) -> None:
    command = [sys.executable, "-c", _HANGING, "--data", str(data_directory)]
    command += [
        "--models",
        str(registry_directory),
        "--port",
        "0",
        "--health-port",
        "0",
        "--delivery",
        "none",
    ]
    environment = os.environ | {"PLAYTHROUGH_VAR_DIR": str(tmp_path / "var")}
    log = tmp_path / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            (line,) = [line for line in log.read_text().splitlines() if '"health"' in line]
            with (
                grpc.insecure_channel(json.loads(line)["address"]) as probing,
                grpc.insecure_channel(address) as channel,
            ):
                health: Any = health_pb2_grpc.HealthStub(probing)
                probe = health.Check
                alive = health_pb2.HealthCheckRequest()
                assert probe(alive, timeout=60).status == SERVING
                predict: Any = pb_grpc.PredictionServiceStub(channel).Predict
                hangs = pb.PredictRequest(track_id=track_ids[0])
                for call, request in ((predict, hangs), (probe, alive)):
                    with pytest.raises(grpc.RpcError) as caught:
                        call(request, timeout=1.0)
                    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        finally:
            process.kill()

"""A child server: where it listens, and that it ends."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cache_client.laboratory_errors import ServerStartError
from cache_client.rpc.client import PredictionClient
from cache_client.simulator.child_server import running_server, server_command


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_a_child_answers_while_it_is_needed_and_is_gone_after() -> None:
    command = [sys.executable, "-m", "tests.cache_client.scripted_server"]
    async with running_server(command, 30.0) as target, PredictionClient(target) as client:
        assert (await client.predict("loved", [])).play_through_probability == 0.9
    host, port = target.rsplit(":", 1)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(host, int(port))


async def test_what_a_child_writes_goes_to_a_folder_that_is_deleted() -> None:
    code = (
        "import os, time;"
        "print('listening on ' + os.environ['PLAYTHROUGH_VAR_DIR'], flush=True);"
        "time.sleep(60)"
    )
    async with running_server(python(code), 30.0) as folder:
        assert await asyncio.to_thread(Path(folder).is_dir)
    assert not await asyncio.to_thread(Path(folder).exists)


async def test_a_child_that_does_not_start_is_quoted(caplog: pytest.LogCaptureFixture) -> None:
    code = "import sys; print('noise', file=sys.stderr); sys.exit('error: no models in nowhere')"
    with pytest.raises(ServerStartError, match=r"^the server did not start: no models in nowhere$"):
        async with running_server(python(code), 30.0):
            pass
    assert caplog.messages == []  # asyncio warns of a child whose end it did not see


async def test_a_child_that_is_never_ready_is_not_waited_for() -> None:
    with pytest.raises(ServerStartError, match=r"not ready after 0\.1 s"):
        async with running_server(python("import time; time.sleep(60)"), 0.1):
            pass


async def test_a_child_serves_what_its_flags_say_and_not_what_the_environment_or_a_dot_env_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PLAYTHROUGH_EXPERIMENT_FILE=experiment.toml\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYTHROUGH_DEFAULT_MODEL", "advanced")
    monkeypatch.setenv("MONGODB_URI", "mongodb://production/playthrough")
    code = (
        "import time; from server.settings import ServerSettings as S; it = S.load();"
        "print('listening on', it.default_model, it.experiment_file, it.mongodb_uri, flush=True);"
        "time.sleep(60)"
    )
    async with running_server(python(code), 30.0) as read:
        assert read == "None None None"


async def test_after_a_failure_nobody_waits_for_a_child_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cache_client.simulator.child_server._STOP_TIMEOUT_S", 3_600.0)
    code = (
        "import os, signal, time;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('listening on', os.getpid(), flush=True);"
        "time.sleep(3_600)"
    )
    with pytest.raises(KeyboardInterrupt):
        async with running_server(python(code), 30.0) as process_id:
            raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(int(process_id), 0)


def test_the_servers_command_takes_a_free_port_and_leaves_the_configured_database_alone() -> None:
    command = server_command(Path("d"), Path("m"))
    assert command[1:] == [
        "-m", "server", "--data", f"{Path.cwd()}/d", "--models", f"{Path.cwd()}/m", "--port", "0",
        "--mongodb-uri", "embedded",
    ]  # fmt: skip
    assert server_command(Path("d"), Path("m"), lenient=True) == [*command, "--lenient"]

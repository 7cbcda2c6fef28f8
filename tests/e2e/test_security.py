"""docs/security.md, word for word: certificates, a token, the access file, and each way to call."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import RunningServer, Trained, environment, serving
from tests.paths import DOCS, ROOT

BLOCKS = re.findall(
    r"```(\w+)\n(.*?)```", (DOCS / "security.md").read_text(encoding="utf-8"), flags=re.DOTALL
)
SET_UP, SERVE, CALLS, _ = (text for kind, text in BLOCKS if kind == "sh")
MAKE_TOKEN, CLIENT = (text for kind, text in BLOCKS if kind == "python")
(ACCESS,) = (text for kind, text in BLOCKS if kind == "toml")
GRPCURL, BUF, RANK, HEALTH = (line for line in CALLS.replace("\\\n", " ").splitlines() if line)


def words(command: str, address: str) -> list[str]:
    """Splits a command of the page, with the token read from its file and the server where it is."""
    token = Path("var/secure/token").read_text()
    command = command.replace("$(cat var/secure/token)", token).replace("localhost:50051", address)
    command = command.replace(address, address.replace("127.0.0.1", "localhost"))
    return shlex.split(command)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's commands make, in a folder of their own."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / "proto").symlink_to(ROOT / "proto")
    subprocess.run(["bash", "-ec", SET_UP], cwd=folder, check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", MAKE_TOKEN], cwd=folder, check=True)
    (folder / "var" / "secure" / "access.toml").write_text(ACCESS)
    return folder


@pytest.fixture(scope="module")
def secured(folder: Path, trained: Trained) -> Iterator[RunningServer]:
    """The server with the page's flags."""
    flags = SERVE.replace("\\\n", " ").replace("var/secure", str(folder / "var" / "secure"))
    shown = shlex.split(flags)
    with serving(
        trained.data, trained.models, *shown[shown.index("--tls-dir") :], var_dir=folder / "own"
    ) as it:
        yield it


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def run(folder: Path) -> Callable[[list[str]], "subprocess.CompletedProcess[str]"]:
    """Runs a command of ours there."""
    modules = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "proto")])}

    def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable if word == "python" else word for word in command]
        env = environment(folder / "client-var") | modules
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)

    return run


def test_grpcurl_calls_with_certificate_and_token(
    grpcurl: Callable[..., Any], secured: RunningServer
) -> None:
    done = grpcurl(*words(GRPCURL, secured.target)[1:])
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["tracks"]) == 3
    without = [word for word in words(GRPCURL, secured.target)[1:] if not word.startswith("authorization")]
    without.remove("-H")
    refused = grpcurl(*without)
    assert "Code: PermissionDenied" in refused.stderr  # the certificate is known, and has other scopes


def test_buf_calls_with_certificate_and_token(
    secured: RunningServer, run: Callable[[list[str]], "subprocess.CompletedProcess[str]"]
) -> None:
    command = words(BUF, secured.target)
    if shutil.which("npx") is None or run([*command[:3], "--version"]).returncode:
        pytest.skip("buf cannot be had")
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["tracks"]) == 3


def test_our_commands_call_with_certificate_and_token(
    secured: RunningServer, run: Callable[[list[str]], "subprocess.CompletedProcess[str]"]
) -> None:
    ranked = run([*words(RANK, secured.target), "--json", "-"])
    assert ranked.returncode == 0, ranked.stderr
    assert len(json.loads(ranked.stdout)["tracks"]) == 3
    healthy = run(words(HEALTH, secured.target))
    assert (healthy.returncode, healthy.stdout) == (0, "SERVING\n"), healthy.stderr
    for command in (words(RANK, secured.target)[:6], words(HEALTH, secured.target)[:6]):
        assert run(command).returncode == 1


async def test_the_clients_snippet_calls(secured: RunningServer) -> None:
    names: dict[str, Any] = {}
    target = secured.target.replace("127.0.0.1", "localhost")
    exec(CLIENT.replace("localhost:50051", target), names)
    async with names["client"] as client:
        assert len((await client.rank_tracks([], ["rock"], top_k=3)).tracks) == 3

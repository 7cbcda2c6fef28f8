"""compose.yaml holds together, and the commands in it work outside a container."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT

HOME = "/var/lib/playthrough"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return parsed


def test_every_dependency_volume_and_condition_is_declared(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        waits = service.get("depends_on", {})
        for dependency in waits:
            assert dependency in services, name
            if isinstance(waits, dict) and waits[dependency]["condition"] == "service_healthy":
                assert "healthcheck" in services[dependency], name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), name
            else:
                assert source in compose["volumes"], name


def test_nothing_is_published_beyond_loopback(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_finds_the_server_where_nobody_outside_does(compose: dict[str, Any]) -> None:
    server, monitoring = compose["services"]["server"], compose["services"]["prometheus"]
    port = server["environment"]["PLAYTHROUGH_METRICS_PORT"]
    assert not any(port in published for published in server["ports"])
    assert monitoring["profiles"] == compose["services"]["grafana"]["profiles"] == ["monitoring"]
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())[
        "scrape_configs"
    ]
    targets = [target for job in scraped for it in job["static_configs"] for target in it["targets"]]
    assert f"server:{port}" in targets
    dashboards = ROOT / "deploy" / "grafana" / "provisioning" / "dashboards"
    (provider,) = [
        it for path in dashboards.glob("*.y*ml") for it in yaml.safe_load(path.read_text())["providers"]
    ]
    mounted = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/playthrough.json" in mounted


def test_the_image_checks_the_servers_health_and_no_other_commands(compose: dict[str, Any]) -> None:
    image = (ROOT / "Dockerfile").read_text()
    assert 'CMD ["python", "-m", "server", "health"]' in image
    for name in ("sample", "trainer"):
        assert compose["services"][name]["healthcheck"] == {"disable": True}


def test_our_containers_run_unprivileged(compose: dict[str, Any]) -> None:
    for name in ("sample", "trainer", "server", "prometheus", "grafana"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert "\nUSER playthrough\n" in (ROOT / "Dockerfile").read_text()


def outside(command: list[str], home: Path, **replaced: str) -> list[str]:
    """The container's command with its folders below `home`, and whatever else has to differ here."""
    command = [replaced.get(word, word) for word in command if word != "CMD"]
    command = [word.replace("${DATA_VERSION:-sample}", "sample").replace("$$", "$") for word in command]
    return [word.replace(HOME, str(home)) for word in command]


@pytest.fixture(autouse=True)
def _this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `python` mean the one that runs the tests, as the image's PATH does."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def test_the_containers_commands_run_outside_of_them(compose: dict[str, Any], tmp_path: Path) -> None:
    """Sample, trainer, server and its health check, in the order in which compose starts them."""
    services = compose["services"]
    small = ["--listeners", "6", "--tracks", "200", "--plays", "600"]
    subprocess.run([*outside(services["sample"]["command"], tmp_path), *small], cwd=ROOT, check=True)
    *shell, training = outside(services["trainer"]["command"], tmp_path)
    (tmp_path / "models").mkdir()  # the volume
    for _ in range(2):
        subprocess.run([*shell, training.replace("--resume", "--resume --epochs 5")], cwd=ROOT, check=True)
    versions = {str(path.relative_to(tmp_path / "models")) for path in (tmp_path / "models").glob("*/[0-9]*")}
    expected = {"simple/1", "advanced/1", "contextual/1"}
    assert versions == expected, "the second start finds models and trains none"
    manifest = json.loads((tmp_path / "models" / "simple" / "1" / "manifest.json").read_text())
    assert manifest["split"]["kind"] == "temporal", "replay judges on plays that no model has seen"

    serve = outside(services["server"]["command"], tmp_path, **{"0.0.0.0": "127.0.0.1", "50051": "0"})
    away = {"MONGODB_URI": "mongodb://127.0.0.1:9/playthrough", "PLAYTHROUGH_VAR_DIR": str(tmp_path / "var")}
    with subprocess.Popen(
        serve, cwd=ROOT, env=os.environ | away, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            ready = next(line for line in server.stdout if line.startswith("listening on "))
            target = ready.removeprefix("listening on ").strip()
            check = outside(
                services["server"]["healthcheck"]["test"], tmp_path, **{"127.0.0.1:50051": target}
            )
            assert subprocess.run(check, cwd=ROOT).returncode == 0
        finally:
            server.terminate()
            server.wait(timeout=60)
    assert server.returncode == 0
    assert subprocess.run(check, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 1, (
        "nothing serves any more"
    )


def test_a_training_that_was_cut_short_goes_on(compose: dict[str, Any], tmp_path: Path) -> None:
    *shell, training = outside(compose["services"]["trainer"]["command"], tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "bin").mkdir()
    trainer = tmp_path / "bin" / "python"  # exports one of its models a run, and succeeds with the second

    def train() -> int:
        path = os.pathsep.join([str(trainer.parent), os.environ["PATH"]])
        return subprocess.run([*shell, training], env=os.environ | {"PATH": path}).returncode

    for model, status in (("simple", 130), ("advanced", 0)):
        trainer.write_text(f"#!/bin/sh\nmkdir -p {tmp_path}/models/{model}/1; exit {status}\n")
        trainer.chmod(0o755)
        assert train() == status
    trainer.write_text("#!/bin/sh\nexit 7\n")
    assert train() == 0, "trained: it is not asked again"
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["advanced", "simple"]


def test_the_image_copies_every_package(compose: dict[str, Any]) -> None:
    copied = {
        line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")
    }
    assert {"data", "models", "trainer", "server", "cache_client", "proto"} <= copied
    assert json.dumps(compose["services"]["server"]["command"]).count("--host") == 1


def test_a_change_of_our_code_leaves_the_images_dependencies_as_they_are() -> None:
    """They are installed from the lock, by hash, before any code is copied, and not again with it."""
    before, _, after = (ROOT / "Dockerfile").read_text().partition("COPY proto")
    assert "COPY deploy/requirements ./requirements\n" in before
    installs = re.findall(r"^RUN (pip install .*)$", before, re.MULTILINE)
    assert [install.partition(" --requirement requirements/")[2] for install in installs] == [
        "torch.txt", "runtime.txt"
    ]  # fmt: skip
    assert all("--no-deps --require-hashes" in install for install in installs)
    assert re.findall(r"pip install .*", after) == [
        "pip install --no-deps --no-build-isolation . && pip check"
    ]

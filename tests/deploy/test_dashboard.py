"""What Grafana reads is what its source says."""

import json
from typing import Any

import yaml

from deploy.grafana.dashboard import FILE, build
from tests.paths import ROOT


def test_the_dashboard_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == build(), "stale: run python -m deploy.grafana.dashboard"


def test_panels_have_a_number_a_title_and_a_place_of_their_own() -> None:
    panels: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["panels"]
    for field in ("id", "title"):
        assert len({panel[field] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_grafana_is_told_of_one_source_and_one_folder() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert [(each["type"], each["url"]) for each in sources] == [("prometheus", "http://prometheus:9090")]
    providers = yaml.safe_load((provisioning / "dashboards" / "playthrough.yml").read_text())["providers"]
    assert [each["options"]["path"] for each in providers] == ["/var/lib/grafana/dashboards"]

"""The dashboard: `python -m deploy.grafana.dashboard` writes playthrough.json beside this file.

Every expression is executed by a test against a Prometheus that has scraped a server under load.
"""

from itertools import count
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FILE = Path(__file__).parent / "playthrough.json"
"""What Grafana reads."""

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH = 24  # of a row, in Grafana's units

Queries = dict[str, str]
"""Expressions by how their series are called."""


def build() -> str:
    """Returns the dashboard as Grafana reads it."""
    dashboard = (
        dashboards.Dashboard("playthrough")
        .uid("playthrough")
        .description("What the prediction server does. docs/operations.md says what each metric means.")
        .tags(["playthrough"])
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboards.QueryVariable("instance")
            .label("Instance")
            .datasource(_SOURCE)
            .query('label_values(up{job="playthrough"}, instance)')
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    )
    numbers = count(1)
    for row, panels in (
        ("At a glance", _glance()),
        ("Calls", _calls()),
        ("Load", _load()),
        ("Models", _models()),
        ("Log and delivery", _log()),
    ):
        dashboard = dashboard.with_row(dashboards.Row(row).id(next(numbers)))
        for panel in panels:
            dashboard = dashboard.with_panel(panel.id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard.build()) + "\n"


def _glance() -> list[stat.Panel]:
    return [
        _stat("Servers up", f"sum({_metric('up')})", "none"),
        _stat("Calls a second", f"sum({_rate('playthrough_calls_total')})", "reqps"),
        _stat(
            "Calls that fail", 'job:playthrough_call_errors:ratio_rate5m{job="playthrough"}', "percentunit"
        ),
        _stat(
            "99th percentile of Predict",
            'job_method:playthrough_call_seconds:p99_rate5m{job="playthrough", method="Predict"}',
            "s",
        ),
        _stat("Deliveries that run", f"sum({_metric('playthrough_delivery_running')})", "none"),
        _stat("Dead letters", f"sum({_metric('playthrough_spool_dead_letters')}) or vector(0)", "none"),
    ]


def _calls() -> list[timeseries.Panel | heatmap.Panel]:
    def calls_by(label: str) -> Queries:
        return {f"{{{{{label}}}}}": f"sum by ({label}) ({_rate('playthrough_calls_total')})"}

    seconds = f"sum by (method, le) ({_rate('playthrough_call_seconds_bucket')})"
    of_predict = _rate("playthrough_call_seconds_bucket", ', method="Predict"')
    return [
        _graph("By method", calls_by("method"), "reqps"),
        _graph("By status code", calls_by("code"), "reqps"),
        _graph("By kind of caller", calls_by("caller"), "reqps"),
        _graph("By model that answered", calls_by("model"), "reqps"),
        _graph("Latency, 50th percentile", {"{{method}}": f"histogram_quantile(0.5, {seconds})"}, "s"),
        _graph(
            "Latency, 99th percentile",
            {"{{method}}": f"histogram_quantile(0.99, {seconds})"},
            "s",
            exemplars=True,
        ),
        _heatmap("Latency of Predict", f"sum by (le) ({of_predict})", "s"),
    ]


def _load() -> list[timeseries.Panel]:
    lag = f"histogram_quantile(0.99, sum by (instance, le) ({_rate('playthrough_loop_lag_seconds_bucket')}))"
    shed = f"sum by (reason) ({_rate('playthrough_calls_shed_total')})"
    certificate = f"{_metric('playthrough_certificate_expires_timestamp_seconds')} - time()"
    return [
        _graph("In flight", {"{{instance}}": _metric("playthrough_calls_in_flight")}, "none"),
        _graph("Shed", {"{{reason}}": shed}, "reqps"),
        _graph("Lag of the event loop, 99th percentile", {"{{instance}}": lag}, "s"),
        _graph("The certificate ends in", {"{{instance}}": certificate}, "s"),
    ]


def _models() -> list[timeseries.Panel | heatmap.Panel | table.Panel]:
    def of_outcomes(name: str) -> str:
        return f"sum by (model) (increase({_metric(f'playthrough_outcomes_{name}_total')}[6h]))"

    def of_scores(part: str, label: str) -> str:
        return f"sum by ({label}) ({_rate(f'playthrough_play_through_probability_{part}')})"

    mean = f"{of_scores('sum', 'model')} / {of_scores('count', 'model')}"
    drift = 'job_model:playthrough_calibration_error:ratio_increase6h{job="playthrough"}'
    brier = f"{of_outcomes('squared_error')} / {of_outcomes('joined')}"
    versions = _metric("playthrough_model_versions")
    return [
        _versions(),
        _graph("Versions", {"{{instance}} {{state}}": versions}, "none"),
        _heatmap("What Predict and PredictRandom answer", of_scores("bucket", "le"), "percentunit"),
        _graph("Mean answer", {"{{model}}": mean}, "percentunit"),
        _graph("Calibration, 6 h: heard out less expected", {"{{model}}": drift}, "percentunit"),
        _graph("Brier score, 6 h", {"{{model}}": brier}, "none"),
        _graph("Joined outcomes, 6 h", {"{{model}}": of_outcomes("joined")}, "none"),
    ]


def _log() -> list[timeseries.Panel]:
    delivered = f"sum by (kind) ({_rate('playthrough_delivered_total')})"
    failures = f"sum by (reason) ({_rate('playthrough_delivery_failures_total')})"
    lag, batches = (_rate(f"playthrough_delivery_lag_seconds_{part}") for part in ("sum", "count"))
    away = f"time() - ({_metric('playthrough_mongodb_away_since_seconds')} > 0) or 0 * {_metric('up')}"
    dead = {
        "{{kind}} {{reason}}": f"sum by (kind, reason) ({_metric('playthrough_spool_dead_letters')})",
        "outcome conflict": f"sum({_metric('playthrough_outcome_conflicts')})",
    }
    return [
        _graph("Waiting", {"{{instance}} {{kind}}": _metric("playthrough_spool_waiting")}, "none"),
        _graph("Oldest that waits", {"{{instance}}": _metric("playthrough_spool_oldest_seconds")}, "s"),
        _graph("Size of the spool", {"{{instance}}": _metric("playthrough_spool_bytes")}, "bytes"),
        _graph("Delivered", {"{{kind}}": delivered}, "cps"),
        _graph("From request to MongoDB, mean", {"{{instance}}": f"{lag} / {batches}"}, "s"),
        _graph("Failures of delivery", {"{{reason}}": failures}, "cps"),
        _graph("MongoDB is away for", {"{{instance}}": away}, "s"),
        _graph("Given up", dead, "none"),
    ]


def _metric(name: str, labels: str = "") -> str:
    return f'{name}{{job="playthrough", instance=~"$instance"{labels}}}'


def _rate(name: str, labels: str = "") -> str:
    return f"rate({_metric(name, labels)}[$__rate_interval])"


def _stat(title: str, expression: str, unit: str) -> stat.Panel:
    query = prometheus.Dataquery().expr(expression).instant().ref_id("A")
    return (
        stat.Panel()
        .title(title)
        .datasource(_SOURCE)
        .unit(unit)
        .span(_WIDTH // 6)
        .height(4)
        .with_target(query)
    )


def _graph(title: str, queries: Queries, unit: str, *, exemplars: bool = False) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).datasource(_SOURCE).unit(unit).span(_WIDTH // 3).height(7)
    panel = panel.fill_opacity(5).legend(
        VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    for letter, (name, expression) in zip("ABCD", queries.items(), strict=False):
        query = prometheus.Dataquery().expr(expression).legend_format(name).range().ref_id(letter)
        panel = panel.with_target(query.exemplar(exemplars))
    return panel


def _heatmap(title: str, expression: str, unit: str) -> heatmap.Panel:
    query = prometheus.Dataquery().expr(expression).legend_format("{{le}}").range().ref_id("A")
    return (
        heatmap.Panel()
        .title(title)
        .datasource(_SOURCE)
        .unit(unit)
        .calculate(False)
        .span(_WIDTH // 3)
        .height(7)
        .with_target(query.format(PromQueryFormat.HEATMAP))
    )


def _versions() -> table.Panel:
    """Returns the table of what is loaded, for how long, and what failed."""
    info = f"max by (model, version, digest, state) ({_metric('playthrough_model_info')})"
    loaded_at = f"max by (model, version) ({_metric('playthrough_model_loaded_timestamp_seconds')})"
    expression = f"{info} * on (model, version) group_left () (time() - {loaded_at}) or {info} * 0"
    query = prometheus.Dataquery().expr(expression).instant().ref_id("A").format(PromQueryFormat.TABLE)
    shown = {"excludeByName": {"Time": True}, "renameByName": {"Value": "loaded for"}}
    return (
        table.Panel()
        .title("Versions of models")
        .datasource(_SOURCE)
        .unit("s")
        .span(_WIDTH // 3 * 2)
        .height(7)
        .with_target(query)
        .with_transformation(DataTransformerConfig(id_val="organize", options=shown))
    )


if __name__ == "__main__":
    FILE.write_text(build(), encoding="utf-8")

"""A simulation's report as a table and as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cache_client.cli.skip_table import show_rankings
from cache_client.policies import TUNED, Policy, TwoConstants
from cache_client.replay.skip_estimate import SkipEstimate
from cache_client.simulator import Comparison, SimulationReport
from cache_client.simulator.predictions import Predictions
from cache_client.simulator.simulation import BASELINE

EVICTION = "least recently used"
"""How a device's cache makes room: see `simulator.cache`."""


def to_json(
    report: SimulationReport,
    policies: Mapping[str, Policy],
    predictions: Predictions,
    options: Mapping[str, Any],
    estimate: SkipEstimate | None,
) -> dict[str, Any]:
    """Returns the report in the shape that others rely on, with what it was made from."""
    world = report.world
    traces = [trace.name for trace in world.link.traces]
    return {
        "sessions": report.sessions,
        "plays": report.plays,
        "link": asdict(world.delivery)
        | asdict(replace(world.link, traces=()))
        | {"traces": traces, "remembered": world.link_remembered}
        | {"cache_bytes": world.cache_bytes, "cache_kept": world.cache_kept, "eviction": EVICTION}
        | {"horizon": world.horizon, "seed": world.seed},
        **options,
        "constants": {name: asdict(it) for name, it in policies.items() if isinstance(it, TwoConstants)},
        "model": predictions.model,
        "version": predictions.version,
        "unknown_tracks": len(predictions.unknown_track_ids),
        "policies": {name: asdict(figures) for name, figures in report.policies.items()},
        "skips": asdict(estimate) if estimate is not None else None,
        "comparisons": [asdict(comparison) for comparison in report.comparisons],
    }


def show_report(
    report: SimulationReport,
    policies: Mapping[str, Policy],
    predictions: Predictions,
    estimate: SkipEstimate | None,
) -> None:
    """Prints the policies side by side, and how the advisor compares."""
    console = Console()
    world = report.world
    table = Table(
        title=f"{report.sessions:,} held-out sessions, {report.plays:,} plays, {world.link.describe()}, "
        f"{world.delivery.bit_rate_bit_per_s / 1e3:g} kbit/s audio",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("policy", no_wrap=True)
    for heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for name, figures in report.policies.items():
        table.add_row(name, *(cell(asdict(figures)) for _, cell in _COLUMNS))
    console.print(table)
    console.print(_LEGEND)
    if isinstance(tuned := policies.get(TUNED), TwoConstants):
        console.print(
            f"{TUNED}: the first {tuned.head_s:g} s of the next track, {tuned.lead_s:g} s ahead, "
            "the best for earlier sessions over such links"
        )
    if predictions.model:
        unknown = len(predictions.unknown_track_ids)
        known = f"; {unknown:,} tracks unknown to it" if unknown else ""
        console.print(f"predictions: {predictions.model} {predictions.version}{known}")
    for comparison in report.comparisons:
        if comparison.policy == "advisor" and comparison.against != BASELINE:
            console.print(_sentence(comparison))
    if estimate is not None:
        show_rankings(estimate)


def _sentence(comparison: Comparison) -> str:
    score_low, score_high = comparison.score_difference_ci95
    wasted_low, wasted_high = comparison.wasted_bytes_difference_ci95
    return (
        f"{comparison.policy} against {comparison.against}, "
        "mean difference a session and 95 % interval by listener:\n"
        f"  score  {comparison.score_difference:+.2f} ({score_low:+.2f} to {score_high:+.2f})\n"
        f"  wasted {_mb(comparison.wasted_bytes_difference)} MB ({_mb(wasted_low)} to {_mb(wasted_high)})"
    )


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:+,.2f}"


_LEGEND = (
    "start: wait for the first sound of plays that follow another; in cache: plays whose first chunk was "
    "there when asked for; down: all that was fetched; wasted: fetched and never heard"
)

_COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("start p50\nms", lambda f: f"{f['startup_delay_p50_ms']:,.0f}"),
    ("p95\nms", lambda f: f"{f['startup_delay_p95_ms']:,.0f}"),
    ("stalls\nms/h", lambda f: f"{f['stall_ms_per_hour']:,.0f}"),
    ("in\ncache", lambda f: f"{f['hit_ratio']:.0%}"),
    ("down\nMB", lambda f: f"{f['downloaded_bytes'] / 1e6:,.0f}"),
    ("wasted\nMB", lambda f: f"{f['wasted_bytes'] / 1e6:,.0f}"),
    ("wasted\nshare", lambda f: f"{f['wasted_ratio']:.1%}"),
    ("score a\nsession", lambda f: f"{f['score']:.2f}"),
)

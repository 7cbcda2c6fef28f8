"""A simulation's report as a table and as JSON."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from cache_client.predictions import SessionPredictions
from cache_client.score import ScoreWeights
from cache_client.simulator import Comparison, SimulationReport


def to_json(
    report: SimulationReport, predictions: SessionPredictions, weights: ScoreWeights, holdout: float
) -> dict[str, Any]:
    """Returns the report in the shape that others rely on, with what it was made from."""
    world = report.world
    return {
        "sessions": report.sessions,
        "plays": report.plays,
        "holdout": holdout,
        "link": asdict(world.delivery) | {"cache_bytes": world.cache_bytes, "horizon": world.horizon},
        "weights": asdict(weights),
        "model": predictions.model,
        "version": predictions.version,
        "unknown_tracks": len(predictions.unknown_track_ids),
        "policies": {name: asdict(figures) for name, figures in report.policies.items()},
        "comparisons": [asdict(comparison) for comparison in report.comparisons],
    }


def show_report(report: SimulationReport, predictions: SessionPredictions) -> None:
    """Prints the policies side by side, and what sets them apart."""
    console = Console()
    link = report.world.delivery
    table = Table(
        title=f"{report.sessions:,} held-out sessions, {report.plays:,} plays, "
        f"{link.bandwidth_bit_per_s / 1e6:g} Mbit/s link, {link.bit_rate_bit_per_s / 1e3:g} kbit/s audio"
    )
    table.add_column("")
    for name in report.policies:
        table.add_column(name, justify="right")
    for label, cell in _ROWS:
        table.add_row(label, *(cell(asdict(figures)) for figures in report.policies.values()))
    console.print(table)
    if predictions.model:
        unknown = len(predictions.unknown_track_ids)
        known = f"; {unknown:,} tracks unknown to it" if unknown else ""
        console.print(f"predictions: {predictions.model} {predictions.version}{known}")
    for comparison in report.comparisons:
        console.print(_sentence(comparison))


def _sentence(comparison: Comparison) -> str:
    score_low, score_high = comparison.score_difference_ci95
    wasted_low, wasted_high = comparison.wasted_bytes_difference_ci95
    return (
        f"{comparison.policy} against {comparison.against}, mean difference a session and 95 % interval:\n"
        f"  score  {comparison.score_difference:+.2f} ({score_low:+.2f} to {score_high:+.2f})\n"
        f"  wasted {_mb(comparison.wasted_bytes_difference)} MB ({_mb(wasted_low)} to {_mb(wasted_high)})"
    )


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:+,.1f}"


def _interval(figures: dict[str, Any]) -> str:
    low, high = figures["score_ci95"]
    return f"{low:.2f} to {high:.2f}"


_ROWS = (
    ("start delay p50, ms", lambda f: f"{f['startup_delay_p50_ms']:,.0f}"),
    ("start delay p95, ms", lambda f: f"{f['startup_delay_p95_ms']:,.0f}"),
    ("first play p50, ms", lambda f: f"{f['first_play_delay_p50_ms']:,.0f}"),
    ("stalls, ms/hour", lambda f: f"{f['stall_ms_per_hour']:,.0f}"),
    ("hit ratio", lambda f: f"{f['hit_ratio']:.1%}"),
    ("byte hit ratio", lambda f: f"{f['byte_hit_ratio']:.1%}"),
    ("downloaded, MB", lambda f: f"{f['downloaded_bytes'] / 1e6:,.0f}"),
    ("wasted, MB", lambda f: f"{f['wasted_bytes'] / 1e6:,.0f}"),
    ("wasted share", lambda f: f"{f['wasted_ratio']:.1%}"),
    ("score/session", lambda f: f"{f['score']:.2f}"),
    ("95 % interval", _interval),
)

"""Puts the report together: figures, what they say in a sentence, the numbers behind them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cache_client.laboratory_errors import UsageError
from cache_client.policies import Policy
from cache_client.prefetch.score import ScoreWeights
from cache_client.replay.skip_estimate import SkipEstimate
from cache_client.report.charts import pareto_svg, sweep_svg
from cache_client.report.sweeps import axes_of, sweep
from cache_client.simulator import RecordedSession, SimulationReport, World
from cache_client.simulator.predictions import Predictions
from data.pages.page import Chart, Fact, Page, Section, Table, render

_UPPER_HALF = "skips among each session's upper half, ranked within the session"

_SWEPT_SESSIONS = 40
"""Sweeps replay the first sessions only: their shape shows, and a report stays a matter of seconds."""

_ALL_ELSE = "all else as above, the tuned constants too."


def write_report(
    file: Path,
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Predictions,
    weights: ScoreWeights,
    report: SimulationReport,
    estimate: SkipEstimate | None,
    advance: Callable[[int], None] = lambda charts: None,
) -> None:
    """Writes the page; advances a progress bar by each of its `n_steps` parts.

    Raises:
        UsageError: The file cannot be written.
    """
    sections = [Section("Wait against waste", [_pareto(report)])]
    advance(1)
    charts = []
    for name in axes_of(report.world):
        charts.append(_swept(name, sessions, policies, predictions, report.world, weights))
        advance(1)
    sections.append(Section("When the world changes", charts, "Mean score of a session; higher is better."))
    page = Page(
        "What pre-caching buys",
        _lead(report),
        _facts(report, predictions, estimate),
        sections,
        "Method and assumptions: docs/cache.md",
    )
    try:
        file.write_text(render(page), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def n_steps(world: World) -> int:
    """Returns how many parts `write_report` counts."""
    return len(axes_of(world)) + 1


def _lead(report: SimulationReport) -> str:
    real = [name for name in report.policies if name != "oracle"]
    if not real:
        return "The oracle alone: no policy can do better."
    best = max(real, key=lambda name: report.policies[name].score)
    return f"Of the policies that do not know the future, {best} has the highest score."


def _facts(report: SimulationReport, predictions: Predictions, estimate: SkipEstimate | None) -> list[Fact]:
    delivery = report.world.delivery
    facts = [
        Fact("sessions", f"{report.sessions:,}"),
        Fact("plays", f"{report.plays:,}"),
        Fact("link", report.world.link.describe()),
        Fact("audio", f"{delivery.bit_rate_bit_per_s / 1e3:g} kbit/s"),
    ]
    if predictions.model:
        facts.append(Fact("model", f"{predictions.model} {predictions.version}"))
    if estimate is not None:
        facts += [
            Fact(f"{_UPPER_HALF}: {name}", f"{-figures.reduction:+z.1%}")
            for name, figures in estimate.rankings.items()
            if name in ("model", "shortest first")
        ]
    return facts


def _pareto(report: SimulationReport) -> Chart:
    title = "Wait of a play against wasted bytes"
    rows = [
        [
            name,
            f"{found.waited_s_per_play * 1000:,.0f}",
            f"{found.startup_delay_p95_ms:,.0f}",
            f"{found.wasted_bytes / 1e6:,.1f}",
            f"{found.score:.2f}",
        ]
        for name, found in report.policies.items()
    ]
    columns = ["policy", "wait a play, ms", "p95 start, ms", "wasted, MB", "score a session"]
    svg = pareto_svg(report.policies, title)
    return Chart("pareto", title, "Down and left is better.", svg, Table(columns, rows))


def _swept(
    name: str,
    sessions: Sequence[RecordedSession],
    policies: Mapping[str, Policy],
    predictions: Predictions,
    world: World,
    weights: ScoreWeights,
) -> Chart:
    part = slice(_SWEPT_SESSIONS)
    values, found = sweep(name, sessions[part], policies, predictions.by_session[part], world, weights)
    title, anchor = f"Score by {name}", name.split(",")[0]
    rows = [[policy, *(f"{score:.2f}" for score in scores)] for policy, scores in found.items()]
    table = Table(["policy", *(f"{value:g}" for value in values)], rows)
    sentence = f"{min(len(sessions), _SWEPT_SESSIONS)} sessions, {_ALL_ELSE}"
    return Chart(anchor, title, sentence, sweep_svg(name, values, found, title), table)

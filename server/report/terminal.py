"""The report in a terminal, within 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from server.report.arms import ArmReport
from server.report.baselines import Baseline
from server.report.comparisons import Comparison
from server.report.p_values import NONE, p_equation
from server.report.report import ExperimentReport
from server.report.wording import (
    BASELINE_COLUMNS,
    TOO_EARLY,
    baseline_rows,
    decimals,
    health_rows,
    interval,
    metric_name,
    reasons_too_early,
    roles,
)

_ARM_ROWS = (
    ("accuracy", "accuracy", 3),
    ("log_loss", "log loss", 3),
    ("brier", "Brier score", 3),
    ("roc_auc", "ROC AUC", 3),
    ("calibration_bias", "calibration bias", 3),
)


_HOW_TO_READ = (
    "Accuracy: more is better; Brier score and log loss: less. One look: interval and p value for a look"
    " planned beforehand. Always valid: holds however often you look; its p value is adjusted. Power: the"
    " chance that one planned look at as many outcomes finds a true difference of that size."
)


def show(report: ExperimentReport, console: Console) -> None:
    """Prints the report."""
    for part in _parts(report):
        console.print(part)


def _parts(report: ExperimentReport) -> Iterator[RenderableType]:
    if report.phase is None:
        yield _health(report)
        yield Text(report.verdict, style="bold")
        return
    heading = f"Experiment {report.phase.experiment}, phase {report.phase.phase}"
    yield Text(f"{heading}, decided by {metric_name(report.metric)}", style="bold")
    others = len(report.phases) - 1
    if others:
        were = "other phase was" if others == 1 else "other phases were"
        yield Text(f"{others} {were} logged and not mixed in; see --phase.", style="dim")
    yield _health(report)
    yield _arms(report.arms)
    if report.baselines:
        yield _baselines(report.baselines)
    for pair, comparisons in groupby(report.comparisons, key=lambda each: (each.first, each.second)):
        yield _comparisons(*pair, list(comparisons))
    if report.comparisons:
        yield Text(roles(report.comparisons))
        yield Text(_HOW_TO_READ, style="italic dim")
    yield Text(f"Verdict: {report.verdict}", style="bold")


def _health(report: ExperimentReport) -> Table:
    table = Table(title="Health", show_header=False, title_justify="left", min_width=60)
    table.add_column("what")
    table.add_column("value", justify="right")
    for label, value in health_rows(report.health):
        table.add_row(label, value)
    for problem in report.health.problems:
        table.add_row(Text(f"Problem: {problem}", style="bold red"), "")
    return table


def _arms(arms: Mapping[str, ArmReport]) -> Table:
    table = Table(
        title="Arms",
        title_justify="left",
        caption="95 % intervals, clustered by listener; -: too early",
        caption_justify="left",
    )
    table.add_column("")
    for name in arms:
        table.add_column(Text(name), justify="right")
    table.add_row("model", *(f"{arm.model}@{arm.version}" for arm in arms.values()))
    table.add_row("digest of its files", *(arm.digest or NONE for arm in arms.values()))
    table.add_row("predictions", *(f"{arm.n:,}" for arm in arms.values()))
    table.add_row("with outcome", *(f"{arm.n_outcomes:,}" for arm in arms.values()))
    table.add_row("listeners", *(f"{arm.n_listeners:,}" for arm in arms.values()))
    table.add_row("effective listeners", *(f"{arm.n_effective_listeners:,.0f}" for arm in arms.values()))
    for field, label, digits in _ARM_ROWS:
        cells = []
        for arm in arms.values():
            bounds = interval(getattr(arm, f"{field}_ci95"), digits)
            cells.append(f"{decimals(getattr(arm, field), digits)}\n{bounds}")
        table.add_row(label, *cells)
    table.add_row("calibration error (ECE)", *(decimals(arm.calibration_error, 3) for arm in arms.values()))
    return table


def _baselines(baselines: Mapping[str, Baseline]) -> Table:
    table = Table(
        title="Without a model",
        title_justify="left",
        caption="on all arms' plays, from what was known before each",
        caption_justify="left",
    )
    for heading in BASELINE_COLUMNS:
        table.add_column(heading, justify="right" if table.columns else "left")
    for row in baseline_rows(baselines, 3):
        table.add_row(*row)
    return table


def _comparisons(first: str, second: str, comparisons: Sequence[Comparison]) -> Table:
    table = Table(
        title=Text(f"Comparison: {second} minus {first}"),
        title_justify="left",
        caption=Text("\n".join(reasons_too_early(comparisons))),
        caption_justify="left",
    )
    for heading in ("", "difference", "one look", "always valid", "power"):
        table.add_column(heading, justify="right" if heading else "left")
    for each in comparisons:
        table.add_row(*_comparison(each))
    return table


def _comparison(each: Comparison) -> tuple[str, ...]:
    name = metric_name(each.metric) + ("" if each.role == "decides" else "\n(exploration)")
    if each.too_early is not None:
        return name, TOO_EARLY, NONE, NONE, NONE
    return (
        name,
        decimals(each.difference, 3, signed=True),
        f"{interval(each.ci95, 3, signed=True)}\n{p_equation(each.p_value)}",
        f"{interval(each.always_valid_ci95, 3, signed=True)}\n{p_equation(each.adjusted_p_value)}",
        NONE if each.power is None else f"{each.power:.0%}\nfor {each.effect:g}",
    )

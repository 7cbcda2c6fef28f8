"""The report in a terminal, within 80 columns."""

from collections.abc import Iterator, Mapping

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from server.report.arms import ArmReport
from server.report.report import ExperimentReport
from server.report.wording import NONE, decimals, health_rows, interval, metric_name, p_value

_ARM_ROWS = (
    ("accuracy", "accuracy", 3),
    ("log_loss", "log loss", 3),
    ("brier", "Brier score", 3),
    ("roc_auc", "ROC AUC", 3),
    ("calibration_bias", "calibration bias", 3),
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
    yield Text(f"Experiment {report.phase.experiment}, phase {report.phase.phase}", style="bold")
    others = len(report.phases) - 1
    if others:
        yield Text(f"{others} other phases were logged and are not mixed in; see --phase.", style="dim")
    yield _health(report)
    yield _arms(report.arms)
    if report.comparisons:
        yield _comparisons(report)
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
        caption="95 % intervals, clustered by listener",
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
    for field, label, digits in _ARM_ROWS:
        cells = []
        for arm in arms.values():
            bounds = interval(getattr(arm, f"{field}_ci95"), digits)
            cells.append(f"{decimals(getattr(arm, field), digits)}\n{bounds}")
        table.add_row(label, *cells)
    table.add_row("calibration error (ECE)", *(decimals(arm.calibration_error, 3) for arm in arms.values()))
    return table


def _comparisons(report: ExperimentReport) -> Table:
    table = Table(
        title="Comparisons",
        title_justify="left",
        caption="p value, and interval of the difference: for one look, planned beforehand;\n"
        "always valid: holds however often you look; power: the chance that one look at\n"
        "as many outcomes finds a true difference of that size.\n"
        "Of accuracy, more is better; of Brier score and log loss, less.",
        caption_justify="left",
    )
    for heading in ("arms and metric", "difference", "p value", "always valid", "power"):
        table.add_column(heading, justify="left" if heading == "arms and metric" else "right")
    for comparison in report.comparisons:
        limits = (
            "too early"
            if comparison.always_valid_ci95 is None
            else interval(comparison.always_valid_ci95, 3, signed=True)
        )
        table.add_row(
            Text(f"{comparison.second} minus {comparison.first}\n{metric_name(comparison.metric)}"),
            f"{decimals(comparison.difference, 3, signed=True)}\n{interval(comparison.ci95, 3, signed=True)}",
            p_value(comparison.p_value),
            f"p = {p_value(comparison.always_valid_p_value)}\n{limits}",
            NONE if comparison.power is None else f"{comparison.power:.0%}\nfor {comparison.effect:g}",
        )
    return table

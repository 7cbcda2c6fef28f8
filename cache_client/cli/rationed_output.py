"""A rationed comparison as a table and as JSON."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cache_client.prefetch.plan import Objective
from cache_client.rationed import BUDGETS, RationedReport
from cache_client.rationed.figures import Estimate

_FIGURES = {
    Objective.BYTES: ("wasted_ratio", "heard_s_per_mb"),
    Objective.PLAYS: ("completed_covered",),
}
_GAINS = {Objective.BYTES: ("less_waste",), Objective.PLAYS: ("more_covered", "share_of_oracle")}


def to_json(
    report: RationedReport, models: Mapping[str, str], advisor: str, holdout: float
) -> dict[str, Any]:
    """Returns the report in the shape that others rely on, with what it was made from.

    Args:
        report: The comparison.
        models: Version by name of the models that were asked.
        advisor: The one that the advisor asked.
        holdout: Share of the plays that was held out.
    """
    return {
        "plays": report.plays,
        "listeners": report.listeners,
        "holdout": holdout,
        "models": dict(models),
        "advisor": advisor,
        "budgets": _each(report.figures, _FIGURES, lambda it: it.value),
        "intervals": _each(report.figures, _FIGURES, lambda it: [it.low, it.high]),
        "spent": _each(report.figures, dict.fromkeys(Objective, ("spent_ratio",)), float),
        "gains": _each(report.gains, _GAINS, lambda it: [it.value, it.low, it.high]),
    }


def _each(found: Mapping[float, Any], names: Mapping[Objective, tuple[str, ...]], shown: Any) -> Any:
    """Returns the named figures by budget, objective and policy."""
    return {
        f"{budget:g}": {
            objective.value: {
                policy: {name: shown(getattr(figures, name)) for name in names[objective]}
                for policy, figures in by_policy.items()
            }
            for objective, by_policy in by_objective.items()
        }
        for budget, by_objective in found.items()
    }


def show_report(report: RationedReport, models: Mapping[str, str], advisor: str) -> None:
    """Prints the policies side by side, and how the advisor compares."""
    console = Console()
    table = Table(
        title=f"{report.plays:,} held-out plays of {report.listeners:,} listeners, "
        "a budget of 10, 25 and 50 % of their bytes",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("policy", no_wrap=True)
    for what in ("wasted\nat", "completed\ncovered at"):
        for budget in BUDGETS:
            table.add_column(f"{what} {budget:.0%}", justify="right")
    for policy in report.figures[BUDGETS[0]][Objective.BYTES]:
        wasted = [report.figures[it][Objective.BYTES][policy].wasted_ratio for it in BUDGETS]
        covered = [report.figures[it][Objective.PLAYS][policy].completed_covered for it in BUDGETS]
        table.add_row(policy, *(f"{it.value:.1%}" for it in (*wasted, *covered)))
    console.print(table)
    console.print(_LEGEND)
    asked = ", ".join(f"{name} {version}" for name, version in models.items())
    console.print(f"models: {asked}; the advisor asks {advisor}")
    for budget in BUDGETS:
        gains = report.gains[budget]
        waste, plays = gains[Objective.BYTES]["advisor"], gains[Objective.PLAYS]["advisor"]
        console.print(
            f"advisor at {budget:.0%}: {_percent(waste.less_waste)} less waste than by the past rate; "
            f"{_percent(plays.share_of_oracle)} of the oracle's gain in plays covered",
            highlight=False,
        )


def _percent(found: Estimate) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


_LEGEND = (
    "wasted: share of the fetched bytes never heard, where bytes are to be heard; completed covered: share "
    "of the plays heard out that were fetched, where plays are to be covered; each decided as its track "
    "came up, but for the oracle"
)

"""The report of a rationed comparison: one page, one chart for each objective."""

from pathlib import Path

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.plan import Objective
from cache_client.rationed import BUDGETS, RationedReport
from cache_client.rationed.figures import Estimate, Figures
from data.pages.chart import CALM, MAIN, MUTED, TALL, WARM, as_svg, lay_out, new_chart
from data.pages.page import Chart, Fact, Page, Section, Table, render

_COLOUR_OF = {"advisor": MAIN, "oracle": CALM, "past-rate": WARM}
_LINES = {
    "advisor": "o-",
    "oracle": "D--",
    "past-rate": "s-",
    "random": "<:",
    "shortest": "v-.",
    "replays": "^:",
}
_OF_MODELS = ("x:", "P:", "*:", "d:", "h:")
_TITLES = {
    Objective.BYTES: "Fetched and never heard",
    Objective.PLAYS: "Plays heard out that were fetched",
}


def write_report(file: Path, report: RationedReport, advisor: str) -> None:
    """Writes the page.

    Args:
        file: Where to.
        report: The comparison.
        advisor: Name of the model that the advisor asked.

    Raises:
        UsageError: The file cannot be written.
    """
    page = Page(
        "Who gets the bytes",
        "One budget for all listeners, whole tracks: decided as each track came up; the oracle knew all.",
        [
            Fact("plays", f"{report.plays:,}"),
            Fact("listeners", f"{report.listeners:,}"),
            Fact("the advisor asks", advisor),
        ],
        [Section("By budget", [_chart(report, objective) for objective in Objective])],
        "Method and assumptions: docs/rationed.md",
    )
    try:
        file.write_text(render(page), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def _chart(report: RationedReport, objective: Objective) -> Chart:
    title = _TITLES[objective]
    by_policy = {
        policy: [_shown(report.figures[budget][objective][policy], objective) for budget in BUDGETS]
        for policy in report.figures[BUDGETS[0]][objective]
    }
    rows = [[policy, *map(_with_interval, found)] for policy, found in by_policy.items()]
    table = Table(["policy", *(f"{budget:.0%} of the bytes" for budget in BUDGETS)], rows)
    svg = _svg(by_policy, objective, title)
    return Chart(objective.value, title, _sentence(report, objective), svg, table)


def _svg(by_policy: dict[str, list[Estimate]], objective: Objective, title: str) -> str:
    with new_chart(objective.value, TALL) as (figure, axes):
        of_models = iter(_OF_MODELS)
        for policy, found in by_policy.items():
            line = _LINES.get(policy) or next(of_models, "x:")
            axes.plot(
                [100 * it for it in BUDGETS],
                [100 * it.value for it in found],
                line,
                color=_COLOUR_OF.get(policy, MUTED),
                label=policy,
                markersize=5,
                fillstyle="none",
                clip_on=False,
            )
        axes.set_xticks([100 * it for it in BUDGETS])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("budget, % of the bytes of all tracks")
        of_what = "the fetched bytes" if objective is Objective.BYTES else "the plays heard out"
        axes.set_ylabel(f"% of {of_what}")
        figure.legend(fontsize=7, ncols=3, loc="outside lower center")
        lay_out(figure)
        return as_svg(figure, title)


def _shown(figures: Figures, objective: Objective) -> Estimate:
    return figures.wasted_ratio if objective is Objective.BYTES else figures.completed_covered


def _sentence(report: RationedReport, objective: Objective) -> str:
    gain = report.gains[BUDGETS[-1]][objective]["advisor"]
    if objective is Objective.BYTES:
        less = _percent(gain.less_waste)
        return f"Less is better. At half of the bytes the advisor wastes {less} less than the past rate."
    share = _percent(gain.share_of_oracle)
    return f"More is better. At half of the bytes the advisor has {share} of the oracle's gain over random."


def _percent(found: Estimate) -> str:
    return f"{found.value:.0%} (95 % interval {found.low:.0%} to {found.high:.0%})"


def _with_interval(found: Estimate) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"

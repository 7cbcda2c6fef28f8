"""The report as one HTML page that needs nothing but itself."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from matplotlib.axes import Axes

from data.pages.chart import CALM, GRID, INK, MAIN, MUTED, NORMAL, WARM, as_svg, lay_out, new_chart
from data.pages.page import Chart, Fact, Page, Section, Table, render
from server.report.arms import ArmReport
from server.report.baselines import Baseline
from server.report.comparisons import Comparison
from server.report.p_values import NONE, p_equation, p_value
from server.report.report import ExperimentReport
from server.report.wording import (
    baseline_name,
    decimals,
    health_rows,
    interval,
    metric_name,
    reasons_too_early,
    roles,
)

_COLOURS = (MAIN, WARM, CALM, INK, MUTED)


def render_page(report: ExperimentReport) -> str:
    """Returns the page as HTML."""
    health = report.health
    title, lead = "Experiment", report.verdict
    if report.phase is not None:
        title = f"Experiment {report.phase.experiment}"
        lead = f"{report.verdict} (Phase {report.phase.phase}, decided by {metric_name(report.metric)},"
        lead += f" {report.phase.first:%Y-%m-%d %H:%M} to {report.phase.last:%Y-%m-%d %H:%M} UTC.)"
    problems = " ".join(f"Problem: {problem}." for problem in health.problems) or "Nothing is amiss."
    sections = [Section("Health", _health_charts(report), intro=problems)] if report.arms else []
    judged = {name: arm for name, arm in report.arms.items() if arm.n_outcomes}
    if judged:
        sections.append(
            Section(
                "Arms",
                _arm_charts(judged, report.baselines),
                intro="95 % intervals, clustered by listener; none where it is too early.",
            )
        )
    if report.comparisons:
        intro = f"{roles(report.comparisons)} The always-valid interval holds however often one looks."
        intro += " Accuracy: more is better; Brier score and log loss: less is."
        intro += "".join(f" {reason}" for reason in _reasons_too_early(report.comparisons))
        ready = [each for each in report.comparisons if each.too_early is None]
        charts = [_comparison_chart(i, c) for i, c in enumerate(ready)]
        sections.append(Section("Comparisons", charts, intro=intro))
    facts = [Fact(label, value) for label, value in health_rows(health) if len(value) < 20]
    logged = "1 phase was" if len(report.phases) == 1 else f"{len(report.phases)} phases were"
    footer = f"{logged} logged; the page is about one and mixes in no other."
    return render(Page(title=title, lead=lead, facts=facts, sections=sections, footer=footer))


def _health_charts(report: ExperimentReport) -> list[Chart]:
    arms, n = report.arms, report.health.n
    shares = {name: arm.n / n for name, arm in arms.items()}

    def traffic(axes: Axes) -> None:
        at = range(len(arms))
        axes.barh(at, [100 * share for share in shares.values()], height=0.5, color=MAIN)
        for y, arm in zip(at, arms.values(), strict=True):
            axes.plot([100 * arm.probability] * 2, [y - 0.35, y + 0.35], color=WARM)
        _name_rows(axes, list(arms))
        axes.set_xlabel("% of predictions")

    p = p_equation(report.health.sample_ratio_p_value_sequential)
    sentence = (
        f"Bars: the share of predictions that each arm got; lines: the share that it should get. Listeners"
        f" make unequally many plays: the test counts each once (sequential {p})."
    )
    rows = [
        (name, f"{arm.n:,}", f"{shares[name]:.1%}", f"{arm.probability:.1%}",
         f"{report.health.outcome_join_rate_by_arm[name]:.1%}")
        for name, arm in arms.items()
    ]  # fmt: skip
    table = Table(("arm", "predictions", "share", "probability", "with outcome"), rows)
    return [_chart("traffic", "Traffic", sentence, traffic, table)]


def _arm_charts(arms: Mapping[str, ArmReport], baselines: Mapping[str, Baseline]) -> list[Chart]:
    beside: Mapping[str, ArmReport | Baseline] = {
        **arms,
        **{f"no model: {baseline_name(name)}": found for name, found in baselines.items()},
    }
    charts = [
        _metric_chart(beside, field, label)
        for field, label in (
            ("accuracy", "Accuracy"),
            ("log_loss", "Log loss"),
            ("brier", "Brier score"),
            ("roc_auc", "ROC AUC"),
        )
    ]
    return [*charts, _calibration_chart(arms)]


def _metric_chart(arms: Mapping[str, ArmReport | Baseline], field: str, label: str) -> Chart:
    judged = {name: arm for name, arm in arms.items() if getattr(arm, field) is not None}

    def draw(axes: Axes) -> None:
        for y, arm in enumerate(judged.values()):
            value, bounds = getattr(arm, field), getattr(arm, f"{field}_ci95")
            if bounds is not None:
                axes.plot(bounds, [y, y], color=MAIN, linewidth=2.5)
            axes.plot([value], [y], "o", color=MAIN, markersize=7)
        _name_rows(axes, list(judged))

    rows = [
        (name, decimals(getattr(arm, field), 4), interval(getattr(arm, f"{field}_ci95"), 4))
        for name, arm in judged.items()
    ]
    best = "; ".join(
        f"{name} {value}" + ("" if bounds == NONE else f" ({bounds})") for name, value, bounds in rows
    )
    return _chart(
        field, label, f"{best or 'No figure yet'}.", draw, Table(("arm", label, "95 % interval"), rows)
    )


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Writes names beside rows, where long ones have room, the first at the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")


def _calibration_chart(arms: Mapping[str, ArmReport]) -> Chart:
    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=GRID)
        for colour, (name, arm) in zip(_COLOURS * len(arms), arms.items(), strict=False):
            for b in arm.calibration:
                if b.observed_ci95 is not None:
                    axes.plot([b.predicted] * 2, b.observed_ci95, color=colour, alpha=0.35, linewidth=1)
            x, y = [b.predicted for b in arm.calibration], [b.observed for b in arm.calibration]
            axes.plot(x, y, "o-", color=colour, label=name, markersize=3.5)
        axes.set_xlabel("predicted play-through probability")
        axes.set_ylabel("share heard out")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1))  # above the lines, not across them

    worst = ", ".join(f"{name} {decimals(arm.calibration_error, 3)}" for name, arm in arms.items())
    rows = [
        (name, decimals(b.predicted, 3), decimals(b.observed, 3), interval(b.observed_ci95, 3), f"{b.n:,}")
        for name, arm in arms.items()
        for b in arm.calibration
    ]
    sentence = f"On the diagonal a probability means what it says. Mean distance from it: {worst}."
    columns = ("arm", "predicted", "heard out", "95 % interval", "plays")
    return _chart("calibration", "Calibration", sentence, draw, Table(columns, rows))


def _reasons_too_early(comparisons: Sequence[Comparison]) -> list[str]:
    pairs = groupby(comparisons, key=lambda each: (each.first, each.second))
    return [
        f"{second} minus {first}: {reason}"
        for (first, second), each in pairs
        for reason in reasons_too_early(list(each))
    ]


def _comparison_chart(number: int, comparison: Comparison) -> Chart:

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=MUTED, linewidth=1)
        days = [look.day[5:] for look in comparison.looks]
        lows, highs = ([look.always_valid_ci95[i] for look in comparison.looks] for i in (0, 1))
        if len(days) > 1:
            axes.fill_between(range(len(days)), lows, highs, color=MAIN, alpha=0.2, linewidth=0)
        else:
            axes.vlines([0] * len(days), lows, highs, color=MAIN, alpha=0.4)
        values = [look.difference for look in comparison.looks]
        axes.plot(range(len(values)), values, "o-", color=MAIN, markersize=3.5)
        step = max(1, len(days) // 5)
        axes.set_xticks(range(0, len(days), step), days[::step])
        axes.set_ylabel(f"difference in {metric_name(comparison.metric)}")

    rows = [
        (look.day, f"{look.n:,}", decimals(look.difference, 4, signed=True),
         interval(look.always_valid_ci95, 4, signed=True), p_value(look.always_valid_p_value))
        for look in comparison.looks
    ]  # fmt: skip
    columns = ("day", "outcomes", "difference", "always-valid 95 % interval", "p value so far")
    title = f"{comparison.second} minus {comparison.first}: {metric_name(comparison.metric)}"
    return _chart(f"comparison_{number + 1}", title, _sentence(comparison), draw, Table(columns, rows))


def _sentence(comparison: Comparison) -> str:
    role = "It decides." if comparison.role == "decides" else "Exploration: it names no winner."
    always = interval(comparison.always_valid_ci95, 4, signed=True)
    return (
        f"{role} {decimals(comparison.difference, 4, signed=True)}; one look:"
        f" {interval(comparison.ci95, 4, signed=True)}, {p_equation(comparison.p_value)}; every day:"
        f" {always}, {p_equation(comparison.always_valid_p_value)}, adjusted for {comparison.n_in_role}"
        f" {'comparison' if comparison.n_in_role == 1 else 'comparisons'}:"
        f" {p_equation(comparison.adjusted_p_value)}. Power: {comparison.power:.0%} of looks at as many"
        f" outcomes would find a true difference of {comparison.effect:g}."
    )


def _chart(name: str, title: str, sentence: str, draw: Callable[[Axes], None], table: Table) -> Chart:
    with new_chart(name, NORMAL) as (figure, axes):
        draw(axes)
        lay_out(figure)
        return Chart(name, title, sentence, as_svg(figure, title), table)

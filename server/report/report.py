"""Puts the report of one phase together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from server.experiment.metric import DEFAULT_METRIC
from server.log.spool.status import SpoolCounts
from server.report.arms import ArmReport, judge_arm, with_scores
from server.report.baselines import Baseline, judge_baselines
from server.report.comparisons import Comparison, compare
from server.report.health import Health, check
from server.report.phases import Phase
from server.report.verdict import conclude
from server.report.wording import metric_name


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """What one phase of an experiment has shown.

    Attributes:
        phase: The phase that the figures are about; others are never mixed in.
        phases: All that were logged, latest last.
        metric: What decides, as the phase declared it: the verdict names a winner by no other.
        shown_first: The metric that is shown first.
        health: Whether to believe the rest.
        arms: By name.
        baselines: "constant" and "past_rate", over all plays with an outcome; none while there is none.
        comparisons: Every two arms, in every metric; those of `metric` decide, the others are exploration.
        verdict: One sentence.
    """

    phase: Phase | None
    phases: tuple[Phase, ...]
    metric: str
    shown_first: str
    health: Health
    arms: Mapping[str, ArmReport]
    baselines: Mapping[str, Baseline]
    comparisons: tuple[Comparison, ...]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Returns what `--json` writes; times in ISO 8601, None where a figure is no number."""
        fields = asdict(self)
        for phase in [*fields["phases"], *([fields["phase"]] if fields["phase"] else [])]:
            phase["first"], phase["last"] = phase["first"].isoformat(), phase["last"].isoformat()
        chosen = fields.pop("phase") or {"experiment": None, "phase": None}
        return {"experiment": chosen["experiment"], "phase": chosen["phase"], **_without_nan(fields)}


def _without_nan(value: Any) -> Any:
    """Returns a value whose NaN and infinities, which JSON does not know, are None."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def make_report(
    predictions: pd.DataFrame,
    spooled: SpoolCounts,
    *,
    phase: Phase | None,
    phases: Sequence[Phase],
    metric: str = DEFAULT_METRIC.value,
    shown_first: str | None = None,
) -> ExperimentReport:
    """Reports on one phase.

    Args:
        predictions: What was logged in it, as `frame.FrameColumns` makes it.
        spooled: What lies in the spool of this machine; its dead letters are those of the phase.
        phase: The phase; None when nothing was logged.
        phases: All that were logged, latest last.
        metric: What decides, as the phase declared it: "accuracy", "brier" or "log_loss".
        shown_first: What to show first; `metric` by default.
    """
    shown_first = shown_first or metric
    baselines = judge_baselines(predictions)
    judged = with_scores(predictions)
    health = check(predictions, spooled)
    arms = {
        str(name): judge_arm(group, judged[judged["arm"] == name])
        for name, group in predictions.groupby("arm", observed=True)
    }
    # The sort is stable: the other metrics keep their order.
    comparisons = sorted(compare(judged, metric), key=lambda c: (c.first, c.second, c.metric != shown_first))
    verdict = conclude(health, arms, comparisons, metric)
    if shown_first != metric:
        verdict += (
            f" By {metric_name(shown_first)} no winner is named: that is exploration, since the phase"
            f" declared {metric_name(metric)}."
        )
    return ExperimentReport(
        phase, tuple(phases), metric, shown_first, health, arms, baselines, tuple(comparisons), verdict
    )

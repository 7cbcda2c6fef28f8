"""Puts the report of one phase together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from server.log.spool.rows import SpoolCounts
from server.report.arms import ArmReport, judge_arm, with_scores
from server.report.comparisons import Comparison, compare
from server.report.health import Health, check
from server.report.phases import Phase
from server.report.verdict import conclude


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """What one phase of an experiment has shown.

    Attributes:
        phase: The phase that the figures are about; others are never mixed in.
        phases: All that were logged, latest last.
        metric: The metric that the verdict is about.
        health: Whether to believe the rest.
        arms: By name.
        comparisons: Every two arms, in every metric; those of `metric` decide, the others are exploration.
        verdict: One sentence.
    """

    phase: Phase | None
    phases: tuple[Phase, ...]
    metric: str
    health: Health
    arms: Mapping[str, ArmReport]
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
    metric: str = "accuracy",
) -> ExperimentReport:
    """Reports on one phase.

    Args:
        predictions: What was logged in it, as `frame.read_frame` makes it.
        spooled: What lies in the spool of this machine; its dead letters are those of the phase.
        phase: The phase; None when nothing was logged.
        phases: All that were logged, latest last.
        metric: What decides: "accuracy", "brier" or "log_loss".
    """
    judged = with_scores(predictions)
    health = check(predictions, spooled)
    arms = {
        str(name): judge_arm(group, judged[judged["arm"] == name])
        for name, group in predictions.groupby("arm", observed=True)
    }
    comparisons = tuple(compare(judged, metric))
    verdict = conclude(health, arms, comparisons, metric)
    return ExperimentReport(phase, tuple(phases), metric, health, arms, comparisons, verdict)

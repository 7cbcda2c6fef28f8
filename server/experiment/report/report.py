"""Puts the report of one phase together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from server.errors import ServerError
from server.experiment.report.arms import ArmReport, judge_arm, with_scores
from server.experiment.report.comparisons import Comparison, compare
from server.experiment.report.health import Health, check
from server.experiment.report.verdict import conclude
from server.experiment.spool_file import SpoolCounts


class PhaseNotFoundError(ServerError):
    """Says that nothing was logged under the experiment or phase that was asked for."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an experiment in which the arms and their shares did not change."""

    experiment: str
    phase: str
    n: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """What one phase of an experiment has shown.

    Attributes:
        phase: The phase that the figures are about; others are never mixed in.
        phases: All that were logged, latest last.
        metric: The metric that the verdict is about.
        health: Whether to believe the rest.
        arms: By name.
        comparisons: Every two arms, in every metric.
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
        """Returns what `--json` writes; times in ISO 8601."""
        fields = asdict(self)
        for phase in [*fields["phases"], *([fields["phase"]] if fields["phase"] else [])]:
            phase["first"], phase["last"] = phase["first"].isoformat(), phase["last"].isoformat()
        chosen = fields.pop("phase") or {"experiment": None, "phase": None}
        return {"experiment": chosen["experiment"], "phase": chosen["phase"], **fields}


def phases(predictions: pd.DataFrame) -> tuple[Phase, ...]:
    """Returns the phases of all experiments, by their latest prediction."""
    found = [
        Phase(
            str(group["experiment"].iloc[0]),
            str(group["phase"].iloc[0]),
            len(group),
            group["requested_at"].min(),
            group["requested_at"].max(),
        )
        for _, group in predictions.groupby(["experiment", "phase"])
    ]
    return tuple(sorted(found, key=lambda phase: phase.last))


def make_report(
    predictions: pd.DataFrame,
    spooled: SpoolCounts,
    *,
    experiment: str | None = None,
    phase: str | None = None,
    metric: str = "accuracy",
) -> ExperimentReport:
    """Reports on one phase.

    Args:
        predictions: What was logged, as `frame.read_frame` makes it.
        spooled: What lies in the spool of this machine.
        experiment: Which experiment; by default that of the latest prediction.
        phase: Which phase, or how it begins; by default the experiment's latest.
        metric: What decides: "accuracy", "brier" or "log_loss".

    Raises:
        PhaseNotFoundError: When nothing was logged under that experiment or phase.
    """
    all_phases = phases(predictions)
    chosen = [
        each
        for each in all_phases
        if experiment in (None, each.experiment) and (phase is None or each.phase.startswith(phase))
    ]
    if not chosen and (experiment or phase):
        known = ", ".join(f"{each.experiment} {each.phase}" for each in all_phases) or "none"
        raise PhaseNotFoundError(f"no predictions of that experiment and phase; logged phases: {known}")
    told = chosen[-1] if chosen else None
    if told is not None:
        mine = (predictions["experiment"] == told.experiment) & (predictions["phase"] == told.phase)
        predictions = predictions[mine]
    judged = with_scores(predictions)
    health = check(predictions, spooled)
    arms = {
        str(name): judge_arm(group, judged[judged["arm"] == name])
        for name, group in predictions.groupby("arm")
    }
    comparisons = tuple(compare(judged))
    verdict = conclude(health, arms, comparisons, metric)
    return ExperimentReport(told, all_phases, metric, health, arms, comparisons, verdict)

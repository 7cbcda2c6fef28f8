"""Which phases were logged, and which of them the report is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from server.errors import ServiceError
from server.experiment.metric import DEFAULT_METRIC


class PhaseNotFoundError(ServiceError):
    """Nothing was logged under the experiment or phase that was asked for."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an experiment in which the arms and their shares did not change.

    Attributes:
        experiment: Name of the experiment.
        phase: Names the phase; see `Experiment.phase`.
        n: How many predictions were logged in it.
        first: When the first of them was requested (UTC).
        last: When the last of them was (UTC).
        metric: What decides it, as it was declared and logged: "accuracy", "brier" or "log_loss".
    """

    experiment: str
    phase: str
    n: int
    first: datetime
    last: datetime
    metric: str = DEFAULT_METRIC.value


def choose_phase(
    phases: Sequence[Phase], experiment: str | None = None, phase: str | None = None
) -> Phase | None:
    """Chooses the phase to report on.

    Args:
        phases: All that were logged, latest last.
        experiment: Which experiment; by default that of the latest prediction.
        phase: Which phase, or how it begins; by default the experiment's latest.

    Returns:
        The phase, or None when nothing at all was logged.

    Raises:
        PhaseNotFoundError: When nothing was logged under that experiment or phase.
    """
    for each in reversed(phases):
        if experiment in (None, each.experiment) and each.phase.startswith(phase or ""):
            return each
    if experiment or phase:
        known = ", ".join(f"{each.experiment} {each.phase}" for each in phases) or "none"
        raise PhaseNotFoundError(f"no predictions of that experiment and phase; logged phases: {known}")
    return None

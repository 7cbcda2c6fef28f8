"""How well each arm predicted, against what really happened. Pure: values in, values out."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss


@dataclass(frozen=True, slots=True)
class JudgedPrediction:
    """What the analysis needs of a logged prediction.

    Attributes:
        arm: Name of the arm.
        play_through_probability: What the model said, in [0, 1].
        skipped: Whether the model expected a skip.
        outcome_skipped: Whether the listener skipped; None while nobody has told.
    """

    arm: str
    play_through_probability: float
    skipped: bool
    outcome_skipped: bool | None


@dataclass(frozen=True, slots=True)
class ArmReport:
    """An arm's figures; those that need outcomes are None while it has none.

    Attributes:
        n: Predictions.
        n_outcomes: Predictions with an outcome; the figures below are over these.
        accuracy: Share that skipped or played through as predicted.
        accuracy_ci95: Wilson's 95 % interval of the accuracy, each play taken as independent.
        log_loss: Mean negative log likelihood of the outcomes, in nats.
        brier: Mean squared difference between probability and outcome.
    """

    n: int
    n_outcomes: int
    accuracy: float | None
    accuracy_ci95: tuple[float, float] | None
    log_loss: float | None
    brier: float | None


def judge(predictions: Iterable[JudgedPrediction]) -> dict[str, ArmReport]:
    """Computes every arm's figures.

    Args:
        predictions: The logged predictions, in any order.

    Returns:
        The figures by arm, sorted by name.
    """
    by_arm: dict[str, list[JudgedPrediction]] = {}
    for prediction in predictions:
        by_arm.setdefault(prediction.arm, []).append(prediction)
    return {arm: _judge_arm(by_arm[arm]) for arm in sorted(by_arm)}


def to_json(arms: dict[str, ArmReport], waiting: int, dead_letters: int) -> dict[str, Any]:
    """Returns the report as `--json` writes it.

    Args:
        arms: The figures by arm.
        waiting: Predictions that wait for MongoDB, and so are not in the figures.
        dead_letters: Predictions that MongoDB refused for good.
    """
    n = sum(arm.n for arm in arms.values())
    n_outcomes = sum(arm.n_outcomes for arm in arms.values())
    health = {
        "n": n,
        "n_outcomes": n_outcomes,
        "outcome_join_rate": n_outcomes / n if n else None,
        "n_waiting_in_spool": waiting,
        "n_dead_letters": dead_letters,
    }
    return {"health": health, "arms": {name: asdict(arm) for name, arm in arms.items()}}


def _judge_arm(predictions: list[JudgedPrediction]) -> ArmReport:
    judged = [p for p in predictions if p.outcome_skipped is not None]
    n, n_outcomes = len(predictions), len(judged)
    if not judged:
        return ArmReport(n, 0, None, None, None, None)
    played_through: NDArray[np.bool_] = np.array([not p.outcome_skipped for p in judged])
    probabilities = np.array([p.play_through_probability for p in judged])
    n_right = sum(p.skipped == p.outcome_skipped for p in judged)
    interval = binomtest(n_right, n_outcomes).proportion_ci(0.95, method="wilson")
    return ArmReport(
        n=n,
        n_outcomes=n_outcomes,
        accuracy=n_right / n_outcomes,
        accuracy_ci95=(float(interval.low), float(interval.high)),
        log_loss=float(log_loss(played_through, probabilities, labels=[False, True])),
        brier=float(brier_score_loss(played_through, probabilities)),
    )

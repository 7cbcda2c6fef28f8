"""Models and baselines side by side on one test part."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import Predictor, Registry
from models.artifact import load
from trainer.evaluation.baselines import (
    listener_rate_probabilities,
    majority_probabilities,
    tree_probabilities,
    trees_available,
)
from trainer.evaluation.bootstrap import Intervals, bootstrap_intervals
from trainer.evaluation.chance import Chance, chance_of, debiased_error
from trainer.evaluation.measurement import Metrics, measure, predict_plays
from trainer.run import Trained
from trainer.splits import Parts


@dataclass(frozen=True)
class Score:
    """How good one way of predicting is.

    Attributes:
        name: Model or baseline.
        metrics: On the test part.
        intervals: 95 % bootstrap intervals of the metrics.
        chance: What of the calibration error chance alone would show.
        debiased_error: Calibration error beyond chance, see `trainer.evaluation.chance.debiased_error`.
        probabilities: Of the test part's plays, (n_test,).
    """

    name: str
    metrics: Metrics
    intervals: Intervals
    chance: Chance
    debiased_error: float
    probabilities: NDArray[np.float64] = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Returns the metrics, what chance makes of the calibration error, and the intervals as `ci95`."""
        return {
            **asdict(self.metrics),
            "ece_by_chance": self.chance.mean,
            "ece_by_chance_range95": [self.chance.low, self.chance.high],
            "debiased_calibration_error": self.debiased_error,
            "ci95": {name: list(pair) for name, pair in self.intervals.items()},
        }


def score(name: str, probabilities: NDArray[np.float64], parts: Parts, *, threshold: float = 0.5) -> Score:
    """Measures probabilities on the test part."""
    outcomes = parts.outcomes
    metrics = measure(probabilities, outcomes, majority=parts.majority, threshold=threshold)
    found = bootstrap_intervals(probabilities, outcomes, threshold=threshold)
    beyond = debiased_error(probabilities, outcomes)
    return Score(name, metrics, found, chance_of(probabilities), beyond, probabilities)


def baseline_scores(parts: Parts) -> list[Score]:
    """Returns the majority's and the listener's own past rate's scores."""
    return [
        score("majority", majority_probabilities(parts), parts),
        score("listener's past rate", listener_rate_probabilities(parts), parts),
    ]


def model_scores(results: Sequence[Trained], parts: Parts) -> list[Score]:
    """Returns the scores of a run's models."""
    return [
        score(result.name, result.probabilities, parts, threshold=result.manifest.threshold)
        for result in results
    ]


def without_context_score(result: Trained, parts: Parts, registry: Registry) -> Score | None:
    """Returns how good a model that reads the context is when it is given none; None for any other model."""
    artifact = load(registry.path(result.name, result.manifest.version))
    if artifact.inputs.context is None:
        return None
    probabilities = predict_plays(Predictor(artifact, parts.dataset.catalogue), parts.test)
    return score(f"{result.name}, no context", probabilities, parts, threshold=result.manifest.threshold)


def tree_scores(results: Sequence[Trained], parts: Parts, registry: Registry) -> list[Score]:
    """Returns LightGBM's scores on each model's inputs; none where it is not installed."""
    if not trees_available():
        return []
    scores = []
    for result in results:
        encoder = load(registry.path(result.name, result.manifest.version)).inputs
        probabilities = tree_probabilities(encoder, parts)
        scores.append(score(f"LightGBM, {result.name} inputs", probabilities, parts))
    return scores

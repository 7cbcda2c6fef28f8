"""Models and baselines side by side on one test part."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.contexts import RecordedContexts
from trainer.evaluation.baselines import (
    constant_probabilities,
    past_rate_probabilities,
    tree_probabilities,
    trees_available,
)
from trainer.evaluation.bootstrap import Intervals, bootstrap_intervals
from trainer.evaluation.chance import Chance, chance_of, debiased_error
from trainer.evaluation.known_plays import Band, by_known_plays
from trainer.evaluation.measurement import Metrics, auc_within_listeners, measure
from trainer.run import Trained
from trainer.splits import Parts

CONSTANT, PAST_RATE = "constant", "past_rate"


@dataclass(frozen=True)
class Score:
    """How good one way of predicting is.

    Attributes:
        name: Model or baseline.
        metrics: On the test part.
        within_listeners: See `auc_within_listeners`.
        bands: By how much was known of the listener.
        intervals: 95 % bootstrap intervals of the metrics, over listeners.
        chance: What of the calibration error chance alone would show.
        debiased_error: Calibration error beyond chance, see `trainer.evaluation.chance.debiased_error`.
        probabilities: Of the test part's plays, (n_test,).
    """

    name: str
    metrics: Metrics
    within_listeners: float | None
    bands: list[Band]
    intervals: Intervals
    chance: Chance
    debiased_error: float
    probabilities: NDArray[np.float64] = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Returns the metrics, what chance makes of the calibration error, and the intervals as `ci95`."""
        return {
            **asdict(self.metrics),
            "roc_auc_within_listeners": self.within_listeners,
            "ece_by_chance": self.chance.mean,
            "ece_by_chance_range95": [self.chance.low, self.chance.high],
            "debiased_calibration_error": self.debiased_error,
            "ci95": {name: list(pair) for name, pair in self.intervals.items()},
            "by_known_plays": {band.label: band.as_json() for band in self.bands},
        }


class Leaderboard:
    """Scores ways of predicting on one test part.

    Attributes:
        parts: The run's plays.
    """

    def __init__(self, parts: Parts) -> None:
        """Looks up once what was known before each play."""
        self.parts = parts
        self._contexts = RecordedContexts(parts.plays, parts.dataset.catalogue)
        self._outcomes, self._listener_of = parts.outcomes, parts.listener_of
        self._n_known = self._contexts.n_known(parts.test_rows)
        self._scores: dict[str, Score] = {}

    def score(self, name: str, probabilities: NDArray[np.float64], *, threshold: float = 0.5) -> Score:
        """Measures probabilities on the test part, (n_test,), once for each name."""
        if name not in self._scores:
            self._scores[name] = self._measure(name, probabilities, threshold)
        return self._scores[name]

    def _measure(self, name: str, probabilities: NDArray[np.float64], threshold: float) -> Score:
        outcomes, majority = self._outcomes, self.parts.majority
        return Score(
            name,
            measure(probabilities, outcomes, majority=majority, threshold=threshold),
            auc_within_listeners(probabilities, outcomes, self._listener_of),
            by_known_plays(
                probabilities,
                outcomes,
                self._n_known,
                self._listener_of,
                majority=majority,
                threshold=threshold,
            ),
            bootstrap_intervals(probabilities, outcomes, self._listener_of, threshold=threshold),
            chance_of(probabilities),
            debiased_error(probabilities, outcomes),
            probabilities,
        )

    def baselines(self) -> list[Score]:
        """Returns the scores of the training part's rate and of the listener's own past rate."""
        past = past_rate_probabilities(self.parts, self._contexts)
        return [self.score(CONSTANT, constant_probabilities(self.parts)), self.score(PAST_RATE, past)]

    def model(self, result: Trained) -> Score:
        """Returns a model's score."""
        return self.score(result.name, result.tested.probabilities, threshold=result.manifest.threshold)

    def without_context(self, result: Trained) -> Score | None:
        """Returns how good a model that reads the context is given none; None for any other model."""
        probabilities = result.tested.without_context
        if probabilities is None:
            return None
        name = f"{result.name}, no context"
        return self.score(name, probabilities, threshold=result.manifest.threshold)

    def trees(self, results: Sequence[Trained]) -> list[Score]:
        """Returns LightGBM's scores on each model's inputs; none where it is not installed."""
        if not trees_available():
            return []
        return [self._trees(result) for result in results]

    def _trees(self, result: Trained) -> Score:
        name = f"LightGBM, {result.name} inputs"
        if name in self._scores:
            return self._scores[name]
        return self.score(name, tree_probabilities(result.tested.encoders, self.parts, self._contexts))

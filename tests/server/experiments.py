"""Made-up experiments whose truth is known."""

from datetime import UTC, datetime, timedelta

import numpy as np

from server.log.record import Outcome, PredictionRecord

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


def simulate(
    *,
    n: int = 2000,
    listeners: int = 60,
    days: int = 8,
    noise: tuple[float, float] = (0.3, 0.3),
    phase: str = "0123456789ab",
    start: datetime = START,
    seed: int = 1,
) -> list[PredictionRecord]:
    """Returns an experiment of two arms, "advanced" and "simple", every other listener in each.

    Args:
        n: Predictions; every tenth never gets an outcome.
        listeners: Listeners, who differ in how much they hear out.
        days: Over how long.
        noise: How wrong each arm's probability is.
        phase: Phase that is logged.
        start: When the first prediction is asked for.
        seed: Of the random numbers.
    """
    random = np.random.default_rng(seed)
    patience = random.normal(0.6, 0.8, listeners)
    found = []
    for number in range(n):
        listener = int(random.integers(listeners))
        arm = ("advanced", "simple")[listener % 2]
        truth = 1 / (1 + np.exp(-patience[listener] - random.normal(0, 1.5)))
        probability = float(np.clip(truth + random.normal(0, noise[listener % 2]), 0.01, 0.99))
        requested_at = start + timedelta(days=days * number / n)
        skipped = None if number % 10 == 9 else bool(random.random() > truth)
        found.append(
            PredictionRecord(
                prediction_id=f"{number:024x}",
                experiment="model-comparison",
                phase=phase,
                arm=arm,
                model=arm,
                version="1",
                arm_probability=0.5,
                listener_id=str(listener),
                play_through_probability=probability,
                skipped=probability < 0.5,
                requested_at=requested_at,
                track_id=f"track {number % 30}",
                favourite_genres=("rock",),
                latency_us=20,
                digest=f"{listener % 2:016x}",
                outcome=None if skipped is None else Outcome(skipped, 1000, requested_at),
            )
        )
    return found

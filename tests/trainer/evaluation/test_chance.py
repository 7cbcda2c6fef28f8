"""A calibration error is read beside what chance alone would show."""

import numpy as np
import pytest

from trainer.evaluation.chance import chance_of, debiased_error
from trainer.evaluation.measurement import calibration_error


def drawn(n_plays: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = random.beta(2, 1, n_plays)
    return probabilities, random.random(n_plays) < probabilities


def test_right_probabilities_lie_within_chance_and_wrong_ones_beyond() -> None:
    pairs = [drawn(1500, seed) for seed in range(40)]
    chances = [chance_of(probabilities) for probabilities, _ in pairs]
    errors = [calibration_error(*pair) for pair in pairs]
    inside = [chance.low <= error <= chance.high for chance, error in zip(chances, errors, strict=True)]
    assert sum(inside) >= 35
    assert chances[0].mean == pytest.approx(np.mean(errors), abs=0.003)
    probabilities, outcomes = pairs[0]
    wrong = probabilities**2
    assert calibration_error(wrong, outcomes) > chance_of(wrong).high


def test_more_plays_leave_less_to_chance() -> None:
    assert chance_of(drawn(20_000)[0]).mean < chance_of(drawn(1500)[0]).mean / 2


def test_bars_hold_what_happens_where_the_probabilities_are_right() -> None:
    probabilities, outcomes = drawn(3000)
    bars = chance_of(probabilities).bars
    assert bars.shape == (15, 2)
    observed = [outcomes[part].mean() for part in np.array_split(np.argsort(probabilities), 15)]
    inside = [low <= share <= high for share, (low, high) in zip(observed, bars, strict=True)]
    assert sum(inside) >= 13


def test_the_debiased_error_is_what_is_wrong_and_not_what_chance_adds() -> None:
    probabilities, outcomes = drawn(3000)
    assert debiased_error(probabilities, outcomes) < 0.012
    assert calibration_error(probabilities, outcomes) > 0.012
    assert debiased_error(np.clip(probabilities + 0.1, 0, 1), outcomes) == pytest.approx(0.09, abs=0.02)


@pytest.mark.parametrize("n_plays", [1, 2, 16])
def test_a_handful_of_plays_has_a_chance_too(n_plays: int) -> None:
    probabilities, outcomes = drawn(n_plays)
    chance = chance_of(probabilities)
    assert 0 <= chance.low <= chance.mean <= chance.high <= 1
    assert np.isfinite(debiased_error(probabilities, outcomes))

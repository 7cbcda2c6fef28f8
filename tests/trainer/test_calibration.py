"""The temperature is found where it can be, and left alone where it cannot."""

import numpy as np
import pytest

from trainer.calibration import fit_temperature


def drawn(temperature: float, n_plays: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits that are too sure of themselves by a factor, and outcomes."""
    random = np.random.default_rng(3)
    logits = random.normal(0.5, 1.5, n_plays)
    outcomes = random.random(n_plays) < 1 / (1 + np.exp(-logits))
    return logits * temperature, outcomes


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
def test_an_overconfident_network_is_cooled_by_as_much(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature, 20_000)) == pytest.approx(temperature, rel=0.05)


def test_too_few_plays_or_one_outcome_tell_nothing() -> None:
    logits, outcomes = drawn(2.0, 400)
    assert fit_temperature(logits[:50], outcomes[:50]) == 1
    assert fit_temperature(logits, np.ones(400, dtype=bool)) == 1
    assert fit_temperature(logits, np.zeros(400, dtype=bool)) == 1


def test_absurd_logits_stay_within_bounds() -> None:
    _, outcomes = drawn(1.0, 400)
    assert 0.4 < fit_temperature(np.full(400, 1e6), outcomes) < 4.1

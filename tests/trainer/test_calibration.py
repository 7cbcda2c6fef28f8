"""The calibration is found where it can be, and left alone where it cannot."""

from collections.abc import Callable

import numpy as np
import pytest

from models.calibration import Calibration
from trainer.calibration import fit_calibration
from trainer.evaluation import calibration_error

MISTAKES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda logits: logits,
    "too sure": lambda logits: 2 * logits,
    "too unsure": lambda logits: 0.7 * logits,
    "leaning": lambda logits: logits + 0.5,
    "a smoothed step": lambda logits: np.where(logits > 1.5, 1 + (logits - 1.5) / 3, logits * 2 / 3),
}


def drawn(n_plays: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns true logits and outcomes drawn from them."""
    random = np.random.default_rng(3)
    logits = random.normal(0.5, 1.5, n_plays)
    return logits, random.random(n_plays) < 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_undone_on_other_plays(mistake: str) -> None:
    truth, outcomes = drawn(40_000)
    logits = MISTAKES[mistake](truth)
    calibration = fit_calibration(logits[:20_000], outcomes[:20_000])
    told = 1 / (1 + np.exp(-calibration(logits[20_000:])))
    # Right probabilities of as many plays come to 0.008 by chance; uncalibrated, these come to 0.04 to 0.09.
    assert calibration_error(told, outcomes[20_000:]) < 0.015
    raw = 1 / (1 + np.exp(-logits[20_000:]))
    assert mistake == "none" or calibration_error(raw, outcomes[20_000:]) > 0.03


def test_few_plays_bend_little() -> None:
    truth, outcomes = drawn(200)
    calibration = fit_calibration(truth, outcomes)
    assert np.abs(calibration(truth) - truth).max() < 0.8


def test_too_few_plays_or_one_outcome_tell_nothing() -> None:
    logits, outcomes = drawn(400)
    assert fit_calibration(logits[:50], outcomes[:50]) == Calibration()
    assert fit_calibration(logits, np.ones(400, dtype=bool)) == Calibration()
    assert fit_calibration(logits, np.zeros(400, dtype=bool)) == Calibration()


@pytest.mark.parametrize("logit", [1e6, -1e6, 0.0])
def test_logits_that_are_all_one_get_the_plays_rate(logit: float) -> None:
    _, outcomes = drawn(400)
    calibrated = fit_calibration(np.full(400, logit), outcomes)(np.clip(np.array([logit]), -10, 10))
    assert 1 / (1 + np.exp(-calibrated[0])) == pytest.approx(outcomes.mean(), abs=0.01)

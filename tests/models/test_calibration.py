"""A calibration is one rising map, the same of many logits and of one, found where it can be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.calibration import Calibration, fit_calibration
from trainer.evaluation.measurement import calibration_error

BENT = Calibration(logits=(-2.0, 0.5, 1.5), calibrated=(-1.0, 0.0, 4.0))


@pytest.mark.parametrize(
    ("logit", "calibrated"), [(-5, -4), (-2, -1), (-0.75, -0.5), (0.5, 0), (1, 2), (1.5, 4), (10, 12.5)]
)
def test_it_is_linear_between_its_knots_and_of_slope_1_beyond(logit: float, calibrated: float) -> None:
    assert BENT(np.array([logit])) == pytest.approx([calibrated])


@pytest.mark.parametrize("calibration", [Calibration(), BENT, Calibration(logits=(1.0,), calibrated=(1.5,))])
def test_of_one_logit_it_is_the_same_map(calibration: Calibration) -> None:
    logits = np.concatenate((np.linspace(-6, 6, 241), calibration.logits, [-np.inf, np.inf]))
    told = [calibration.of_one(logit) for logit in logits.tolist()]
    np.testing.assert_allclose(told, calibration(logits), atol=1e-12)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"logits": (0.0, 1.0, 1.0)}, "must rise"),
        ({"calibrated": (0.0, 2.0, 1.0)}, "must rise"),
        ({"calibrated": (0.0, 1.0)}, "as many"),
        ({"logits": ()}, "at least 1"),
        ({"logits": (0.0, 1.0, float("nan"))}, "finite"),
        ({"calibrated": (0.0, 1.0, 1e9)}, "must rise, within"),
    ],
)
def test_a_map_that_could_turn_a_ranking_over_is_refused(changed: dict[str, Any], said: str) -> None:
    whole = {"logits": (0.0, 1.0, 2.0), "calibrated": (0.0, 1.0, 2.0)}
    with pytest.raises(ValidationError, match=said):
        Calibration.model_validate(whole | changed)


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

"""A calibration is one rising map, the same of many logits and of one."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.calibration import Calibration

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

"""A calibration is one rising map, the same as a formula and as layers of a network."""

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
def test_as_layers_it_is_the_same_map(calibration: Calibration) -> None:
    weight, bias = np.array([0.5, -2.0], dtype=np.float32), np.float32(0.25)
    values = np.random.default_rng(1).normal(size=(200, 2)).astype(np.float32) * 3
    (first, shift), (last, constant) = calibration.as_layers(weight, bias)
    told = np.maximum(values @ first.T + shift, 0) @ last + constant
    expected = calibration((values @ weight + bias).astype(np.float64))
    np.testing.assert_allclose(told, expected, atol=1e-5)


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

"""A listening curve falls from 1 to the probability of playing through, and ends with the track."""

import numpy as np
import pytest

from models.listening_curve import fit_skip_times, uniform_skip_times

TIMES = [0.0, 10.0, 50.0, 99.999, 100.0, 1e9]


def test_a_curve_falls_from_one_to_the_probability_and_is_zero_after_the_end() -> None:
    skip_times = fit_skip_times(np.linspace(1, 100, 100), np.full(100, 100.0))
    (curve,) = skip_times.listening_curves(np.array([0.6]), np.array([100.0]), TIMES)
    assert curve[0] == 1
    assert curve[2] == pytest.approx(0.8, abs=0.01)
    assert curve[3] == pytest.approx(0.6, abs=0.01)
    assert curve[4:].tolist() == [0, 0]
    assert (np.diff(curve) <= 0).all()


def test_every_track_has_its_own_curve_in_the_order_of_the_times() -> None:
    curves = uniform_skip_times().listening_curves(
        np.array([0.2, 1.0, 0.0]), np.array([100, 200, 50]), [40, 4]
    )
    assert curves.shape == (3, 2)
    assert curves[0].tolist() == pytest.approx([1 - 0.8 * 0.4, 1 - 0.8 * 0.04])
    assert curves[1].tolist() == [1, 1]
    assert curves[2].tolist() == pytest.approx([0.2, 0.92])


@pytest.mark.parametrize("duration", [np.nan, 0.0, -3.0])
def test_a_track_of_unknown_duration_falls_by_the_second(duration: float) -> None:
    skip_times = fit_skip_times(np.array([10.0, 20.0, 30.0]), np.array([100.0, 100.0, 100.0]))
    (curve,) = skip_times.listening_curves(np.array([0.5]), np.array([duration]), [0, 10, 20, 30, 1000])
    assert curve.tolist() == pytest.approx([1, 1, 0.75, 0.5, 0.5], abs=0.01)


def test_without_skips_any_moment_is_as_likely() -> None:
    nothing = fit_skip_times(np.array([]), np.array([]))
    assert np.array_equal(nothing.shares, uniform_skip_times().shares)
    broken = fit_skip_times(np.array([np.nan, 5.0]), np.array([100.0, np.nan]))
    assert np.isfinite(broken.listening_curves(np.array([0.5]), np.array([60.0]), TIMES)).all()

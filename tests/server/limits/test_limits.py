"""What is refused first, and what is not begun."""

import pytest

from server.errors import OverloadedError, TooLateError
from server.limits.call_rate import CallRate
from server.limits.in_flight import InFlight
from server.limits.limits import Limits
from server.limits.loop_lag import LoopLag


def limits(lag_s: float = 0.0, most_lag_s: float = 0.2, per_s: float | None = None) -> Limits:
    lag = LoopLag()
    lag.standing_s = lag_s
    return Limits(InFlight(10), None if per_s is None else CallRate(per_s), lag, most_lag_s)


@pytest.mark.parametrize(
    ("lag_s", "refused"),
    [(0.0, set()), (0.2, set()), (0.3, {"RankTracks"}), (0.9, {"RankTracks", "Predict", "RecordOutcome"})],
)
def test_with_a_late_loop_long_calls_are_refused_first(lag_s: float, refused: set[str]) -> None:
    gate, found = limits(lag_s), dict[str, tuple[str, float]]()
    for method in ("RankTracks", "Predict", "RecordOutcome"):
        try:
            gate.check(method, None)
        except OverloadedError as error:
            found[method] = (error.reason, error.retry_after_s)
    assert found == dict.fromkeys(refused, ("loop_lag", 2 * lag_s))


def test_a_most_lag_of_0_refuses_nothing() -> None:
    limits(lag_s=30.0, most_lag_s=0.0).check("RankTracks", None)


def test_a_retry_is_asked_for_within_seconds() -> None:
    with pytest.raises(OverloadedError) as caught:
        limits(lag_s=30.0).check("Predict", None)
    assert caught.value.retry_after_s == 5.0


def test_a_call_whose_time_is_up_is_not_begun_and_takes_no_room() -> None:
    gate = limits()
    for _ in range(100):
        with pytest.raises(TooLateError):
            gate.check("Predict", 0.0)
    gate.check("Predict", 0.001)


def test_a_call_that_has_to_wait_longer_than_its_caller_is_not_begun() -> None:
    gate = limits(lag_s=0.1)
    with pytest.raises(TooLateError):
        gate.check("PredictRandom", 0.05)
    gate.check("PredictRandom", 0.15)
    gate.check("Predict", 0.05)  # is answered in the step that lets it in


def test_a_refused_call_takes_no_room() -> None:
    gate = limits(per_s=3)
    for _ in range(3):
        gate.enter("RecordOutcome", "a")
    for _ in range(20):
        with pytest.raises(OverloadedError) as caught:
            gate.enter("RecordOutcome", "a")
        assert caught.value.reason == "rate"
    for _ in range(3):
        gate.leave("RecordOutcome", "a")
    assert gate._in_flight._rooms["RecordOutcome"].taken == 0


def test_calls_that_are_answered_at_once_need_no_room() -> None:
    gate = limits()
    for _ in range(20):
        gate.enter("Predict", "a")
    assert not gate._in_flight._rooms

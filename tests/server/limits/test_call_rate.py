"""Calls a second: a burst, then the rate, of each caller and method apart."""

import pytest

from server.errors import OverloadedError
from server.limits import call_rate
from server.limits.call_rate import CallRate


class Clock:
    """A clock that the test moves."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(call_rate, "monotonic", clock)
    return clock


def let_in(rate: CallRate, caller: str, method: str = "Predict", tries: int = 100) -> int:
    """Returns how many of so many calls at once are let in."""
    for number in range(tries):
        try:
            rate.enter(method, caller)
        except OverloadedError:
            return number
    return tries


def test_a_seconds_worth_at_once_then_the_rate(clock: Clock) -> None:
    rate = CallRate(10)
    assert let_in(rate, "a") == 10
    clock.now_s += 0.5
    assert let_in(rate, "a") == 5
    clock.now_s += 3_600
    assert let_in(rate, "a") == 10


def test_it_tells_when_to_come_again_and_that_is_soon_enough(clock: Clock) -> None:
    rate = CallRate(4)
    let_in(rate, "a")
    with pytest.raises(OverloadedError) as caught:
        rate.enter("Predict", "a")
    assert caught.value.reason == "rate"
    assert caught.value.retry_after_s == pytest.approx(0.25)
    clock.now_s += caught.value.retry_after_s
    assert let_in(rate, "a") == 1


def test_callers_and_methods_are_counted_apart(clock: Clock) -> None:
    rate = CallRate(3)
    assert let_in(rate, "greedy") == 3
    assert let_in(rate, "good") == 3
    assert let_in(rate, "greedy", "RecordOutcome") == 3


def test_less_than_one_a_second_is_one_at_a_time(clock: Clock) -> None:
    rate = CallRate(0.1)
    assert let_in(rate, "a") == 1
    clock.now_s += 9.9
    assert let_in(rate, "a") == 0
    clock.now_s += 0.2
    assert let_in(rate, "a") == 1


def test_the_table_is_bounded_and_a_greedy_caller_is_not_forgotten_for_many_new_ones(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_rate, "MOST_CALLERS", 100)
    rate = CallRate(3)
    for number in range(1_000):
        rate.enter("Predict", f"address-{number}")
        if number % 50 == 0:
            let_in(rate, "greedy")
            clock.now_s += 1 / 3
    assert len(rate._due_s) == 100
    assert let_in(rate, "greedy") <= 1

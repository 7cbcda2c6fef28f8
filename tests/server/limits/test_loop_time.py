"""Half of the loop's time for long answers, and a burst."""

import pytest

from server.limits import loop_time
from server.limits.loop_time import LoopTime


def test_after_a_burst_half_of_the_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, spent_s = 1_000.0, 0.0
    monkeypatch.setattr(loop_time, "monotonic", lambda: now_s)
    budget = LoopTime()
    for _ in range(10_000):  # 10 s, in which all is asked for that there is
        if budget.is_left():
            now_s += 0.002
            budget.spend(0.002)
            spent_s += 0.002
        else:
            now_s += 0.001
    assert spent_s / (now_s - 1_000.0) == pytest.approx(0.5, abs=0.01)


def test_what_is_asked_seldom_is_always_let(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(loop_time, "monotonic", lambda: now_s)
    budget = LoopTime()
    for _ in range(100):
        assert budget.is_left()
        now_s += 0.025
        budget.spend(0.025)
        now_s += 0.05

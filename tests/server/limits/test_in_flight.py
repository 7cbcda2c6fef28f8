"""Room for calls under way: each method has its own, and no caller takes all of it."""

from contextlib import suppress

import pytest

from server.errors import OverloadedError
from server.limits.in_flight import InFlight


def held(room: InFlight, method: str, caller: str, tries: int) -> int:
    """Returns how many of so many calls are let in."""
    let_in = 0
    with suppress(OverloadedError):
        for _ in range(tries):
            room.enter(method, caller)
            let_in += 1
    return let_in


def test_a_lone_caller_gets_four_fifths_and_those_that_follow_find_room() -> None:
    room = InFlight(1_000)
    assert held(room, "PredictRandom", "greedy", 2_000) == 800
    assert [held(room, "PredictRandom", name, 50) for name in ("a", "b", "c")] == [50, 50, 50]


def test_one_methods_flood_leaves_anothers_room() -> None:
    room = InFlight(10)
    assert held(room, "PredictRandom", "greedy", 20) == 8
    assert held(room, "RecordOutcome", "greedy", 20) == 8


@pytest.mark.parametrize("most", [1, 2, 3])
def test_little_room_is_for_whoever_comes_and_no_more(most: int) -> None:
    room = InFlight(most)
    assert held(room, "Predict", "a", 5) == most
    with pytest.raises(OverloadedError) as caught:
        room.enter("Predict", "b")
    assert caught.value.reason == "in_flight"
    assert 0.5 <= caught.value.retry_after_s <= 1.5


def test_a_caller_that_holds_too_much_is_told_that_it_is_the_caller() -> None:
    room = InFlight(100)
    held(room, "Predict", "greedy", 100)
    with pytest.raises(OverloadedError) as caught:
        room.enter("Predict", "greedy")
    assert caught.value.reason == "caller"


def test_room_comes_back_and_nothing_is_kept_of_who_has_gone() -> None:
    room = InFlight(5)
    for number in range(1_000):
        room.enter("Predict", f"caller-{number}")
        room.enter("Predict", f"caller-{number}")
        room.leave("Predict", f"caller-{number}")
        room.leave("Predict", f"caller-{number}")
    assert held(room, "Predict", "next", 10) == 4
    assert room._rooms["Predict"].by_caller == {"next": 4}

"""No caller can make a log grow by more than so many lines a second."""

import logging

import pytest

from server.line_budget import FloodFilter, LineBudget


class Clock:
    """A time that a test moves."""

    s = 0.0

    def __call__(self) -> float:
        return self.s


def record(name: str, message: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, (), None)


def test_a_second_has_its_lines_and_the_rest_is_counted() -> None:
    clock = Clock()
    budget = LineBudget(3, clock)
    assert [budget.spend() for _ in range(5)] == [True] * 3 + [False] * 2
    clock.s = 1.0
    assert budget.spend()
    assert (budget.take_dropped(), budget.take_dropped()) == (2, 0)


@pytest.mark.parametrize("name", ["server.rpc", "server.log.delivery", "grpc._cython.cygrpc", "asyncio"])
@pytest.mark.parametrize("structured", [True, False])
def test_what_callers_can_repeat_is_bounded_and_the_next_line_says_how_much_was_dropped(
    name: str, structured: bool
) -> None:
    clock = Clock()
    flood = FloodFilter(clock)

    def one() -> logging.LogRecord:
        return record(name, {"event": "call_failed"} if structured else "failed: %s")

    assert sum(flood.filter(one()) for _ in range(1_000)) == 10
    assert flood.filter(record(name, {"event": "another"}))  # one kind does not silence the others
    clock.s = 1.0
    after = one()
    assert flood.filter(after)
    assert (after.msg["dropped"] if isinstance(after.msg, dict) else after.__dict__["dropped"]) == 990


def test_what_no_caller_decides_is_all_written() -> None:
    flood = FloodFilter(Clock())
    assert all(flood.filter(record("server", {"event": "data_repaired"})) for _ in range(1_000))
    assert all(flood.filter(record("server.access_log", {"event": "call"})) for _ in range(1_000))


def test_messages_that_differ_each_time_do_not_pile_up() -> None:
    flood = FloodFilter(Clock())
    for number in range(1_000):
        flood.filter(record("grpc", f"stream {number}"))
    assert len(flood._budgets) <= 200

"""The access log: sampled, bounded, and written aside."""

import threading

import pytest
from structlog.testing import capture_logs

from server import access_log
from server.access_log import AccessLog


def test_a_share_of_the_calls_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_LINES_PER_S", 10**9)
    log = AccessLog(0.25)
    assert 2_200 < sum(log.wants("OK") for _ in range(10_000)) < 2_800
    assert not any(AccessLog(0.0).wants(code) for code in ("OK", "NOT_FOUND") for _ in range(100))
    assert all(AccessLog(1.0).wants(code) for code in ("OK", "NOT_FOUND") for _ in range(50))


def test_failures_of_the_server_all_get_one_and_refusals_do_not() -> None:
    log = AccessLog(1e-12)
    assert all(log.wants(code) for code in ("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNKNOWN"))
    refused = ("INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED")
    assert not any(log.wants(code) for code in refused for _ in range(100))


async def test_a_flood_is_bounded_and_counted_and_takes_no_line_from_failures() -> None:
    log = AccessLog(1.0)
    wanted = sum(log.wants("INVALID_ARGUMENT") for _ in range(10_000))
    assert 100 <= wanted < 10_000  # a hundred in each second that this took
    assert log.wants("INTERNAL")
    log.add({"method": "Predict"})
    with capture_logs() as lines:
        await log.write()
    assert [line["event"] for line in lines] == ["call", "calls_not_logged"]
    assert lines[1]["dropped"] == 10_000 - wanted


async def test_lines_are_written_by_a_thread_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    writers = []

    class Log:
        def info(self, event: str, **fields: object) -> None:
            writers.append((threading.current_thread(), event, fields))

    monkeypatch.setattr(access_log, "_log", Log())
    log = AccessLog(1.0)
    log.add({"method": "Predict"})
    assert writers == []
    await log.write()
    ((thread, event, fields),) = writers
    assert thread is not threading.main_thread()
    assert (event, fields) == ("call", {"method": "Predict"})
    await log.write()
    assert len(writers) == 1


def test_lines_that_nobody_takes_do_not_pile_up() -> None:
    log = AccessLog(1.0)
    for number in range(5_000):
        log.add({"number": number})
    with capture_logs() as lines:
        log.write_now()
    assert len(lines) == 1_001
    assert lines[-1] == {"event": "calls_not_logged", "log_level": "warning", "dropped": 4_000}

"""A call's id: the caller's where it is harmless, its trace's, or a new one."""

import pytest

from server.call_ids import call_id_of

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.mark.parametrize("named", ["a", "7f3e.2_Z-9", "x" * 64])
def test_the_callers_id_is_kept(named: str) -> None:
    assert call_id_of({"x-request-id": named, "traceparent": PARENT}, "1" * 32) == named


@pytest.mark.parametrize(
    "named", ["", "x" * 65, "two words", "a\nb", 'a"b', "ä", "a/b", "${jndi:x}", "a\n", b"abc"]
)
def test_an_id_that_could_harm_a_log_is_replaced(named: str | bytes) -> None:
    assert call_id_of({"x-request-id": named, "traceparent": PARENT}) == TRACE_ID
    assert call_id_of({"x-request-id": named}) != named


def test_the_servers_own_trace_beats_the_one_sent() -> None:
    assert call_id_of({"traceparent": PARENT}, "1" * 32) == "1" * 32


@pytest.mark.parametrize(
    "parent",
    ["", "00", f"00-{'0' * 32}-b7ad6b7169203331-01", PARENT.upper(), f"{PARENT}x", PARENT + "\n", b"00"],
)
def test_a_broken_trace_is_no_id(parent: str | bytes) -> None:
    assert TRACE_ID not in call_id_of({"traceparent": parent})


def test_new_ids_differ() -> None:
    ids = {call_id_of({}) for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {len(one) for one in ids} == {20}

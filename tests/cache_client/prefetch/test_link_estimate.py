"""What a plan expects of a link: the seen silences, and some for safety until enough was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.prefetch.link_estimate import LinkEstimate, LinkObservations, Silence, link_estimate
from cache_client.prefetch.throughput import Transfer, mean_throughput, safe_throughput


def test_the_silence_past_a_lead_is_what_it_does_not_bridge() -> None:
    link = LinkEstimate(None, [Silence(2.0, 0.01), Silence(10.0, 0.001)])
    assert link.silent_s(0.0) == pytest.approx(0.02 + 0.01)
    assert link.silent_s(2.0) == pytest.approx(0.008)
    assert link.silent_s(6.0) == pytest.approx(0.004)
    assert link.silent_s(10.0) == 0.0
    assert [link.interruptions(lead_s) for lead_s in (0.0, 2.0, 10.0)] == pytest.approx([0.011, 0.001, 0.0])
    assert link.longest_s == 10.0


@given(st.lists(st.tuples(st.floats(0.1, 600.0), st.floats(1e-6, 1.0)), max_size=20), st.floats(0.0, 700.0))
def test_a_question_is_answered_as_by_adding_up(silences: list[tuple[float, float]], lead_s: float) -> None:
    link = LinkEstimate(None, [Silence(*it) for it in silences])
    expected = sum(per_s * max(0.0, silence_s - lead_s) for silence_s, per_s in silences)
    assert link.silent_s(lead_s) == pytest.approx(expected, abs=1e-6)


def test_of_a_new_link_a_silence_an_hour_is_expected_and_no_rate() -> None:
    link = link_estimate(LinkObservations())
    assert link.bytes_per_s is None
    assert link.interruptions(0.0) == pytest.approx(1 / 3600)
    assert link.longest_s == 30.0


def test_a_steady_link_is_trusted_more_and_more() -> None:
    hours = [link_estimate(LinkObservations((), it * 3600.0)).silent_s(2.0) for it in (0, 1, 10, 100)]
    assert hours == sorted(hours, reverse=True)
    assert hours[2] < hours[0] / 40


def test_seen_silences_come_as_often_and_as_long_as_seen() -> None:
    link = link_estimate(LinkObservations((), 1e8, (4.0,) * 50))
    assert link.interruptions(0.0) == pytest.approx(50 / 1e8, rel=0.02)
    assert link.silent_s(0.0) == pytest.approx(200 / 1e8, rel=0.05)


def test_the_rate_is_the_harmonic_mean_less_what_such_means_were_wrong_by() -> None:
    steady = [Transfer(1_000.0, 1.0)] * 3
    assert safe_throughput(steady) == pytest.approx(1_000.0)
    # The mean was 1,000 when 500 came: twice too much.
    assert safe_throughput([*steady, Transfer(500.0, 1.0)]) == pytest.approx(4 / (3 / 1000 + 1 / 500) / 2)
    # The latest five alone count.
    assert safe_throughput([Transfer(1.0, 1.0)] * 9 + [Transfer(1_000.0, 1.0)] * 10) == pytest.approx(1_000.0)
    assert safe_throughput([]) is None
    assert mean_throughput([Transfer(0.0, 1.0), Transfer(5.0, 0.0)]) is None

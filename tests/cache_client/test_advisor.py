"""The advisor's judgement: what is worth fetching, in which order, and what is not."""

from collections.abc import Sequence

import pytest

from cache_client.advisor import advise
from cache_client.delivery import Delivery
from cache_client.listening import heard_probability, uniform_skip_survival
from cache_client.prefetch import Fetch, PrefetchRequest, UpcomingTrack
from cache_client.score import ScoreWeights

DELIVERY = Delivery()
CHUNK_BYTES = 40_000  # 2 s at 160 kbit/s
DURATION_S = 200.0
SIZE_BYTES = 4_000_000


def track(
    name: str, probability: float = 0.66, storage_class: str | None = "SLOW", cached_bytes: int = 0
) -> UpcomingTrack:
    return UpcomingTrack(name, DURATION_S, SIZE_BYTES, storage_class, cached_bytes, probability)


def plan(
    queue: Sequence[UpcomingTrack],
    *,
    playing: UpcomingTrack | None = None,
    free_bytes: int = 50_000_000,
    delivery: Delivery = DELIVERY,
    weights: ScoreWeights | None = None,
    session_end_probability: float = 0.055,
) -> list[Fetch]:
    request = PrefetchRequest(playing or track("playing"), tuple(queue), free_bytes, delivery)
    return advise(request, weights or ScoreWeights(), session_end_probability=session_end_probability)


def test_a_track_that_will_be_skipped_still_gets_its_first_chunk() -> None:
    assert plan([track("next", probability=0.0)]) == [Fetch("next", 0, CHUNK_BYTES - 1)]


def test_no_tail_is_fetched_over_a_link_faster_than_the_audio() -> None:
    assert plan([track("next", probability=1.0)]) == [Fetch("next", 0, CHUNK_BYTES - 1)]


def test_over_a_link_slower_than_the_audio_the_tail_is_fetched_as_far_as_it_will_be_heard() -> None:
    slow = Delivery(bandwidth_bit_per_s=120_000.0)
    # Reached with 0.945. A second past the start spares 1/15,000 - 1/20,000 s a byte: 3.083e-5 in score where
    # heard; a byte wasted costs 4e-6. Worth it while 0.945 h · 3.083e-5 > (1 - 0.945 h) · 4e-6, h > 0.1216.
    (sure,) = plan([track("next", probability=1.0)], delivery=slow)
    (doubtful,) = plan([track("next", probability=0.0)], delivery=slow)
    assert sure == Fetch("next", 0, SIZE_BYTES - 1)
    # With p = 0, h = 1 - place: up to the chunk whose middle is the last before 0.8784 of 200 s, 175.7 s.
    assert doubtful == Fetch("next", 0, (176 * 20_000) - 1)


def test_a_first_chunk_covers_the_storage_latency_too() -> None:
    slow_storage = Delivery(slow_ms=4_500.0)  # with the round trip 4.55 s: three chunks of 2 s
    assert plan([track("next")], delivery=slow_storage) == [Fetch("next", 0, 3 * CHUNK_BYTES - 1)]


def test_a_cached_first_chunk_is_not_fetched_again() -> None:
    assert plan([track("next", cached_bytes=CHUNK_BYTES)]) == []
    assert plan([track("next", cached_bytes=100)]) == [Fetch("next", 100, CHUNK_BYTES - 1)]


def test_a_deep_track_is_left_to_the_next_plan_when_there_will_be_time() -> None:
    patient = [track("first", probability=0.99), track("second"), track("third")]
    assert [fetch.track_id for fetch in plan(patient)] == ["first"]


def test_a_deep_track_is_fetched_now_when_the_one_before_may_be_left_too_soon() -> None:
    # A first track of 6 s that is never heard out may be gone before its plan has fetched the second's chunk.
    short = UpcomingTrack("first", 6.0, 120_000, "SLOW", 0, 0.0)
    assert [fetch.track_id for fetch in plan([short, track("second")])] == ["first", "second"]


def test_what_spares_the_longer_wait_goes_first() -> None:
    # The first track is so short that its own plan may come too late for the second, whose storage is slower.
    first = UpcomingTrack("first", 1.5, 30_000, "FAST", 0, 0.0)
    second = UpcomingTrack("second", 6.0, 120_000, "SLOW", 0, 0.0)
    planned = plan([first, second], session_end_probability=0.0)
    assert [fetch.track_id for fetch in planned] == ["second", "first"]


def test_a_session_that_is_about_to_end_gets_nothing() -> None:
    # Worth it while reached · 1.85 · 0.71 s > (1 - reached · heard) · 0.16: reached > 0.11 or so.
    assert plan([track("next")], session_end_probability=0.95) == []
    assert plan([track("next")], session_end_probability=0.80) != []


@pytest.mark.parametrize(("free_bytes", "planned"), [(CHUNK_BYTES - 1, 0), (CHUNK_BYTES, 1)])
def test_what_does_not_fit_is_not_planned(free_bytes: int, planned: int) -> None:
    assert len(plan([track("next")], free_bytes=free_bytes)) == planned


def test_dearer_waste_or_cheaper_waits_end_prefetching() -> None:
    assert plan([track("next")], weights=ScoreWeights(wait_per_s=0.0)) == []
    assert plan([track("next")], weights=ScoreWeights(waste_per_mbit=1_000.0)) == []


def test_a_second_is_heard_by_those_who_stay_and_by_those_who_skip_later() -> None:
    assert heard_probability(0.6, 0.0) == 1.0
    assert heard_probability(0.6, 0.5) == pytest.approx(0.8)
    assert heard_probability(0.6, 1.0) == pytest.approx(0.6)
    assert heard_probability(0.0, 0.3, skip_survival=lambda fraction: 0.25) == 0.25
    assert [uniform_skip_survival(x) for x in (-1.0, 0.0, 1.0, 2.0)] == [1.0, 1.0, 0.0, 0.0]

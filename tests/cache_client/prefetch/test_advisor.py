"""The advisor's judgement: what is worth fetching, in which order, and what is not."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.heard import heard_probability
from cache_client.prefetch.link_estimate import LinkObservations, link_estimate
from cache_client.prefetch.listener import fitted_to_listener, listener_rate
from cache_client.prefetch.plan import (
    AheadStep,
    CurvePoint,
    Fetch,
    ListenerRecord,
    PrefetchRequest,
    TrackPrediction,
    UpcomingTrack,
)
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.stream_ahead import stream_ahead
from cache_client.prefetch.throughput import Transfer

DELIVERY = Delivery()
CHUNK_BYTES = 40_000  # 2 s at 160 kbit/s
DURATION_S = 200.0
SIZE_BYTES = 4_000_000


def seen(bytes_per_s: float, silences_s: tuple[float, ...] = (), watched_s: float = 1e9) -> LinkObservations:
    """Returns what a client saw of a link that carried so much; so long that nothing is assumed any more."""
    return LinkObservations((Transfer(bytes_per_s, 1.0),), watched_s, silences_s)


FAST = seen(250_000.0)


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
    link: LinkObservations | None = None,
    at_s: float = 0.0,
) -> list[Fetch]:
    """Returns the ranges, without their latest starts."""
    link = FAST if link is None else link
    request = PrefetchRequest(
        playing or track("playing"), tuple(queue), free_bytes, delivery, link=link, playing_at_s=at_s
    )
    found = advise(request, weights or ScoreWeights(), session_end_probability=session_end_probability)
    return [fetch._replace(latest_start_s=0.0) for fetch in found.fetches]


def test_a_track_that_will_be_skipped_still_gets_its_first_chunk() -> None:
    assert plan([track("next", probability=0.0)]) == [Fetch("next", 0, CHUNK_BYTES - 1)]


def test_no_tail_is_fetched_over_a_link_faster_than_the_audio() -> None:
    assert plan([track("next", probability=1.0)]) == [Fetch("next", 0, CHUNK_BYTES - 1)]


def test_over_a_link_slower_than_the_audio_so_much_is_fetched_as_lasts_while_it_is_heard() -> None:
    # At 19,000 of 20,000 bytes/s a play that begins with x seconds there runs dry after 20 x. What it can
    # spare is fetched of the next ones, as if it ran dry after 5 x: up to the chunk whose middle is before
    # 40 of 200 s.
    (sure,) = plan([track("next", probability=1.0)], link=seen(19_000.0))
    assert sure == Fetch("next", 0, 40 * 20_000 - 1)
    # At a quarter of the audio's rate it may have to be there to the end.
    (whole,) = plan([track("next", probability=1.0)], link=seen(5_000.0))
    assert whole == Fetch("next", 0, SIZE_BYTES - 1)
    # Who leaves early gains nothing by the rest: 0.945 h · 4 s · 1.85 > (1 - 0.945 h) · 0.08, h > 0.0113.
    (doubtful,) = plan([track("next", probability=0.0)], link=seen(5_000.0))
    assert doubtful == Fetch("next", 0, 198 * 20_000 - 1)


def test_where_the_link_falls_silent_more_of_the_next_start_is_fetched() -> None:
    silences = (20.0,) * 40
    steady = plan([track("next")], link=seen(250_000.0, silences, watched_s=1e9))
    broken = plan([track("next")], link=seen(250_000.0, silences, watched_s=3e4))
    assert steady == [Fetch("next", 0, CHUNK_BYTES - 1)]
    assert CHUNK_BYTES < broken[0].size_bytes < 40 * 20_000


def test_a_link_hardly_faster_than_the_audio_needs_more_of_the_next_start() -> None:
    # The lead that a silence takes does not grow again.
    silences = (2.0,) * 30
    fast = plan([track("next")], link=seen(250_000.0, silences, watched_s=18_000.0))
    barely = plan([track("next")], link=seen(20_100.0, silences, watched_s=18_000.0))
    assert barely[0].size_bytes > fast[0].size_bytes


def test_while_nothing_was_seen_of_the_link_silences_are_expected() -> None:
    new, known = LinkObservations(), seen(250_000.0)
    assert plan([track("next")], link=new)[0].size_bytes > plan([track("next")], link=known)[0].size_bytes


def test_the_latest_start_is_when_the_track_is_needed_less_what_its_start_takes() -> None:
    request = PrefetchRequest(
        track("playing"), (track("next"),), 10**9, DELIVERY, link=FAST, playing_at_s=150.0
    )
    (fetch,) = advise(request, ScoreWeights()).fetches
    # 50 s are left; 0.55 s to the first byte, 40,000 bytes at 250,000 a second.
    assert fetch.latest_start_s == pytest.approx(50.0 - 0.55 - 0.16)


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
    heard = track("any", probability=0.6)
    assert [heard_probability(heard, at_s) for at_s in (0.0, 100.0, 200.0, 300.0)] == pytest.approx(
        [1.0, 0.8, 0.6, 0.6]
    )


def test_a_listening_curve_beats_the_even_spread_of_skips() -> None:
    curve = (CurvePoint(50.0, 0.7), CurvePoint(100.0, 0.65), CurvePoint(250.0, 0.0))
    early = track("any", probability=0.6)._replace(listening_curve=curve)
    # Points at or past the track's end say nothing of it: its end is the play-through probability.
    assert [heard_probability(early, at_s) for at_s in (25.0, 50.0, 75.0, 150.0, 200.0)] == pytest.approx(
        [0.85, 0.7, 0.675, 0.625, 0.6]
    )


def test_a_listeners_own_level_replaces_a_models_and_keeps_its_order() -> None:
    curve = (CurvePoint(50.0, 0.9),)
    said = {"a": TrackPrediction(0.8, curve), "b": TrackPrediction(0.6), "c": TrackPrediction(0.7)}
    fitted = fitted_to_listener(said, ListenerRecord(200, 20))
    assert fitted["a"].play_through_probability > fitted["c"].play_through_probability
    assert fitted["c"].play_through_probability == pytest.approx(listener_rate(ListenerRecord(200, 20), 0.7))
    assert fitted["a"].play_through_probability < fitted["a"].listening_curve[0].heard_probability < 0.9
    assert fitted_to_listener(said, ListenerRecord()) == said


def test_nothing_is_known_of_a_new_listener() -> None:
    assert listener_rate(ListenerRecord()) == pytest.approx(0.66)
    assert listener_rate(ListenerRecord(95, 95)) == pytest.approx((95 + 5 * 0.66) / 100)


def ahead_s(probability: float, link: LinkObservations) -> float:
    """Returns how far the middle of a track is streamed ahead."""
    steps = stream_ahead(track("playing", probability), DELIVERY, link_estimate(link), ScoreWeights())
    return steps[len(steps) // 2].ahead_s


def dropping(per_hour: float, mean_s: float, n: int = 100) -> LinkObservations:
    """Returns a link seen to fall silent so often, at the quantiles of an exponential distribution."""
    silences_s = tuple(-mean_s * math.log(1 - (it + 0.5) / n) for it in range(n))
    return seen(250_000.0, silences_s, n / per_hour * 3600)


def test_who_may_skip_is_streamed_less_ahead_and_who_stays_more() -> None:
    usual = dropping(6.0, 1.5)
    assert 2.0 < ahead_s(0.2, usual) < ahead_s(0.6, usual) < ahead_s(0.95, usual)


def test_a_steadier_link_needs_less_ahead() -> None:
    assert ahead_s(0.6, FAST) == 2.0
    rare, usual, long = dropping(1.0, 1.5), dropping(6.0, 1.5), dropping(6.0, 5.0)
    assert ahead_s(0.6, rare) < ahead_s(0.6, usual) < ahead_s(0.6, long)


def test_the_distance_learnt_is_near_the_best_for_the_truth() -> None:
    """In the middle of the track, against the expected cost for exponential silences themselves."""
    probability, heard = 0.4, 0.7
    skips_per_s = (1.0 - probability) / DURATION_S / heard
    restart_s = CHUNK_BYTES / 250_000

    def price(distance_s: float) -> float:
        stalled_s = 6 / 3600 * (1.5 + restart_s) * math.exp(-distance_s / 1.5)
        return 1.85 * stalled_s + skips_per_s * distance_s * 0.5 * 0.16

    best = min(price(step / 100) for step in range(200, 2_000))
    assert price(ahead_s(probability, dropping(6.0, 1.5))) < 1.05 * best


def test_on_a_link_slower_than_the_audio_what_is_there_has_to_last() -> None:
    # The lead falls by a tenth of a second a second: at 80 s 120 s are left.
    assert ahead_s(0.6, seen(18_000.0)) == pytest.approx(12.0)


def test_the_next_start_comes_through_before_the_lead_grows() -> None:
    link = replace(dropping(6.0, 5.0), transfers=(Transfer(22_000.0, 1.0),))
    request = PrefetchRequest(track("playing"), (track("next"),), 10**9, DELIVERY, link=link)
    first, second, *_ = advise(request, ScoreWeights()).ahead or ()
    assert first == AheadStep(0.0, 2.0)
    # 0.55 s and 40,000 bytes at the 2,000 bytes/s that the audio leaves.
    assert second.from_s == pytest.approx(20.55)
    assert second.ahead_s > 2.0

"""What every registered policy must keep to, whatever it is asked."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.laboratory_errors import UnknownPolicyError
from cache_client.policies import (
    DEFAULT_POLICIES,
    POLICIES,
    FuturePlay,
    Oracle,
    Policy,
    PolicyOptions,
    TwoConstants,
    policies_named,
)
from cache_client.policies.listener_rate import ListenerRate
from cache_client.policies.next_n_full import NextNFull
from cache_client.policies.popularity import Popularity
from cache_client.policies.random_tracks import RandomTracks
from cache_client.policies.rank import Rank
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.plan import (
    AheadStep,
    CurvePoint,
    Fetch,
    ListenerRecord,
    Objective,
    PrefetchRequest,
    Ration,
    UpcomingTrack,
)
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.throughput import Transfer

DELIVERIES = st.builds(
    Delivery,
    slow_ms=st.sampled_from([0.0, 500.0, 5_000.0]),
    chunk_s=st.sampled_from([0.5, 2.0, 10.0]),
)


TRANSFERS = st.builds(Transfer, st.floats(1.0, 1e7), st.floats(0.001, 100.0))
LINKS = st.builds(
    LinkObservations,
    st.lists(TRANSFERS, max_size=6).map(tuple),
    st.floats(0.0, 1e6),
    st.lists(st.floats(0.5, 600.0), max_size=6).map(tuple),
)
RATIONS = st.none() | st.builds(Ration, st.sampled_from(Objective), st.floats(0.0, 2.0))


@st.composite
def requests(draw: st.DrawFn) -> PrefetchRequest:
    """Draws a request: some tracks partly or wholly cached, any probabilities, any room."""
    delivery = draw(DELIVERIES)

    def track(number: int) -> UpcomingTrack:
        duration_s = draw(st.floats(0.1, 600.0))
        size_bytes = delivery.size_bytes(duration_s)
        cached_bytes = draw(st.one_of(st.just(0), st.just(size_bytes), st.integers(0, size_bytes)))
        storage_class = draw(st.sampled_from(["FAST", "MEDIUM", "SLOW", None]))
        probability = draw(st.floats(0.0, 1.0))
        moments = sorted(draw(st.lists(st.floats(1.0, 700.0), max_size=3, unique=True)))
        heard = sorted(draw(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3)), reverse=True)
        curve = tuple(CurvePoint(*point) for point in zip(moments, heard, strict=False))
        known = (f"t{number}", duration_s, size_bytes, storage_class, cached_bytes, probability)
        return UpcomingTrack(*known, curve, draw(st.floats(0.0, 100.0)))

    queue = tuple(track(number) for number in range(1, draw(st.integers(1, 7))))
    free_bytes = draw(st.one_of(st.just(0), st.integers(0, 100_000), st.integers(0, 50_000_000)))
    plays = draw(st.integers(0, 200))
    listener = ListenerRecord(plays, draw(st.integers(0, plays)))
    playing = track(0)
    at_s = draw(st.floats(0.0, playing.duration_s))
    position, link, ration = draw(st.integers(0, 9)), draw(LINKS), draw(RATIONS)
    return PrefetchRequest(playing, queue, free_bytes, delivery, listener, position, link, at_s, ration)


# The oracle that knows a future is held to the contract beside the one that knows none.
FUTURE = [FuturePlay(f"t{number % 5}", 7.0 * number) for number in range(12)]
every_policy = pytest.mark.parametrize(
    "policy",
    [*(make(PolicyOptions()) for make in POLICIES.values()), Oracle().knowing(FUTURE)],
    ids=[*POLICIES, "oracle-knowing"],
)


@every_policy
@given(request=requests())
def test_a_plan_fits_the_free_bytes(policy: Policy, request: PrefetchRequest) -> None:
    assert sum(fetch.size_bytes for fetch in policy.plan(request).fetches) <= request.free_bytes


@every_policy
@given(request=requests())
def test_a_plan_names_only_tracks_of_the_queue(policy: Policy, request: PrefetchRequest) -> None:
    assert {fetch.track_id for fetch in policy.plan(request).fetches} <= {
        track.track_id for track in request.queue
    }


@every_policy
@given(request=requests())
def test_a_plan_continues_what_is_cached_and_fetches_no_byte_twice(
    policy: Policy, request: PrefetchRequest
) -> None:
    ends: dict[str, int] = defaultdict(int, {t.track_id: t.cached_bytes for t in request.queue})
    sizes = {track.track_id: track.size_bytes for track in request.queue}
    for fetch in policy.plan(request).fetches:
        assert fetch.first_byte == ends[fetch.track_id]
        assert fetch.first_byte <= fetch.last_byte < sizes[fetch.track_id]
        ends[fetch.track_id] = fetch.last_byte + 1


@every_policy
@given(request=requests())
def test_the_same_request_gets_the_same_plan(policy: Policy, request: PrefetchRequest) -> None:
    assert policy.plan(request) == policy.plan(request)


@every_policy
def test_an_empty_queue_gets_an_empty_plan(policy: Policy) -> None:
    playing = UpcomingTrack("t0", 200.0, 4_000_000, "SLOW", 0, 0.5)
    assert policy.plan(PrefetchRequest(playing, (), 10_000_000, Delivery())).fetches == ()


def test_next_n_takes_whole_tracks_in_queue_order_and_cuts_the_last_where_the_cache_is_full() -> None:
    cached = {"a": 0, "b": 400, "c": 0, "d": 0}
    queue = [UpcomingTrack(name, 0.05, 1_000, "SLOW", there, 0.5) for name, there in cached.items()]
    request = PrefetchRequest(queue[3], tuple(queue), 2_000, Delivery())
    planned = NextNFull(3).plan(request).fetches
    assert planned == (Fetch("a", 0, 999), Fetch("b", 400, 999), Fetch("c", 0, 399))


@every_policy
@given(request=requests())
def test_streaming_distances_rise_along_the_track_and_are_finite(
    policy: Policy, request: PrefetchRequest
) -> None:
    ahead = policy.plan(request).ahead
    if ahead is not None:
        assert 0.0 <= ahead[0].from_s <= request.playing_at_s
        assert [step.from_s for step in ahead] == sorted({step.from_s for step in ahead})
        assert all(0.0 <= step.ahead_s < 1e6 for step in ahead)


def _queue(*tracks: tuple[str, float, float]) -> PrefetchRequest:
    """Returns a request over a queue of (track_id, play_through_probability, popularity)."""
    playing = UpcomingTrack("playing", 0.05, 1_000, "SLOW", 0, 0.5)
    queue = tuple(UpcomingTrack(name, 0.05, 1_000, "SLOW", 0, p, (), liked) for name, p, liked in tracks)
    return PrefetchRequest(playing, queue, 10_000, Delivery())


def test_rank_takes_the_most_likely_and_popularity_the_most_popular() -> None:
    request = _queue(("a", 0.2, 50.0), ("b", 0.9, 10.0), ("c", 0.5, 90.0))
    assert [fetch.track_id for fetch in Rank(2).plan(request).fetches] == ["b", "c"]
    assert [fetch.track_id for fetch in Popularity(2).plan(request).fetches] == ["c", "a"]


def test_random_draws_differ_from_play_to_play_and_not_from_run_to_run() -> None:
    tracks = [(f"t{number}", 0.5, 1.0) for number in range(9)]
    plans = [RandomTracks(3).plan(replace(_queue(*tracks), position=position)) for position in range(5)]
    assert len({plan.fetches for plan in plans}) > 1
    assert RandomTracks(3).plan(_queue(*tracks)) == plans[0]
    assert RandomTracks(3, seed=1).plan(_queue(*tracks)) != plans[0]


def test_the_oracle_takes_what_will_be_heard_soonest_first_and_streams_no_further() -> None:
    delivery = Delivery()
    queue = tuple(UpcomingTrack(name, 100.0, 2_000_000, "SLOW", 0, 0.5) for name in "bcd")
    playing = UpcomingTrack("a", 100.0, 2_000_000, "SLOW", 0, 0.5)
    future = [FuturePlay("a", 30.0), FuturePlay("b", 0.5), FuturePlay("c", 100.0)]
    plan = Oracle().knowing(future).plan(PrefetchRequest(playing, queue, 10_000_000, delivery))
    # b is left after half a second, and needs a whole chunk (40,000 bytes) to start at all.
    assert plan.fetches == (Fetch("b", 0, 39_999), Fetch("c", 0, 1_999_999))
    assert plan.stream_bytes == 600_000


def test_two_constants_take_the_head_of_the_next_track_and_nothing_else() -> None:
    queue = tuple(UpcomingTrack(name, 100.0, 2_000_000, "SLOW", 0, 0.5) for name in "bc")
    playing = UpcomingTrack("a", 100.0, 2_000_000, "SLOW", 0, 0.5)
    request = PrefetchRequest(playing, queue, 10_000_000, Delivery())
    plan = TwoConstants(head_s=5.0, lead_s=7.0).plan(request)
    assert plan.fetches == (Fetch("b", 0, 99_999),)
    assert plan.ahead == (AheadStep(0.0, 7.0),)
    # A play starts with a whole chunk, 2 s: less is of no use.
    assert TwoConstants(head_s=0.5).plan(request).fetches == (Fetch("b", 0, 39_999),)


def test_listener_rate_follows_the_listener_and_no_prediction() -> None:
    likely, unlikely = _queue(("a", 0.9, 0.0)), _queue(("a", 0.1, 0.0))
    policy = ListenerRate(ScoreWeights())
    assert policy.plan(likely) == policy.plan(unlikely)
    long = replace(likely, playing=UpcomingTrack("playing", 200.0, 4_000_000, "SLOW", 0, 0.5))
    patient, impatient = (replace(long, listener=ListenerRecord(200, n)) for n in (190, 10))
    assert policy.plan(patient).ahead != policy.plan(impatient).ahead


def test_policies_are_found_by_name_and_an_unknown_one_is_named() -> None:
    assert list(policies_named(["advisor", "none"], PolicyOptions())) == ["advisor", "none"]
    assert list(policies_named([], PolicyOptions())) == list(DEFAULT_POLICIES)
    assert list(policies_named(list(POLICIES), PolicyOptions())) == list(POLICIES)
    with pytest.raises(
        UnknownPolicyError, match="unknown policy 'magic'; there are: none, random, next-1-prefix"
    ):
        policies_named(["magic"], PolicyOptions())

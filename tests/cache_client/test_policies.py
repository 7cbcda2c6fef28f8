"""What every registered policy must keep to, whatever it is asked."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.delivery import Delivery
from cache_client.errors import UnknownPolicyError
from cache_client.policies import POLICIES, Policy, PolicyOptions, policies_named
from cache_client.policies.next_n import NextN
from cache_client.prefetch import Fetch, PrefetchRequest, UpcomingTrack

DELIVERIES = st.builds(
    Delivery,
    bandwidth_bit_per_s=st.sampled_from([50_000.0, 200_000.0, 2_000_000.0, 20_000_000.0]),
    slow_ms=st.sampled_from([0.0, 500.0, 5_000.0]),
    chunk_s=st.sampled_from([0.5, 2.0, 10.0]),
)


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
        return UpcomingTrack(f"t{number}", duration_s, size_bytes, storage_class, cached_bytes, probability)

    queue = tuple(track(number) for number in range(1, draw(st.integers(1, 7))))
    free_bytes = draw(st.one_of(st.just(0), st.integers(0, 100_000), st.integers(0, 50_000_000)))
    return PrefetchRequest(track(0), queue, free_bytes, delivery)


every_policy = pytest.mark.parametrize(
    "policy", [make(PolicyOptions()) for make in POLICIES.values()], ids=list(POLICIES)
)


@every_policy
@given(request=requests())
def test_a_plan_fits_the_free_bytes(policy: Policy, request: PrefetchRequest) -> None:
    assert sum(fetch.size_bytes for fetch in policy.plan(request)) <= request.free_bytes


@every_policy
@given(request=requests())
def test_a_plan_names_only_tracks_of_the_queue(policy: Policy, request: PrefetchRequest) -> None:
    assert {fetch.track_id for fetch in policy.plan(request)} <= {track.track_id for track in request.queue}


@every_policy
@given(request=requests())
def test_a_plan_continues_what_is_cached_and_fetches_no_byte_twice(
    policy: Policy, request: PrefetchRequest
) -> None:
    ends: dict[str, int] = defaultdict(int, {t.track_id: t.cached_bytes for t in request.queue})
    sizes = {track.track_id: track.size_bytes for track in request.queue}
    for fetch in policy.plan(request):
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
    assert policy.plan(PrefetchRequest(playing, (), 10_000_000, Delivery())) == []


def test_next_n_takes_whole_tracks_in_queue_order_and_cuts_the_last_where_the_cache_is_full() -> None:
    cached = {"a": 0, "b": 400, "c": 0, "d": 0}
    queue = [UpcomingTrack(name, 0.05, 1_000, "SLOW", there, 0.5) for name, there in cached.items()]
    request = PrefetchRequest(queue[3], tuple(queue), 2_000, Delivery())
    assert NextN(3).plan(request) == [Fetch("a", 0, 999), Fetch("b", 400, 999), Fetch("c", 0, 399)]


def test_policies_are_found_by_name_and_an_unknown_one_is_named() -> None:
    assert list(policies_named(["advisor", "none"], PolicyOptions())) == ["advisor", "none"]
    assert list(policies_named([], PolicyOptions())) == list(POLICIES)
    with pytest.raises(UnknownPolicyError, match="unknown policy 'magic'; there are: none, next-n, advisor"):
        policies_named(["magic"], PolicyOptions())

"""The simulator: a trace worked out by hand, and what must hold on every trace."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_client.laboratory_errors import PlanError
from cache_client.policies import POLICIES, Policy, PolicyOptions, policies_named
from cache_client.policies.next_n_full import NextNFull
from cache_client.policies.none import NoPrefetch
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.plan import AheadStep, Fetch, Plan, PrefetchRequest, TrackPrediction
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import SessionResult, Track, World, replay_session
from cache_client.simulator.link import LinkTrace, LinkWorld
from tests.cache_client.traces import session

# The figures of the hand-made trace: 1 s of audio is 1,000 bytes, the link carries 10,000 bytes/s, the first
# byte takes 0.1 + 0.4 = 0.5 s, a chunk is 2 s = 2,000 bytes, and the player streams 5 s = 5,000 bytes ahead.
TINY = World(
    Delivery(rtt_ms=100.0, bit_rate_bit_per_s=8_000.0, slow_ms=400.0, chunk_s=2.0, buffer_ahead_s=5.0),
    LinkWorld(bandwidth_bit_per_s=80_000.0, dropouts_per_hour=0.0),
)
# A is heard out (20 s of 20 s), B is left after 4 s of 30 s, C is heard out (10 s).
TRACE = session(
    [("A", 20.0, 20.0), ("B", 30.0, 4.0), ("C", 10.0, 10.0)], continuation=[Track("D", 40.0, "SLOW")]
)


def replay(policy: Policy, world: World) -> SessionResult:
    return replay_session(TRACE, policy, (), world)


def test_golden_without_prefetching() -> None:
    result = replay(NoPrefetch(), TINY)
    # Each start: 0.5 s to the first byte + 2,000 / 10,000 = 0.2 s for the chunk.
    assert result.startup_delays_s == pytest.approx([0.7, 0.7, 0.7])
    assert result.stall_s == 0.0
    assert (result.hits, result.hit_bytes) == (0, 0.0)
    # A 20,000 and C 10,000 whole; of B what was heard, 4,000, and the 5,000 ahead of it.
    assert result.downloaded_bytes == pytest.approx(20_000 + 9_000 + 10_000)
    assert result.used_bytes == pytest.approx(20_000 + 4_000 + 10_000)
    assert result.wasted_bytes == pytest.approx(5_000)


def test_golden_with_the_next_track_in_full() -> None:
    result = replay(NextNFull(1), TINY)
    # B's 30,000 bytes come while A plays 20 s, C's 10,000 while B plays 4 s: no wait but the first.
    #   While A plays: A fills its buffer first. From 0.7 s on, 2,000 bytes are there; they grow by
    #   10,000 - 1,000 a second, so 5,000 ahead is reached 3,000 / 9,000 = 0.333 s later. From then on 9,000
    #   bytes/s are B's for the 19.67 s that are left: more than its 30,000.
    #   B needs no stream of its own. C: first byte after 0.5 s, 10,000 bytes in 1 s, so before 4 s.
    #   While C plays 10 s: D's 40,000 bytes, 0.5 s + 4 s.
    assert result.startup_delays_s == pytest.approx([0.7, 0.0, 0.0])
    assert result.hits == 2
    assert result.hit_bytes == pytest.approx(4_000 + 10_000)
    assert result.downloaded_bytes == pytest.approx(20_000 + 30_000 + 10_000 + 40_000)
    # Of B 26,000 go unheard, and all of D, which the session never reaches.
    assert result.wasted_bytes == pytest.approx(26_000 + 40_000)
    assert result.used_bytes == pytest.approx(34_000)


def test_a_skip_ends_a_fetch_that_is_under_way_and_what_came_is_kept() -> None:
    # B is left after 1 s. Asked for at once, C's first byte comes at 0.5 s: 5,000 bytes are there by then.
    short = session([("A", 20.0, 20.0), ("B", 30.0, 1.0), ("C", 10.0, 10.0)])
    result = replay_session(short, NextNFull(1), (), TINY)
    assert result.startup_delays_s == pytest.approx([0.7, 0.0, 0.0])
    assert result.hit_bytes == pytest.approx(1_000 + 5_000)
    assert result.downloaded_bytes == pytest.approx(20_000 + 30_000 + 10_000)


def test_a_fetch_under_way_shortens_the_wait_for_the_track_that_is_asked_for() -> None:
    # B is left after 0.3 s, when C's first byte is 0.2 s away: 0.2 s + 0.2 s for the chunk.
    short = session([("A", 20.0, 20.0), ("B", 30.0, 0.3), ("C", 10.0, 10.0)])
    assert replay_session(short, NextNFull(1), (), TINY).startup_delays_s[2] == pytest.approx(0.4)


def test_a_link_slower_than_the_audio_stalls() -> None:
    slow = World(
        Delivery(rtt_ms=0.0, bit_rate_bit_per_s=8_000.0, slow_ms=0.0),
        LinkWorld(bandwidth_bit_per_s=4_000.0, dropouts_per_hour=0.0),
    )
    result = replay_session(session([("A", 10.0, 10.0)]), NoPrefetch(), (), slow)
    # 500 bytes/s in, 1,000 out. The first 2,000 take 4 s and last 4 s: at 4,000 there and heard, silence till
    # 6,000 are there (4 s); those last till 8,000; silence till 10,000, the end (4 s).
    assert result.startup_delays_s == pytest.approx([4.0])
    assert result.stall_s == pytest.approx(8.0)


def test_an_advertisement_leaves_time_to_fetch() -> None:
    # Each play is over as soon as it starts: only the pause of 1 s lets the next track's start be fetched.
    skipped = [("A", 20.0, 0.0), ("B", 20.0, 0.0)]
    hurried = replay_session(session(skipped), NextNFull(1), (), TINY)
    paused = replay_session(session(skipped, pause_s=1.0), NextNFull(1), (), TINY)
    assert hurried.startup_delays_s[1] > 0.0
    assert paused.startup_delays_s[1] == 0.0


def test_a_repeated_track_is_played_from_the_cache_and_its_bytes_are_not_wasted() -> None:
    result = replay_session(
        session([("A", 20.0, 20.0), ("B", 5.0, 5.0), ("A", 20.0, 20.0)]), NoPrefetch(), (), TINY
    )
    assert result.hits == 1
    assert result.downloaded_bytes == pytest.approx(25_000)
    assert result.wasted_bytes == 0.0


def test_a_small_cache_forgets_the_least_recently_played_track() -> None:
    again = session([("A", 20.0, 20.0), ("B", 20.0, 20.0), ("A", 20.0, 20.0)])
    small = replay_session(again, NoPrefetch(), (), replace(TINY, cache_bytes=30_000))
    large = replay_session(again, NoPrefetch(), (), replace(TINY, cache_bytes=40_000))
    assert (small.hits, large.hits) == (0, 1)
    assert (small.downloaded_bytes, large.downloaded_bytes) == pytest.approx((60_000, 40_000))


def test_a_policy_sees_the_queue_go_on_past_the_session_and_nothing_else_of_it() -> None:
    seen: list[PrefetchRequest] = []

    class Watcher:
        needs_predictions = True

        def plan(self, request: PrefetchRequest) -> Plan:
            seen.append(request)
            return Plan()

    replay_session(TRACE, Watcher(), [{"B": TrackPrediction(0.25)}, {}, {}], replace(TINY, horizon=2))
    queues = [[track.track_id for track in request.queue] for request in seen]
    assert queues == [["B", "C"], ["C", "D"], ["D"]]
    assert seen[0].queue[0].play_through_probability == 0.25
    assert {request.playing.size_bytes for request in seen} == {20_000, 30_000, 10_000}


@pytest.mark.parametrize("fetch", [Fetch("Z", 0, 10), Fetch("B", 0, 70_000_000)])
def test_a_policy_that_breaks_its_contract_is_stopped(fetch: Fetch) -> None:
    class Greedy:
        needs_predictions = False

        def plan(self, request: PrefetchRequest) -> Plan:
            return Plan((fetch,))

    with pytest.raises(PlanError, match="Greedy"):
        replay(Greedy(), TINY)


DURATION_S = {name: 3.0 + 7.0 * place for place, name in enumerate("ABCDEFGH")}
PLAYS = st.lists(
    st.tuples(st.sampled_from(list(DURATION_S)), st.floats(0.0, 1.0)), min_size=1, max_size=8
).map(lambda drawn: [(name, DURATION_S[name], DURATION_S[name] * part) for name, part in drawn])
WORLDS = st.builds(
    World,
    delivery=st.builds(
        Delivery,
        rtt_ms=st.sampled_from([0.0, 80.0]),
        bit_rate_bit_per_s=st.just(8_000.0),
        slow_ms=st.sampled_from([0.0, 500.0, 4_000.0]),
        chunk_s=st.sampled_from([0.5, 2.0]),
        buffer_ahead_s=st.sampled_from([0.0, 5.0, 1_000.0]),
    ),
    link=st.builds(
        LinkWorld,
        bandwidth_bit_per_s=st.sampled_from([3_000.0, 8_000.0, 20_000.0, 1e6]),
        dropouts_per_hour=st.sampled_from([0.0, 6.0, 600.0]),
        traces=st.sampled_from([(), (LinkTrace("t", [3.0, 5.0, 2.0], [0.0, 900.0, 20_000.0]),)]),
    ),
    cache_bytes=st.sampled_from([0, 30_000, 80_000, 10_000_000]),
    horizon=st.integers(1, 5),
)
every_policy = pytest.mark.parametrize(
    "policy", [make(PolicyOptions()) for make in POLICIES.values()], ids=list(POLICIES)
)


@every_policy
@settings(max_examples=40)
@given(plays=PLAYS, world=WORLDS, pause_s=st.sampled_from([0.0, 3.0]))
def test_every_downloaded_byte_is_used_or_wasted(
    policy: Policy, plays: list[tuple[str, float, float]], world: World, pause_s: float
) -> None:
    result = replay_session(session(plays, pause_s=pause_s), policy, (), world)
    assert result.downloaded_bytes == pytest.approx(result.used_bytes + result.wasted_bytes, abs=1.0)
    assert result.hit_bytes <= result.heard_bytes + 1e-6
    assert result.used_bytes <= result.heard_bytes + 1e-6
    assert len(result.startup_delays_s) == len(plays)
    assert min(result.startup_delays_s) >= 0.0
    assert result.stall_s >= 0.0


@every_policy
@settings(max_examples=25)
@given(plays=PLAYS)
def test_without_latency_and_with_boundless_bandwidth_nobody_waits(
    policy: Policy, plays: list[tuple[str, float, float]]
) -> None:
    perfect = World(
        Delivery(rtt_ms=0.0, fast_ms=0.0, medium_ms=0.0, slow_ms=0.0),
        LinkWorld(bandwidth_bit_per_s=1e15, dropouts_per_hour=0.0),
    )
    assert replay_session(session(plays), policy, (), perfect).waited_s < 1e-6


@settings(max_examples=25)
@given(plays=PLAYS, world=WORLDS)
def test_none_wastes_no_more_than_the_player_streams_ahead(
    plays: list[tuple[str, float, float]], world: World
) -> None:
    result = replay_session(session(plays), NoPrefetch(), (), world)
    ahead_bytes = max(world.delivery.buffer_ahead_s * 1_000, world.delivery.chunk_bytes)
    assert result.wasted_bytes <= len(plays) * (ahead_bytes + 1.0)


@every_policy
def test_the_same_session_gives_the_same_result(policy: Policy) -> None:
    assert replay(policy, TINY) == replay(policy, TINY)


def test_a_plan_streams_the_playing_track_no_further_ahead_than_it_says() -> None:
    class Careful:
        needs_predictions = False

        def plan(self, request: PrefetchRequest) -> Plan:
            # 2 s ahead at first, 4 s from the third second on.
            return Plan(ahead=(AheadStep(0.0, 2.0), AheadStep(3.0, 4.0)))

    result = replay(Careful(), TINY)
    # B is left after 4 s, with 4 s more there.
    assert result.wasted_bytes == pytest.approx(4_000, abs=1)
    assert result.stall_s == 0.0


def test_a_listener_who_stays_longer_than_the_plan_expected_hears_on() -> None:
    class Hasty:
        needs_predictions = False

        def plan(self, request: PrefetchRequest) -> Plan:
            return Plan(stream_bytes=3_000)

    result = replay(Hasty(), TINY)
    assert result.heard_s == 34.0
    assert result.stall_s > 0.0


def test_a_dropout_is_heard_only_where_the_player_is_not_far_enough_ahead() -> None:
    trace = session([("A", 3_600.0, 3_600.0)])
    stalls_s = [
        replay_session(
            trace,
            NoPrefetch(),
            (),
            replace(
                TINY,
                delivery=replace(TINY.delivery, buffer_ahead_s=ahead_s),
                link=replace(TINY.link, dropouts_per_hour=30.0, dropout_s=3.0),
            ),
        ).stall_s
        for ahead_s in (2.0, 6.0, 600.0)
    ]
    assert stalls_s[0] > stalls_s[1] > stalls_s[2] == 0.0


def test_the_oracle_waits_and_wastes_no_more_than_any_policy() -> None:
    none, oracle = (POLICIES[name](PolicyOptions()) for name in ("none", "oracle"))
    assert replay(oracle, TINY).wasted_bytes == pytest.approx(0.0, abs=1.0)
    assert replay(oracle, TINY).waited_s < replay(none, TINY).waited_s


@given(
    plays=st.lists(st.tuples(st.sampled_from("ABCDE"), st.floats(0.0, 1.0)), min_size=1, max_size=12),
    seed=st.integers(0, 9),
)
def test_no_policy_beats_the_oracle_where_the_queue_has_room(
    plays: list[tuple[str, float]], seed: int
) -> None:
    """Tracks that come again, heard for another time than before, included."""
    duration_s = {"A": 2.0, "B": 30.0, "C": 90.0, "D": 200.0, "E": 300.0}
    heard = [(name, duration_s[name], share * duration_s[name]) for name, share in plays]
    recorded = session(heard, continuation=[Track("Z", 200.0, "SLOW")])
    weights = ScoreWeights()
    scores = {}
    for name, policy in policies_named(list(POLICIES), PolicyOptions()).items():
        found = replay_session(recorded, policy, (), World(seed=seed))
        scores[name] = weights.score(found.heard_s, found.waited_s, found.wasted_bytes)
    assert max(scores.values()) <= scores["oracle"] + 1e-6


def test_the_oracle_fetches_what_a_later_play_hears_only_after_the_one_before() -> None:
    between = [(name, 60.0, 60.0) for name in "BCDEFGHI"]
    again = session([("A", 300.0, 10.0), *between, ("A", 300.0, 300.0)])
    # A's rest would have left a cache of 4 MB, unheard, before A comes again.
    found = replay_session(
        again, policies_named(["oracle"], PolicyOptions())["oracle"], (), World(cache_bytes=4_000_000)
    )
    assert found.wasted_bytes == pytest.approx(0.0, abs=1.0)

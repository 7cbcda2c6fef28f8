"""A shared edge cache, worked out by hand."""

import pytest

from cache_client.policies import POLICIES, Policy, PolicyOptions
from cache_client.policies.next_n_full import NextNFull
from cache_client.policies.none import NoPrefetch
from cache_client.prefetch.delivery import Delivery
from cache_client.simulator import SessionResult, Track, World
from cache_client.simulator.edge import replay_edge
from tests.cache_client.traces import session

# 1 s of audio is 1,000 bytes; the edge carries 10,000 bytes/s; 0.1 s round trip, 0.4 s storage, 2 s chunks.
EDGE = Delivery(
    bandwidth_bit_per_s=80_000.0, rtt_ms=100.0, bit_rate_bit_per_s=8_000.0, slow_ms=400.0, chunk_s=2.0
)
HERS = session([("A", 20.0, 20.0), ("B", 30.0, 4.0)], session_id=1, started_s=0.0)
HIS = session([("A", 20.0, 10.0)], session_id=2, started_s=22.0, continuation=[Track("C", 10.0, "SLOW")])


def replay(policy: Policy, cache_bytes: int = 1_000_000) -> list[SessionResult]:
    results = replay_edge([HERS, HIS], {"it": policy}, [(), ()], World(EDGE, cache_bytes))
    return results["it"]


def test_what_one_listener_streamed_is_there_for_the_next() -> None:
    hers, his = replay(NoPrefetch())
    # A miss waits 0.1 + 0.4 + 2,000 / 10,000 = 0.7 s, a hit 0.4 s less.
    assert hers.startup_delays_s == pytest.approx([0.7, 0.7])
    assert his.startup_delays_s == pytest.approx([0.3])
    assert (hers.hits, his.hits) == (0, 1)
    assert his.downloaded_bytes == 0.0
    assert hers.downloaded_bytes == pytest.approx(20_000 + 4_000)
    assert hers.wasted_bytes == his.wasted_bytes == 0.0


def test_who_fetched_what_nobody_hears_pays_for_it() -> None:
    hers, his = replay(NextNFull(1))
    assert hers.startup_delays_s == pytest.approx([0.7, 0.3])
    assert hers.wasted_bytes == pytest.approx(26_000)  # B: 30,000 fetched, 4,000 heard
    assert his.wasted_bytes == pytest.approx(10_000)  # C, after the session's end


def test_a_small_edge_forgets() -> None:
    _, his = replay(NoPrefetch(), cache_bytes=20_500)  # B's 4,000 displace A
    assert his.hits == 0


@pytest.mark.parametrize("policy", [make(PolicyOptions()) for make in POLICIES.values()], ids=list(POLICIES))
@pytest.mark.parametrize("cache_bytes", [0, 5_000, 25_000, 1_000_000])
def test_every_byte_fetched_is_used_or_wasted(policy: Policy, cache_bytes: int) -> None:
    results = replay(policy, cache_bytes)
    downloaded = sum(result.downloaded_bytes for result in results)
    accounted = sum(result.used_bytes + result.wasted_bytes for result in results)
    # A track that leaves the cache and comes again is fetched, and used, twice.
    assert accounted == pytest.approx(downloaded, abs=1.0)

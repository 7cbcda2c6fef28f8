"""Constants that earlier sessions choose."""

from cache_client.policies import TwoConstants
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import RecordedSession, World
from cache_client.simulator.link import LinkWorld
from cache_client.simulator.tuning import REPLAYS, tuned_constants
from tests.cache_client.traces import session

# Each second track is left half-way: a lead costs there.
HALF = session([(f"{it}", 200.0, 200.0 if it % 2 else 100.0) for it in range(20)])
SESSIONS: list[RecordedSession] = [HALF] * 3


def tuned(link: LinkWorld) -> TwoConstants:
    return tuned_constants(SESSIONS, World(link=link), ScoreWeights())


def test_a_link_that_never_drops_needs_no_lead_and_one_that_does_needs_some() -> None:
    steady = tuned(LinkWorld(dropouts_per_hour=0.0))
    dropping = tuned(LinkWorld(dropouts_per_hour=20.0, dropout_s=15.0))
    assert (steady.head_s, steady.lead_s) == (2.0, 2.0)
    assert dropping.lead_s >= 12.0


def test_every_replay_is_counted_and_no_session_leaves_the_plain_constants() -> None:
    counted: list[int] = []
    tuned_constants(SESSIONS, World(), ScoreWeights(), counted.append)
    assert sum(counted) == REPLAYS * len(SESSIONS)
    assert tuned_constants([], World(), ScoreWeights()) == TwoConstants()

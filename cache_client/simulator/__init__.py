"""An event-driven, closed-loop simulator of prefetching over recorded sessions.

A session is replayed play by play (`session`): the policy plans when a play is asked for, the `player`
streams the track with the link's first claim, the plan under way (`transfers`) takes the rest of it, and
everything lands in the client's cache (`cache`). `metrics` turns the results into figures.
"""

from cache_client.simulator.metrics import Comparison
from cache_client.simulator.session import SessionPredictions, SessionResult, World, replay_session
from cache_client.simulator.simulation import SimulationReport, simulate
from cache_client.simulator.trace import RecordedPlay, RecordedSession, Track, held_out, recorded_sessions

__all__ = [
    "Comparison",
    "RecordedPlay",
    "RecordedSession",
    "SessionPredictions",
    "SessionResult",
    "SimulationReport",
    "Track",
    "World",
    "held_out",
    "recorded_sessions",
    "replay_session",
    "simulate",
]

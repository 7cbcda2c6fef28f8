"""Context features say what they are called, are bounded, and are never NaN."""

import numpy as np
import pytest

from models import ListenerContext, RecentPlay
from models.features import ContextEncoder, TrackViews
from models.features.context_encoder import fit_context
from models.features.history import CONTEXT_SETTINGS, HISTORY, history_features

TRACKS = [f"t{number}" for number in range(40)]
ROW_OF = {track: row for row, track in enumerate(TRACKS)}
EVERY = np.arange(40)


@pytest.fixture(scope="module")
def views() -> TrackViews:
    """Forty tracks: the first twenty loud and of one genre, the others quiet and of another."""
    audio = np.random.default_rng(2).normal(size=(40, 3)).astype(np.float32)
    audio[:, 0] = np.where(EVERY < 20, 2, -2)
    clusters = np.zeros((40, 5), dtype=np.float32)
    clusters[:20, 1], clusters[20:, 4] = 1, 1
    return TrackViews(audio, clusters)


def lover_of_loud(n_plays: int = 30) -> ListenerContext:
    """Returns a listener who skips whatever is quiet."""
    rows = np.random.default_rng(1).integers(40, size=n_plays)
    return ListenerContext(True, tuple(RecentPlay(TRACKS[row], bool(row >= 20)) for row in rows), False, 3)


def features(views: TrackViews, context: ListenerContext, name: str) -> np.ndarray:
    relevance = np.array([0.8, 0.1, 0.1])
    found = history_features(views, EVERY, ROW_OF, context, 0.65, relevance, CONTEXT_SETTINGS)
    return found[:, HISTORY.index(name)]


@pytest.mark.parametrize(
    "name", [name for name in HISTORY if name.startswith("outcome_") and name != "outcome_of_track"]
)
def test_taste_shows_in_the_outcomes_of_like_tracks(name: str, views: TrackViews) -> None:
    found = features(views, lover_of_loud(), name)
    assert found[:20].min() > 0.05
    assert found[20:].max() < -0.05


def test_a_known_track_remembers_its_outcome(views: TrackViews) -> None:
    context = ListenerContext(recent_plays=(RecentPlay("t7", True),) * 3 + (RecentPlay("t8", False),) * 3)
    found = features(views, context, "outcome_of_track")
    assert found[7] < -0.2
    assert found[8] > 0.2
    assert not found[9:].any()


def test_the_rate_is_shrunk_and_the_latest_plays_tell_a_change(views: TrackViews) -> None:
    one, many = (ListenerContext(recent_plays=(RecentPlay("t1", True),) * n) for n in (1, 100))
    assert features(views, many, "rate")[0] < features(views, one, "rate")[0] < np.log(0.65 / 0.35)
    turned = ListenerContext(recent_plays=(RecentPlay("t1", True),) * 80 + (RecentPlay("t1", False),) * 20)
    assert features(views, turned, "latest_rate")[0] > 1


def test_only_the_latest_200_plays_count(views: TrackViews, encoder: ContextEncoder) -> None:
    latest = lover_of_loud(200)
    longer = ListenerContext(recent_plays=(RecentPlay("t1", True),) * 50 + latest.recent_plays)
    for name in HISTORY:
        assert (features(views, longer, name) == features(views, latest, name)).all()
    assert encoder.genre_share(longer) == encoder.genre_share(latest) == pytest.approx(1 / 3)


def test_recent_plays_of_unknown_tracks_count_for_the_rate_only(views: TrackViews) -> None:
    context = ListenerContext(recent_plays=(RecentPlay("gone", True),) * 9)
    assert features(views, context, "rate")[0] < 0
    for name in HISTORY[3:]:
        assert not features(views, context, name).any()


@pytest.fixture(scope="module")
def encoder(views: TrackViews) -> ContextEncoder:
    rows = np.tile(EVERY, 3)
    return fit_context(
        views, rows, rows < 20, rows % 3, [lover_of_loud(n % 50) for n in range(120)], ROW_OF,
        {"situation": 0.1, "*": 0.2},
    )  # fmt: skip


def test_listeners_tastes_decide_what_likeness_means(encoder: ContextEncoder) -> None:
    assert encoder.relevance.argmax() == 0
    assert encoder.relevance.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "context",
    [
        ListenerContext(),
        ListenerContext(recent_plays=(RecentPlay("t1", True),)),
        ListenerContext(recent_plays=(RecentPlay("gone", False),)),
        ListenerContext(True, (RecentPlay("t1", True),) * 200, True, 10**9),
    ],
)
def test_every_context_gives_bounded_inputs(
    context: ListenerContext, encoder: ContextEncoder, views: TrackViews
) -> None:
    block = encoder.encode(views, EVERY, ROW_OF, context)
    assert block.shape == (40, encoder.n_inputs)
    assert np.abs(block).max() <= 3
    assert encoder.encode(views, EVERY[:0], ROW_OF, context).shape == (0, encoder.n_inputs)


def test_what_is_unknown_is_zero(encoder: ContextEncoder, views: TrackViews) -> None:
    assert not encoder.encode(views, EVERY, ROW_OF, ListenerContext()).any()
    only_premium = encoder.encode(views, EVERY[:1], ROW_OF, ListenerContext(premium=False))[0]
    assert np.flatnonzero(only_premium).tolist() == [encoder.n_inputs - 3]
    assert encoder.genre_share(ListenerContext()) == 1

"""Context features say what they are called, are bounded, and are never NaN."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import ListenerContext, RecentPlay
from models.features import ContextEncoder, TrackViews
from models.features.context_encoder import fit_context, situation_of
from models.features.history import (
    CONTEXT_SETTINGS,
    HISTORY,
    MAX_RECENT_PLAYS,
    Histories,
    history_features,
    history_of,
)
from models.features.track_views import pack_clusters

TRACKS = [f"t{number}" for number in range(40)]
ROW_OF = {track: row for row, track in enumerate(TRACKS)}
EVERY = np.arange(40)


@pytest.fixture(scope="module")
def views() -> TrackViews:
    """Forty tracks: the first twenty loud and of one genre, the others quiet and of another."""
    return made_views()


def made_views() -> TrackViews:
    audio = np.random.default_rng(2).normal(size=(40, 3)).astype(np.float32)
    audio[:, 0] = np.where(EVERY < 20, 2, -2)
    clusters = np.zeros((40, 70))
    clusters[:20, 1], clusters[20:, 68] = 1, 1  # in two words of the packed bits
    return TrackViews(audio, pack_clusters(clusters))


def lover_of_loud(n_plays: int = 30) -> ListenerContext:
    """Returns a listener who skips whatever is quiet."""
    rows = np.random.default_rng(1).integers(40, size=n_plays)
    return ListenerContext(True, tuple(RecentPlay(TRACKS[row], bool(row >= 20)) for row in rows), False, 3)


def features(views: TrackViews, context: ListenerContext, name: str) -> np.ndarray:
    return all_features(views, history_of(context, ROW_OF))[0, :, HISTORY.index(name)]


def all_features(views: TrackViews, histories: Histories) -> np.ndarray:
    """Returns the features of every track for each listener, (n_listeners, 40, n_history)."""
    candidates = np.tile(EVERY, (len(histories), 1))
    relevance = np.array([0.8, 0.1, 0.1])
    return history_features(views, candidates, histories, 0.65, relevance, CONTEXT_SETTINGS)


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
    shares = encoder.genre_share(np.array([0, 100, 200, 250]))
    np.testing.assert_allclose(shares, [1, 1 / 2, 1 / 3, 1 / 3])


def test_recent_plays_of_unknown_tracks_count_for_the_rate_only(views: TrackViews) -> None:
    context = ListenerContext(recent_plays=(RecentPlay("gone", True),) * 9)
    assert features(views, context, "rate")[0] < 0
    for name in HISTORY[3:]:
        assert not features(views, context, name).any()


@pytest.fixture(scope="module")
def encoder(views: TrackViews) -> ContextEncoder:
    rows = np.tile(EVERY, 3)
    contexts = [lover_of_loud(n % 50) for n in range(120)]
    return fit_context(
        views, rows, rows < 20, rows % 3,
        lambda some: padded([contexts[n] for n in some]), {"situation": 0.1, "*": 0.2},
    )  # fmt: skip


def test_the_features_are_standardised_over_plays_with_a_history(
    encoder: ContextEncoder, views: TrackViews
) -> None:
    contexts = [lover_of_loud(n % 50) for n in range(120) if n % 50]
    rows = [n % 40 for n in range(120) if n % 50]
    found = np.array(
        [
            history_features(
                views, np.array([[row]]), history_of(context, ROW_OF), encoder.prior, encoder.relevance,
                encoder.settings,
            )[0, 0]
            for row, context in zip(rows, contexts, strict=True)
        ]
    )  # fmt: skip
    np.testing.assert_allclose(encoder.mean, found.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(encoder.scale, found.std(axis=0), rtol=1e-4)


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
    situation = situation_of(ListenerContext(premium=True))
    np.testing.assert_array_equal(situation, [1, np.nan, np.nan])


def test_genres_are_shared_where_a_cluster_is(views: TrackViews) -> None:
    candidates, others = np.array([[0, 19, 20], [39, 0, 5]]), np.array([[3, 25], [39, 0]])
    expected = (candidates[:, :, None] < 20) == (others[:, None, :] < 20)
    np.testing.assert_array_equal(views.share_genre(candidates, others), expected)
    without = TrackViews(views.audio, pack_clusters(np.zeros((40, 70))))
    assert not without.share_genre(candidates, others).any()


@pytest.mark.parametrize("n_clusters", [1, 63, 64, 65, 500])
def test_every_cluster_has_a_bit_of_its_own(n_clusters: int) -> None:
    views = TrackViews(np.zeros((n_clusters, 1), np.float32), pack_clusters(np.eye(n_clusters)))
    every = np.arange(n_clusters)[None, :]
    np.testing.assert_array_equal(views.share_genre(every, every)[0], np.eye(n_clusters, dtype=bool))


VIEWS = made_views()
PLAYS = st.builds(RecentPlay, st.sampled_from([*TRACKS, "gone", "lost"]), st.booleans())
CONTEXTS = st.builds(
    ListenerContext,
    st.none() | st.booleans(),
    st.lists(PLAYS, max_size=30).map(tuple)
    | st.lists(PLAYS, min_size=1, max_size=3).map(
        lambda few: tuple(few * 90)
    ),  # up to 270: beyond the latest
    st.none() | st.booleans(),
    st.none() | st.integers(0, 100),
)


def padded(contexts: list[ListenerContext], more: int = 0) -> Histories:
    """Returns the histories of several listeners as one, with more padding than is needed."""
    width = max((len(context.recent_plays) for context in contexts), default=0) + more
    rows, played_through = np.full((len(contexts), width), -1), np.zeros((len(contexts), width), np.float32)
    n_plays = np.array([len(context.recent_plays) for context in contexts], dtype=np.int64)
    for listener, context in enumerate(contexts):
        one, first = history_of(context, ROW_OF), width - n_plays[listener]
        rows[listener, first:], played_through[listener, first:] = one.rows[0], one.played_through[0]
    return Histories(rows, played_through, n_plays)


@given(st.lists(CONTEXTS, min_size=1, max_size=5), st.integers(0, 4), st.data())
def test_listeners_encoded_together_get_what_each_gets_alone(
    contexts: list[ListenerContext], more: int, data: st.DataObject
) -> None:
    candidates = np.array([data.draw(st.lists(st.integers(0, 39), min_size=3, max_size=3)) for _ in contexts])
    ones = np.ones(len(HISTORY))
    encoder = ContextEncoder(0.6, np.array([0.8, 0.1, 0.1]), 0 * ones, ones, ones, 1.0, CONTEXT_SETTINGS)
    situations = np.array([situation_of(context) for context in contexts])
    together = encoder.encode_many(VIEWS, candidates, padded(contexts, more), situations)
    assert together.dtype == np.float32
    for found, rows, context in zip(together, candidates, contexts, strict=True):
        np.testing.assert_allclose(found, encoder.encode(VIEWS, rows, ROW_OF, context), atol=2e-5)


@given(st.lists(CONTEXTS, min_size=1, max_size=4), st.data())
def test_a_history_that_is_cut_is_that_of_a_listener_who_came_later(
    contexts: list[ListenerContext], data: st.DataObject
) -> None:
    kept = [data.draw(st.integers(0, 210)) for _ in contexts]
    cut = padded(contexts, 1).latest(np.array(kept))
    expected = padded([later(context, n) for context, n in zip(contexts, kept, strict=True)])
    for name in ("rows", "played_through", "n_plays"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(expected, name))
    np.testing.assert_allclose(all_features(VIEWS, cut), all_features(VIEWS, expected), atol=2e-5)


def later(context: ListenerContext, n_plays: int) -> ListenerContext:
    """Returns a context of the latest plays alone."""
    recent = context.recent_plays
    return ListenerContext(recent_plays=recent[max(len(recent) - n_plays, 0) :])


def test_nobody_and_no_plays_are_fine(encoder: ContextEncoder, views: TrackViews) -> None:
    nobody = encoder.encode_many(views, np.zeros((0, 4), np.int64), padded([]), np.zeros((0, 3)))
    assert nobody.shape == (0, 4, encoder.n_inputs)
    cut = padded([lover_of_loud(9), ListenerContext()]).latest(MAX_RECENT_PLAYS)
    assert cut.rows.shape == (2, 9)
    assert cut.part(np.array([1])).n_plays.tolist() == [0]
    assert cut.latest(0).rows.shape == (2, 0)

"""A model answers strangers by their genres, steadily, and known listeners as it was trained to."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import Catalogue
from models import Artifact, ListenerContext, Predictor, RecentPlay
from models.calibration import Calibration
from tests.models.mood_genres import FAMILIES, KNOWN, neighbourhood

STRANGERS = (("mood9 rock",), ("mood0 rock", "mood1 jazz", "mood9 pop"), ("mood0 rock",), ("new jazz",), ())
PLAYED = tuple(RecentPlay(f"t{number % 7}", number % 3 == 0) for number in range(12))
CONTEXTS = (None, ListenerContext(), ListenerContext(premium=True, position=2), ListenerContext(True, PLAYED))


@pytest.fixture(scope="module")
def predictor(knowing_artifact: Artifact, mood_catalogue: Catalogue) -> Predictor:
    return Predictor(knowing_artifact, mood_catalogue)


@pytest.fixture(scope="module")
def without_taste(knowing_artifact: Artifact, mood_catalogue: Catalogue) -> Predictor:
    inputs = replace(knowing_artifact.inputs, taste=None)
    return Predictor(replace(knowing_artifact, inputs=inputs), mood_catalogue)


@given(family=st.sampled_from(FAMILIES), random=st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_however_many_favourites_a_stranger_has_the_answers_are_of_one_kind(
    family: str, random: Random, predictor: Predictor
) -> None:
    names = random.sample(neighbourhood(family), 100)
    means = []
    for n_favourites in (0, 1, 2, 3, 10, 30, 100):
        found = predictor.predict_all(names[:n_favourites])
        assert np.isfinite(found).all()
        assert ((found > 0) & (found < 1)).all()
        means.append(found.mean())
    assert max(means) - min(means) < 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_every_genre_with_a_known_word_moves_a_strangers_answers(family: str, predictor: Predictor) -> None:
    nothing = predictor.predict_all(())
    for name in [*neighbourhood(family), family, f"unheard {family}", "mood3 mood4", "MOOD9"]:
        if (name,) not in KNOWN:
            assert (predictor.predict_all((name,)) != nothing).any(), name
    np.testing.assert_array_equal(predictor.predict_all(("zzz", "", "!?")), nothing)


def test_every_favourite_moves_a_strangers_answers(predictor: Predictor) -> None:
    names = neighbourhood("jazz")
    for n_favourites in (1, 2, 3, 10, 30, 99):
        fewer, more = (predictor.predict_all(names[:n]) for n in (n_favourites, n_favourites + 1))
        assert (fewer != more).any()


def test_a_stranger_hears_out_more_of_what_is_near(predictor: Predictor, mood_catalogue: Catalogue) -> None:
    odds = {}
    for family in FAMILIES:
        found = predictor.predict_all(neighbourhood(family)[60:70])
        odds[family] = np.log(found / (1 - found))
    for number, family in enumerate(FAMILIES):
        lead = odds[family] - np.mean(list(odds.values()), axis=0)
        near = np.arange(len(lead)) % 3 == number
        assert lead[near].mean() > lead[~near].mean()


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("favourites", [*KNOWN, *STRANGERS])
def test_one_track_several_and_the_whole_catalogue_agree(
    favourites: tuple[str, ...], context: ListenerContext | None, predictor: Predictor
) -> None:
    every = predictor.predict_all(favourites, context)
    np.testing.assert_allclose(predictor.predict(predictor.track_ids, favourites, context), every, atol=1e-6)
    few = predictor.track_ids[5:8]
    np.testing.assert_allclose(predictor.predict(few, list(favourites), context), every[5:8], atol=1e-6)
    alone = [predictor.predict_one(one, favourites, context) for one in predictor.track_ids]
    np.testing.assert_allclose(alone, every, atol=1e-6)


@pytest.mark.parametrize("n_tracks", [16, 17, 1024, 1025, 2050])
def test_the_number_of_tracks_does_not_matter(n_tracks: int, predictor: Predictor) -> None:
    asked = np.resize(np.arange(60), n_tracks)
    found = predictor.predict([predictor.track_ids[row] for row in asked], STRANGERS[0])
    np.testing.assert_allclose(found, predictor.predict_all(STRANGERS[0])[asked], atol=1e-6)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("favourites", KNOWN)
def test_a_known_listeners_answers_do_not_depend_on_taste(
    favourites: tuple[str, ...],
    context: ListenerContext | None,
    predictor: Predictor,
    without_taste: Predictor,
) -> None:
    for written in (favourites, tuple(name.upper() for name in reversed(favourites)), (*favourites, "zzz")):
        found = predictor.predict_all(written, context)
        np.testing.assert_array_equal(found, without_taste.predict_all(favourites, context))
        one = predictor.predict_one("t3", written, context)
        assert one == without_taste.predict_one("t3", favourites, context)


@pytest.mark.parametrize("favourites", STRANGERS)
def test_without_taste_strangers_are_listeners_without_favourites(
    favourites: tuple[str, ...], without_taste: Predictor
) -> None:
    np.testing.assert_array_equal(without_taste.predict_all(favourites), without_taste.predict_all(()))


def test_recent_plays_make_a_strangers_genres_count_less(predictor: Predictor) -> None:
    moved = []
    for n_plays in (0, 1, 3, 12, 100):
        context = ListenerContext(recent_plays=(PLAYED * 9)[:n_plays])
        found, nothing = (predictor.predict_all(names, context) for names in (STRANGERS[0], ()))
        moved.append(np.abs(np.log(found / (1 - found)) - np.log(nothing / (1 - nothing))).mean())
    assert (np.diff(moved) < 0).all()
    # As much as the prior plays of a rate beside so many real ones.
    np.testing.assert_allclose(moved, moved[0] * 4 / (4 + np.array([0, 1, 3, 12, 100])), rtol=1e-2)


def test_a_context_without_plays_leaves_a_strangers_genres_as_they_are(predictor: Predictor) -> None:
    np.testing.assert_allclose(
        predictor.predict_all(STRANGERS[0], ListenerContext()), predictor.predict_all(STRANGERS[0]), atol=1e-6
    )


def test_the_calibration_of_known_listeners_is_left_out_for_strangers(
    knowing_artifact: Artifact, mood_catalogue: Catalogue, predictor: Predictor
) -> None:
    bent = Calibration(logits=(0.0,), calibrated=(2.0,))
    manifest = knowing_artifact.manifest.model_copy(update={"calibration": bent})
    other = Predictor(replace(knowing_artifact, manifest=manifest), mood_catalogue)
    for favourites in STRANGERS:
        np.testing.assert_array_equal(other.predict_all(favourites), predictor.predict_all(favourites))
        assert other.predict_one("t3", favourites) == predictor.predict_one("t3", favourites)
    for known in KNOWN:
        assert (other.predict_all(known) > predictor.predict_all(known)).all()
        assert other.predict_one("t3", known) > predictor.predict_one("t3", known)

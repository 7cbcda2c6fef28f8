"""Genres, listeners and tracks have places that depend on what genres mean, not on how they are given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import Catalogue
from models.features import GenreEncoder
from models.features.genre_taste import GenrePlaces, fit_places
from models.features.genre_tfidf import fit_genres, normalise

NAMES = ["rock", "hard rock", "desi pop", "indie pop", "k-pop", "jazz fusion", "free jazz", "acid jazz"]
AUDIO = np.array([[1.0, -1.0], [0.5, 0.0], [-1.0, 2.0]])


def places_of(names: list[str]) -> GenrePlaces:
    track_genres = [["Rock", "rock"], ["hard rock"], ["desi pop", "gone"]]
    return fit_places(fit_genres(names, seed=1), track_genres, AUDIO)


PLACES = places_of(NAMES[:-1])


@given(st.lists(st.sampled_from(NAMES), max_size=8))
def test_order_spelling_repetition_and_names_without_meaning_do_not_count(names: list[str]) -> None:
    written = [name.upper().replace(" ", "  ") for name in reversed(names)] + names[:1] + ["zzz qqq", ""]
    np.testing.assert_array_equal(PLACES.of_genres(written), PLACES.of_genres(names))


@given(st.sets(st.sampled_from(NAMES)))
def test_a_place_is_the_mean_with_one_genre_that_says_nothing(names: set[str]) -> None:
    expected = sum((2 * PLACES.of_genres([name]) for name in names), np.zeros(PLACES.n_axes))
    np.testing.assert_allclose(PLACES.of_genres(names), expected / (len(names) + 1), atol=1e-12)


@given(st.sets(st.sampled_from(NAMES)))
def test_many_genres_count_for_no_more_than_one(names: set[str]) -> None:
    assert np.linalg.norm(PLACES.of_genres(names)[: PLACES.n_words]) <= 1


def test_every_genre_with_a_known_word_has_a_place_of_its_own() -> None:
    found = [PLACES.of_genres([name]) for name in NAMES]  # the last one was not known at training
    assert len(np.unique(np.round(found, 9), axis=0)) == len(NAMES)
    assert all(place.any() for place in found)
    assert not PLACES.of_genres(["zzz", ""]).any()
    assert not PLACES.of_genres([]).any()


def test_an_unknown_genre_has_no_sound_and_the_place_of_its_words() -> None:
    place = PLACES.of_genres(["pop rock jazz"])
    assert not place[PLACES.n_words :].any()
    assert np.linalg.norm(place) == pytest.approx(0.5)


def test_a_genres_sound_is_that_of_its_tracks_shrunk() -> None:
    sound = dict(zip(PLACES.genres.cluster_of, PLACES.sounds, strict=True))
    np.testing.assert_allclose(sound["rock"], AUDIO[0] / 6)  # one track, though it has the genre twice
    np.testing.assert_allclose(sound["desi pop"], AUDIO[2] / 6)
    assert not sound["free jazz"].any()
    many = fit_places(PLACES.genres, [["rock"]] * 995, np.tile(AUDIO[:1], (995, 1)))
    np.testing.assert_allclose(many.of_genres(["rock"])[-2:], AUDIO[0] * 0.995 / 2)


def test_a_tracks_place_is_its_artists_genres_and_its_own_sound() -> None:
    genres = [["rock", "hard rock"], [], ["desi pop"], ["rock", "hard rock"]]
    audio = np.vstack([AUDIO, AUDIO[2:]])
    found = PLACES.of_tracks(genres, audio)
    assert found.dtype == np.float32
    assert found.shape == (4, PLACES.n_axes)
    for row, names in enumerate(genres):
        words = PLACES.of_genres(names)[: PLACES.n_words]
        np.testing.assert_allclose(found[row], np.append(words, audio[row]), atol=1e-6)


def test_tracks_without_genres_names_without_words_and_no_track_at_all_are_fine(
    tiny_catalogue: Catalogue, genre_encoder: GenreEncoder
) -> None:
    nothing = fit_places(genre_encoder, tiny_catalogue.tracks["genres"], np.zeros((4, 0)))
    assert nothing.n_axes == nothing.n_words
    assert nothing.of_tracks([], np.zeros((0, 0))).shape == (0, nothing.n_axes)
    for names in (["1", "2"], ["one"], []):  # no word at all, nothing to tell apart, no name
        places = fit_places(fit_genres(names, seed=1), [names], AUDIO[:1])
        assert np.isfinite(places.of_genres([*names, "rock"])).all()
        assert np.isfinite(places.of_tracks([names], AUDIO[:1])).all()


def test_spelling_of_a_catalogue_does_not_count() -> None:
    loud = fit_places(PLACES.genres, [["  HARD   Rock"]], AUDIO[:1])
    plain = fit_places(PLACES.genres, [[normalise("  HARD   Rock")]], AUDIO[:1])
    np.testing.assert_array_equal(loud.sounds, plain.sounds)
    assert loud.sounds.any()

"""The served encoders compute what scikit-learn fitted, and take any input."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from data import Catalogue
from models import Artifact
from models.artifact import load
from models.features import GenreEncoder
from models.features.fitting import fit_genres, fit_inputs, single_out

WORDS = ["rock", "pop", "jazz", "metal", "indie", "desi", "dance", "folk", "soul", "house"]
MANY_GENRES = [f"{first} {second}" for first in WORDS for second in WORDS]


@pytest.fixture(scope="module")
def many_genres() -> GenreEncoder:
    return fit_genres(MANY_GENRES, seed=3)


def test_a_known_genre_has_the_cluster_that_scikit_learn_gave_it(many_genres: GenreEncoder) -> None:
    names = sorted(MANY_GENRES)
    vectors = TfidfVectorizer().fit_transform(names).toarray()
    points = PCA(10, random_state=3).fit_transform(vectors)
    n_clusters = len(np.unique(points.round(9), axis=0))
    labels = KMeans(n_clusters, random_state=3).fit(points).labels_
    assert [many_genres.cluster(name) for name in names] == labels.tolist()


def test_an_unseen_genre_goes_where_scikit_learn_would_put_it(many_genres: GenreEncoder) -> None:
    vectoriser = TfidfVectorizer().fit(sorted(MANY_GENRES))
    unseen = ["rock jazz metal", "Desi-House!", "folk folk soul", "swedish pop", "dance"]
    vectors = vectoriser.transform(unseen).toarray()
    points = (vectors - many_genres.mean) @ many_genres.components.T
    distances = np.linalg.norm(points[:, None, :] - many_genres.centroids[None], axis=2)
    found = [many_genres.cluster(name) for name in unseen]
    assert found == distances.argmin(axis=1).tolist()


def test_nearest_agrees_with_the_table_for_the_genres_seen(many_genres: GenreEncoder) -> None:
    assert [many_genres.nearest(name) for name in MANY_GENRES] == list(map(many_genres.cluster, MANY_GENRES))


def test_an_unseen_genre_without_a_shared_word_maps_to_nothing(genre_encoder: GenreEncoder) -> None:
    assert genre_encoder.cluster("quantum polka") is None
    assert genre_encoder.clusters(["quantum polka", "", "rock"]) == [genre_encoder.cluster("rock")]


def test_spelling_does_not_split_a_genre(genre_encoder: GenreEncoder) -> None:
    assert genre_encoder.cluster("  HARD   Rock ") == genre_encoder.cluster("hard rock")
    assert genre_encoder.cluster("R&B") is not None


@pytest.mark.parametrize("names", [[], ["rock"], ["r&b"], ["rock", "Rock", "rock "], ["k-pop", "j-pop"]])
def test_few_genres_fit_without_a_warning(names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = fit_genres(names, seed=0)
    assert encoder.n_clusters == 1
    assert encoder.clusters(names) == ([0] if names else [])
    assert encoder.cluster("quantum") is None


def test_the_recipe_is_50_components_and_200_clusters_where_the_names_allow() -> None:
    names = [f"style{i % 60} mood{i // 60} {WORDS[i % 7]}" for i in range(260)]
    encoder = fit_genres(names, seed=0)
    assert (len(encoder.components), encoder.n_clusters) == (50, 200)


def test_inputs_are_standardised_like_scikit_learn_does(genre_encoder: GenreEncoder) -> None:
    tracks = pd.DataFrame({"genres": [["rock"], ["k-pop"], []], "tempo": [100.0, np.nan, 140.0]})
    plays = pd.DataFrame({"favourite_genres": [["rock", "k-pop"], [], ["desi pop"]]})
    encoder = fit_inputs(genre_encoder, ("tempo",), tracks, plays)
    n = genre_encoder.n_clusters
    raw = np.zeros((3, 2 * n + 1))
    for row, names in enumerate(tracks["genres"]):
        raw[row, genre_encoder.clusters(names)] = 1
    raw[:, n] = tracks["tempo"]
    for row, favourites in enumerate(plays["favourite_genres"]):
        raw[row, [n + 1 + cluster for cluster in genre_encoder.clusters(favourites)]] = 1
    expected = np.nan_to_num(StandardScaler().fit_transform(raw))
    found = [
        np.append(track, encoder.encode_listener(favourites))
        for track, favourites in zip(encoder.encode_tracks(tracks), plays["favourite_genres"], strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_missing_and_absurd_attributes_stay_finite(genre_encoder: GenreEncoder) -> None:
    good = pd.DataFrame({"genres": [["rock"], []], "tempo": [100.0, 120.0]})
    plays = pd.DataFrame({"favourite_genres": [["rock"], []]})
    encoder = fit_inputs(genre_encoder, ("tempo",), good, plays)
    bad = pd.DataFrame({"genres": [[], []], "tempo": [np.inf, 1e300]})
    assert np.isfinite(encoder.encode_tracks(bad)).all()
    nothing = fit_inputs(genre_encoder, ("tempo",), good.assign(tempo=np.nan), plays)
    assert np.isfinite(nothing.encode_tracks(good)).all()


def test_the_encoder_read_back_encodes_the_same(
    tiny_artifact: Artifact, saved_artifact: Path, tiny_catalogue: Catalogue
) -> None:
    before, after = tiny_artifact.inputs, load(saved_artifact).inputs
    np.testing.assert_array_equal(
        after.encode_tracks(tiny_catalogue.tracks), before.encode_tracks(tiny_catalogue.tracks)
    )
    for favourites in (["rock", "acid rock"], ["nothing known"], [], ["POP"]):
        np.testing.assert_array_equal(after.encode_listener(favourites), before.encode_listener(favourites))


def test_a_favourite_genre_gets_a_cluster_of_its_own() -> None:
    encoder = fit_genres(["rock", "hard rock", "soft rock", "jazz"], seed=1)
    wider = single_out(encoder, ["Soft  Rock", "soft rock", "jazz", "???"])
    assert wider.n_clusters == encoder.n_clusters + 2
    assert wider.cluster("soft rock") == encoder.n_clusters, "the commonest comes first"
    assert wider.cluster("jazz") == encoder.n_clusters + 1
    assert wider.cluster("hard rock") == encoder.cluster("hard rock")
    assert single_out(encoder, []) is encoder

"""Genre names go to the cluster where scikit-learn would put them, and equally near ones to the first."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from models.features import GenreEncoder
from models.features.genre_tfidf import fit_genres, single_out

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
    for name, to_each in zip(unseen, distances, strict=True):
        # Several centres may be as near: a matrix product's last digits are the processor's.
        assert many_genres.cluster(name) in np.flatnonzero(to_each <= to_each.min() + 1e-9)


def test_of_equally_near_clusters_the_first_is_taken_whatever_the_last_digits() -> None:
    around = np.array([[0.0, 2.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    for last_digits in (-1e-15, 0.0, 1e-15):
        centroids = around + np.array([0.0, last_digits, 0.0, -last_digits])[:, None]
        encoder = GenreEncoder({}, ("pop",), np.ones(1), np.ones(1), np.zeros((2, 1)), centroids)
        assert encoder.nearest("pop") == encoder.cluster("POP!") == 1


def test_the_number_of_threads_does_not_show_in_what_is_fitted() -> None:
    names = [f"style{number % 60} mood{number // 60} scene{number % 97}" for number in range(1500)]
    fitted = []
    for n_threads in (1, 4):
        with threadpool_limits(n_threads):
            fitted.append(fit_genres(names, seed=0))
    assert fitted[0].cluster_of == fitted[1].cluster_of
    np.testing.assert_array_equal(fitted[0].centroids, fitted[1].centroids)
    np.testing.assert_array_equal(fitted[0].components, fitted[1].components)


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


def test_a_favourite_genre_gets_a_cluster_of_its_own() -> None:
    encoder = fit_genres(["rock", "hard rock", "soft rock", "jazz"], seed=1)
    wider = single_out(encoder, ["Soft  Rock", "soft rock", "jazz", "???"])
    assert wider.n_clusters == encoder.n_clusters + 2
    assert wider.cluster("soft rock") == encoder.n_clusters, "the commonest comes first"
    assert wider.cluster("jazz") == encoder.n_clusters + 1
    assert wider.cluster("hard rock") == encoder.cluster("hard rock")
    assert single_out(encoder, []) is encoder

"""Fits the feature encoders with scikit-learn; only training needs this module."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from models.features.genres import TERM_PATTERN, GenreEncoder, normalise
from models.features.inputs import InputEncoder, raw_audio, raw_listener, raw_tracks
from models.features.scores import fit_normal_scores
from models.features.weights import BlockWeights

N_COMPONENTS = 50
N_CLUSTERS = 200
N_SINGLE = 300


def fit_genres(names: Iterable[str], *, seed: int) -> GenreEncoder:
    """Fits TF-IDF, PCA and KMeans on the words of the genre names.

    Args:
        names: Genre names that may be known before training, repeated or not: names are no outcomes.
        seed: Random state of PCA and KMeans.

    Returns:
        An encoder of at most 200 clusters over at most 50 components; fewer where the names are fewer.
    """
    vocabulary = sorted({normalise(name) for name in names} - {""})
    try:
        vectoriser = TfidfVectorizer(token_pattern=TERM_PATTERN)
        vectors = vectoriser.fit_transform(vocabulary).toarray()  # (n_names, n_terms)
    except ValueError:  # No name at all, or none with a word in it.
        return _without_words(vocabulary)
    terms = tuple(vectoriser.get_feature_names_out().tolist())
    if len(np.unique(vectors, axis=0)) == 1:  # Nothing to tell apart: PCA has no variance to work on.
        mean, components = vectors[0], np.zeros((1, len(terms)))
        centroids, labels = np.zeros((1, 1)), np.zeros(len(vocabulary), dtype=np.int64)
    else:
        pca = PCA(min(N_COMPONENTS, *vectors.shape), random_state=seed)
        points = pca.fit_transform(vectors)  # (n_names, n_components)
        mean, components = pca.mean_, pca.components_
        centroids, labels = _cluster(points, seed)
    cluster_of = {name: int(label) for name, label in zip(vocabulary, labels, strict=True)}
    return GenreEncoder(cluster_of, terms, vectoriser.idf_, mean, components, centroids)


def _cluster(points: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the centroids and each point's cluster; no more clusters than points that differ."""
    # Rounding first: PCA leaves equal vectors apart by the last bits.
    n_distinct = len(np.unique(points.round(9), axis=0))
    fitted = KMeans(min(N_CLUSTERS, n_distinct), random_state=seed).fit(points)
    return fitted.cluster_centers_, fitted.labels_


def _without_words(vocabulary: Sequence[str]) -> GenreEncoder:
    """Returns an encoder for names without words: all of them share one cluster, other names have none."""
    cluster_of = dict.fromkeys(vocabulary, 0)
    return GenreEncoder(cluster_of, (), np.zeros(0), np.zeros(0), np.zeros((1, 0)), np.zeros((1, 1)))


def single_out(encoder: GenreEncoder, names: Iterable[str]) -> GenreEncoder:
    """Gives the commonest of some genre names a cluster of their own, after the clusters that there are.

    KMeans puts genres that share no word with many others into one large cluster, and listeners whose
    favourites fall there could not be told apart.

    Args:
        encoder: Fitted encoder.
        names: Favourite genres of the training part's listeners, each as often as it counts.

    Returns:
        The encoder with at most 300 clusters more; unknown names may go to one of them if it is nearer.
    """
    counts = Counter(normalise(name) for name in names)
    # By name where they are as common, so that the order of the plays has no say.
    commonest = sorted(counts, key=lambda name: (-counts[name], name))[:N_SINGLE]
    placed = [(name, point) for name in commonest if (point := encoder.point(name)) is not None]
    if not placed:
        return encoder
    first = encoder.n_clusters
    own = {name: first + number for number, (name, _) in enumerate(placed)}
    centroids = np.vstack([encoder.centroids, *(point for _, point in placed)])
    return replace(encoder, cluster_of={**encoder.cluster_of, **own}, centroids=centroids)


def fit_inputs(
    genres: GenreEncoder, audio: tuple[str, ...], tracks: pd.DataFrame, plays: pd.DataFrame
) -> InputEncoder:
    """Fits the standardisation of every input on the training part.

    Args:
        genres: Fitted genre encoder.
        audio: Track columns to use.
        tracks: The catalogue's row of each play's track, in the plays' order.
        plays: Plays of the training part: `favourite_genres`.

    Returns:
        The encoder of a network's inputs.
    """
    listeners = [raw_listener(genres, favourites) for favourites in plays["favourite_genres"]]
    raw = np.hstack([raw_tracks(genres, audio, tracks), np.vstack(listeners)])
    # A column of nothing but NaN has no mean; any will do, as its values encode to 0 anyway.
    raw[:, np.isnan(raw).all(axis=0)] = 0
    scaler = StandardScaler().fit(raw)
    return InputEncoder(genres, audio, scaler.mean_, scaler.scale_)


def fit_weighted_inputs(
    genres: GenreEncoder, audio: tuple[str, ...], tracks: pd.DataFrame, weights: BlockWeights
) -> InputEncoder:
    """Fits inputs that are weighted by block instead of standardised one by one.

    Standardising makes a genre that one play in a thousand has thirty times as large as a common one, and a
    network learns such plays by heart. Audio attributes go through their quantiles instead.

    Args:
        genres: Fitted genre encoder.
        audio: Track columns to use.
        tracks: The catalogue's row of each play's track of the training part.
        weights: Size of each block.

    Returns:
        The encoder of a network's inputs, without context.
    """
    # The audio alone: laid out for every play, the clusters would be the widest matrix of the whole run.
    values = raw_audio(audio, tracks)
    scale = np.repeat(
        [1 / weights.track_genres, 1 / weights.audio if audio else 1.0, 1 / weights.listener_genres],
        [genres.n_clusters, len(audio), genres.n_clusters],
    )
    return InputEncoder(genres, audio, np.zeros(len(scale)), scale, fit_normal_scores(values))

"""Genre names to clusters: TF-IDF over their words, PCA, the nearest of KMeans' centres.

Only the fitting needs scikit-learn, and loads it: a server applies what was fitted with NumPy alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_N_COMPONENTS = 50
_N_CLUSTERS = 200
_N_SINGLE = 300
# Centres whose squared distances differ by less are equally near: the last digits are the processor's.
_TIE = 1e-9
# scikit-learn's default for TfidfVectorizer: words of two or more characters.
_TERM_PATTERN = r"(?u)\b\w\w+\b"
_TERM = re.compile(_TERM_PATTERN)


def normalise(genre: str) -> str:
    """Returns the genre name in lower case with single spaces, so that spelling does not split a genre."""
    return " ".join(genre.lower().split())


@dataclass(frozen=True, eq=False)
class GenreEncoder:
    """Maps a genre name to its cluster: TF-IDF over its words, PCA, nearest centroid.

    Attributes:
        cluster_of: Cluster of every genre known at training, by normalised name.
        terms: Words of the TF-IDF vocabulary; a word's position is its column.
        idf: Inverse document frequencies, (n_terms,).
        mean: Mean TF-IDF vector, (n_terms,).
        components: Principal axes, (n_components, n_terms).
        centroids: Cluster centres among the principal axes, (n_clusters, n_components).
    """

    cluster_of: Mapping[str, int]
    terms: tuple[str, ...]
    idf: NDArray[np.float64]
    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    centroids: NDArray[np.float64]

    @property
    def n_clusters(self) -> int:
        """Returns the number of clusters, which is the number of inputs that a set of genres makes."""
        return len(self.centroids)

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {term: column for column, term in enumerate(self.terms)}

    def cluster(self, genre: str) -> int | None:
        """Returns the genre's cluster; None for a name that shares no word with the vocabulary."""
        known = self.cluster_of.get(genre)  # most names are written as they are kept
        if known is None:
            name = normalise(genre)
            known = self.cluster_of.get(name)
            return self.nearest(name) if known is None else known
        return known

    def clusters(self, genres: Iterable[str]) -> list[int]:
        """Returns the clusters of a set of genres, rising, each once."""
        found = {self.cluster(genre) for genre in genres}
        return sorted(cluster for cluster in found if cluster is not None)

    def meaningful(self, genres: Iterable[str]) -> set[str]:
        """Returns the normalised names of the genres that are known or share a word with the vocabulary."""
        names = {normalise(genre) for genre in genres}
        return {name for name in names if name in self.cluster_of or self._has_word(name)}

    def _has_word(self, name: str) -> bool:
        return any(term in self._column_of for term in _TERM.findall(name))

    def nearest(self, genre: str) -> int | None:
        """Returns the cluster whose centre is nearest to a name, the first of equally near ones.

        None when the name shares no word with the vocabulary.
        """
        point = self.point(genre)
        if point is None:
            return None
        distances = np.square(self.centroids - point).sum(axis=1)  # (n_clusters,)
        return int(np.argmax(distances <= distances.min() + _TIE))

    def point(self, genre: str) -> NDArray[np.float64] | None:
        """Returns a name's place among the principal axes, (n_components,); None when it shares no word."""
        counts = np.zeros(len(self.terms))  # (n_terms,)
        for term in _TERM.findall(genre.lower()):
            column = self._column_of.get(term)
            if column is not None:
                counts[column] += 1
        weighted = counts * self.idf
        length = float(np.linalg.norm(weighted))
        if length == 0:
            return None
        place: NDArray[np.float64] = self.components @ (weighted / length - self.mean)
        return place


def fit_genres(names: Iterable[str], *, seed: int) -> GenreEncoder:
    """Fits TF-IDF, PCA and KMeans on the words of the genre names.

    There are at most 200 clusters over at most 50 components; fewer where the names are fewer.

    Args:
        names: Genre names that may be known before training, repeated or not: names are no outcomes.
        seed: Random state of PCA and KMeans.
    """
    from sklearn.decomposition import PCA
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    vocabulary = sorted({normalise(name) for name in names} - {""})
    try:
        vectoriser = TfidfVectorizer(token_pattern=_TERM_PATTERN)
        vectors = vectoriser.fit_transform(vocabulary).toarray()  # (n_names, n_terms)
    except ValueError:  # No name at all, or none with a word in it.
        return _without_words(vocabulary)
    terms = tuple(vectoriser.get_feature_names_out().tolist())
    if len(np.unique(vectors, axis=0)) == 1:  # Nothing to tell apart: PCA has no variance to work on.
        mean, components = vectors[0], np.zeros((1, len(terms)))
        centroids, labels = np.zeros((1, 1)), np.zeros(len(vocabulary), dtype=np.int64)
    else:
        # One thread: several add up in another order, and a model's bytes would be those of its machine.
        with threadpool_limits(1):
            pca = PCA(min(_N_COMPONENTS, *vectors.shape), random_state=seed)
            points = pca.fit_transform(vectors)  # (n_names, n_components)
            mean, components = pca.mean_, pca.components_
            centroids, labels = _cluster(points, seed)
    cluster_of = {name: int(label) for name, label in zip(vocabulary, labels, strict=True)}
    return GenreEncoder(cluster_of, terms, vectoriser.idf_, mean, components, centroids)


def _cluster(points: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the centroids and each point's cluster; no more clusters than points that differ."""
    from sklearn.cluster import KMeans

    # Rounding first: PCA leaves equal vectors apart by the last bits.
    n_distinct = len(np.unique(points.round(9), axis=0))
    fitted = KMeans(min(_N_CLUSTERS, n_distinct), random_state=seed).fit(points)
    return fitted.cluster_centers_, fitted.labels_


def _without_words(vocabulary: Sequence[str]) -> GenreEncoder:
    """Returns an encoder for names without words: all of them share one cluster, other names have none."""
    cluster_of = dict.fromkeys(vocabulary, 0)
    return GenreEncoder(cluster_of, (), np.zeros(0), np.zeros(0), np.zeros((1, 0)), np.zeros((1, 1)))


def single_out(encoder: GenreEncoder, names: Iterable[str]) -> GenreEncoder:
    """Returns the encoder with a cluster more for each of the commonest of some genre names.

    KMeans puts genres that share no word with many others into one large cluster, and listeners whose
    favourites fall there could not be told apart.

    Args:
        encoder: Fitted encoder; at most 300 clusters are added, to which unknown names may go as well.
        names: Favourite genres of the training part's listeners, each as often as it counts.
    """
    counts = Counter(normalise(name) for name in names)
    # By name where they are as common, so that the order of the plays does not count.
    commonest = sorted(counts, key=lambda name: (-counts[name], name))[:_N_SINGLE]
    placed = [(name, point) for name in commonest if (point := encoder.point(name)) is not None]
    if not placed:
        return encoder
    first = encoder.n_clusters
    own = {name: first + number for number, (name, _) in enumerate(placed)}
    centroids = np.vstack([encoder.centroids, *(point for _, point in placed)])
    return replace(encoder, cluster_of={**encoder.cluster_of, **own}, centroids=centroids)

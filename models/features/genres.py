"""Genre names to clusters, without scikit-learn: what serving needs of the fitted encoder."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# scikit-learn's default for TfidfVectorizer: words of two or more characters.
TERM_PATTERN = r"(?u)\b\w\w+\b"
_TERM = re.compile(TERM_PATTERN)


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

    def nearest(self, genre: str) -> int | None:
        """Returns the cluster whose centre is nearest to a name; None when it shares no word."""
        point = self.point(genre)
        return None if point is None else int(np.argmin(np.square(self.centroids - point).sum(axis=1)))

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

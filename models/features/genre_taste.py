"""What favourite genres tell of a listener whom nobody has seen.

A genre has a place: where its words point, and how the tracks sound that carry it. A listener's place is
the mean of the favourites', drawn to nowhere as if one genre that says nothing were among them. Two things
follow from it: a leaning to hear out or to skip, and a liking for tracks that are near. Both are linear in
the place: every genre with a known word counts, and however many there are, they count for no more than one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.features.genre_tfidf import GenreEncoder, normalise

# Tracks of average sound that a genre's are shrunk by, so that a genre of one track says little.
_PRIOR_TRACKS = 5.0


@dataclass(frozen=True, eq=False)
class GenrePlaces:
    """Where genres, listeners and tracks are: on the axes of the words first, then on the audio attributes'.

    Attributes:
        genres: Knows the words.
        sounds: Mean audio attributes on unit scale of the tracks of each genre known at training, in the
            order of `genres.cluster_of`, (n_genres, n_audio).
    """

    genres: GenreEncoder
    sounds: NDArray[np.float64]

    @property
    def n_words(self) -> int:
        """Returns how many of the axes are the words'."""
        return len(self.genres.components)

    @property
    def n_axes(self) -> int:
        """Returns the number of axes."""
        return self.n_words + int(self.sounds.shape[1])

    def of_genres(self, names: Iterable[str]) -> NDArray[np.float64]:
        """Returns the place of a set of genres, (n_axes,): 0 where no name means anything."""
        distinct = sorted({normalise(name) for name in names})
        found = [place for place in map(self._of_genre, distinct) if place is not None]
        place: NDArray[np.float64] = sum(found, np.zeros(self.n_axes)) / (len(found) + 1)
        return place

    def _of_genre(self, name: str) -> NDArray[np.float64] | None:
        """Returns the place of one genre; None for a name that shares no word with the vocabulary."""
        known = self._known.get(name)
        return self._words(name, np.zeros(self.sounds.shape[1])) if known is None else known

    @cached_property
    def _known(self) -> dict[str, NDArray[np.float64]]:
        """Returns the places of the genres known at training: a catalogue needs each many times."""
        places = map(self._words, self.genres.cluster_of, self.sounds)
        known = zip(self.genres.cluster_of, places, strict=True)
        return {name: place for name, place in known if place is not None}

    def _words(self, name: str, sound: NDArray[np.float64]) -> NDArray[np.float64] | None:
        point = self.genres.point(name)
        if point is None and not sound.any():
            return None
        if point is None:  # "r&b" has no word, but it has tracks
            point = np.zeros(self.n_words)
        return np.concatenate((point / max(float(np.linalg.norm(point)), 1e-9), sound))

    def of_tracks(
        self,
        genres: Iterable[Iterable[str]],
        audio: NDArray[np.float64],
        place_of: dict[tuple[str, ...], NDArray[np.float64]] | None = None,
    ) -> NDArray[np.float32]:
        """Returns the places of tracks, (n_tracks, n_axes).

        Args:
            genres: Genres of each track's artist.
            audio: Audio attributes on unit scale, 0 where unknown, (n_tracks, n_audio).
            place_of: What was found of sets of genres before, and is added to: an artist has many tracks.
        """
        place_of = {} if place_of is None else place_of
        places = np.empty((len(audio), self.n_axes), dtype=np.float32)
        for row, names in enumerate(map(tuple, genres)):
            if names not in place_of:
                place_of[names] = self.of_genres(names)[: self.n_words]
            places[row, : self.n_words] = place_of[names]
        places[:, self.n_words :] = audio
        return places


@dataclass(frozen=True, eq=False)
class GenreTaste:
    """Turns places into what is added to the log odds of playing through.

    Attributes:
        places: Where genres are.
        leaning: What a listener's place adds, (n_axes,).
        affinity: What nearness of listener and track adds on each axis, (n_axes,).
    """

    places: GenrePlaces
    leaning: NDArray[np.float64]
    affinity: NDArray[np.float64]


def fit_places(
    genres: GenreEncoder, track_genres: Iterable[Iterable[str]], audio: NDArray[np.float64]
) -> GenrePlaces:
    """Returns the places of a catalogue's genres.

    Args:
        genres: Fitted genre encoder.
        track_genres: Genres of each track's artist.
        audio: Audio attributes on unit scale, 0 where unknown, (n_tracks, n_audio).
    """
    row_of = {name: row for row, name in enumerate(genres.cluster_of)}
    totals, counts = np.zeros((len(row_of), audio.shape[1])), np.full(len(row_of), _PRIOR_TRACKS)
    for names, sound in zip(track_genres, audio, strict=True):
        rows = [row_of[name] for name in {normalise(name) for name in names} if name in row_of]
        totals[rows] += sound
        counts[rows] += 1
    return GenrePlaces(genres, totals / counts[:, None])

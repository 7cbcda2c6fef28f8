"""Plays to examples: their tracks, listeners and contexts encoded, as they were and before other tracks."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from data import Catalogue
from models.features import InputEncoder, TrackViews, track_views
from trainer.contexts import RecordedContexts
from trainer.examples import Examples

# Features of a few hundred plays at a time fit into a core's cache.
_PLAYS_AT_ONCE = 256
# How often a history stays whole and how often it is dropped, where it is cut at random. Otherwise every
# length is tried, short ones as often as long ones on a logarithmic scale.
_WHOLE, _DROPPED = 0.4, 0.1


@dataclass(frozen=True, eq=False)
class PlayEncoder:
    """Encodes plays as examples on the device.

    Attributes:
        encoder: Fitted encoder.
        catalogue: Has every track of the plays.
        contexts: What was known before each of all plays.
        plays: The plays to encode; their index is their position among all plays.
        device: Where the training runs.
    """

    encoder: InputEncoder
    catalogue: Catalogue
    contexts: RecordedContexts
    plays: pd.DataFrame
    device: torch.device

    def encode(self, *, seed: int) -> Examples:
        """Returns the plays; histories are cut by the seed."""
        # A copy: the column itself is read-only.
        rows: NDArray[np.int64] = np.array(self.plays["track_id"].map(self.catalogue.row_of), dtype=np.int64)
        row_of_set: dict[tuple[str, ...], int] = {}
        favourites = self.plays["favourite_genres"]
        sets = [row_of_set.setdefault(tuple(genres), len(row_of_set)) for genres in favourites]
        arrays = (
            self.encoder.encode_tracks(self.catalogue.tracks),
            np.vstack([self.encoder.encode_listener(genres) for genres in row_of_set]),
            *self._blocks(rows, np.random.default_rng(seed)),
            self._genre_shares(),
            rows,
            np.array(sets, dtype=np.int64),
            (~self.plays["skipped"].to_numpy(dtype=bool)).astype(np.int64),
        )
        return Examples(*(torch.from_numpy(array).to(self.device) for array in arrays))

    def imagine(self, examples: Examples, *, copies: int, seed: int) -> list[Examples]:
        """Returns each play some more times, before tracks of other plays; what becomes of those is unknown.

        Args:
            examples: What `encode` returned.
            copies: How many times.
            seed: Seed of the choice of tracks, and of how the histories are cut.
        """
        random = np.random.default_rng(seed)
        track_of = examples.track_of.cpu().numpy()
        imagined = []
        for _ in range(copies):
            rows = track_of[random.permutation(len(track_of))]
            moved = (torch.from_numpy(array).to(self.device) for array in (*self._blocks(rows, random), rows))
            names = ("context", "cut_context", "track_of")
            imagined.append(replace(examples, **dict(zip(names, moved, strict=True))))
        return imagined

    def _blocks(
        self, tracks: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns the context of the plays before some tracks, whole and cut, each (n_plays, n_context)."""
        width = self.encoder.n_context_inputs
        whole, cut = (np.zeros((len(tracks), width), dtype=np.float32) for _ in range(2))
        encoder = self.encoder.context
        if encoder is None:
            return whole, cut
        for start in range(0, len(tracks), _PLAYS_AT_ONCE):
            some = slice(start, start + _PLAYS_AT_ONCE)
            positions = self._positions[some]
            histories, situations = self.contexts.histories(positions), self.contexts.situations(positions)
            shorter = histories.latest(_cut(histories.n_plays, random))
            candidates = tracks[some][:, None]
            whole[some] = encoder.encode_many(self._views, candidates, histories, situations)[:, 0]
            cut[some] = encoder.encode_many(self._views, candidates, shorter, situations)[:, 0]
        return whole, cut

    def _genre_shares(self) -> NDArray[np.float32]:
        if self.encoder.context is None:
            return np.ones(len(self.plays), dtype=np.float32)
        n_known = self.contexts.n_known(self._positions)
        return self.encoder.context.genre_share(n_known).astype(np.float32)

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        return self.plays.index.to_numpy(dtype=np.int64)

    @cached_property
    def _views(self) -> TrackViews:
        return track_views(self.encoder, self.catalogue.tracks)


def _cut(n_plays: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Returns how many plays to leave of histories of some lengths, (n_histories,)."""
    kind = random.random(len(n_plays))
    length = np.floor(np.exp(random.random(len(n_plays)) * np.log1p(n_plays))).astype(np.int64)
    return np.where(kind < _WHOLE, n_plays, np.where(kind < _WHOLE + _DROPPED, 0, length))

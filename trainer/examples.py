"""A part of the plays as a network learns it: three small tables and, for each play, its rows in them.

A play costs two row numbers and its context's inputs; the wide track and listener inputs are kept once a
track and once a set of favourite genres, and put side by side batch by batch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from data import Catalogue
from data.before_play import known_plays
from models import ListenerContext, RecentPlay
from models.features import InputEncoder, track_views
from models.features.history import MAX_RECENT_PLAYS

_OF_PLAYS = ("context", "genre_share", "track_of", "listener_of", "classes")


@dataclass(frozen=True, eq=False)
class Examples:
    """Plays as inputs and classes, all on one device.

    Attributes:
        tracks: Track block of every track, (n_tracks, n_track_inputs).
        listeners: Listener block of every distinct set of favourite genres, (n_sets, n_clusters).
        context: Context block of every play, (n_plays, n_context_inputs), which may be 0 wide.
        genre_share: What its favourite genres count for beside its context, (n_plays,); see
            `ContextEncoder.genre_share`.
        track_of: Row in `tracks`, (n_plays,).
        listener_of: Row in `listeners`, (n_plays,).
        classes: 0 = skipped, 1 = played through, (n_plays,).
        targets: Probability of playing through to learn, (n_plays,) float32; None: what happened.
    """

    tracks: torch.Tensor
    listeners: torch.Tensor
    context: torch.Tensor
    genre_share: torch.Tensor
    track_of: torch.Tensor
    listener_of: torch.Tensor
    classes: torch.Tensor
    targets: torch.Tensor | None = None

    def __len__(self) -> int:
        """Returns the number of plays."""
        return len(self.classes)

    @property
    def n_inputs(self) -> int:
        """Returns the width of a play's inputs."""
        return self.tracks.shape[1] + self.listeners.shape[1] + self.context.shape[1]

    def inputs(
        self, plays: torch.Tensor, *, with_context: bool = True, whole_genres: bool = False
    ) -> torch.Tensor:
        """Returns the inputs of some plays, (n_batch, n_inputs).

        Args:
            plays: Their positions, (n_batch,).
            with_context: Whether to show the context, or the inputs that a client without any would get.
            whole_genres: Whether favourite genres count in full beside a context: for trees.
        """
        listeners, context = self.listeners[self.listener_of[plays]], self.context[plays]
        if not with_context:
            context = torch.zeros_like(context)
        elif not whole_genres:
            listeners = listeners * self.genre_share[plays, None]
        return torch.cat((self.tracks[self.track_of[plays]], listeners, context), dim=1)

    def dense_inputs(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns inputs as trees learn them, favourite genres counting in full, (n_rows, n_inputs)."""
        plays = torch.from_numpy(rows).to(self.classes.device)
        inputs: NDArray[np.float32] = self.inputs(plays, whole_genres=True).cpu().numpy()
        return inputs

    def part(self, rows: NDArray[np.int64]) -> "Examples":
        """Returns some of the plays; the tables are shared, not copied."""
        chosen = torch.from_numpy(rows).to(self.classes.device)
        targets = None if self.targets is None else self.targets[chosen]
        return replace(self, **{name: getattr(self, name)[chosen] for name in _OF_PLAYS}, targets=targets)

    def joined(self, others: "list[Examples]", targets: torch.Tensor) -> "Examples":
        """Returns these plays and others over the same tables, with targets for all of them."""
        columns = {name: torch.cat([getattr(part, name) for part in (self, *others)]) for name in _OF_PLAYS}
        return replace(self, **columns, targets=targets)

    def varying(self) -> NDArray[np.bool_]:
        """Returns which inputs differ among the plays, (n_inputs,): the others can teach nothing.

        All of them where none does: a network needs inputs, even to learn no more than the outcomes' rate.
        """
        tables = (
            self.tracks[_distinct(self.track_of)],
            self.listeners[_distinct(self.listener_of)],
            self.context,
        )
        found = [(table.amax(dim=0) > table.amin(dim=0)).cpu().numpy() for table in tables if table.shape[1]]
        varies = np.concatenate(found)
        return varies if varies.any() else np.ones_like(varies)


def _distinct(rows: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.unique(rows.cpu().numpy())).to(rows.device)


def contexts_at(plays: pd.DataFrame, rows: NDArray[np.int64]) -> Iterator[ListenerContext]:
    """Yields the listener's plays that had ended when a play started, and its situation, for some plays.

    Args:
        plays: All plays, in time order: what happened before a play is known whatever its part.
        rows: Positions of the wanted ones.
    """
    known = known_plays(plays)
    outcomes = plays[["track_id", "skipped"]].iloc[known.rows].itertuples(index=False)
    ended = [RecentPlay(track_id, bool(skipped)) for track_id, skipped in outcomes]
    situations = plays[["premium", "advertisement_before", "position"]].iloc[rows].itertuples(index=False)
    for row, (premium, advertisement, position) in zip(rows.tolist(), situations, strict=True):
        recent = tuple(ended[known.span(row, MAX_RECENT_PLAYS)])
        yield ListenerContext(bool(premium), recent, bool(advertisement), int(position))


def make_examples(
    encoder: InputEncoder,
    catalogue: Catalogue,
    plays: pd.DataFrame,
    contexts: Iterable[ListenerContext],
    device: torch.device,
) -> Examples:
    """Encodes plays and moves them to the device, once.

    Args:
        encoder: Fitted encoder.
        catalogue: Has every track of the plays.
        plays: Plays of any part.
        contexts: Context of each play, in the same order; not read without need.
        device: Where the training runs.
    """
    rows = np.array(plays["track_id"].map(catalogue.row_of), dtype=np.int64)
    row_of_set: dict[tuple[str, ...], int] = {}
    sets = [row_of_set.setdefault(tuple(genres), len(row_of_set)) for genres in plays["favourite_genres"]]
    arrays = (
        encoder.encode_tracks(catalogue.tracks),
        np.vstack([encoder.encode_listener(genres) for genres in row_of_set]),
        *context_block(encoder, catalogue, rows, contexts),
        rows,
        np.array(sets, dtype=np.int64),
        (~plays["skipped"].to_numpy(dtype=bool)).astype(np.int64),
    )
    return Examples(*(torch.from_numpy(array).to(device) for array in arrays))


def context_block(
    encoder: InputEncoder, catalogue: Catalogue, rows: NDArray[np.int64], contexts: Iterable[ListenerContext]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the context inputs of plays of the tracks in `rows`, (n_plays, n_context_inputs).

    Beside them what the plays' favourite genres count for, (n_plays,).
    """
    block = np.zeros((len(rows), encoder.n_context_inputs), dtype=np.float32)
    shares = np.ones(len(rows), dtype=np.float32)
    if encoder.context is None:
        return block, shares
    views = track_views(encoder, catalogue.tracks)
    for number, context in enumerate(contexts):
        candidate = rows[number : number + 1]
        block[number] = encoder.context.encode(views, candidate, catalogue.row_of, context)[0]
        shares[number] = encoder.context.genre_share(context)
    return block, shares

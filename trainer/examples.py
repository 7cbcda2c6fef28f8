"""A part of the plays as a network learns it: three small tables and, for each play, its rows in them.

A play costs two row numbers and its context's inputs; the wide track and listener inputs are kept once a
track and once a set of favourite genres, and put side by side batch by batch.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np
import torch
from numpy.typing import NDArray

_OF_PLAYS = ("context", "cut_context", "genre_share", "track_of", "listener_of", "classes")


class View(Enum):
    """How much of a play a network is shown."""

    KNOWN = auto()
    """A listener that was trained on: favourite genres, fading beside the context, and the context."""
    KNOWN_TO_TREES = auto()
    """The same, favourite genres in full."""
    BARE = auto()
    """A listener that was trained on, whose client sends no context."""
    STRANGER = auto()
    """A listener whose favourite genres are none of those trained on, and the context."""
    NEWCOMER = auto()
    """The same with the listener's history cut short at random."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Plays as inputs and classes, all on one device.

    Attributes:
        tracks: Track block of every track, (n_tracks, n_track_inputs).
        listeners: Listener block of every distinct set of favourite genres, (n_sets, n_clusters).
        context: Context block of every play, (n_plays, n_context_inputs), which may be 0 wide.
        cut_context: The same with a history that was cut short at random.
        genre_share: What its favourite genres count for beside its context, (n_plays,); see
            `ContextEncoder.genre_share`.
        track_of: Row in `tracks`, (n_plays,).
        listener_of: Row in `listeners`, (n_plays,).
        classes: 0 = skipped, 1 = played through, (n_plays,).
        targets: Probability of playing through to learn of a listener that is known, and of a stranger,
            (n_plays, 2) float32; None: what happened.
    """

    tracks: torch.Tensor
    listeners: torch.Tensor
    context: torch.Tensor
    cut_context: torch.Tensor
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

    @property
    def has_context(self) -> bool:
        """Returns whether there is a context block."""
        return self.context.shape[1] > 0

    def inputs(self, plays: torch.Tensor, view: View) -> torch.Tensor:
        """Returns the inputs of some plays, (n_batch, n_inputs).

        Args:
            plays: Their positions, (n_batch,).
            view: How much of them to show.
        """
        listeners = self.listeners[self.listener_of[plays]]
        context = (self.cut_context if view is View.NEWCOMER else self.context)[plays]
        if view in (View.STRANGER, View.NEWCOMER):
            listeners = torch.zeros_like(listeners)
        elif view is View.KNOWN:
            listeners = listeners * self.genre_share[plays, None]
        elif view is View.BARE:
            context = torch.zeros_like(context)
        return torch.cat((self.tracks[self.track_of[plays]], listeners, context), dim=1)

    def dense_inputs(self, rows: NDArray[np.int64], view: View) -> NDArray[np.float32]:
        """Returns inputs as trees learn them, (n_rows, n_inputs)."""
        plays = torch.from_numpy(rows).to(self.classes.device)
        inputs: NDArray[np.float32] = self.inputs(plays, view).cpu().numpy()
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

    def narrowed(self, varies: NDArray[np.bool_]) -> "Examples":
        """Returns the plays with the inputs that vary alone, (n_inputs,): batches are put together faster."""
        ends = np.cumsum([self.tracks.shape[1], self.listeners.shape[1]])
        chosen = [torch.from_numpy(part).to(self.classes.device) for part in np.split(varies, ends)]
        return replace(
            self,
            tracks=self.tracks[:, chosen[0]],
            listeners=self.listeners[:, chosen[1]],
            context=self.context[:, chosen[2]],
            cut_context=self.cut_context[:, chosen[2]],
        )

    def varying(self) -> NDArray[np.bool_]:
        """Returns which inputs differ among the plays, (n_inputs,): the others can teach nothing.

        A favourite genre that all plays share tells them from a stranger's. All inputs where none differs: a
        network needs inputs, even to learn no more than the outcomes' rate.
        """
        strangers = torch.zeros_like(self.listeners[:1])
        tables = (
            self.tracks[_distinct(self.track_of)],
            torch.cat((self.listeners[_distinct(self.listener_of)], strangers)),
            torch.cat((self.context, self.cut_context)),
        )
        found = [(table.amax(dim=0) > table.amin(dim=0)).cpu().numpy() for table in tables if table.shape[1]]
        varies = np.concatenate(found)
        return varies if varies.any() else np.ones_like(varies)


def _distinct(rows: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.unique(rows.cpu().numpy())).to(rows.device)

"""The first linear layer over a catalogue, split so that a request adds what was computed before it came."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from data import Catalogue
from models.artifact import Layer
from models.context import ListenerContext
from models.features import InputEncoder
from models.features.track_views import TrackViews, empty_views, fill_views

_LISTENERS_KEPT = 4096

YieldControl = Callable[[], object]
"""Called after every chunk of a long computation, to let other work go on."""


def no_op() -> None:
    """Does nothing."""


class FirstLayer:
    """Adds a track's part, a listener's part and a context's part; safe to share between threads.

    The tracks' parts are computed once, the listeners' parts are kept for those seen last. Each row carries
    a 1 behind its values, as `ForwardPass` wants it.

    Attributes:
        uses_context: Whether the sums depend on the listener's context.
        track_parts: What every track adds, its bias, and a 1, (n_tracks, n_first + 1).
        listener_part: Returns what a listener's favourite genres add, and a 0, (n_first + 1,).
    """

    def __init__(
        self, inputs: InputEncoder, layer: Layer, catalogue: Catalogue, yield_control: YieldControl = no_op
    ) -> None:
        """Computes the track parts of the whole catalogue; calls `yield_control` after every chunk of it."""
        weight, _ = layer
        n_without_context = inputs.n_inputs - inputs.n_context_inputs
        self.uses_context = inputs.context is not None
        self.track_parts, self._track_views = _of_tracks(inputs, layer, catalogue, yield_control)
        listener_weight = np.ascontiguousarray(weight[:, inputs.n_track_inputs : n_without_context])
        # Of a method of this object it would be a reference cycle: a replaced model would stay in memory.
        self.listener_part: Callable[[tuple[str, ...]], NDArray[np.float32]] = lru_cache(_LISTENERS_KEPT)(
            partial(_listener_part, inputs, listener_weight)
        )
        self._context = inputs.context
        # The last column adds nothing to the 1 that `ForwardPass` wants at a row's end.
        context_weight = weight[:, n_without_context:].T
        self._context_weight = np.pad(context_weight, ((0, 0), (0, 1)))  # (n_context, n_first + 1)
        self._row_of = catalogue.row_of

    def one(
        self, row: int, favourite_genres: tuple[str, ...], context: ListenerContext | None
    ) -> NDArray[np.float32]:
        """Returns the sums and a 1 of one track, (n_first + 1,), for one use."""
        if context is None or self._context is None:
            sums: NDArray[np.float32] = self.track_parts[row] + self.listener_part(favourite_genres)
            return sums
        return self.of(np.array([row]), favourite_genres, context)[0]  # type: ignore[no-any-return]

    def of(
        self, rows: NDArray[np.int64], favourite_genres: tuple[str, ...], context: ListenerContext | None
    ) -> NDArray[np.float32]:
        """Returns the sums and a 1 of several tracks, (n, n_first + 1), for one use."""
        sums = self.track_parts[rows]  # a copy
        listener_part = self.listener_part(favourite_genres)
        if context is not None and self._context is not None and self._track_views is not None:
            block = self._context.encode(self._track_views, rows, self._row_of, context)  # (n, n_context)
            sums += block @ self._context_weight
            listener_part = listener_part * np.float32(self._context.genre_share(context))
        sums += listener_part
        return sums


def _of_tracks(
    inputs: InputEncoder, layer: Layer, catalogue: Catalogue, yield_control: YieldControl
) -> tuple[NDArray[np.float32], TrackViews | None]:
    """Returns the track parts, and what a context's features need of the tracks where there is a context."""
    weight, bias = layer
    track_weight = weight[:, : inputs.n_track_inputs].T  # (n_track_inputs, n_first)
    parts = np.ones((len(catalogue.tracks), len(bias) + 1), dtype=np.float32)
    views = None if inputs.context is None else empty_views(inputs, len(parts))
    for some, rows in inputs.chunks(catalogue.tracks):
        parts[some, :-1] = inputs.track_block(rows) @ track_weight + bias
        if views is not None:
            fill_views(views, some, inputs, rows)
        yield_control()
    return parts, views


def _listener_part(
    inputs: InputEncoder, weight: NDArray[np.float32], favourite_genres: tuple[str, ...]
) -> NDArray[np.float32]:
    return np.append(weight @ inputs.encode_listener(favourite_genres), np.float32(0))  # (n_first + 1,)

"""The first linear layer over a catalogue, split so that a request adds what was computed before it came."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data import Catalogue
from models.artifact import Layer
from models.context import ListenerContext
from models.features import InputEncoder
from models.features.track_views import TrackViews, empty_views, fill_views
from models.listener_cache import ListenerCache

# Of a loaded version: some 10,000 listeners with a few genres each, or 200 with all that a request can hold.
_LISTENERS_BYTES = 16 << 20

YieldControl = Callable[[], object]
"""Called after every chunk of a long computation, to let other work go on."""


def no_op() -> None:
    """Does nothing."""


@dataclass(frozen=True, eq=False, slots=True)
class ListenerPart:
    """What a listener's favourite genres add, whatever the track.

    Attributes:
        sums: To the first layer, and a 0, (n_first + 1,).
        leaning: To a stranger's log odds.
        direction: The same for each axis of a track's place, (n_axes,); None where the favourites were
            trained on: there is nothing to add.
    """

    sums: NDArray[np.float32]
    leaning: float = 0.0
    direction: NDArray[np.float32] | None = None

    def n_bytes(self) -> int:
        """Returns the size of the arrays."""
        return self.sums.nbytes + (0 if self.direction is None else self.direction.nbytes)


class FirstLayer:
    """Adds a track's part, a listener's part and a context's part; safe to share between threads.

    The tracks' parts are computed once, the listeners' parts are kept for those seen last. Each row carries
    a 1 behind its values, as `ForwardPass` wants it.

    Attributes:
        uses_context: Whether the sums depend on the listener's context.
        track_parts: What every track adds, its bias, and a 1, (n_tracks, n_first + 1).
        listener_part: Returns what a listener's favourite genres add.
    """

    def __init__(
        self, inputs: InputEncoder, layer: Layer, catalogue: Catalogue, yield_control: YieldControl = no_op
    ) -> None:
        """Computes the track parts of the whole catalogue; calls `yield_control` after every chunk of it."""
        weight, _ = layer
        n_without_context = inputs.n_inputs - inputs.n_context_inputs
        self.uses_context = inputs.context is not None
        self.track_parts, self._track_views, self._places = _of_tracks(
            inputs, layer, catalogue, yield_control
        )
        listener_weight = np.ascontiguousarray(weight[:, inputs.n_track_inputs : n_without_context])
        # Of a method of this object it would be a reference cycle: a replaced model would stay in memory.
        compute = partial(_listener_part, inputs, listener_weight)
        self.listener_part = ListenerCache(compute, ListenerPart.n_bytes, _LISTENERS_BYTES).get
        self._context = inputs.context
        # The last column adds nothing to the 1 that `ForwardPass` wants at a row's end.
        context_weight = weight[:, n_without_context:].T
        self._context_weight = np.pad(context_weight, ((0, 0), (0, 1)))  # (n_context, n_first + 1)
        self._row_of = catalogue.row_of

    def one(self, row: int, listener: ListenerPart, context: ListenerContext | None) -> NDArray[np.float32]:
        """Returns the sums and a 1 of one track, (n_first + 1,), for one use."""
        if context is None or self._context is None:
            sums: NDArray[np.float32] = self.track_parts[row] + listener.sums
            return sums
        return self.of(np.array([row]), listener, context)[0]  # type: ignore[no-any-return]

    def of(
        self, rows: NDArray[np.int64], listener: ListenerPart, context: ListenerContext | None
    ) -> NDArray[np.float32]:
        """Returns the sums and a 1 of several tracks, (n, n_first + 1), for one use."""
        sums = self.track_parts[rows]  # a copy
        listener_sums = listener.sums
        if context is not None and self._context is not None and self._track_views is not None:
            block = self._context.encode(self._track_views, rows, self._row_of, context)  # (n, n_context)
            sums += block @ self._context_weight
            n_plays = np.array(len(context.recent_plays))
            listener_sums = listener_sums * np.float32(self._context.genre_share(n_plays))
        sums += listener_sums
        return sums

    def shift_of(self, row: int, listener: ListenerPart, context: ListenerContext | None) -> float | None:
        """Returns what a stranger's genres add to the log odds of one track; None for a known listener."""
        if listener.direction is None:
            return None
        # `@` on two vectors takes twice as long.
        shift = listener.leaning + float(self._places[row].dot(listener.direction))
        return shift if context is None else shift * self._share(context)

    def shifts(
        self, rows: NDArray[np.int64] | slice, listener: ListenerPart, context: ListenerContext | None
    ) -> NDArray[np.float32] | None:
        """Returns the same of several tracks, (n,)."""
        if listener.direction is None:
            return None
        shifts: NDArray[np.float32] = self._places[rows] @ listener.direction + np.float32(listener.leaning)
        return shifts * np.float32(self._share(context))

    def _share(self, context: ListenerContext | None) -> float:
        """Returns what a stranger's genres count for beside recent plays, which tell the same better."""
        if context is None or self._context is None:
            return 1.0
        n_prior = self._context.settings.rate_prior_plays
        return n_prior / (n_prior + len(context.recent_plays))


def _of_tracks(
    inputs: InputEncoder, layer: Layer, catalogue: Catalogue, yield_control: YieldControl
) -> tuple[NDArray[np.float32], TrackViews | None, NDArray[np.float32]]:
    """Returns the track parts, what a context's features need of the tracks, and the tracks' places."""
    weight, bias = layer
    track_weight = weight[:, : inputs.n_track_inputs].T  # (n_track_inputs, n_first)
    parts = np.ones((len(catalogue.tracks), len(bias) + 1), dtype=np.float32)
    views = None if inputs.context is None else empty_views(inputs, len(parts))
    n_axes = 0 if inputs.taste is None else inputs.taste.places.n_axes
    places = np.empty((len(parts), n_axes), dtype=np.float32)
    place_of: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for some, rows in inputs.chunks(catalogue.tracks):
        parts[some, :-1] = inputs.track_block(rows) @ track_weight + bias
        if views is not None:
            fill_views(views, some, inputs, rows)
        if inputs.taste is not None:
            audio = np.nan_to_num(inputs.unit_scale(rows))
            places[some] = inputs.taste.places.of_tracks(
                catalogue.tracks["genres"].iloc[some], audio, place_of
            )
        yield_control()
    return parts, views, places


def _listener_part(
    inputs: InputEncoder, weight: NDArray[np.float32], favourite_genres: tuple[str, ...]
) -> ListenerPart:
    sums = np.append(weight @ inputs.encode_listener(favourite_genres), np.float32(0))  # (n_first + 1,)
    if inputs.knows(favourite_genres):
        return ListenerPart(sums)
    if inputs.taste is None:
        return ListenerPart(sums, 0.0, np.zeros(0, dtype=np.float32))  # as many axes as places have then
    place = inputs.taste.places.of_genres(favourite_genres)
    direction = (inputs.taste.affinity * place).astype(np.float32)
    return ListenerPart(sums, float(inputs.taste.leaning @ place), direction)
